"""A service with transactions is divided: both it and its coordinator begin their mail anew, and go on."""

import asyncio
from pathlib import Path

import pytest

from ropewalk.coordination.commit import Decision
from ropewalk.engines.sqlite import SqliteEngine
from ropewalk.errors import OutcomeUnknown
from ropewalk.proving.workloads.accounts import Account, Deposit, Move, bank
from ropewalk.runtime.neighbours import Caller
from ropewalk.runtime.node import open_node
from ropewalk.runtime.service import Service
from ropewalk.runtime.splitting import renumber, split
from ropewalk.runtime.transactions.calls import transact, transactions

NAMES = ("ada", "bob", "cleo", "eve")


async def move_money(service: Service, folder: Path, *, begin: int) -> None:
    async with open_node(service, SqliteEngine(folder)) as node:
        for number in range(begin, begin + 8):
            source, target = NAMES[number % 4], NAMES[(number + 1) % 4]
            moved = await transact(node, Move(f"m{number}", source, target, 1), caller=Caller(deadline_s=5))
            assert (moved.decision, moved.has_ended) == (Decision.COMMITTED, True)
        while any(
            leader.partition.mailbox.waiting for each in (node, *node.followers.values()) for leader in each.leaders
        ):
            await asyncio.sleep(0)


async def fill(service: Service, folder: Path) -> None:
    async with open_node(service, SqliteEngine(folder)) as node:
        for name in NAMES:
            await node.call(Deposit(name, 10))


async def divide(folder: Path, target: Path, *, renumbers: bool) -> None:
    before = bank(2)
    source, into = SqliteEngine(folder), SqliteEngine(target)
    await split(before, source, into, partitions=4, on_part=lambda _: None)
    (coordinator,) = (follower.service for follower in before.followers)
    if renumbers:
        await renumber(coordinator, source, into)
    await source.close()
    await into.close()
    if not renumbers:
        (folder / coordinator.name).rename(target / coordinator.name)


def test_transactions_go_on_in_a_divided_service_with_what_they_know(tmp_path: Path) -> None:
    async def main() -> None:
        await fill(bank(2), tmp_path / "a")
        await move_money(bank(2), tmp_path / "a", begin=0)
        await divide(tmp_path / "a", tmp_path / "b", renumbers=True)
        after = bank(4, coordinators=2)
        await move_money(after, tmp_path / "b", begin=8)
        async with open_node(after, SqliteEngine(tmp_path / "b")) as node:
            assert len(await transactions(node, is_open=False)) == 16
            assert [(await node.get(name)).value for name in NAMES] == [Account(10)] * 4

    asyncio.run(main())


def test_a_coordinator_that_is_copied_as_it_was_is_not_heard(tmp_path: Path) -> None:
    """What `renumber` is for: this is what happens without it."""

    async def main() -> None:
        await fill(bank(2), tmp_path / "a")
        await move_money(bank(2), tmp_path / "a", begin=0)
        await divide(tmp_path / "a", tmp_path / "b", renumbers=False)
        async with open_node(bank(4, coordinators=2), SqliteEngine(tmp_path / "b")) as node:
            with pytest.raises(OutcomeUnknown):
                await transact(node, Move("m9", "bob", "eve", 1), caller=Caller(deadline_s=0.5))

    asyncio.run(main())
