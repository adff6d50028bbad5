"""Views that are built again when the events that made them are kept no more."""

import asyncio
import logging
import math
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from ropewalk import Applied, Entry, Service, open_node
from ropewalk.core.effects import Effect, Publish
from ropewalk.core.limits import EVENTS_BYTES_KEPT
from ropewalk.data.views import Happened, Present, View
from ropewalk.engines.memory import MemoryEngine
from ropewalk.engines.views import MemoryTables, SqliteTables
from ropewalk.errors import NotAccepted, OutcomeUnknown, Rejected
from ropewalk.runtime.node import Node
from ropewalk.runtime.splitting import split
from ropewalk.runtime.views import ReadModel, open_view

LARGE = EVENTS_BYTES_KEPT // 4
"""Four events of this size are more than is kept."""


class Sell(msgspec.Struct, frozen=True, tag=True):
    product: str
    amount: int
    note_bytes: int = 0
    is_published: bool = True


class Everything(msgspec.Struct, frozen=True, tag=True):
    pass


def apply(sold: Mapping[str, int], entry: Entry[Sell]) -> Applied[int]:
    product, amount = entry.command.product, entry.command.amount
    if amount < 0:
        raise ZeroDivisionError("a bug in the service")
    data = (amount, bytes(entry.command.note_bytes))
    effects: list[Effect] = [Publish("sold", product, data)] if entry.command.is_published else []
    return Applied("sold", {product: sold.get(product, 0) + amount}, effects)


def answer(sold: Mapping[str, int], _: Everything) -> Mapping[str, int]:
    return dict(sold)


def fold(totals: Mapping[str, int], event: Happened) -> Mapping[str, int]:
    return {"all": totals.get("all", 0) + event.data[0]}


def begin(totals: Mapping[str, int], present: Present) -> Mapping[str, int]:
    return {"all": totals.get("all", 0) + sum(present.ask(Everything()).values())}


def sales(partitions: int = 1) -> Service:
    return Service.keyed(
        "sales",
        commands=Sell,
        value=int,
        apply=apply,
        queries=Everything,
        answer=answer,
        key=lambda sell: sell.product,
        partitions=partitions,
    )


TOTALS = View("totals", value=int, fold=fold)
NEWER = View("totals", value=int, fold=fold, version=2)
FROM_STATE = View("totals", value=int, fold=fold, version=2, begin=begin)


async def sell(node: Node, *amounts: int, product: str = "a") -> None:
    """Each in a large event, so that four of them push out the first."""
    for amount in amounts:
        await node.call(Sell(product, amount, LARGE))


async def total(model: "ReadModel[int]") -> int | None:
    return (await model.get("all", max_age_s=0, deadline_s=5)).value


def test_a_view_is_not_replaced_by_one_that_lacks_what_it_has_unless_it_may() -> None:
    async def main() -> None:
        async with open_node(sales(), MemoryEngine()) as node, open_view(TOTALS, node) as model:
            await sell(node, 1, 2)
            assert await total(model) == 3
            await sell(node, 4, 8, 16)
            assert await total(model) == 31
            with pytest.raises(Rejected, match="would lack 2 events that it has and that are kept no more"):
                await model.rebuild()
            assert (await total(model), model.staleness.missed) == (31, 0)
            await model.rebuild(may_lack=True)
            assert (await total(model), model.staleness.missed) == (28, 2)
            # What neither has is no reason to keep the old one.
            await model.rebuild()
            assert await total(model) == 28

    asyncio.run(main())


def test_a_newer_version_that_would_lack_something_does_not_serve(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)

    async def main() -> None:
        tables = MemoryTables()
        async with open_node(sales(), MemoryEngine()) as node:
            async with open_view(TOTALS, node, tables) as model:
                await sell(node, 1, 2)
                await total(model)
            await sell(node, 4, 8, 16)
            async with open_view(NEWER, node, tables) as model:
                with pytest.raises(NotAccepted, match="rebuilt, the view totals would lack 2 events"):
                    await model.get("all", max_age_s=0, deadline_s=0.01)
                seen = await model.get("all")
                assert (seen.value, seen.age_s) == (3, math.inf)
            async with open_view(NEWER, node, tables, may_lack=True) as model:
                assert await total(model) == 28

    asyncio.run(main())
    assert "the view totals: rebuilt, the view totals would lack 2 events" in caplog.text


@pytest.mark.parametrize("partitions", [1, 3])
def test_a_view_that_begins_with_the_state_is_rebuilt_whatever_is_kept(partitions: int, tmp_path: Path) -> None:
    async def main() -> None:
        tables = SqliteTables(tmp_path / "view.db")
        async with open_node(sales(partitions), MemoryEngine()) as node:
            for product in "abcdef":
                await node.call(Sell(product, 100, is_published=False))
            await sell(node, 1, 2, 4, 8)
            async with open_view(FROM_STATE, node, tables) as model:
                assert await total(model) == 615
                await sell(node, 16)
                await sell(node, 32, product="b")
                assert await total(model) == 663
                await model.rebuild()
                await sell(node, 64)
                assert (await total(model), model.staleness.missed) == (727, 0)

    asyncio.run(main())


def test_a_view_without_a_beginning_is_replaced_by_one_that_has_all() -> None:
    async def main() -> None:
        tables = MemoryTables()
        async with open_node(sales(), MemoryEngine()) as node:
            async with open_view(TOTALS, node, tables) as model:
                await sell(node, 1, 2)
                await total(model)
            await sell(node, 4, 8, 16)
            async with open_view(FROM_STATE, node, tables) as model:
                assert (await total(model), model.staleness.missed) == (31, 0)

    asyncio.run(main())


def test_what_happened_while_nobody_folded_is_taken_from_the_state() -> None:
    async def main() -> None:
        tables = MemoryTables()
        async with open_node(sales(2), MemoryEngine()) as node:
            async with open_view(FROM_STATE, node, tables) as model:
                await sell(node, 1)
                assert await total(model) == 1
            for product in "abcdef":
                await sell(node, 1, 1, 1, 1, product=product)
            async with open_view(FROM_STATE, node, tables) as model:
                assert (await total(model), model.staleness.missed) == (25, 0)

    asyncio.run(main())


def test_a_view_that_is_outrun_begins_again() -> None:
    async def main() -> None:
        async with open_node(sales(), MemoryEngine()) as node, open_view(FROM_STATE, node) as model:
            assert await total(model) == 0
            # One record: its events are there at once, and push out some of their own.
            await asyncio.gather(*[node.call(Sell("a", 1, LARGE)) for _ in range(6)])
            assert (await total(model), model.staleness.missed) == (6, 0)

    asyncio.run(main())


def test_a_view_is_not_known_before_it_has_begun() -> None:
    async def main() -> None:
        async with open_node(sales(), MemoryEngine()) as node:
            await node.call(Sell("a", 1, is_published=False))
            model = ReadModel(FROM_STATE, node, MemoryTables(), clock_ns=lambda: 0)
            assert model.staleness.age_s == math.inf
            async with open_view(FROM_STATE, node) as model:
                assert await total(model) == 1

    asyncio.run(main())


def test_a_partition_that_has_stopped_is_no_beginning() -> None:
    async def main() -> None:
        async with open_node(sales(), MemoryEngine()) as node:
            await node.call(Sell("a", 1))
            with pytest.raises(OutcomeUnknown):
                await asyncio.gather(node.call(Sell("a", 2)), node.call(Sell("a", -1)))
            async with open_view(FROM_STATE, node) as model:
                with pytest.raises(NotAccepted, match="sales/0 has stopped"):
                    await model.get("all", max_age_s=0, deadline_s=0.01)

    asyncio.run(main())


@pytest.mark.parametrize("view", [TOTALS, FROM_STATE], ids=["from its events", "from the state"])
def test_a_view_of_a_service_that_was_split_has_everything_once(view: "View[int]") -> None:
    async def main() -> None:
        before, after, tables = MemoryEngine(), MemoryEngine(), MemoryTables()
        async with open_node(sales(2), before) as node, open_view(view, node, tables) as model:
            for product in "abcdef":
                await node.call(Sell(product, 1))
            assert await total(model) == 6
        await split(sales(2), before, after, partitions=4, on_part=lambda _: None)
        async with open_node(sales(4), after) as node, open_view(view, node, tables) as model:
            for product in "abcdef":
                await node.call(Sell(product, 1))
            assert await total(model) == 12

    asyncio.run(main())


def test_a_log_that_is_shorter_than_what_a_view_has_of_it_is_said_and_the_view_can_be_rebuilt(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)

    async def main() -> None:
        tables = MemoryTables()
        async with open_node(sales(), MemoryEngine()) as node, open_view(TOTALS, node, tables) as model:
            await sell(node, 1, 2)
            assert await total(model) == 3
        async with open_node(sales(), MemoryEngine()) as restored, open_view(TOTALS, restored, tables) as model:
            await sell(restored, 16)
            with pytest.raises(NotAccepted, match="event 2 of sales/0 is in the view, and it has"):
                await model.get("all", max_age_s=0, deadline_s=0.01)
            seen = await model.get("all")
            assert (seen.value, seen.age_s) == (3, math.inf)
            with pytest.raises(Rejected, match="would lack 1 events"):
                await model.rebuild()
            await model.rebuild(may_lack=True)
            assert (await model.get("all")).value == 16

    asyncio.run(main())
