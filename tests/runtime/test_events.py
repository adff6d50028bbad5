"""Events of a leader: read by number, waited for, heard by subject; followers that keep how far they are."""

import asyncio
import gc
from collections.abc import Mapping

import msgspec
import pytest

from ropewalk.core.feed import Feed
from ropewalk.core.keyed import Applied, Entry
from ropewalk.core.machine import Event
from ropewalk.engines.memory import MemoryEngine
from ropewalk.errors import NotAccepted, Rejected
from ropewalk.runtime.listeners import Listeners
from ropewalk.runtime.node import Node, open_node
from ropewalk.runtime.service import Follower, Service
from ropewalk.runtime.tasks import beside
from tests.runtime.town import SOURCE, TARGET, Fill, Pay, town


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def pay(node: Node, amount: int) -> None:
    await node.call(Fill(SOURCE, amount))
    await node.call(Pay(SOURCE, TARGET, amount))


def test_events_are_read_behind_a_number_and_waited_for() -> None:
    async def main() -> None:
        async with open_node(town(1), MemoryEngine()) as node:
            [leader] = node.leaders
            for amount in (1, 2):
                await pay(node, amount)
            await leader.wait_events(1)
            told = [(each.number, each.event.kind, each.event.subject) for each in leader.events(0)]
            assert told == [(1, "brought", TARGET), (2, "brought", TARGET)]
            assert [msgspec.msgpack.decode(each.event.data) for each in leader.events(1)] == [[2, "town/0"]]
            await leader.wait_events(2, deadline_s=0.01)
            assert leader.events(2) == []

    asyncio.run(main())


def test_a_subject_is_heard_from_when_it_is_waited_for() -> None:
    async def main() -> None:
        async with open_node(town(5), MemoryEngine()) as node:
            leader = node.leaders[node.service.partition_of(TARGET)]
            await pay(node, 1)
            await leader.wait_events(0)
            with leader.waiting_for(TARGET) as heard, leader.waiting_for("somebody else") as unheard:
                await pay(node, 2)
                event = await heard.event(deadline_s=10)
                assert msgspec.msgpack.decode(event.event.data)[0] == 2
                with pytest.raises(NotAccepted, match="nothing happened"):
                    await unheard.event(deadline_s=0.01)

    asyncio.run(main())


def test_who_waits_when_the_partition_stops_is_told() -> None:
    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            async with open_node(town(1), MemoryEngine()) as node:
                waiting = tasks.create_task(refused(node))
                await asyncio.sleep(0)
            await waiting

    async def refused(node: Node) -> None:
        with node.leaders[0].waiting_for(TARGET) as heard:
            with pytest.raises(NotAccepted):
                await node.leaders[0].wait_events(0)
            with pytest.raises(NotAccepted):
                await heard.event(deadline_s=10)

    asyncio.run(main())


def test_who_waits_for_a_later_event_is_not_woken_by_an_earlier_one() -> None:
    async def main() -> None:
        feed = Feed()
        listeners = Listeners(feed)
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(listeners.wait_behind(1, deadline_s=10))
            for _ in range(2):
                await turns()
                assert not waiting.done()
                feed.add([Event("kind", "subject")], time_ns=0)
                listeners.tell()

    asyncio.run(main())


def test_a_subject_that_ends_with_a_slash_stands_for_all_below_it() -> None:
    async def main() -> None:
        feed = Feed()
        listeners = Listeners(feed)
        with listeners.subject("a/") as below, listeners.subject("a/b") as exact, listeners.subject("a") as above:
            feed.add([Event("kind", subject) for subject in ("a/b", "a/b/c", "ab", "a/")], time_ns=0)
            listeners.tell()
            assert [(await below.event(deadline_s=0)).event.subject for _ in range(3)] == ["a/b", "a/b/c", "a/"]
            assert (await exact.event(deadline_s=0)).number == 1
            assert not any(each.has_news for each in (below, exact, above))

    asyncio.run(main())


def test_those_who_went_away_are_forgotten() -> None:
    def kept() -> int:
        gc.collect()
        return sum([type(each) is asyncio.Future for each in gc.get_objects()])

    async def main() -> None:
        listeners, counts = Listeners(Feed()), []
        for _ in range(5):
            async with beside(listeners.wait_behind(0, deadline_s=60)):
                await turns()
            counts.append(kept())
        assert counts[0] == counts[-1]

    asyncio.run(main())


def test_who_begins_to_wait_where_nothing_will_happen_is_told_at_once() -> None:
    async def main() -> None:
        listeners = Listeners(Feed())
        listeners.fail(NotAccepted("it has stopped"))
        with pytest.raises(NotAccepted, match="it has stopped"):
            await listeners.wait_behind(0, deadline_s=60)
        with listeners.subject(TARGET) as heard, pytest.raises(NotAccepted, match="it has stopped"):
            await heard.event(deadline_s=60)

    asyncio.run(main())


class Note(msgspec.Struct, frozen=True, tag=True):
    """How far the follower is, and what it has added up."""

    through: int
    total: int


def note(state: Mapping[str, Note], entry: Entry[Note]) -> Applied[Note]:
    return Applied("noted", {"": entry.command})


async def add_up(node: Node, own: Node) -> None:
    """Follow the first partition's events from where the follower's own state says; trip over the third, once."""
    while True:
        kept = (await own.get("")).value or Note(0, 0)
        assert isinstance(kept, Note)
        await node.leaders[0].wait_events(kept.through)
        for each in node.leaders[0].events(kept.through, limit=1):
            amount = msgspec.msgpack.decode(each.event.data)[0]
            kept = Note(each.number, kept.total + amount)
            await own.call(kept)
            if each.number == 3:
                raise Rejected("the third event is hard to follow")


def test_a_follower_goes_on_where_its_own_state_says() -> None:
    engine = MemoryEngine()
    adder = Service.keyed("town.adder", commands=Note, value=Note, reply=str, apply=note)
    service = msgspec.structs.replace(town(1), followers=[Follower(adder, add_up)])

    async def main(amounts: list[int], total: int) -> None:
        async with open_node(service, engine) as node, asyncio.timeout(10):
            for amount in amounts:
                await pay(node, amount)
            kept = Note(0, 0)
            while kept.total != total:
                await asyncio.sleep(0)
                kept = (await node.followers["town.adder"].get("")).value or kept  # type: ignore[assignment]

    asyncio.run(main([1, 2], 3))
    asyncio.run(main([4, 8], 15))
