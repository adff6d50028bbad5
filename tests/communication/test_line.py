"""The line before one target: places in order, and none lost to who goes away."""

import asyncio
from collections.abc import Coroutine

import pytest

from ropewalk.communication.bulkhead import Bulkhead
from ropewalk.communication.line import Line
from ropewalk.errors import NotAccepted
from ropewalk.proving.virtual import run_virtual


class Crowd:
    """Callers of one line with one place, who hold it until they are told to leave."""

    def __init__(self, tasks: asyncio.TaskGroup, *, waiting_max: int = 3) -> None:
        self.line = Line("a", Bulkhead(running_max=1, waiting_max=waiting_max))
        self.inside: list[str] = []
        self.refused: list[str] = []
        self._tasks = tasks
        self._leave: dict[str, asyncio.Event] = {}

    async def come(self, name: str, *, wait_s: float = 60.0) -> asyncio.Task[None]:
        task = self._tasks.create_task(self._call(name, wait_s))
        await settled()
        return task

    async def go(self, name: str) -> None:
        self._leave[name].set()
        await settled()

    async def _call(self, name: str, wait_s: float) -> None:
        self._leave[name] = asyncio.Event()
        try:
            async with self.line.place(wait_s=wait_s):
                self.inside.append(name)
                await self._leave[name].wait()
        except NotAccepted as error:
            self.refused.append(f"{name}: {error}")


async def settled() -> None:
    """Every task has gone as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


def run(story: Coroutine[object, object, None]) -> None:
    run_virtual(story)


def test_places_are_given_in_the_order_in_which_they_were_asked_for() -> None:
    async def story() -> None:
        async with asyncio.TaskGroup() as tasks:
            crowd = Crowd(tasks)
            for name in "abc":
                await crowd.come(name)
            assert crowd.inside == ["a"]
            for name in "abc":
                await crowd.go(name)
        assert crowd.inside == ["a", "b", "c"]
        assert (crowd.line.bulkhead.running, crowd.line.bulkhead.waiting) == (0, 0)

    run(story())


def test_who_finds_the_line_full_is_refused_at_once_with_the_numbers() -> None:
    async def story() -> None:
        async with asyncio.TaskGroup() as tasks:
            crowd = Crowd(tasks, waiting_max=1)
            for name in "abc":
                await crowd.come(name)
            assert crowd.refused == [
                "c: 1 calls to a are under way, 1 wait, and no more may: nothing was sent",
            ]
            for name in "ab":
                await crowd.go(name)

    run(story())


def test_who_waits_past_the_deadline_is_refused_and_the_next_moves_up() -> None:
    async def story() -> None:
        async with asyncio.TaskGroup() as tasks:
            crowd = Crowd(tasks)
            await crowd.come("a")
            hasty = await crowd.come("b", wait_s=1.0)
            await crowd.come("c")
            await hasty
            assert crowd.refused == ["b: the deadline passed in the line before a: nothing was sent"]
            await crowd.go("a")
            assert crowd.inside == ["a", "c"]
            await crowd.go("c")
        assert (crowd.line.bulkhead.running, crowd.line.bulkhead.waiting) == (0, 0)

    run(story())


@pytest.mark.parametrize("place_was_given", [False, True])
def test_who_goes_away_leaves_the_place_to_the_next(place_was_given: bool) -> None:
    async def story() -> None:
        async with asyncio.TaskGroup() as tasks:
            crowd = Crowd(tasks)
            await crowd.come("a")
            gone = await crowd.come("b")
            await crowd.come("c")
            if place_was_given:
                # In one turn the place is handed to b and b goes away.
                crowd._leave["a"].set()
                await asyncio.sleep(0)
            gone.cancel()
            await settled()
            await crowd.go("a")
            assert crowd.inside == ["a", "c"]
            await crowd.go("c")
        assert (crowd.line.bulkhead.running, crowd.line.bulkhead.waiting) == (0, 0)

    run(story())


def test_who_went_away_but_does_not_know_it_yet_passes_its_place_on() -> None:
    async def story() -> None:
        async with asyncio.TaskGroup() as tasks:
            crowd = Crowd(tasks)
            await crowd.come("a")
            gone = await crowd.come("b")
            await crowd.come("c")
            gone.cancel()
            await crowd.go("a")
            assert crowd.inside == ["a", "c"]
            await crowd.go("c")
        assert (crowd.line.bulkhead.running, crowd.line.bulkhead.waiting) == (0, 0)

    run(story())
