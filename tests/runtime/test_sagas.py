"""Sagas on a node: over services with several partitions, repeats, restarts, operators."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from ropewalk.coordination.sagas.definition import Saga, Step
from ropewalk.coordination.sagas.messages import TASK
from ropewalk.coordination.sagas.state import State
from ropewalk.core.effects import Publish
from ropewalk.data.engine import Engine
from ropewalk.engines.memory import MemoryEngine
from ropewalk.engines.sqlite import SqliteEngine
from ropewalk.errors import NotAccepted, Rejected
from ropewalk.proving.workloads.travel import PAID, Close, House, Stock, Trip, houses, travel
from ropewalk.runtime.neighbours import with_beside
from ropewalk.runtime.node import Node, open_node
from ropewalk.runtime.sagas.calls import compensate, resolve, retry, saga, sagas, start, take, wait_saga


@pytest.fixture(params=["memory", "sqlite"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Engine]:
    kept = MemoryEngine()
    return lambda: kept if request.param == "memory" else SqliteEngine(tmp_path)


async def stock(node: Node) -> None:
    for number in range(4):
        await node.call(Stock(f"F{number}", 1))
        await node.followers["hotels"].call(Stock(f"H{number}", 1))


def test_a_saga_goes_through_services_and_partitions_once_for_each_id(engine: Callable[[], Engine]) -> None:
    async def main() -> None:
        async with open_node(travel(partitions=4), engine()) as node:
            await stock(node)
            for number in range(4):
                for _ in range(2):
                    await start(node, "trip", Trip(f"t{number}", f"F{number}", f"H{number}"), id_=f"t{number}")
                    assert (await wait_saga(node, f"t{number}")).state is State.COMPLETED
                assert (await node.get(f"F{number}")).value == House(0, (f"t{number}",))
            assert [each.id for each in await sagas(node)] == ["t0", "t1", "t2", "t3"]
            assert await sagas(node, state=State.STUCK) == []

    asyncio.run(main())


def test_a_saga_that_was_cut_off_goes_on_with_the_next_start(tmp_path: Path) -> None:
    class Crash(Exception):
        pass

    async def begin() -> None:
        async with open_node(travel(partitions=2), SqliteEngine(tmp_path)) as node:
            await stock(node)
            await start(node, "trip", Trip("t1", "F1", "H1"), id_="t1")
            raise Crash

    async def go_on() -> None:
        async with open_node(travel(partitions=2), SqliteEngine(tmp_path)) as node:
            assert (await wait_saga(node, "t1")).state is State.COMPLETED

    with pytest.raises(Crash):
        asyncio.run(begin())
    asyncio.run(go_on())


def test_an_operator_sees_what_is_stuck_tries_it_again_and_resolves_it() -> None:
    async def main() -> None:
        async with open_node(travel(), MemoryEngine()) as node:
            await stock(node)
            for id_, flight in (("t1", "F1"), ("t2", "F2")):
                await start(node, "trip", Trip(id_, flight, "H1" if id_ == "t1" else "H2"), id_=id_)
                await wait_saga(node, id_)
                await node.call(Close(flight))
                await compensate(node, id_, who="ada", why="the customer called")
                assert (await wait_saga(node, id_)).state is State.STUCK
            assert [each.stuck for each in await sagas(node, state=State.STUCK)] == [
                "flight is not undone: closed"
            ] * 2
            await node.call(Close("F1", False))
            await retry(node, "t1", who="ada")
            assert (await wait_saga(node, "t1")).state is State.COMPENSATED
            assert (await resolve(node, "t2", "flight", who="ben", why="by phone")).state is State.COMPENSATED
            assert ("resolved", "ben") in [(each.what, each.who) for each in (await saga(node, "t2")).history]

    asyncio.run(main())


def test_what_goes_wrong_is_an_error_that_says_why() -> None:
    async def main() -> None:
        async with open_node(travel(), MemoryEngine()) as node:
            with pytest.raises(Rejected, match="there is no saga 'cruise' here, but paid_trip, trip"):
                await start(node, "cruise", None, id_="t1")
            with pytest.raises(Rejected, match="no saga of this id is remembered"):
                await saga(node, "t1")
            with pytest.raises(Rejected, match="no saga of this id is remembered"):
                await retry(node, "t1", who="ada")
            await node.followers["hotels"].leaders[0].stop()
            await node.call(Stock("F1", 1))
            await start(node, "trip", Trip("t1", "F1", "H1"), id_="t1")
            with pytest.raises(NotAccepted, match=r"saga t1 goes on for longer than .* s: wait again"):
                await wait_saga(node, "t1", deadline_s=0.1)
        async with open_node(msgspec.structs.replace(travel(), followers=[]), MemoryEngine()) as node:
            with pytest.raises(Rejected, match="there is no flights-sagas on this node"):
                await start(node, "trip", None, id_="t1")

    asyncio.run(main())


def test_two_services_of_one_name_are_refused() -> None:
    with pytest.raises(Rejected, match="there would be two services 'hotels' on one node: rename one"):
        with_beside(travel(), houses("hotels", 1))


def test_an_event_of_a_step_that_is_called_as_those_of_tasks_are_is_none() -> None:
    async def main() -> None:
        stray = Step("stray", do=lambda trip, _: Publish(TASK, trip.id, "no task"))
        service = travel(Saga("paid_trip", [stray, *PAID.steps], input=Trip))
        async with open_node(service, MemoryEngine()) as node:
            assert await take(node, ["charge"]) == []
            await start(node, "paid_trip", Trip("t1", "F1", ""), id_="t1")
            assert [each.id for each in await take(node, ["charge"], wait_s=5)] == ["t1"]

    asyncio.run(main())
