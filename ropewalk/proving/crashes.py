"""What survives `kill -9`: a child process writes through an engine until it is killed, and its parent then looks.

The child tells each step on its standard output once the engine has said that it is durable. So whatever was told
must be there, in its place, and whatever is there must be whole.

Promise:    `check_crashes` raises AssertionError if something told is missing or changed, or if a restart is refused.
Not given:  the loss of power: the system's own buffers survive the death of a process.
Checked by: tests/engines/test_crashes.py
"""

import asyncio
import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

from ropewalk.core.chain import Position
from ropewalk.data.engine import Engine
from ropewalk.proving.conformance import payloads

_SNAPSHOT_EVERY = 10


def check_crashes(place: str, *, number: int, kills: int, random: Random, folder: Path) -> None:
    """Kill a writer so often on the engine that `place` (MODULE:FUNCTION, seen from `folder`) opens for `number`."""
    appended: list[int] = []
    snapshots: list[int] = []
    for _ in range(kills):
        command = [sys.executable, "-m", "ropewalk.proving.crashes", place, str(number)]
        with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            for _ in range(random.randint(1, 60)):
                _take(child.stdout.readline(), appended, snapshots)
            child.kill()
            for line in child.stdout:
                _take(line, appended, snapshots)
    asyncio.run(_check(factory(place)(number), appended, snapshots))


def _take(line: str, appended: list[int], snapshots: list[int]) -> None:
    # The last line may have been cut off by the kill: it told nothing.
    if line.endswith("\n"):
        kind, position = line.split()
        (appended if kind == "appended" else snapshots).append(int(position))


async def _check(engine: Engine, appended: list[int], snapshots: list[int]) -> None:
    storage = await engine.open("crashes", 0)
    found = await payloads(storage.log)
    assert appended == sorted(set(appended)), "no position was given twice"
    assert len(found) >= max(appended, default=0), "every append that was told is there"
    assert all(payload == _payload(position) for position, payload in enumerate(found, start=1)), "and is whole"
    kept = await storage.snapshots.positions()
    assert set(snapshots) <= set(kept), "every snapshot that was told is there"
    for position in kept:
        assert await storage.snapshots.read(position) == _payload(position), "and is whole"
    await engine.close()


async def write_until_killed(engine: Engine) -> None:
    """What the child does."""
    storage = await engine.open("crashes", 0)
    position = await storage.log.last()
    while True:
        position = await storage.log.append(_payload(position + 1))
        _tell(f"appended {position}")
        if position % _SNAPSHOT_EVERY == 0:
            await storage.snapshots.write(position, [_payload(position)])
            _tell(f"snapshot {position}")


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _payload(position: int | Position) -> bytes:
    """A record that says where it belongs, of a size that spans pages now and then."""
    return int(position).to_bytes(8, "big") * (1 + position * 7919 % 4_000)


def factory(place: str) -> Callable[[int], Engine]:
    """The function at MODULE:FUNCTION, which takes a number and opens the engine of that number."""
    module, _, function = place.partition(":")
    open_numbered: Callable[[int], Engine] = getattr(importlib.import_module(module), function)
    return open_numbered


if __name__ == "__main__":
    asyncio.run(write_until_killed(factory(sys.argv[1])(int(sys.argv[2]))))
