"""Whoever comes for tasks of sagas, and goes: each is given to one at a time, until it is answered."""

import asyncio
from collections.abc import Sequence
from functools import partial
from random import Random

import pytest

from ropewalk.coordination.sagas.messages import TaskName, TaskView
from ropewalk.core import partition
from ropewalk.core.feed import Feed
from ropewalk.engines.memory import MemoryEngine
from ropewalk.proving.virtual import VirtualLoop, run_virtual
from ropewalk.proving.workloads.travel import Stock, Trip, travel
from ropewalk.runtime.node import Node, open_node
from ropewalk.runtime.sagas import offering
from ropewalk.runtime.sagas.calls import answer, compensate, start, take, tasks
from tests.runtime.test_saga_tasks import passed

_KINDS = (["charge"], ["refund"], ["charge", "refund"])


class Worker:
    """Takes tasks for a while or gives up waiting for them, and answers some of them."""

    def __init__(self, node: Node, random: Random, given: dict[TaskName, float]) -> None:
        self._node = node
        self._random = random
        self._given = given
        self._now_s = asyncio.get_running_loop().time

    async def work(self, kinds: Sequence[str]) -> None:
        while True:
            patience_s = self._random.choice([0, 0.5, 60])
            found: list[TaskView] = []
            try:
                async with asyncio.timeout(patience_s):
                    found = await self._take(kinds)
            except TimeoutError:
                await passed(self._random.choice([0.1, 1]))
            for task in found:
                await self._do(task)

    async def _take(self, kinds: Sequence[str]) -> list[TaskView]:
        limit, lease_s = self._random.choice([1, 2, 10]), self._random.choice([1, 5, 20])
        found = await take(self._node, kinds, limit=limit, lease_s=lease_s, wait_s=self._random.choice([0.3, 3, 30]))
        for task in found:
            assert self._given.get(task.name, 0.0) <= self._now_s() + 0.001, f"{task.name} is another's"
            self._given[task.name] = self._now_s() + lease_s
        return found

    async def _do(self, task: TaskView) -> None:
        await passed(self._random.choice([0, 0, 0.3]))
        reply = self._random.choice(["charged", "charged", "no"]) if task.kind == "charge" else "refunded"
        if self._random.random() < 0.6:
            self._given[task.name] = float("inf")
            await answer(self._node, task.id, task.step, reply=reply, tries=task.tries)


@pytest.mark.parametrize("seed", range(12))
def test_each_task_is_given_to_one_at_a_time_until_it_is_answered(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random = Random(seed)
    monkeypatch.setattr(partition, "Feed", partial(Feed, count_max=random.choice([2, 10, 1_000])))
    monkeypatch.setattr(offering, "_NAMES_KEPT", random.choice([1, 10, 1_000]))

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        service, given = travel(partitions=random.choice([1, 3])), dict[TaskName, float]()
        async with (
            open_node(service, MemoryEngine(), clock_ns=loop.now_ns) as node,
            asyncio.TaskGroup() as group,
        ):
            await node.call(Stock("F1", 1_000))
            kinds = [*_KINDS, *random.choices(_KINDS, k=4)]
            workers = [group.create_task(Worker(node, random, given).work(each)) for each in kinds]
            for number in range(40):
                await start(node, "paid_trip", Trip(f"t{number}", "F1", ""), id_=f"t{number}")
                await passed(random.choice([0, 0, 0.1, 1]))
                if number % 5 == 0:
                    await compensate(node, f"t{number}", who="ada", why="the customer called")
            async with asyncio.timeout(3_600):
                while await tasks(node):
                    await passed(1)
            for worker in workers:
                worker.cancel()

    run_virtual(main())
