"""Single transfers over HTTP: `ropewalk up payments` in a process of its own, and wrk with 64 connections at it."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import msgspec

from benchmarks.books import Load, Mix
from benchmarks.debian import program
from benchmarks.measures import Measure, Result, Setting
from benchmarks.rows.disk import SMALL
from benchmarks.rows.postgresql import SINGLE as POSTGRESQL_SINGLE

_ROOT = Path(__file__).parents[2]
_SCRIPT = _ROOT / "benchmarks" / "transfers.lua"
_ACCOUNTS = 10_000
_CONNECTIONS = 64


class _Done(msgspec.Struct, frozen=True):
    """What wrk found in one round, as the script prints it."""

    requests: int
    microseconds: int
    failed: int
    p50_us: int
    p99_us: int

    @property
    def per_second(self) -> float:
        return self.requests / self.microseconds * 1e6


def run(setting: Setting) -> Result:
    """Measure transfers a second, and how long one takes."""
    with _service(setting.folder) as url:
        _open_accounts(url)
        client = _client(url, max(1, round(setting.scale.seconds)))
        rounds = [_round(client, setting, number) for number in range(1, setting.scale.rounds + 2)][1:]
    rate = median(each.per_second for each in rounds)
    return Result(
        [
            Measure(
                f"single transfers over HTTP, {_CONNECTIONS} connections",
                "transfers/s",
                rate,
                must=3_000,
                aim=8_000,
                against={POSTGRESQL_SINGLE: rate, SMALL: rate},
                details={
                    "p50_ms": median(each.p50_us for each in rounds) / 1e3,
                    "p99_ms": median(each.p99_us for each in rounds) / 1e3,
                },
                note=f"requests sent by {Path(client[0]).name}",
            )
        ]
    )


@contextmanager
def _service(folder: Path) -> Iterator[str]:
    """A service in a process of its own; yields its URL."""
    command = [sys.executable, "-m", "ropewalk", "up", "payments", "--port", "0", "--json"]
    command += ["--engine", f"sqlite:{folder / 'data'}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=_ROOT) as server:
        try:
            yield json.loads(server.stdout.readline() if server.stdout else b"")["url"]
        finally:
            server.terminate()


def _open_accounts(url: str) -> None:
    for rows in Load(_ACCOUNTS, Mix()).accounts():
        headers = {"Content-Type": "application/octet-stream"}
        asked = urllib.request.Request(f"{url}/ledger/accounts", rows.tobytes(), headers)
        with urllib.request.urlopen(asked) as answer:
            answer.read()


def _client(url: str, seconds: int) -> list[str]:
    """The command that sends transfers: wrk, or what stands in for it."""
    try:
        wrk = program("wrk", package="wrk")
    except FileNotFoundError:
        return [sys.executable, "-m", "benchmarks.http_client", url, str(seconds), str(_CONNECTIONS)]
    return [str(wrk), "-t1", f"-c{_CONNECTIONS}", f"-d{seconds}s", "-s", str(_SCRIPT), url]


def _round(client: list[str], setting: Setting, number: int) -> _Done:
    environment = {**os.environ, "BENCH_ACCOUNTS": str(_ACCOUNTS), "BENCH_ROUND": str(number)}
    said = subprocess.run(client, capture_output=True, text=True, check=True, env=environment, cwd=_ROOT)
    done = msgspec.json.decode(said.stdout.splitlines()[-1], type=_Done)
    if done.failed:
        raise AssertionError(f"{done.failed} of {done.requests} requests failed or were refused: {said.stdout}")
    setting.tell(f"{done.per_second:,.0f}/s")
    return done
