"""Transactions on a node: both accounts or neither, repeats, restarts, and reads that never see half of one."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import msgspec
import pytest

from ropewalk.coordination.commit import Decision
from ropewalk.coordination.transactions.messages import Part, Progress
from ropewalk.core.codec import encode_value
from ropewalk.core.machine import Request
from ropewalk.core.mailbox import Delivery
from ropewalk.core.place import Place
from ropewalk.data.engine import Engine
from ropewalk.data.reads import STRONG, ReadLevel, Stale
from ropewalk.engines.memory import MemoryEngine
from ropewalk.engines.sqlite import SqliteEngine
from ropewalk.errors import NotAccepted, OutcomeUnknown, Rejected
from ropewalk.proving.workloads.accounts import Abort, Account, Commit, Deposit, Hold, Move, apply, bank, parts
from ropewalk.runtime.neighbours import Caller, answered
from ropewalk.runtime.node import Node, _Post, open_node
from ropewalk.runtime.operations import DEADLINE
from ropewalk.runtime.server import serving
from ropewalk.runtime.service import Service
from ropewalk.runtime.transactions.calls import read_settled, transact, transaction, transactions
from ropewalk.runtime.transactions.service import with_transactions

ADA, BOB = "ada", "bob"


@pytest.fixture(params=["memory", "sqlite"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Engine]:
    kept = MemoryEngine()
    return lambda: kept if request.param == "memory" else SqliteEngine(tmp_path)


async def balances(node: Node) -> list[int]:
    read = await read_settled(node, [ADA, BOB])
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
            with pytest.raises(Rejected, match="2 parts are at 'ada' of bank: let one do what all of them do"):
                await transact(node, Move("m2", ADA, ADA, 2))
            assert await balances(node) == [9, 1], "and goes on"
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


def test_who_repeats_a_request_that_was_answered_before_the_end_is_told_how_it_ended() -> None:
    async def main() -> None:
        async with open_node(bank(4), MemoryEngine()) as node:
            await node.call(Deposit(ADA, 10))
            move, caller = Move("m1", ADA, BOB, 4), Caller(bytes(15) + b"k", deadline_s=5.0)
            first = await answered(node.followers["bank-transactions"], move, caller)
            assert isinstance(first, Progress)
            assert not first.has_ended
            ended = await transact(node, move)
            assert await transact(node, move, caller=caller) == ended

    asyncio.run(main())


def test_a_deadline_that_passes_before_the_decision_leaves_the_outcome_unknown() -> None:
    async def main() -> None:
        async with open_node(bank(4), MemoryEngine()) as node:
            await node.call(Deposit(ADA, 10))
            stopped = node.leaders[node.service.partition_of(BOB)]
            await stopped.stop()
            with pytest.raises(OutcomeUnknown, match="m1 is not decided yet: ask again with the same id"):
                await transact(node, Move("m1", ADA, BOB, 4), caller=Caller(deadline_s=0.2))
            assert [each.waits_for for each in await transactions(node)] == [[BOB]]
            assert (await node.get(ADA)).value == Account(10, {"m1": -4}), "nobody waits for what is not decided"

    asyncio.run(main())


class GetBalance(msgspec.Struct, frozen=True, tag=True):
    account: str


def bank_with_a_query(name: str) -> Service:
    def answer(accounts: Mapping[str, Account], query: GetBalance) -> int:
        return accounts[query.account].balance

    return Service.keyed(
        name,
        commands=Deposit,
        messages=Hold | Commit | Abort,
        value=Account,
        apply=apply,
        queries=GetBalance,
        answer=answer,
        held_by=lambda account: account.held,
        key=lambda message: message.account,
        partitions=4,
    )


@asynccontextmanager
async def half_way(monkeypatch: pytest.MonkeyPatch, *, at: str = "bank") -> AsyncIterator[tuple[Node, asyncio.Event]]:
    """The decision has reached Ada's account and is kept from Bob's, in her bank or in another."""
    may_arrive = asyncio.Event()
    deliver = _Post.deliver

    async def held_up(post: _Post, delivery: Delivery) -> int:
        is_decision = any(b"Commit" in letter.command for letter in delivery.letters)
        if is_decision and delivery.receiver == Place(at, 0, 4).log_of(BOB):
            await may_arrive.wait()
        return await deliver(post, delivery)

    def parts_there(move: Move) -> list[Part]:
        return [msgspec.structs.replace(each, service=at if each.key == BOB else "") for each in parts(move)]

    monkeypatch.setattr(_Post, "deliver", held_up)
    other = bank_with_a_query("other")
    service = with_transactions(bank_with_a_query("bank"), commands=Move, parts=parts_there, others=[other])
    async with open_node(service, MemoryEngine()) as node, asyncio.TaskGroup() as tasks:
        await node.call(Deposit(ADA, 10))
        moving = tasks.create_task(transact(node, Move("m1", ADA, BOB, 4)))
        while (await node.get(ADA)).value != Account(6):
            await asyncio.sleep(0)
        yield node, may_arrive
        may_arrive.set()
        assert (await moving).decision is Decision.COMMITTED


@pytest.mark.parametrize("at", ["bank", "other"])
@pytest.mark.parametrize("is_query", [False, True])
def test_a_strong_read_of_what_is_held_waits_for_what_is_decided(
    is_query: bool, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def look(node: Node, level: ReadLevel = STRONG) -> object:
        if is_query:
            return (await node.ask(GetBalance(BOB), level=level)).value
        return (await node.get(BOB, level=level)).value

    async def main() -> None:
        async with half_way(monkeypatch, at=at) as (node, may_arrive), asyncio.TaskGroup() as tasks:
            there = node.followers.get(at, node)
            shown = await look(there, Stale(60.0))
            assert shown == (0 if is_query else Account(0, {"m1": 4})), "a stale one shows what is there"
            looking = tasks.create_task(look(there))
            for _ in range(50):
                await asyncio.sleep(0)
            assert not looking.done()
            may_arrive.set()
            assert await looking == (4 if is_query else Account(4))

    asyncio.run(main())


def test_a_strong_read_waits_no_longer_than_it_may_and_says_for_what(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with half_way(monkeypatch) as (node, _):
            with pytest.raises(NotAccepted, match=r"m1 is decided and not yet done in bank/\d, within 0.05 s"):
                await node.get(BOB, deadline_s=0.05)
            with pytest.raises(NotAccepted, match="ada, bob did not settle within"):
                await read_settled(node, [ADA, BOB], deadline_s=0.05)

    asyncio.run(main())


def test_over_http_a_key_and_a_query_wait_too(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with (
            half_way(monkeypatch) as (node, may_arrive),
            serving(node, port=0) as url,
            httpx.AsyncClient(base_url=url) as client,
        ):
            soon = {DEADLINE: "0.05"}
            assert (await client.get(f"/state/{BOB}", headers=soon)).status_code == 503
            asked = {"account": BOB}
            assert (await client.post("/queries/GetBalance", json=asked, headers=soon)).status_code == 503
            may_arrive.set()
            assert (await client.get(f"/state/{BOB}")).json()["value"]["balance"] == 4
            assert (await client.post("/queries/GetBalance", json=asked)).json()["answer"] == 4

    asyncio.run(main())


def test_a_service_that_does_not_tell_what_is_held_takes_part_in_no_transaction() -> None:
    with pytest.raises(Rejected, match="bank does not tell which transactions hold something"):
        with_transactions(msgspec.structs.replace(bank(2), has_holds=False), commands=Move, parts=parts)
