"""Messages between the partitions of a node: real engines, lost answers, restarts, a full outbox."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path

import msgspec
import pytest

from ropewalk.communication.transport import Transport
from ropewalk.core.chain import Position
from ropewalk.core.codec import encode_value
from ropewalk.core.limits import DELIVERY_BYTES_MAX, DELIVERY_LETTERS_MAX
from ropewalk.core.machine import NO_ID, Request
from ropewalk.core.mailbox import Delivery, Letter, Mailbox
from ropewalk.core.place import Place
from ropewalk.data.engine import Engine
from ropewalk.data.reads import AtLeast
from ropewalk.engines.memory import MemoryEngine, MemoryLog
from ropewalk.engines.sqlite import SqliteEngine
from ropewalk.errors import Damaged, NotAccepted, OutcomeUnknown, Rejected
from ropewalk.proving.virtual import run_virtual
from ropewalk.runtime.calls import Bounds
from ropewalk.runtime.leader import Leader, lead
from ropewalk.runtime.mail import Mail
from ropewalk.runtime.node import Node, open_node
from ropewalk.runtime.tasks import beside
from ropewalk.runtime.writer import Identity
from tests.runtime.town import SOURCE, TARGET, Bring, Fill, Pay, PayLater, town

ENGINES: dict[str, Callable[[Path], Engine]] = {"memory": lambda _: MemoryEngine(), "sqlite": SqliteEngine}
PARTITIONS = 5


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Engine]:
    kept = MemoryEngine()
    return lambda: kept if request.param == "memory" else SqliteEngine(tmp_path)


class FullLog(MemoryLog):
    """A log on a disk that is full while `is_full`."""

    is_full = False

    async def append(self, payload: bytes) -> Position:
        if self.is_full:
            raise NotAccepted("the disk is full")
        return await super().append(payload)


@asynccontextmanager
async def leading(
    log: MemoryLog, transport: Transport | None = None, *, bounds: Bounds | None = None
) -> AsyncIterator[Leader]:
    """The first of two partitions alone. TARGET is in it, so what it sends there is for itself."""
    storage = (await MemoryEngine().open("town", 0))._replace(log=log)
    machine = town(2).machine(storage.shelf, Place("town", 0, 2))
    identity = Identity("town", 0, bytes(16), 2)
    async with lead(machine, storage, identity, now_ns=lambda: 1, bounds=bounds, transport=transport) as leader:
        yield leader


async def seconds_pass(seconds: float) -> None:
    """In virtual time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.Event().wait()


def letter(command: Bring) -> Letter:
    return Letter(encode_value(command))


async def submit(leader: Leader, *commands: Fill | Pay) -> None:
    for command in commands:
        await leader.submit([Request(NO_ID, encode_value(command))])


async def wait_for(node: Node, purse: str, amount: object) -> None:
    """Until a purse holds an amount: each event of its partition is a chance."""
    leader = node.leaders[node.service.partition_of(purse)]
    async with asyncio.timeout(10):
        while (await node.get(purse)).value != amount:
            await leader.wait_events(leader.partition.feed.last, deadline_s=0.05)


def test_a_message_changes_another_partition_once(engine: Callable[[], Engine]) -> None:
    async def main() -> None:
        async with open_node(town(PARTITIONS), engine()) as node:
            await node.call(Fill(SOURCE, 10))
            for _ in range(3):
                assert (await node.call(Pay(SOURCE, TARGET, 2), request_id=b"i" * 16)).value == "sent"
            await wait_for(node, TARGET, 2)
            assert (await node.get(SOURCE)).value == 8

    asyncio.run(main())


def test_a_reply_comes_back_with_its_tag(engine: Callable[[], Engine]) -> None:
    async def main() -> None:
        async with open_node(town(PARTITIONS), engine()) as node:
            await node.call(Fill(SOURCE, 10))
            await node.call(Pay(SOURCE, TARGET, 2, asks=True))
            await node.call(Pay(SOURCE, TARGET, 3, asks=True))
            await wait_for(node, TARGET, 5)
            leader = node.leaders[node.service.partition_of(SOURCE)]
            async with asyncio.timeout(10):
                noted = encode_value(f"reply to {SOURCE}")
                while msgspec.msgpack.decode((await leader.read(noted)).answer) != 5:
                    await asyncio.sleep(0)

    asyncio.run(main())


def test_a_message_to_ones_own_partition_is_one_like_any_other(engine: Callable[[], Engine]) -> None:
    async def main() -> None:
        async with open_node(town(1), engine()) as node:
            await node.call(Fill(SOURCE, 10))
            await node.call(Pay(SOURCE, TARGET, 2))
            await wait_for(node, TARGET, 2)

    asyncio.run(main())


def test_no_caller_may_say_what_only_partitions_say(engine: Callable[[], Engine]) -> None:
    async def main() -> None:
        async with open_node(town(PARTITIONS), engine()) as node:
            with pytest.raises(Rejected, match="can't read this command"):
                await node.submit([Request(bytes(16), encode_value(Bring(TARGET, 1_000)))], partition=0)

    asyncio.run(main())


def test_what_waits_is_delivered_after_a_restart_and_once(tmp_path: Path) -> None:
    place = Place("town", town(PARTITIONS).partition_of(SOURCE), PARTITIONS)

    async def begun() -> None:
        async with open_node(town(PARTITIONS), SqliteEngine(tmp_path)):
            pass

    async def without_a_way_out() -> None:
        """The sender's partition alone: what it sends has no way to anywhere."""
        engine = SqliteEngine(tmp_path)
        storage = await engine.open("town", place.partition)
        machine = town(PARTITIONS).machine(storage.shelf, place)
        identity = Identity("town", place.partition, bytes(16), PARTITIONS)
        async with lead(machine, storage, identity, now_ns=lambda: 1) as leader:
            await leader.submit([Request(bytes(16), encode_value(Fill(SOURCE, 10)))])
            for _ in range(3):
                await leader.submit([Request(bytes(16), encode_value(Pay(SOURCE, TARGET, 2)))])
            assert leader.partition.mailbox.waiting == 3
        await engine.close()

    async def whole() -> None:
        async with open_node(town(PARTITIONS), SqliteEngine(tmp_path)) as node:
            await wait_for(node, TARGET, 6)
            mailbox = node.leaders[place.partition].partition.mailbox
            async with asyncio.timeout(10):
                while mailbox.waiting:
                    await asyncio.sleep(0)

    asyncio.run(begun())
    asyncio.run(without_a_way_out())
    asyncio.run(whole())
    asyncio.run(whole())


class Rough:
    """A transport that loses deliveries, loses answers, repeats, and brings an old delivery again."""

    def __init__(self) -> None:
        self.leaders: dict[str, Leader] = {}
        self._fates = iter(self._endless())
        self._old: list[Delivery] = []

    async def deliver(self, delivery: Delivery) -> int:
        fate = next(self._fates)
        leader = self.leaders[delivery.receiver]
        if fate == "lost":
            raise NotAccepted("nobody is there", retry_after_s=0)
        self._old.append(delivery)
        if fate == "late":
            await self.leaders[self._old[0].receiver].deliver(self._old[0])
        taken_in = await leader.deliver(delivery)
        if fate == "answer lost":
            raise OutcomeUnknown("no answer")
        return taken_in

    @staticmethod
    def _endless() -> Iterator[str]:
        while True:
            yield from ("lost", "answer lost", "late", "answered")


def test_a_rough_way_changes_nothing_about_what_arrives() -> None:
    engine, rough, service = MemoryEngine(), Rough(), town(2)

    async def leading(partition: int) -> AbstractAsyncContextManager[Leader]:
        storage = await engine.open("town", partition)
        machine = service.machine(storage.shelf, Place("town", partition, 2))
        identity = Identity("town", partition, bytes(16), 2)
        return lead(machine, storage, identity, now_ns=lambda: 1, transport=rough)

    async def main() -> None:
        async with await leading(0) as zero, await leading(1) as one:
            rough.leaders = {"town/0": zero, "town/1": one}
            node = Node(service, [zero, one])
            await node.call(Fill(SOURCE, 100))
            for _ in range(20):
                await node.call(Pay(SOURCE, "carol", 1))
                await node.call(Pay(SOURCE, TARGET, 1))
            for purse in ("carol", TARGET):
                await wait_for(node, purse, 20)

    asyncio.run(main())


class Taking:
    """A transport to a receiver that says how far it has taken letters in, once it is there."""

    def __init__(self, through: int) -> None:
        self.through = through
        self.is_there = asyncio.Event()
        self.times_s: list[float] = []

    async def deliver(self, _: Delivery) -> int:
        await self.is_there.wait()
        self.times_s.append(asyncio.get_running_loop().time())
        return self.through


def test_a_full_outbox_keeps_callers_out_and_messages_in_until_it_empties() -> None:
    async def main() -> None:
        taking, pay = Taking(2), Pay(SOURCE, TARGET, 1)
        async with leading(MemoryLog(), taking, bounds=Bounds(outbox_messages_max=2)) as leader:
            await submit(leader, Fill(SOURCE, 10), pay, pay)
            with pytest.raises(NotAccepted, match=r"2 messages of .* bytes wait for other partitions, and 2"):
                await submit(leader, pay)
            assert await leader.deliver(Delivery("town/1", "town/0", 1, [letter(Bring(SOURCE, 5))])) == 1
            taking.is_there.set()
            await seconds_pass(1)
            await submit(leader, pay)

    run_virtual(main())


def test_a_delivery_for_another_partition_is_rejected() -> None:
    async def main() -> None:
        async with leading(MemoryLog()) as leader:
            with pytest.raises(Rejected, match="a delivery to town/7 came to town/0"):
                await leader.deliver(Delivery("town/1", "town/7", 1, []))

    run_virtual(main())


@pytest.mark.parametrize(
    ("letters", "size"), [(DELIVERY_LETTERS_MAX, 1), (2, DELIVERY_BYTES_MAX // 2)], ids=["letters", "bytes"]
)
def test_a_record_takes_in_a_bounded_number_of_deliveries_and_the_rest_follow(letters: int, size: int) -> None:
    async def main() -> None:
        mail = Mail(Mailbox(), None, bounds=Bounds(), arrived=asyncio.Event())
        deliveries = [Delivery(f"town/{sender}", "town/0", 1, [Letter(bytes(size))] * letters) for sender in range(5)]
        async with beside(*(mail.offer(each, log_name=each.receiver) for each in deliveries)):
            await asyncio.sleep(0)
            assert [len(mail.take()) for _ in range(4)] == [2, 2, 1, 0]

    run_virtual(main())


def test_an_outbox_empties_though_the_first_record_that_was_to_say_so_was_refused() -> None:
    async def main() -> None:
        log, taking = FullLog(), Taking(1)
        async with leading(log, taking, bounds=Bounds(outbox_messages_max=1)) as leader:
            await submit(leader, Fill(SOURCE, 10), Pay(SOURCE, TARGET, 1))
            log.is_full = True
            taking.is_there.set()
            await seconds_pass(1)
            assert leader.partition.mailbox.waiting == 1
            log.is_full = False
            await seconds_pass(1)
            await submit(leader, Pay(SOURCE, TARGET, 1))

    run_virtual(main())


def test_a_receiver_that_has_more_than_was_sent_stops_the_sender_and_not_its_log() -> None:
    async def main() -> None:
        log, taking = MemoryLog(), Taking(2)
        taking.is_there.set()
        async with leading(log, taking) as leader:
            await submit(leader, Fill(SOURCE, 10), Pay(SOURCE, TARGET, 1))
            await seconds_pass(1)
            assert isinstance(leader.stopped_because, Damaged)
            assert "town/0 has taken in 2 messages of town/0, which has sent 1" in str(leader.stopped_because)
        async with leading(log) as leader:
            await submit(leader, Fill(SOURCE, 10))

    run_virtual(main())


def test_a_receiver_that_takes_in_nothing_more_is_not_asked_again_at_once() -> None:
    async def main() -> list[float]:
        forgetful = Taking(0)
        forgetful.is_there.set()
        async with leading(MemoryLog(), forgetful) as leader:
            await submit(leader, Fill(SOURCE, 10), Pay(SOURCE, TARGET, 1))
            await seconds_pass(60)
        return forgetful.times_s

    assert 20 < len(run_virtual(main())) < 50


def test_a_timer_sends_its_message_also_after_a_long_stop(tmp_path: Path) -> None:
    day_ns = 86_400 * 10**9

    async def at(now_ns: int, step: Callable[[Node], object]) -> None:
        async with open_node(town(PARTITIONS), SqliteEngine(tmp_path), clock_ns=lambda: now_ns) as node:
            await step(node)  # type: ignore[misc]

    async def set_timers(node: Node) -> None:
        await node.call(Fill(SOURCE, 10))
        for amount in (1, 2, 4):
            await node.call(PayLater(SOURCE, TARGET, amount, time_ns=day_ns))

    async def nothing_yet(node: Node) -> None:
        assert (await node.get(SOURCE)).value == 10

    async def all_of_them(node: Node) -> None:
        await wait_for(node, TARGET, 7)
        assert (await node.get(SOURCE)).value == 3

    asyncio.run(at(1, set_timers))
    asyncio.run(at(day_ns - 1, nothing_yet))
    asyncio.run(at(400 * day_ns, all_of_them))
    asyncio.run(at(401 * day_ns, all_of_them))


def test_another_number_of_partitions_is_refused(engine: Callable[[], Engine]) -> None:
    async def main(partitions: int) -> None:
        async with open_node(town(partitions), engine()) as node:
            reply = await node.call(Fill(SOURCE, 1))
            assert (await node.get(SOURCE, level=AtLeast(reply.token))).value

    asyncio.run(main(2))
    asyncio.run(main(2))
    for partitions in (1, 3):
        with pytest.raises(Rejected, match=f"created with 2 partitions and is started with {partitions}"):
            asyncio.run(main(partitions))


def test_a_leader_whose_successor_has_sent_more_is_deposed_and_nothing_is_damaged() -> None:
    class Taking:
        """A receiver that has taken in what the successor sent, whoever asks."""

        taken_in = 1

        async def deliver(self, _: Delivery) -> int:
            return self.taken_in

    engine, service, receiver = MemoryEngine(), town(2), Taking()

    async def leading() -> AbstractAsyncContextManager[Leader]:
        storage = await engine.open("town", 0)
        machine = service.machine(storage.shelf, Place("town", 0, 2))
        identity = Identity("town", 0, bytes(16), 2)
        return lead(machine, storage, identity, now_ns=lambda: 1, transport=receiver)

    async def pay(leader: Leader) -> None:
        await leader.submit([Request(bytes(16), encode_value(Pay(SOURCE, TARGET, 1)))])

    async def stopped(leader: Leader) -> None:
        while leader.stopped_because is None:
            await asyncio.sleep(0)

    async def main() -> None:
        async with await leading() as old:
            await old.submit([Request(bytes(16), encode_value(Fill(SOURCE, 10)))])
            receiver.taken_in = 0
            await pay(old)
            async with await leading() as new, asyncio.timeout(10):
                await pay(new)
                await pay(new)
                receiver.taken_in = 3
                await stopped(old)
                assert "led by another process" in str(old.stopped_because)
                assert new.stopped_because is None

    asyncio.run(main())
