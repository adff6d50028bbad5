"""The tasks of sagas, offered to those who do them.

    tasks = await take(node, ["charge"], limit=10, lease_s=30, wait_s=10)      (of `ropewalk.runtime.sagas.calls`)
    await answer(node, tasks[0].id, tasks[0].step, reply=…, tries=tasks[0].tries, who="worker 7")

What waits for an answer is in the sagas' state. Who was given it, and until when, is known to this node alone: were
it in the log, a task would be given to one at a time for certain, and still be done twice by one who dies before he
answers. So a task is done at least once, and its key tells a repeat.

Promise:    a task is offered until it is answered; the first answer to a try counts, and any other changes nothing.
Not given:  that a task is given to one only: what was given before a restart, or a lease that ended, is given again.
Checked by: tests/runtime/test_saga_tasks.py
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from weakref import WeakKeyDictionary

import msgspec

from ropewalk.coordination.sagas.limits import TASKS_PAGE_MAX
from ropewalk.coordination.sagas.messages import TASK, GetTasks, ListTasks, Query, TaskName, TaskView
from ropewalk.core.codec import encode_value
from ropewalk.core.limits import EVENTS_READ_MAX
from ropewalk.errors import Rejected
from ropewalk.runtime.leader import Leader
from ropewalk.runtime.node import Node
from ropewalk.runtime.tasks import open_tasks

IsGone = Callable[[], Awaitable[bool]]
"""Whether whoever waits has gone away: what he is given then is done by nobody until the lease is over."""

_TASKS: Final = msgspec.msgpack.Decoder(list[TaskView])


class Offers:
    """What is to be done in some partitions of sagas, and who was given it until when."""

    def __init__(self, leaders: Sequence[Leader]) -> None:
        self._partitions = [_Offer(leader) for leader in leaders]
        self._now_s = asyncio.get_running_loop().time

    async def take(
        self, kinds: Sequence[str], *, limit: int, lease_s: float, wait_s: float, is_gone: IsGone
    ) -> list[TaskView]:
        """Up to so many tasks of these kinds, for `lease_s`; waits `wait_s` for the first, as long as he is here."""
        until_s = self._now_s() + wait_s
        while True:
            found: list[TaskView] = []
            if await is_gone():
                return found
            for each in self._partitions:
                found += await each.take(kinds, limit=limit - len(found), until_s=self._now_s() + lease_s)
            left_s = until_s - self._now_s()
            if found or left_s <= 0:
                # Whose partition was asked first has others before it next time.
                self._partitions.append(self._partitions.pop(0))
                return found
            await self._news(left_s)

    def extend(self, names: Sequence[TaskName], *, lease_s: float) -> None:
        """Let whoever was given these have them for `lease_s` from now on."""
        for partition in self._partitions:
            partition.extend(names, until_s=self._now_s() + lease_s)

    async def _news(self, deadline_s: float) -> None:
        """Return when there may be more to give."""
        async with open_tasks() as tasks:
            waits = [tasks.create_task(each.news(deadline_s=deadline_s)) for each in self._partitions]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()


class _Offer:
    """Those of one partition. Its events tell what is new; what was given is offered again when its time is over."""

    def __init__(self, leader: Leader) -> None:
        self._leader = leader
        self._now_s = asyncio.get_running_loop().time
        self._reading = asyncio.Lock()
        self._after: int | None = None
        self._waiting: dict[str, deque[TaskName]] = {}
        self._given: dict[TaskName, float] = {}
        self._leases: list[tuple[float, int, TaskName]] = []
        self._number = 0

    async def take(self, kinds: Sequence[str], *, limit: int, until_s: float) -> list[TaskView]:
        async with self._reading:
            await self._read_on()
        self._reclaim()
        tasks: list[TaskView] = []
        while names := self._given_now(kinds, limit=limit - len(tasks), until_s=until_s):
            is_given = False
            try:
                open_ = await self._ask(GetTasks(names))
                is_given = True
            finally:
                if not is_given:
                    self._give([*names, *(task.name for task in tasks)], until_s=self._now_s())
            for name in {*names} - {task.name for task in open_}:
                # It was answered meanwhile, or a lease ended behind its answer.
                del self._given[name]
            tasks += open_
        return tasks

    def extend(self, names: Sequence[TaskName], *, until_s: float) -> None:
        self._give([name for name in names if name in self._given], until_s=until_s)

    async def news(self, *, deadline_s: float) -> None:
        """Return when something happened, or when what was given may be offered again."""
        if self._leases:
            deadline_s = min(deadline_s, max(0.0, self._leases[0][0] - self._now_s()))
        await self._leader.wait_events(self._after or 0, deadline_s=deadline_s)

    async def _read_on(self) -> None:
        """Learn of what was asked since the last time; of all that waits if events in between are kept no more."""
        if self._after is None:
            await self._read_all()
        while True:
            try:
                events = self._leader.events(self._after or 0, limit=EVENTS_READ_MAX)
            except Rejected:
                await self._read_all()
                continue
            for numbered in events:
                self._after = numbered.number
                if numbered.event.kind == TASK:
                    self._add(msgspec.msgpack.decode(numbered.event.data, type=TaskName))
            if not events:
                return

    async def _read_all(self) -> None:
        # The number comes first: what is asked meanwhile is then told by its event.
        self._after = self._leader.partition.feed.last
        self._waiting.clear()
        after = ""
        while page := await self._ask(ListTasks(after=after, limit=TASKS_PAGE_MAX)):
            for task in page:
                if task.name not in self._given:
                    self._add(task.name)
            after = page[-1].id

    async def _ask(self, query: Query) -> list[TaskView]:
        return _TASKS.decode((await self._leader.read(encode_value(query))).answer)

    def _add(self, name: TaskName) -> None:
        self._waiting.setdefault(name.kind, deque()).append(name)

    def _given_now(self, kinds: Sequence[str], *, limit: int, until_s: float) -> list[TaskName]:
        """The next that wait; from now on nobody else is given them."""
        names: list[TaskName] = []
        for waiting in [self._waiting[kind] for kind in kinds if kind in self._waiting]:
            while waiting and len(names) < limit:
                name = waiting.popleft()
                # It may have been told twice, by the list and by its event.
                if name not in self._given:
                    self._give([name], until_s=until_s)
                    names.append(name)
        return names

    def _give(self, names: Sequence[TaskName], *, until_s: float) -> None:
        for name in names:
            self._given[name] = until_s
            self._number += 1
            heapq.heappush(self._leases, (until_s, self._number, name))

    def _reclaim(self) -> None:
        """Offer again what was given for a time that is over."""
        while self._leases and self._leases[0][0] <= self._now_s():
            until_s, _, name = heapq.heappop(self._leases)
            if self._given.get(name) == until_s:
                del self._given[name]
                self._waiting.setdefault(name.kind, deque()).appendleft(name)


_OFFERS: Final[WeakKeyDictionary[Node, Offers]] = WeakKeyDictionary()


def offers_of(own: Node) -> Offers:
    """Those of a node of sagas: the same for all who ask there."""
    if own not in _OFFERS:
        _OFFERS[own] = Offers(own.leaders)
    return _OFFERS[own]
