"""Services that follow another's events: each takes effect once, whatever is killed and wherever it comes from."""

import asyncio
import logging
import time
from collections.abc import Mapping
from random import Random

import msgspec
import pytest

from ropewalk import Applied, Entry, Service, open_node
from ropewalk.core.codec import encode_value
from ropewalk.core.effects import Publish
from ropewalk.core.limits import EVENTS_BYTES_KEPT
from ropewalk.core.machine import NO_ID, Request
from ropewalk.core.mailbox import Delivery
from ropewalk.engines.memory import MemoryEngine
from ropewalk.errors import Rejected
from ropewalk.observability.metrics import REGISTRY
from ropewalk.runtime import followers
from ropewalk.runtime.followers import Heard, following, with_follower
from ropewalk.runtime.node import Node
from ropewalk.runtime.server import serving
from ropewalk.runtime.splitting import renumber, split
from ropewalk.runtime.webhooks.service import with_webhooks

LARGE = EVENTS_BYTES_KEPT // 4
"""Four events of this size are more than is kept."""


class Sell(msgspec.Struct, frozen=True, tag=True):
    product: str
    amount: int
    note_bytes: int = 0


def sell(_: Mapping[str, int], entry: Entry[Sell]) -> Applied[int]:
    command = entry.command
    return Applied("sold", {}, [Publish("sold", command.product, (command.amount, bytes(command.note_bytes)))])


def sales(partitions: int = 3) -> Service:
    return Service.keyed(
        "sales", commands=Sell, value=int, apply=sell, key=lambda sell: sell.product, partitions=partitions
    )


class Forget(msgspec.Struct, frozen=True, tag=True):
    product: str


def count(totals: Mapping[str, int], entry: Entry[Forget | Heard]) -> Applied[int]:
    match entry.command:
        case Forget(product):
            return Applied("forgotten", {product: None})
        case Heard() as heard:
            amount = heard.data[0]
            return Applied("counted", {key: totals.get(key, 0) + amount for key in (heard.subject, "all", heard.log)})


def counting(*, partitions: int = 1, messages: object = Heard) -> Service:
    return Service.keyed(
        "totals",
        commands=Forget,
        messages=messages,
        value=int,
        apply=count,
        key=lambda message: message.product,
        partitions=partitions,
    )


async def sell_all(node: Node, amounts: range, *, note_bytes: int = 0) -> None:
    for amount in amounts:
        await node.call(Sell("abcdef"[amount % 6], amount, note_bytes))


async def wait_for(node: Node, total: int, *, key: str = "all") -> None:
    async with asyncio.timeout(5):
        while (await node.get(key)).value != total:
            await asyncio.sleep(0)


async def wait_until_said(caplog: pytest.LogCaptureFixture, words: str) -> None:
    async with asyncio.timeout(5):
        while words not in caplog.text:
            await asyncio.sleep(0)


def test_every_event_of_every_partition_takes_effect_once_across_restarts() -> None:
    engine = MemoryEngine()
    service = with_follower(sales(), counting())

    async def main(amounts: range, total: int) -> None:
        async with open_node(service, engine) as node:
            await sell_all(node, amounts)
            own = node.followers["totals"]
            await wait_for(own, total)
            logs = [(await own.get(f"sales/{partition}")).value for partition in range(3)]
            assert sum([each for each in logs if isinstance(each, int)]) == total

    asyncio.run(main(range(1, 31), 465))
    asyncio.run(main(range(31, 41), 820))


def test_how_far_behind_it_is_and_when_it_last_heard_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def shown(name: str) -> float | None:
        return REGISTRY.get_sample_value(f"ropewalk_follower_{name}", {"service": "totals", "log": "sales/0"})

    async def main() -> None:
        async with open_node(sales(1), MemoryEngine()) as source, open_node(counting(), MemoryEngine()) as own:
            await sell_all(source, range(1, 4))
            seen: list[float | None] = []
            deliver = own.leaders[0].deliver

            async def note_and_deliver(delivery: Delivery) -> int:
                seen.append(shown("events_behind"))
                return await deliver(delivery)

            monkeypatch.setattr(own.leaders[0], "deliver", note_and_deliver)
            async with following(own, "sales", at=source), asyncio.timeout(5):
                await wait_for(own, 6)
                while shown("events_behind") != 0:
                    await asyncio.sleep(0)
            assert seen == [3]
            heard = shown("heard_timestamp_seconds")
            assert heard is not None
            assert abs(heard - time.time()) < 60

    asyncio.run(main())


def test_when_the_followed_service_is_split_nothing_counts_twice_or_not_at_all() -> None:
    async def main() -> None:
        before, after = MemoryEngine(), MemoryEngine()
        async with open_node(with_follower(sales(2), counting()), before) as node:
            await sell_all(node, range(1, 31))
            await wait_for(node.followers["totals"], 465)
        await split(sales(2), before, after, partitions=4, on_part=lambda _: None)
        await renumber(counting(), before, after)
        async with open_node(with_follower(sales(4), counting()), after) as node:
            await sell_all(node, range(31, 41))
            await wait_for(node.followers["totals"], 820)
            logs = [(await node.followers["totals"].get(f"sales/{partition}")).value for partition in range(4)]
            assert all(logs)

    asyncio.run(main())


class Killed(Exception):
    pass


def test_it_is_killed_anywhere_and_nothing_counts_twice_or_not_at_all() -> None:
    for seed in range(30):
        random, engine = Random(seed), MemoryEngine()
        service = with_follower(sales(2), counting())
        sold = 0

        async def until_killed(random: Random, engine: MemoryEngine, service: Service) -> int:
            async with open_node(service, engine) as node:
                await sell_all(node, range(1, 9))
                for _ in range(random.randrange(60)):
                    await asyncio.sleep(0)
                raise Killed

        async def at_the_end(engine: MemoryEngine, service: Service, total: int) -> None:
            async with open_node(service, engine) as node:
                await wait_for(node.followers["totals"], total)
                await asyncio.sleep(0)
                assert (await node.followers["totals"].get("all")).value == total

        for _ in range(4):
            with pytest.raises(Killed):
                asyncio.run(until_killed(random, engine, service))
            sold += 36
        asyncio.run(at_the_end(engine, service, sold))


def test_events_are_followed_from_a_url_and_by_several_at_once() -> None:
    async def main() -> None:
        async with (
            open_node(sales(), MemoryEngine()) as source,
            serving(source, port=0) as url,
            open_node(counting(), MemoryEngine()) as own,
            following(own, "sales", at=url),
            following(own, "sales", at=url),
            following(own, "sales", at=source),
        ):
            await sell_all(source, range(1, 31))
            await wait_for(own, 465)
            await sell_all(source, range(31, 41), note_bytes=300_000)
            await wait_for(own, 820)
            for _ in range(100):
                await asyncio.sleep(0)
            assert (await own.get("all")).value == 820

    asyncio.run(main())


def test_it_stops_before_events_that_are_kept_no_more_and_may_begin_behind_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)

    async def main() -> None:
        engine = MemoryEngine()
        async with open_node(sales(1), MemoryEngine()) as source:
            await sell_all(source, range(1, 6), note_bytes=LARGE)
            async with open_node(counting(), engine) as own, following(own, "sales", at=source):
                await wait_until_said(caplog, "event 1 was asked for, and 3 is the oldest that is kept")
                assert (await own.get("all")).value is None
            for amount, total in ((6, 3 + 4 + 5 + 6), (7, 25)):
                async with (
                    open_node(counting(), engine) as own,
                    following(own, "sales", at=source, after={"sales/0": 2}),
                ):
                    await sell_all(source, range(amount, amount + 1))
                    await wait_for(own, total)
            # Another number begins again there, and what is behind it takes effect once more.
            async with (
                open_node(counting(), engine) as own,
                following(own, "sales", at=source, after={"sales/0": 5}),
            ):
                await wait_for(own, 25 + 6 + 7)

    asyncio.run(main())


@pytest.mark.parametrize("is_asked_over_http", [False, True])
def test_a_log_that_is_shorter_than_what_was_heard_of_it_is_said(
    is_asked_over_http: bool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr(followers, "_WAIT_S", 0.01)

    async def main() -> None:
        async with open_node(counting(), MemoryEngine()) as own:
            async with open_node(sales(1), MemoryEngine()) as source, following(own, "sales", at=source):
                await sell_all(source, range(1, 4))
                await wait_for(own, 6)
            async with (
                open_node(sales(1), MemoryEngine()) as restored,
                serving(restored, port=0) as url,
                following(own, "sales", at=url if is_asked_over_http else restored),
            ):
                await sell_all(restored, range(1, 2))
                await wait_until_said(caplog, "event 3 of sales/0 was heard, and it has")

    asyncio.run(main())


def test_a_log_with_events_that_are_gone_holds_up_no_other(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)

    async def main() -> None:
        async with open_node(sales(2), MemoryEngine()) as source:
            assert [source.service.partition_of(product) for product in "ac"] == [0, 1]
            for _ in range(5):
                await source.call(Sell("a", 1000, LARGE))
            async with open_node(counting(), MemoryEngine()) as own, following(own, "sales", at=source):
                await wait_until_said(caplog, "event 1 was asked for")
                for amount in (1, 2, 3):
                    await source.call(Sell("c", amount))
                await wait_for(own, 6)

    asyncio.run(main())


def test_partitions_that_are_there_since_a_split_are_followed_though_nothing_broke(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(followers, "_WAIT_S", 0.01)
    monkeypatch.setattr(followers, "_AGAIN_S", 0.01)

    async def main() -> None:
        async with open_node(sales(2), MemoryEngine()) as source, open_node(counting(), MemoryEngine()) as own:
            at = Node(source.service, source.leaders[:1])
            async with following(own, "sales", at=at):
                for product, amount in (("a", 1), ("c", 2)):
                    await source.call(Sell(product, amount))
                await wait_for(own, 1)
                at.leaders = source.leaders
                await wait_for(own, 3)

    asyncio.run(main())


def test_where_no_service_with_events_answers_it_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)

    async def main() -> None:
        async with (
            open_node(counting(), MemoryEngine()) as own,
            following(own, "sales", at="http://127.0.0.1:9"),
        ):
            await wait_until_said(caplog, "totals follows sales: no service answers at http://127.0.0.1:9")

    asyncio.run(main())


def test_who_can_not_hear_is_refused_and_no_caller_may_say_what_was_heard() -> None:
    with pytest.raises(Rejected, match="messages=Heard"):
        with_follower(sales(), counting(messages=None))
    with pytest.raises(Rejected, match="totals has 2 partitions"):
        with_follower(sales(), counting(partitions=2))
    with pytest.raises(Rejected, match="sales has a totals already"):
        with_follower(with_follower(sales(), counting()), counting())
    with pytest.raises(Rejected, match="totals has followers of its own, which would not run"):
        with_follower(sales(), with_webhooks(counting()))

    async def main() -> None:
        async with open_node(counting(), MemoryEngine()) as own:
            with pytest.raises(Rejected):
                await own.submit([Request(NO_ID, encode_value(Heard("sales/0", 1, 0, "sold", "a", [1])))])

    asyncio.run(main())
