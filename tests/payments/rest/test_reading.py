"""What a strong read of shards shows while a transfer between them is half way: a courier waits as it is told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count, permutations

import httpx
import msgspec
import pytest

from ropewalk import open_node
from ropewalk.core.chain import Position
from ropewalk.core.machine import NO_ID
from ropewalk.core.mailbox import Delivery
from ropewalk.core.place import Place
from ropewalk.data.engine import Storage
from ropewalk.data.reads import STRONG, Stale
from ropewalk.engines.memory import MemoryEngine, MemoryLog
from ropewalk.errors import NotAccepted
from ropewalk.proving.virtual import run_virtual
from ropewalk.runtime.edge import Edge
from ropewalk.runtime.leader import lead
from ropewalk.runtime.node import Node
from ropewalk.runtime.operations import DEADLINE
from ropewalk.runtime.server import serving
from ropewalk.runtime.tasks import beside
from ropewalk.runtime.writer import Identity
from ropewalk.systems.payments.ach import samples as ach
from ropewalk.systems.payments.cards.tokens import CardKey
from ropewalk.systems.payments.iso20022 import samples
from ropewalk.systems.payments.ledger.commands import Operation, encode
from ropewalk.systems.payments.ledger.layout import ACCOUNT, TRANSFER, get, ids_of, rows_of
from ropewalk.systems.payments.processing.messages import GetTrialBalance, encode_query
from ropewalk.systems.payments.rest.across import create, waits
from ropewalk.systems.payments.rest.cards import card_operations
from ropewalk.systems.payments.rest.reading import Sight, look_up, sees, take_cut
from ropewalk.systems.payments.service import payments_with
from ropewalk.systems.payments.shards.messages import CutAnswer, TakeCut
from ropewalk.systems.payments.shards.messages import encode as encode_between
from tests.payments.processing.town import HARBOR, MEADOW
from tests.payments.shards.town import Row, account, transfer

SHARDS = 2
A, B = account(1, 0, shards=SHARDS), account(1, 1, shards=SHARDS)


class SlowLane:
    """The way between shards, which is open or not for what tells a decision."""

    def __init__(self, decision: bytes) -> None:
        self._decision = decision
        self.node: Node
        self.is_open = asyncio.Event()
        self.is_tried = asyncio.Event()

    async def deliver(self, delivery: Delivery) -> int:
        receiver = next(each for each in self.node.leaders if each.identity.log_name == delivery.receiver)
        if any(self._decision in letter.command for letter in delivery.letters):
            self.is_tried.set()
            await self.is_open.wait()
        return await receiver.deliver(delivery)


class BusyLog(MemoryLog):
    """Whoever asks for its end waits a while, as for a disk: for some turns, or seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.takes_s = 0.0

    async def append(self, payload: bytes) -> Position:
        self._payloads.append(payload)
        return await super().last()

    async def last(self) -> Position:
        self.asked += 1
        for _ in range(20):
            await asyncio.sleep(0)
        came = asyncio.Event()
        asyncio.get_running_loop().call_later(self.takes_s, came.set)
        await came.wait()
        return await super().last()


class BusyEngine(MemoryEngine):
    def __init__(self) -> None:
        super().__init__()
        self.logs = [BusyLog() for _ in range(SHARDS)]

    async def open(self, service: str, partition: int) -> Storage:
        storage = await super().open(service, partition)
        return storage._replace(log=self.logs[partition]) if service == "payments" else storage


@asynccontextmanager
async def town(
    *, decision: bytes = b"decide", engine: MemoryEngine | None = None
) -> AsyncIterator[tuple[Node, SlowLane]]:
    """Two shards, and the lane between them."""
    engine, lane, service = engine or MemoryEngine(), SlowLane(decision), payments_with(shards=SHARDS)
    async with AsyncExitStack() as stack:
        leaders = []
        for partition in range(SHARDS):
            storage = await engine.open("payments", partition)
            machine = service.machine(storage.shelf, Place("payments", partition, SHARDS))
            identity = Identity("payments", partition, bytes(16), SHARDS)
            leading = lead(machine, storage, identity, now_ns=lambda: 1_764_000_000 * 10**9, transport=lane)
            leaders.append(await stack.enter_async_context(leading))
        lane.node = Node(service, leaders)
        yield lane.node, lane


@asynccontextmanager
async def half_paid(node: Node, lane: SlowLane, row: Row) -> AsyncIterator[asyncio.Task[object]]:
    """A transfer is decided, done by the shard of who pays, and unknown to the other."""
    pay = encode(Operation.CREATE_TRANSFERS, rows_of(TRANSFER, [row]))
    async with asyncio.TaskGroup() as tasks:
        paid = tasks.create_task(create(node, pay, waits(NO_ID, deadline_s=10)))
        await lane.is_tried.wait()
        yield paid
        lane.is_open.set()


async def open_accounts(node: Node) -> None:
    rows = rows_of(ACCOUNT, [{"id": each, "ledger": 1, "code": 1} for each in (A, B)])
    await create(node, encode(Operation.CREATE_ACCOUNTS, rows), waits(NO_ID, deadline_s=10))


@asynccontextmanager
async def half_way(
    engine: MemoryEngine | None = None,
) -> AsyncIterator[tuple[Node, SlowLane, asyncio.Task[object]]]:
    """A transfer of 10 from A to B is half way."""
    async with town(engine=engine) as (node, lane):
        await open_accounts(node)
        async with half_paid(node, lane, transfer(1, A, B, 10)) as paid:
            yield node, lane, paid


def strongly() -> Sight:
    return sees(STRONG, deadline_s=10.0)


async def balance(node: Node, number: int, sight: Sight | None = None) -> int:
    rows, _ = await look_up(node, Operation.LOOKUP_ACCOUNTS, ids_of([number]), sight=sight or strongly())
    return get(rows[0], "credits_posted") - get(rows[0], "debits_posted")


def test_whoever_has_seen_one_half_waits_for_the_other() -> None:
    async def main() -> None:
        async with half_way() as (node, lane, paid):
            await paid
            assert await balance(node, A) == -10
            assert await balance(node, B, sees(Stale(60.0), deadline_s=10.0)) == 0, "a stale read shows what is there"
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
                await balance(node, B, sees(STRONG, deadline_s=0.05))

    asyncio.run(main())


def test_all_that_a_strong_read_waits_for_takes_no_longer_than_it_may() -> None:
    async def main() -> None:
        engine = BusyEngine()
        async with half_way(engine) as (node, _, paid):
            await paid
            for log in engine.logs:
                log.takes_s = 4.0
            now_s = asyncio.get_running_loop().time
            began_s = now_s()
            with pytest.raises(NotAccepted, match=r"payments/1 has not done within 10 s what other shards"):
                await balance(node, B)
            assert now_s() - began_s == pytest.approx(10.0)

    run_virtual(main())


@pytest.mark.parametrize(
    "path",
    [
        "/ledger/accounts",
        "/ledger/transfers",
        "/ledger/transfers/1",
        "/accounts",
        "/institutions",
        "/files",
        "/windows",
        "/reports/trial-balance",
        "/controls",
        "/card-stand-ins",
        "/instant/payments",
        "/instant/payments/9d3b6d8e-5c3f-4b6e-8f0a-000000000001",
    ],
)
def test_what_asks_several_shards_has_one_deadline_for_all_of_them(path: str) -> None:
    async def main() -> None:
        engine = BusyEngine()
        async with town(engine=engine) as (node, _):
            await open_accounts(node)
            operations = [*node.service.operations, *card_operations(CardKey(bytes(32)))]
            asked = Node(msgspec.structs.replace(node.service, operations=operations), node.leaders)
            for log in engine.logs:
                log.takes_s = 6.0
            began_s = asyncio.get_running_loop().time()
            transport = httpx.ASGITransport(Edge(asked))
            async with httpx.AsyncClient(transport=transport, base_url="http://payments") as client:
                refused = await client.get(path, headers={DEADLINE: "10"})
            assert refused.status_code == 503, refused.text
            assert asyncio.get_running_loop().time() - began_s == pytest.approx(10.0)

    run_virtual(main())


def test_a_cut_counts_what_is_on_its_way() -> None:
    async def main() -> None:
        async with half_way() as (node, lane, paid):
            await paid
            answers, token = await take_cut(node, encode_query(GetTrialBalance()), strongly())
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


def test_a_cut_of_shards_that_pay_each_other_all_the_time_is_of_one_moment_and_is_taken_at_once() -> None:
    async def pay(node: Node, first: int) -> None:
        for number in count(first):
            debit, credit = (A, B) if number % 2 else (B, A)
            row = transfer(number, debit, credit, 1)
            await create(
                node, encode(Operation.CREATE_TRANSFERS, rows_of(TRANSFER, [row])), waits(NO_ID, deadline_s=10)
            )

    async def main() -> None:
        engine, query = BusyEngine(), encode_between(TakeCut(encode_query(GetTrialBalance())))
        async with open_node(payments_with(shards=SHARDS), engine) as node:
            await open_accounts(node)
            async with beside(*[pay(node, first) for first in range(1_000, 50_000, 1_000)]):
                for log in engine.logs:
                    log.asked = 0
                for turn in range(1, 6):
                    answers, _ = await take_cut(node, query, strongly())
                    assert [log.asked for log in engine.logs] == [turn] * SHARDS, "each is waited for once"
                    cuts = [msgspec.msgpack.decode(answer, type=CutAnswer) for answer in answers]
                    names = [leader.identity.log_name for leader in node.leaders]
                    pairs = permutations(zip(names, cuts, strict=True), 2)
                    assert all(
                        theirs.taken.get(sender, 0) <= ours.sent.get(receiver, 0)
                        for (sender, ours), (receiver, theirs) in pairs
                    )

    asyncio.run(main())


@pytest.mark.parametrize(
    ("paid_to", "path"),
    [
        ("customer", "/ledger/accounts"),
        ("customer", "/ledger/accounts/{customer}"),
        ("customer", "/ledger/accounts/{customer}/transfers"),
        ("customer", "/accounts"),
        ("customer", f"/institutions/{MEADOW}/accounts/1"),
        ("customer", f"/institutions/{MEADOW}/accounts/1/statement"),
        ("meadow", "/institutions"),
    ],
)
def test_whatever_shows_an_account_waits_for_what_is_decided(paid_to: str, path: str) -> None:
    async def main() -> None:
        async with town() as (node, lane), serving(node, port=0) as url, httpx.AsyncClient(base_url=url) as client:
            for bank in (HARBOR, MEADOW):
                await client.post("/institutions", json={"routing": bank, "name": bank})
                await client.post("/accounts", json=[{"routing": bank, "number": "1"}])
            banks = {
                each["routing"]: each["ledger_id"] for each in (await client.get("/institutions")).json()["items"]
            }
            customer = (await client.get(f"/institutions/{MEADOW}/accounts/1")).json()["ledger_id"]
            target = int({"customer": customer, "meadow": banks[MEADOW]}[paid_to])
            shown_at = path.format(customer=customer)
            async with half_paid(node, lane, transfer(1, int(banks[HARBOR]), target, 10, ledger=840)) as paid:
                await paid
                before = await client.get(shown_at, params={"level": "stale", "max_age_s": "60"})
                assert before.status_code == 200, before.text
                refused = await client.get(shown_at, headers={DEADLINE: "0.05"})
                assert refused.status_code == 503, f"a strong one waits: {refused.text}"
                lane.is_open.set()
                after = await client.get(shown_at)
                assert after.json() != before.json()

    asyncio.run(main())


def test_whoever_has_seen_one_half_of_an_instant_payment_or_its_return_waits_for_the_other() -> None:
    async def main() -> None:
        async with (
            town(decision=b"concluded") as (node, lane),
            serving(node, port=0) as url,
            httpx.AsyncClient(base_url=url) as client,
        ):
            banks = (ach.HARBOR.routing_number, ach.CORDAGE.routing_number)
            payer, payee = (f"/institutions/{bank}/accounts/2000000{slot}" for slot, bank in enumerate(banks))
            for slot, bank in enumerate(banks):
                await client.post("/institutions", json={"routing": bank, "name": bank})
                account = {"routing": bank, "number": f"2000000{slot}", "overdraft": True}
                await client.post("/accounts", json=[account])

            async def shown(path: str, **level: str) -> int:
                balance: int = (await client.get(path, params=level)).json()["balance_cents"]
                return balance

            async def moves(content: bytes, *, first: str, then: str, cents: list[int]) -> None:
                before = await shown(then)
                lane.is_open.clear()
                media = {"content-type": "application/xml"}
                told = await client.post("/instant/messages", content=content, headers=media)
                assert told.status_code == 200, told.text
                assert await shown(first) == cents[0]
                assert await shown(then, level="stale", max_age_s="60") == before, "a stale read shows what is there"
                assert (await client.get(then, headers={DEADLINE: "0.05"})).status_code == 503, "a strong one waits"
                lane.is_open.set()
                assert await shown(then) == cents[1]

            try:
                await moves(samples.credit_transfer(), first=payer, then=payee, cents=[-51_74, 51_74])
                await moves(samples.partial_return(), first=payee, then=payer, cents=[31_74, -31_74])
            finally:
                lane.is_open.set()

    asyncio.run(main())
