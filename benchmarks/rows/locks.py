"""Locks over HTTP, acquired and released by 64 clients whom nobody contends with: ours, and etcd's on the same disk.

Both serve one node that syncs each write to its disk, both are asked by the same client over HTTP and JSON, and each
client has one session (a lease) of its own. etcd has a log of its own and compares keys to find who is first.
"""

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import msgspec

from benchmarks.debian import program
from benchmarks.measures import Measure, Result, Setting
from benchmarks.rows.disk import SMALL

ETCD = "etcd 3.4: locks over HTTP, 64 clients"

_ROOT = Path(__file__).parents[2]
_CALLERS = 64
_START_S = 30.0


class _Done(msgspec.Struct, frozen=True):
    """What the client found in one round."""

    locks: int
    microseconds: int
    p50_us: int
    p99_us: int

    @property
    def per_second(self) -> float:
        return self.locks / self.microseconds * 1e6


def run(setting: Setting) -> Result:
    """Measure both, one after the other; raises FileNotFoundError where etcd can't be had."""
    etcd = program("etcd", package="etcd-server")
    with _etcd(etcd, setting.folder) as url:
        theirs = _rounds("etcd", url, setting)
    with _ropewalk(setting.folder) as url:
        ours = _rounds("ropewalk", url, setting)
    rate = median(each.per_second for each in ours)
    return Result(
        [
            Measure(ETCD, "locks/s", median(each.per_second for each in theirs), details=_latencies(theirs)),
            Measure(
                f"lock acquired and released over HTTP, uncontended, {_CALLERS} clients",
                "locks/s",
                rate,
                must=3_000,
                aim=10_000,
                against={ETCD: rate, SMALL: 2 * rate},
                details=_latencies(ours),
                note="two requests a lock",
            ),
        ]
    )


def _latencies(rounds: list[_Done]) -> dict[str, float]:
    return {
        "p50_ms": median(each.p50_us for each in rounds) / 1e3,
        "p99_ms": median(each.p99_us for each in rounds) / 1e3,
    }


def _rounds(service: str, url: str, setting: Setting) -> list[_Done]:
    """The rounds behind a first one that warms up."""
    rounds = []
    for number in range(setting.scale.rounds + 1):
        command = [sys.executable, "-m", "benchmarks.lock_client", service, url]
        command += [str(setting.scale.seconds), str(_CALLERS)]
        said = subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=_ROOT)
        rounds.append(msgspec.json.decode(said.stdout, type=_Done))
        setting.tell(f"{service}, round {number}: {rounds[-1].per_second:,.0f}/s")
    return rounds[1:]


@contextmanager
def _ropewalk(folder: Path) -> Iterator[str]:
    """Our service in a process of its own; yields its URL."""
    command = [sys.executable, "-m", "ropewalk", "up", "coordination", "--port", "0", "--json"]
    command += ["--engine", f"sqlite:{folder / 'coordination'}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=_ROOT) as server:
        try:
            yield json.loads(server.stdout.readline() if server.stdout else b"")["url"]
        finally:
            server.terminate()


@contextmanager
def _etcd(etcd: Path, folder: Path) -> Iterator[str]:
    """One node of etcd with its usual settings; yields its URL."""
    client, peer = (f"http://127.0.0.1:{_free_port()}" for _ in range(2))
    command = [etcd, "--data-dir", folder / "etcd", "--listen-client-urls", client, "--advertise-client-urls", client]
    command += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
    command += ["--initial-cluster", f"default={peer}"]
    with (folder / "etcd.log").open("wb") as log, subprocess.Popen(command, stderr=log, stdout=log) as server:
        try:
            _wait_until_ready(client, server, folder / "etcd.log")
            yield client
        finally:
            server.terminate()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait_until_ready(url: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + _START_S
    while not _is_healthy(url):
        if server.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"etcd did not start: {log.read_text()}")
        time.sleep(0.05)


def _is_healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=1.0) as answer:
            return bool(json.load(answer)["health"] == "true")
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
