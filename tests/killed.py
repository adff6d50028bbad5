"""Programs that kill themselves with SIGKILL at each record that a story causes, and then look what became of it.

A service is opened and filled once. For each record that the work causes in any partition, a child works on a copy of
that and dies: before the record is appended, or after it is durable and before anything else. Another child then
starts the service from what is on the disk, waits until it is at rest, and tells what it finds: one line of JSON. It
ends with a child that met no record to die at. Children are forked, so that code is loaded once.
"""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from ropewalk.core.chain import Position
from ropewalk.data.engine import Engine, Storage
from ropewalk.data.log import Log, LogRecord
from ropewalk.engines.sqlite import SqliteEngine
from ropewalk.runtime.node import Node, open_node
from ropewalk.runtime.service import Service

MOMENTS = ("before", "after")
REPOSITORY = Path(__file__).parents[1]

Doing = Callable[[Node], Awaitable[None]]


class Story(msgspec.Struct, frozen=True):
    """What is prepared, what is done until the process dies, and what is found and done after the next start."""

    service: Service
    prepare: Doing
    work: Doing
    look: Callable[[Node], Awaitable[dict[str, Any]]]


class Fuse:
    """Burns with each record, and kills the process at one."""

    def __init__(self, records: int, moment: str) -> None:
        self.is_lit = False
        self._left = records
        self._moment = moment

    def burn(self, moment: str) -> None:
        if not self.is_lit or moment != self._moment:
            return
        self._left -= 1
        if not self._left:
            os.kill(os.getpid(), signal.SIGKILL)


class DeadlyLog:
    """A log at whose records the process may die."""

    def __init__(self, log: Log, fuse: Fuse) -> None:
        self._log = log
        self._fuse = fuse

    async def append(self, payload: bytes) -> Position:
        self._fuse.burn("before")
        position = await self._log.append(payload)
        self._fuse.burn("after")
        return position

    async def read(self, *, after: Position, limit: int) -> Sequence[LogRecord]:
        return await self._log.read(after=after, limit=limit)

    async def last(self) -> Position:
        return await self._log.last()

    async def skip(self, *, through: Position) -> None:
        raise NotImplementedError(f"nothing is copied here, through {through} or at all")

    async def trim(self, *, through: Position) -> None:
        await self._log.trim(through=through)

    async def close(self) -> None:
        await self._log.close()


class DeadlyEngine:
    """An engine of such logs."""

    def __init__(self, engine: Engine, fuse: Fuse) -> None:
        self._engine = engine
        self._fuse = fuse

    async def open(self, service: str, partition: int) -> Storage:
        log, snapshots, shelf = await self._engine.open(service, partition)
        return Storage(DeadlyLog(log, self._fuse), snapshots, shelf)

    async def close(self) -> None:
        await self._engine.close()


def runs_of(module: str, folder: Path) -> list[dict[str, Any]]:
    """What a module tells that runs its story with `die_at_each_record`."""
    command = [sys.executable, "-m", module, str(folder)]
    ran = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=300)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines()]


def check_each_record_was_met(runs: list[dict[str, Any]], *, records_least: int) -> None:
    """The process was killed at each record that the work caused, and only the last child of each moment lived."""
    for moment in MOMENTS:
        numbers = [run["record"] for run in runs if run["moment"] == moment]
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) > records_least, "the work takes more records than that"
        assert [run["ended"] for run in runs if run["moment"] == moment] == [-9] * (len(numbers) - 1) + [0]


def die_at_each_record(story: Story) -> None:
    """Run a story in the folder that the command line names."""
    folder = Path(sys.argv[1])
    opened, copy = folder / "opened", folder / "copy"
    assert forked(lambda: _prepare(story, opened)) == 0
    for moment in MOMENTS:
        for records in count(1):
            shutil.copytree(opened, copy)
            fuse = Fuse(records, moment)
            ended = forked(lambda fuse=fuse: _work(story, copy, fuse))  # type: ignore[misc]
            found = _seen(story, copy) | {"moment": moment, "record": records, "ended": ended}
            sys.stdout.write(json.dumps(found) + "\n")
            sys.stdout.flush()
            shutil.rmtree(copy)
            if ended == 0:
                break
            assert ended == -signal.SIGKILL, ended


def forked(main: Callable[[], Coroutine[Any, Any, None]]) -> int:
    """How a child ended that ran this."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    asyncio.run(main())
    os._exit(0)


async def _prepare(story: Story, folder: Path) -> None:
    async with open_node(story.service, SqliteEngine(folder)) as node:
        await story.prepare(node)


async def _work(story: Story, folder: Path, fuse: Fuse) -> None:
    async with open_node(story.service, DeadlyEngine(SqliteEngine(folder), fuse)) as node:
        fuse.is_lit = True
        await story.work(node)
        fuse.is_lit = False


def _seen(story: Story, folder: Path) -> dict[str, Any]:
    """What a start from a folder finds, told through a pipe."""
    reader, writer = os.pipe()

    async def tell() -> None:
        async with open_node(story.service, SqliteEngine(folder)) as node:
            found = await story.look(node)
        os.write(writer, json.dumps(found).encode())

    ended = forked(tell)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        assert ended == 0, ended
        found: dict[str, Any] = json.loads(pipe.read())
        return found
