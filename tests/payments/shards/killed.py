"""A program that kills itself with SIGKILL at each record of a two-phase commit, and then looks what became of it.

    python -m tests.payments.shards.killed FOLDER

Two shards are opened and funded once. For each record that the transfers cause in any shard, a child works on a copy
of that and dies: before the record is appended, or after it is durable and before anything else. Another child then
starts both shards from what is on the disk, waits until nothing is undecided, and prints what it finds: one line of
JSON. It ends with a child that met no record to die at. Children are forked, so that code is loaded once.
"""

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from ropewalk.core.chain import Position
from ropewalk.core.machine import NO_ID
from ropewalk.core.place import Place
from ropewalk.data.engine import Engine, Storage
from ropewalk.data.log import Log, LogRecord
from ropewalk.data.reads import STRONG
from ropewalk.engines.memory import MemoryShelf
from ropewalk.engines.sqlite import SqliteEngine
from ropewalk.runtime.node import Node, open_node
from ropewalk.systems.payments.ledger.commands import Operation, encode
from ropewalk.systems.payments.ledger.layout import ACCOUNT, TRANSFER, get, ids_of, rows_of
from ropewalk.systems.payments.rest.across import create, create_together, waits
from ropewalk.systems.payments.rest.reading import Sight, look_up
from ropewalk.systems.payments.service import payments_with
from tests.payments.shards.town import account, name_of, transfer

SHARDS = 2
SERVICE = payments_with(shards=SHARDS)
A, B, NOBODY = account(1, 0, shards=SHARDS), account(1, 1, shards=SHARDS), account(7, 1, shards=SHARDS)
EACH = [transfer(1, A, B, 3), transfer(2, A, NOBODY, 4)]
TOGETHER = [transfer(3, A, B, 5), transfer(4, B, A, 2)]
MOMENTS = ("before", "after")


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


async def open_accounts(folder: Path) -> None:
    async with open_node(SERVICE, SqliteEngine(folder)) as node:
        rows = rows_of(ACCOUNT, [{"id": each, "ledger": 1, "code": 1} for each in (A, B)])
        await create(node, encode(Operation.CREATE_ACCOUNTS, rows), waits(NO_ID, deadline_s=60))


async def pay(node: Node) -> list[list[str]]:
    """Make the transfers, each on its own and then together; return what became of them."""
    told = []
    for make, rows in ((create, EACH), (create_together, TOGETHER)):
        command = encode(Operation.CREATE_TRANSFERS, rows_of(TRANSFER, rows))
        results, _ = await make(node, command, waits(NO_ID, deadline_s=60))
        told.append([name_of(status) for status in results["status"].tolist()])
    return told


async def settle(node: Node) -> None:
    """Wait until nothing is undecided, and nothing is on its way."""
    partitions = [leader.partition for leader in node.leaders]
    while any(_is_open(partition.machine) or partition.mailbox.waiting for partition in partitions):
        leader = node.leaders[0]
        await leader.wait_events(leader.partition.feed.last, deadline_s=0.01)


def _is_open(machine: Any) -> bool:
    state = machine.shards.state
    return bool(state.own or state.promised)


async def work(folder: Path, fuse: Fuse) -> None:
    async with open_node(SERVICE, DeadlyEngine(SqliteEngine(folder), fuse)) as node:
        fuse.is_lit = True
        await pay(node)
        await settle(node)
        fuse.is_lit = False


async def look(folder: Path, found: dict[str, Any]) -> None:
    """What a start finds, what it makes of that, and what asking again tells."""
    async with open_node(SERVICE, SqliteEngine(folder)) as node:
        await settle(node)
        found["at rest"] = await _balances(node)
        found["told"] = await pay(node)
        await settle(node)
        found["in the end"] = await _balances(node)


async def _balances(node: Node) -> list[int]:
    """What both have; raises AssertionError if something is held."""
    rows, _ = await look_up(node, Operation.LOOKUP_ACCOUNTS, ids_of([A, B]), sight=Sight(STRONG, 60))
    assert not rows["debits_pending_low"].any()
    assert not rows["credits_pending_low"].any()
    return [get(row, "credits_posted") - get(row, "debits_posted") for row in rows]


def forked(main: Callable[[], Coroutine[Any, Any, None]]) -> int:
    """How a child ended that ran this."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    asyncio.run(main())
    os._exit(0)


def main() -> None:
    folder = Path(sys.argv[1])
    opened, copy = folder / "opened", folder / "copy"
    SERVICE.machine(MemoryShelf(), Place("payments", 0, SHARDS))
    assert forked(lambda: open_accounts(opened)) == 0
    for moment in MOMENTS:
        for records in count(1):
            shutil.copytree(opened, copy)
            ended = forked(lambda records=records, moment=moment: work(copy, Fuse(records, moment)))  # type: ignore[misc]
            found = seen(copy) | {"moment": moment, "record": records, "ended": ended}
            sys.stdout.write(json.dumps(found) + "\n")
            sys.stdout.flush()
            shutil.rmtree(copy)
            if ended == 0:
                break
            assert ended == -signal.SIGKILL, ended


def seen(copy: Path) -> dict[str, Any]:
    """What a start from a folder finds, told through a pipe."""
    reader, writer = os.pipe()

    async def tell() -> None:
        found: dict[str, Any] = {}
        await look(copy, found)
        os.write(writer, json.dumps(found).encode())

    ended = forked(tell)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        assert ended == 0, ended
        found: dict[str, Any] = json.loads(pipe.read())
        return found


if __name__ == "__main__":
    main()
