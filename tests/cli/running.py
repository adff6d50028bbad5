"""The real command in a process of its own, stopped when the block ends."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Thread, Timer
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]


class Running(NamedTuple):
    process: "subprocess.Popen[str]"
    started: dict[str, Any]

    @property
    def url(self) -> str:
        return str(self.started["url"])

    def stop(self) -> int:
        """As an operator would; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)


@contextmanager
def running(*words: str, environment: Mapping[str, str] | None = None) -> Iterator[Running]:
    """`ropewalk WORDS --json --port 0`, from when it answers requests."""
    command = [sys.executable, "-m", "ropewalk", *words, "--json", "--port", "0"]
    env = {**os.environ, **(environment or {})}
    with subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, f"{command} stopped with {process.wait()}"
            yield Running(process, json.loads(line))
        finally:
            process.kill()


def load_until_killed(service: Running, call: Callable[[Running], None], *, callers: int, seconds: float) -> None:
    """Call a service from some threads, kill it in the middle, and wait until every caller has noticed."""
    threads = [Thread(target=call, args=(service,)) for _ in range(callers)]
    for thread in threads:
        thread.start()
    Timer(seconds, service.process.kill).start()
    for thread in threads:
        thread.join()
    service.process.wait()


def ropewalk(*words: str, given: str = "") -> "subprocess.CompletedProcess[str]":
    """One command, run to its end."""
    command = [sys.executable, "-m", "ropewalk", *words]
    return subprocess.run(command, cwd=ROOT, input=given, capture_output=True, text=True, check=False, timeout=60)


def asked(service: Running, *words: str, code: int = 0) -> list[Any]:
    """What a command prints as JSON, one object a line."""
    done = ropewalk(*words, "--url", service.url, "--json")
    assert done.returncode == code, done.stderr + done.stdout
    return [json.loads(line) for line in done.stdout.splitlines()]
