"""Transactions on a node: both accounts or neither, repeats, restarts, and reads that never see half of one."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from ropewalk.coordination.commit import Decision
from ropewalk.core.codec import encode_value
from ropewalk.core.machine import Request
from ropewalk.core.mailbox import Delivery
from ropewalk.core.place import Place
from ropewalk.data.engine import Engine
from ropewalk.engines.memory import MemoryEngine
from ropewalk.engines.sqlite import SqliteEngine
from ropewalk.errors import NotAccepted, OutcomeUnknown, Rejected
from ropewalk.proving.workloads.accounts import Abort, Account, Deposit, Move, bank
from ropewalk.runtime.node import Node, _Post, open_node
from ropewalk.runtime.transactions.calls import read_settled, transact, transaction, transactions

ADA, BOB = "ada", "bob"


@pytest.fixture(params=["memory", "sqlite"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Engine]:
    kept = MemoryEngine()
    return lambda: kept if request.param == "memory" else SqliteEngine(tmp_path)


async def balances(node: Node) -> list[int]:
    read = await read_settled(node, [ADA, BOB], held_by=lambda account: account.held)
    return [each.balance if isinstance(each, Account) else 0 for each in read]


def test_a_transaction_moves_money_between_partitions_and_a_repeat_moves_none(engine: Callable[[], Engine]) -> None:
    async def main() -> None:
        async with open_node(bank(4), engine()) as node:
            assert node.service.partition_of(ADA) != node.service.partition_of(BOB)
            await node.call(Deposit(ADA, 10))
            for _ in range(3):
                progress = await transact(node, Move("m1", ADA, BOB, 4))
                assert (progress.decision, progress.has_ended) == (Decision.COMMITTED, True)
            assert [(await node.get(name)).value for name in (ADA, BOB)] == [Account(6), Account(4)]

    asyncio.run(main())


def test_what_one_part_refuses_happens_nowhere(engine: Callable[[], Engine]) -> None:
    async def main() -> None:
        async with open_node(bank(4), engine()) as node:
            progress = await transact(node, Move("m1", ADA, BOB, 4))
            assert (progress.decision, progress.why) == (Decision.ABORTED, "insufficient_funds")
            assert (await node.get(BOB)).value == Account()
            assert await transaction(node, "m1") == progress

    asyncio.run(main())


def test_many_at_once_neither_make_nor_lose_money_and_no_read_sees_half_of_one() -> None:
    async def main() -> None:
        async with open_node(bank(4), MemoryEngine()) as node:
            await node.call(Deposit(ADA, 100))

            async def move(number: int) -> Decision:
                source, target = (ADA, BOB) if number % 3 else (BOB, ADA)
                return (await transact(node, Move(f"m{number}", source, target, 1 + number % 7))).decision

            async def look() -> None:
                for _ in range(20):
                    assert sum(await balances(node)) == 100

            async with asyncio.TaskGroup() as tasks:
                moves = [tasks.create_task(move(number)) for number in range(60)]
                tasks.create_task(look())
            assert {move.result() for move in moves} >= {Decision.COMMITTED}
            assert await transactions(node) == []
            assert len(await transactions(node, is_open=False)) == 60

    asyncio.run(main())


def test_a_transaction_that_was_cut_off_goes_on_with_the_next_start(tmp_path: Path) -> None:
    class Crash(Exception):
        pass

    async def begin() -> None:
        async with open_node(bank(4), SqliteEngine(tmp_path)) as node:
            await node.call(Deposit(ADA, 10))
            await node.followers["bank-transactions"].call(Move("m1", ADA, BOB, 4))
            raise Crash

    async def go_on() -> None:
        async with open_node(bank(4), SqliteEngine(tmp_path)) as node:
            progress = await transact(node, Move("m1", ADA, BOB, 4))
            assert progress.decision is Decision.COMMITTED
            assert await balances(node) == [6, 4]

    with pytest.raises(Crash):
        asyncio.run(begin())
    asyncio.run(go_on())


def test_what_is_wrong_with_a_transaction_is_said_and_nothing_happens() -> None:
    async def main() -> None:
        async with open_node(bank(2), MemoryEngine()) as node:
            await node.call(Deposit(ADA, 10))
            await transact(node, Move("m1", ADA, BOB, 1))
            with pytest.raises(Rejected, match="'m1' was used before, for another"):
                await transact(node, Move("m1", ADA, BOB, 2))
            with pytest.raises(Rejected, match="an id has 1 to 128 characters, and this one 0"):
                await transact(node, Move("", ADA, BOB, 2))
            with pytest.raises(Rejected, match="no transaction of this id"):
                await transaction(node, "m2")
            with pytest.raises(Rejected, match="bank can't read this command"):
                await node.submit([Request(bytes(16), encode_value(Abort(ADA, "m1")))])

    asyncio.run(main())


def test_a_service_without_transactions_says_how_to_have_them() -> None:
    async def main() -> None:
        plain = msgspec.structs.replace(bank(2), followers=[])
        async with open_node(plain, MemoryEngine()) as node:
            with pytest.raises(Rejected, match="there is no bank-transactions on this node: open it with"):
                await transact(node, Move("m1", ADA, BOB, 2))

    asyncio.run(main())


def test_a_deadline_that_passes_before_the_decision_leaves_the_outcome_unknown() -> None:
    async def main() -> None:
        async with open_node(bank(4), MemoryEngine()) as node:
            await node.call(Deposit(ADA, 10))
            stopped = node.leaders[node.service.partition_of(BOB)]
            await stopped.stop()
            with pytest.raises(OutcomeUnknown, match="m1 is not decided yet: ask again with the same id"):
                await transact(node, Move("m1", ADA, BOB, 4), deadline_s=0.2)
            assert [each.waits_for for each in await transactions(node)] == [[BOB]]
            with pytest.raises(NotAccepted, match="ada did not settle within"):
                await read_settled(node, [ADA], held_by=lambda account: account.held, deadline_s=0.1)

    asyncio.run(main())


def test_who_meets_a_hold_waits_for_its_outcome_and_a_plain_read_shows_the_hold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The decision has reached one account and is kept from the other: the moment at which half could be seen."""
    may_arrive = asyncio.Event()
    deliver = _Post.deliver

    async def held_up(post: _Post, delivery: Delivery) -> int:
        is_decision = any(b"Commit" in letter.command for letter in delivery.letters)
        if is_decision and delivery.receiver == Place("bank", 0, 4).log_of(BOB):
            await may_arrive.wait()
        return await deliver(post, delivery)

    monkeypatch.setattr(_Post, "deliver", held_up)

    async def main() -> None:
        async with open_node(bank(4), MemoryEngine()) as node, asyncio.TaskGroup() as tasks:
            await node.call(Deposit(ADA, 10))
            moving = tasks.create_task(transact(node, Move("m1", ADA, BOB, 4)))
            while (await node.get(ADA)).value != Account(6):
                await asyncio.sleep(0)
            assert (await node.get(BOB)).value == Account(0, {"m1": 4})
            reading = tasks.create_task(balances(node))
            for _ in range(50):
                await asyncio.sleep(0)
            assert not reading.done()
            assert not moving.done()
            may_arrive.set()
            assert await reading == [6, 4]
            assert (await moving).decision is Decision.COMMITTED

    asyncio.run(main())
