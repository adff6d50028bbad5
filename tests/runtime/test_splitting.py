"""More partitions for a service: everything is in exactly one place, where it is looked for, and goes on."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ropewalk.core.keyed import KeyedMachine
from ropewalk.engines.memory import MemoryEngine
from ropewalk.errors import Bug, Damaged, Rejected
from ropewalk.runtime.node import Node, open_node
from ropewalk.runtime.service import Service
from ropewalk.runtime.splitting import Part, count_partitions, split
from tests.runtime.town import Fill, Pay, PayLater, town

PURSES = [f"purse-{number}" for number in range(20)]
LATER_NS = 50


def run(service: Service, engine: MemoryEngine, step: Callable[[Node], Coroutine[Any, Any, object]]) -> object:
    async def main() -> object:
        async with open_node(service, engine, clock_ns=lambda: 1) as node:
            done = await step(node)
            while any(leader.partition.mailbox.waiting for leader in node.leaders):
                await asyncio.sleep(0)
            return done

    return asyncio.run(main())


async def fill(node: Node) -> None:
    for number, purse in enumerate(PURSES, start=1):
        await node.call(Fill(purse, number))
    await node.call(Pay(PURSES[19], PURSES[0], 3))
    await node.call(PayLater(PURSES[18], PURSES[1], 4, LATER_NS))


async def amounts(node: Node) -> list[object]:
    return [(await node.get(purse)).value for purse in PURSES]


def divided(service: Service, source: MemoryEngine, partitions: int) -> tuple[MemoryEngine, list[Part]]:
    target = MemoryEngine()
    parts = asyncio.run(split(service, source, target, partitions=partitions, on_part=lambda _: None))
    return target, parts


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 4), (2, 6), (3, 12)])
def test_every_value_is_found_where_its_key_is_looked_for(before: int, after: int) -> None:
    source = MemoryEngine()
    run(town(before), source, fill)
    expected = run(town(before), source, amounts)
    target, parts = divided(town(before), source, after)
    assert run(town(after), target, amounts) == expected
    assert [part.partition for part in parts] == list(range(after))
    assert sum(part.things for part in parts) == len(PURSES) + 1
    assert run(town(before), source, amounts) == expected, "the source is as it was"


def test_timers_and_positions_go_on() -> None:
    source = MemoryEngine()
    run(town(2), source, fill)
    target, parts = divided(town(2), source, 4)

    async def later() -> None:
        async with open_node(town(4), target, clock_ns=lambda: LATER_NS) as node, asyncio.timeout(10):
            while (await node.get(PURSES[1])).value != 2 + 4:
                await asyncio.sleep(0)
            assert (await node.get(PURSES[18])).value == 19 - 4
            for leader, part in zip(node.leaders, parts, strict=True):
                assert leader.partition.applied.position > part.position > 2

    asyncio.run(later())


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.text(), st.integers(1, 9)), max_size=20), st.integers(1, 3), st.integers(2, 3))
def test_nothing_is_lost_or_doubled(filled: list[tuple[str, int]], before: int, times: int) -> None:
    source = MemoryEngine()

    async def fill_all(node: Node) -> None:
        for purse, amount in filled:
            await node.call(Fill(purse, amount))

    async def read_all(node: Node) -> dict[str, object]:
        return {purse: (await node.get(purse)).value for purse, _ in filled}

    run(town(before), source, fill_all)
    target, parts = divided(town(before), source, before * times)
    assert run(town(before * times), target, read_all) == run(town(before), source, read_all)
    assert sum(part.things for part in parts) == len({purse for purse, _ in filled})


@pytest.mark.parametrize("partitions", [1, 2, 3, 5, 4_096])
def test_a_number_that_is_no_multiple_is_refused(partitions: int) -> None:
    source = MemoryEngine()
    run(town(2), source, fill)
    with pytest.raises(Rejected, match="choose a multiple of 2"):
        divided(town(2), source, partitions)


def test_the_number_is_known_without_starting() -> None:
    source = MemoryEngine()
    assert asyncio.run(count_partitions(town(8), source)) == 0
    run(town(2), source, fill)
    assert asyncio.run(count_partitions(town(8), source)) == 2
    with pytest.raises(Rejected, match="says that there are 2 partitions, and not 1"):
        divided(town(1), source, 4)


def test_messages_on_their_way_are_waited_for() -> None:
    source, service = MemoryEngine(), town(2)

    async def leave_early() -> None:
        async with open_node(service, source) as node:
            node.leaders[service.partition_of(PURSES[19])]._mail._courier = None
            await fill(node)

    asyncio.run(leave_early())
    with pytest.raises(Rejected, match="messages that wait for other partitions"):
        divided(service, source, 4)


class Undivided:
    """A machine that can't be divided: everything of a keyed one but `keep`."""

    def __init__(self, machine: object) -> None:
        self._machine = machine

    def __getattr__(self, name: str) -> object:
        if name == "keep":
            raise AttributeError(name)
        return getattr(self._machine, name)


def undivided(partitions: int) -> Service:
    service = town(partitions)
    return msgspec.structs.replace(service, machine=lambda shelf, place: Undivided(service.machine(shelf, place)))


def test_a_machine_that_is_not_keyed_is_refused() -> None:
    with pytest.raises(Rejected, match="can't be divided by key"):
        divided(undivided(2), MemoryEngine(), 4)


@pytest.mark.parametrize(
    ("service_of", "what_to_do"),
    [(town, "start it with 2; `ropewalk split` divides it among a multiple of 2$"),
     (undivided, "start it with 2; its state can't be divided, so another number is for a new service")],
)  # fmt: skip
def test_another_number_of_partitions_is_refused_and_split_is_named_only_where_it_can_help(
    service_of: Callable[[int], Service], what_to_do: str
) -> None:
    engine = MemoryEngine()
    run(service_of(2), engine, fill)
    with pytest.raises(Rejected, match=f"created with 2 partitions and is started with 4: .*{what_to_do}"):
        run(service_of(4), engine, fill)


def test_a_damaged_snapshot_is_not_divided() -> None:
    source = MemoryEngine()
    run(town(2), source, fill)

    async def damage() -> None:
        snapshots = (await source.open("town", 0)).snapshots
        [position] = await snapshots.positions()
        await snapshots.write(position, [b"rot"])

    asyncio.run(damage())
    with pytest.raises(Damaged, match="mend that first"):
        divided(town(2), source, 4)


def test_a_planted_loss_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    source = MemoryEngine()
    run(town(2), source, fill)
    # What is left out of both shares is not left out of the whole.
    monkeypatch.setattr(KeyedMachine, "keep", _keep_but_for_the_whole(KeyedMachine.keep))
    with pytest.raises(Bug, match="everything is in one partition"):
        divided(town(2), source, 4)


def _keep_but_for_the_whole(keep: Callable[..., int]) -> Callable[..., int]:
    def keep_wrongly(machine: object, belongs: Callable[[str], bool]) -> int:
        is_whole = all(belongs(purse) for purse in PURSES)
        return keep(machine, lambda key: belongs(key) and (is_whole or key != PURSES[3]))

    return keep_wrongly
