"""Views beside a node: how old they are, how they are rebuilt, and what stops them."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import msgspec
import pytest

from ropewalk import Applied, Entry, Service, open_node
from ropewalk.core.codec import encode_value
from ropewalk.core.effects import Publish
from ropewalk.core.limits import EVENTS_KEPT
from ropewalk.core.machine import NO_ID, Request
from ropewalk.data.views import Happened, Tables, View
from ropewalk.engines.memory import MemoryEngine
from ropewalk.engines.views import MemoryTables, SqliteTables
from ropewalk.errors import NotAccepted
from ropewalk.runtime.node import Node
from ropewalk.runtime.views import ReadModel, open_view


class Sell(msgspec.Struct, frozen=True, tag=True):
    product: str
    amount: int


def apply(_: Mapping[str, int], entry: Entry[Sell]) -> Applied[int]:
    product, amount = entry.command.product, entry.command.amount
    if amount < 0:
        raise ZeroDivisionError("a bug in the service")
    return Applied("sold", {}, [Publish("sold", product, amount)])


def sales(partitions: int = 2) -> Service:
    return Service.keyed(
        "sales", commands=Sell, value=int, apply=apply, key=lambda sell: sell.product, partitions=partitions
    )


def fold(totals: Mapping[str, int], event: Happened) -> Mapping[str, int]:
    assert isinstance(event.data, int)
    return {event.subject: totals.get(event.subject, 0) + event.data, "all": totals.get("all", 0) + event.data}


TOTALS = View("totals", value=int, fold=fold)
DOUBLED = View(
    "totals",
    value=int,
    fold=lambda totals, event: {
        key: 2 * value for key, value in fold({k: v // 2 for k, v in totals.items()}, event).items()
    },
    version=2,
)

Story = Callable[[Node, "ReadModel[int]"], Awaitable[None]]


def play(story: Story, *, view: View[int] = TOTALS, tables: Tables | None = None, partitions: int = 2) -> None:
    async def main() -> None:
        async with (
            open_node(sales(partitions), MemoryEngine()) as node,
            open_view(view, node, tables) as model,
        ):
            await story(node, model)

    asyncio.run(main())


async def sell(node: Node, *products: str, amount: int = 1) -> None:
    for product in products:
        await node.call(Sell(product, amount))


def test_a_view_of_all_partitions_has_what_was_published_before_a_read_that_asks_for_it() -> None:
    async def story(node: Node, model: ReadModel[int]) -> None:
        await sell(node, "a", "b", "c", "a")
        assert (await model.get("all", max_age_s=0)).value == 4
        seen = await model.get("a")
        assert (seen.value, seen.age_s) == (2, 0.0)
        assert (await model.get("never")).value is None
        assert model.keys() == ["a", "all", "b", "c"]
        assert model.keys(after="all", limit=1) == ["b"]

    play(story)


def test_a_view_that_has_not_folded_says_since_when_and_how_many() -> None:
    async def story(node: Node, model: ReadModel[int]) -> None:
        await asyncio.sleep(0)
        leader = node.leaders[0]
        await node.submit([Request(NO_ID, encode_value(Sell("a", 1)))] * 3)
        first = leader.events(0)[0].time_ns
        # What was just published is folded in another turn of the loop.
        staleness = model.staleness
        assert staleness.behind == 3
        assert 0 <= staleness.age_s < 10
        moved = ReadModel(TOTALS, node, MemoryTables(), clock_ns=lambda: first + 2_500_000_000)
        assert moved.staleness.age_s == 2.5
        await model.get("a", max_age_s=0)
        assert (model.staleness.age_s, model.staleness.behind) == (0.0, 0)

    play(story, partitions=1)


def test_a_view_is_rebuilt_from_zero_while_the_old_one_serves() -> None:
    async def main() -> None:
        tables = MemoryTables()
        async with open_node(sales(), MemoryEngine()) as node:
            async with open_view(TOTALS, node, tables) as model:
                await sell(node, "a", "b")
                await model.get("all", max_age_s=0)
            newer = ReadModel(DOUBLED, node, tables, clock_ns=lambda: 0)
            await sell(node, "a")
            # The old generation serves as it was, and its age tells that it is no longer folded.
            assert (await newer.get("all")).value == 2
            assert newer.staleness.behind == 1
            await newer.rebuild()
            assert (await newer.get("all", max_age_s=0)).value == 6
            serving = tables.serving()
            assert serving is not None
            assert serving.version == 2

    asyncio.run(main())


def test_a_rebuild_that_is_cut_off_leaves_the_old_one_serving(tmp_path: Path) -> None:
    async def story(node: Node, model: ReadModel[int]) -> None:
        await node.submit([Request(NO_ID, encode_value(Sell("a", 1)))] * 1_000)
        await model.get("a", max_age_s=0)
        async with asyncio.TaskGroup() as tasks:
            rebuilt = tasks.create_task(model.rebuild())
            await asyncio.sleep(0)
            with pytest.raises(NotAccepted, match="being rebuilt already"):
                await model.rebuild()
            rebuilt.cancel()
        assert (await model.get("a", max_age_s=0)).value == 1_000
        await model.rebuild()
        assert (await model.get("a", max_age_s=0)).value == 1_000

    play(story, tables=SqliteTables(tmp_path / "view.db"), partitions=1)


def test_a_view_in_a_file_goes_on_where_it_was(tmp_path: Path) -> None:
    async def main() -> None:
        engine = MemoryEngine()
        for count in (2, 4):
            async with (
                open_node(sales(), engine) as node,
                open_view(TOTALS, node, SqliteTables(tmp_path / "view.db")) as model,
            ):
                await sell(node, "a", "b")
                assert (await model.get("all", max_age_s=0)).value == count

    asyncio.run(main())


def test_a_newer_version_is_built_when_it_is_opened() -> None:
    async def main() -> None:
        tables = MemoryTables()
        async with open_node(sales(), MemoryEngine()) as node:
            async with open_view(TOTALS, node, tables) as model:
                await sell(node, "a")
                assert (await model.get("a", max_age_s=0)).value == 1
            async with open_view(DOUBLED, node, tables) as model:
                assert (await model.get("a", max_age_s=0)).value in (1, 2)
                await sell(node, "a")
                assert (await model.get("a", max_age_s=0)).value == 4

    asyncio.run(main())


def test_events_that_were_kept_no_more_are_said_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)

    async def main() -> None:
        async with open_node(sales(1), MemoryEngine()) as node:
            for _ in range(EVENTS_KEPT // 8_192):
                await node.submit([Request(NO_ID, encode_value(Sell("a", 1)))] * 8_192)
            await sell(node, "a", "a")
            late = ReadModel(TOTALS, node, MemoryTables(), clock_ns=lambda: 0)
            assert late.staleness.age_s == math.inf
            async with open_view(TOTALS, node) as model:
                assert (await model.get("a", max_age_s=0)).value == EVENTS_KEPT
                assert model.staleness.missed == 2
        assert "the view totals: 2 events of sales/0 are kept no more" in caplog.text

    asyncio.run(main())


def test_a_view_of_a_partition_that_has_stopped_is_old_and_says_so() -> None:
    async def story(node: Node, model: ReadModel[int]) -> None:
        await sell(node, "a")
        await model.get("a", max_age_s=0)
        with pytest.raises(Exception, match="it may have happened"):
            await sell(node, "a", amount=-1)
        seen = await model.get("a")
        assert (seen.value, seen.age_s) == (1, math.inf)
        with pytest.raises(NotAccepted, match="the view totals is inf s old, and 1 s was asked for"):
            await model.get("a", max_age_s=1, deadline_s=0.01)

    play(story, partitions=1)


def test_what_a_fold_raises_ends_the_block() -> None:
    def wrong(_: Mapping[str, int], __: Happened) -> Mapping[str, int]:
        raise ZeroDivisionError("a bug in the view")

    async def story(node: Node, model: ReadModel[int]) -> None:
        await sell(node, "a")
        await model.get("a", max_age_s=0)

    with pytest.raises(ZeroDivisionError, match="a bug in the view"):
        play(story, view=View("wrong", value=int, fold=wrong))
