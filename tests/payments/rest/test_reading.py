"""What a strong read of shards shows while a transfer between them is half way: a courier waits as it is told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec
import pytest

from ropewalk.core.machine import NO_ID
from ropewalk.core.mailbox import Delivery
from ropewalk.core.place import Place
from ropewalk.data.reads import STRONG, Stale
from ropewalk.engines.memory import MemoryEngine
from ropewalk.errors import NotAccepted
from ropewalk.runtime.leader import lead
from ropewalk.runtime.node import Node
from ropewalk.runtime.writer import Identity
from ropewalk.systems.payments.ledger.commands import Operation, encode
from ropewalk.systems.payments.ledger.layout import ACCOUNT, TRANSFER, get, ids_of, rows_of
from ropewalk.systems.payments.processing.messages import GetTrialBalance, encode_query
from ropewalk.systems.payments.rest.across import create, waits
from ropewalk.systems.payments.rest.reading import Sight, look_up, take_cut
from ropewalk.systems.payments.service import payments_with
from ropewalk.systems.payments.shards.messages import CutAnswer, TakeCut
from ropewalk.systems.payments.shards.messages import encode as encode_between
from tests.payments.shards.town import account, transfer

SHARDS = 2
A, B = account(1, 0, shards=SHARDS), account(1, 1, shards=SHARDS)
STRONGLY = Sight(STRONG, 10.0)


class SlowLane:
    """The way between shards, which is open or not for what tells a decision: the second letter of shard 0."""

    def __init__(self) -> None:
        self.node: Node
        self.is_open = asyncio.Event()
        self.is_tried = asyncio.Event()

    async def deliver(self, delivery: Delivery) -> int:
        receiver = next(each for each in self.node.leaders if each.identity.log_name == delivery.receiver)
        if delivery.sender == "payments/0" and delivery.first > 1:
            self.is_tried.set()
            await self.is_open.wait()
        return await receiver.deliver(delivery)


@asynccontextmanager
async def half_way() -> AsyncIterator[tuple[Node, SlowLane, asyncio.Task[object]]]:
    """Two shards, where a transfer of 10 from A to B is decided and done by A's and unknown to B's."""
    engine, lane, service = MemoryEngine(), SlowLane(), payments_with(shards=SHARDS)
    async with AsyncExitStack() as stack:
        leaders = []
        for partition in range(SHARDS):
            storage = await engine.open("payments", partition)
            machine = service.machine(storage.shelf, Place("payments", partition, SHARDS))
            identity = Identity("payments", partition, bytes(16), SHARDS)
            leading = lead(machine, storage, identity, now_ns=lambda: 1_764_000_000 * 10**9, transport=lane)
            leaders.append(await stack.enter_async_context(leading))
        lane.node = node = Node(service, leaders)
        rows = rows_of(ACCOUNT, [{"id": each, "ledger": 1, "code": 1} for each in (A, B)])
        await create(node, encode(Operation.CREATE_ACCOUNTS, rows), waits(NO_ID, deadline_s=10))
        pay = encode(Operation.CREATE_TRANSFERS, rows_of(TRANSFER, [transfer(1, A, B, 10)]))
        async with asyncio.TaskGroup() as tasks:
            paid = tasks.create_task(create(node, pay, waits(NO_ID, deadline_s=10)))
            await lane.is_tried.wait()
            yield node, lane, paid
            lane.is_open.set()


async def balance(node: Node, number: int, sight: Sight = STRONGLY) -> int:
    rows, _ = await look_up(node, Operation.LOOKUP_ACCOUNTS, ids_of([number]), sight=sight)
    return get(rows[0], "credits_posted") - get(rows[0], "debits_posted")


def test_whoever_has_seen_one_half_waits_for_the_other() -> None:
    async def main() -> None:
        async with half_way() as (node, lane, paid):
            await paid
            assert await balance(node, A) == -10
            assert await balance(node, B, Sight(Stale(60.0), 10.0)) == 0, "a stale read shows what is there"
            async with asyncio.TaskGroup() as tasks:
                other = tasks.create_task(balance(node, B))
                for _ in range(50):
                    await asyncio.sleep(0)
                assert not other.done(), "a strong one waits"
                lane.is_open.set()
            assert other.result() == 10

    asyncio.run(main())


def test_a_strong_read_does_not_wait_longer_than_it_may() -> None:
    async def main() -> None:
        async with half_way() as (node, _, _paid):
            with pytest.raises(NotAccepted):
                await balance(node, B, Sight(STRONG, 0.05))

    asyncio.run(main())


def test_a_cut_counts_what_is_on_its_way() -> None:
    async def main() -> None:
        async with half_way() as (node, lane, paid):
            await paid
            answers, token = await take_cut(node, encode_query(GetTrialBalance()), STRONGLY)
            assert len(answers) == SHARDS
            assert set(token) == {"payments/0", "payments/1"}
            query = encode_between(TakeCut(encode_query(GetTrialBalance())))
            sent, taken = [
                msgspec.msgpack.decode((await leader.read(query)).answer, type=CutAnswer) for leader in node.leaders
            ]
            assert sent.sent["payments/1"] == 2
            assert taken.taken["payments/0"] == 1
            lane.is_open.set()

    asyncio.run(main())
