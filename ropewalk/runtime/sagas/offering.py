"""The tasks of sagas, offered to those who do them.

    tasks = await take(node, ["charge"], limit=10, lease_s=30, wait_s=10)      (of `ropewalk.runtime.sagas.calls`)
    await answer(node, tasks[0].id, tasks[0].step, reply=…, tries=tasks[0].tries, who="worker 7")

What waits for an answer is in the sagas' state. Who was given it, and until when, is known to this node alone: were
it in the log, a task would be given to one at a time for certain, and still be done twice by one who dies before he
answers. So a task is done at least once, and its key tells a repeat.

Promise:    a task is offered until it is answered; the first answer to a try counts, and any other changes nothing.
Not given:  that a task is given to one only: what was given before a restart, or a lease that ended, is given again.
Checked by: tests/runtime/test_saga_tasks.py, test_saga_offers.py
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Final
from weakref import WeakKeyDictionary

import msgspec

from ropewalk.coordination.sagas.messages import TASK, GetTasks, ListTaskNames, Query, TaskName, TaskView
from ropewalk.core.codec import encode_value
from ropewalk.core.limits import EVENTS_KEPT
from ropewalk.errors import NotAccepted
from ropewalk.runtime.leader import Leader
from ropewalk.runtime.node import Node
from ropewalk.runtime.tasks import open_tasks

IsGone = Callable[[], Awaitable[bool]]
"""Whether whoever waits has gone away: what he is given then is done by nobody until the lease is over."""

_NAMES_KEPT: Final = EVENTS_KEPT
"""Names of tasks that are remembered before those that were answered meanwhile are looked for, to be forgotten."""

_WAIT_LEAST_S: Final = 0.001
"""A timer may go off a little before its time; without a least one that is waited for again and again."""

_NAMES: Final = msgspec.msgpack.Decoder(list[TaskName])
_TASKS: Final = msgspec.msgpack.Decoder(list[TaskView])


class Offers:
    """What is to be done in some partitions of sagas, and who was given it until when."""

    def __init__(self, leaders: Sequence[Leader]) -> None:
        self._partitions = deque([_Offer(leader) for leader in leaders])
        self._now_s = asyncio.get_running_loop().time

    async def take(
        self, kinds: Sequence[str], *, limit: int, lease_s: float, wait_s: float, is_gone: IsGone
    ) -> list[TaskView]:
        """Up to so many tasks of these kinds, for `lease_s`; waits `wait_s` for the first, as long as he is here.

        Raises NotAccepted if none is found, and a partition does not serve.
        """
        until_s = self._now_s() + wait_s
        while not await is_gone():
            # Nothing is awaited from here on until what was found is given: who is cancelled keeps nothing.
            serving = [each for each in self._partitions if each.failure is None]
            found: list[TaskView] = []
            for each in serving:
                found += each.take(kinds, limit=limit - len(found), lease_s=lease_s)
            if found or self._now_s() >= until_s or not serving:
                # Whose partition was asked first has others before it next time.
                self._partitions.rotate(-1)
                return found or self._none()
            await _first([each.news(kinds, until_s=until_s) for each in serving])
        return []

    def extend(self, names: Sequence[TaskName], *, lease_s: float) -> None:
        """Let whoever was given these have them for `lease_s` from now on."""
        for partition in self._partitions:
            partition.extend(names, lease_s=lease_s)

    def _none(self) -> list[TaskView]:
        for each in self._partitions:
            if each.failure is not None:
                raise each.failure
        return []


async def _first(waits: Sequence[Coroutine[object, object, None]]) -> None:
    """Return when one of these does."""
    async with open_tasks() as tasks:
        started = [tasks.create_task(each) for each in waits]
        await asyncio.wait(started, return_when=asyncio.FIRST_COMPLETED)
        for each in started:
            each.cancel()


class _Offer:
    """Those of one partition. Its events tell what is new; what was given is offered again when its time is over.

    It looks at the state that is applied here. If another leads by now, he offers the same once more.
    """

    def __init__(self, leader: Leader) -> None:
        self._leader = leader
        self._feed = leader.partition.feed
        self._now_s = asyncio.get_running_loop().time
        self._after = -1
        self._waiting: dict[str, deque[tuple[int, TaskName]]] = {}
        self._given: dict[TaskName, float] = {}
        self._leases: list[tuple[float, int, TaskName]] = []
        self._number = 0
        self._kept_max = _NAMES_KEPT

    @property
    def failure(self) -> NotAccepted | None:
        """Why this partition does not serve, if it does not."""
        because = self._leader.stopped_because
        return None if because is None else NotAccepted(str(because), retry_after_s=1.0)

    def take(self, kinds: Sequence[str], *, limit: int, lease_s: float) -> list[TaskView]:
        self._read_on()
        tasks: list[TaskView] = []
        while names := self._next(kinds, limit=limit - len(tasks)):
            # Those that were answered meanwhile are not among them, and forgotten.
            tasks += _TASKS.decode(self._ask(GetTasks(names)))
        self._give([task.name for task in tasks], lease_s=lease_s)
        return tasks

    def extend(self, names: Sequence[TaskName], *, lease_s: float) -> None:
        self._give([name for name in names if name in self._given], lease_s=lease_s)

    async def news(self, kinds: Sequence[str], *, until_s: float) -> None:
        """Return when there may be one of these kinds, or at that time."""
        while True:
            self._read_on()
            wakes_s = min(until_s, self._leases[0][0]) if self._leases else until_s
            left_s = wakes_s - self._now_s()
            if left_s <= 0 or any(kind in self._waiting for kind in kinds):
                return
            await self._leader.wait_events(self._after, deadline_s=max(left_s, _WAIT_LEAST_S))

    def _read_on(self) -> None:
        """Learn of what was asked since the last time, or of all that waits if events in between are kept no more."""
        if self._after + 1 < self._feed.oldest:
            self._read_all()
        while events := self._leader.events(self._after):
            for numbered in events:
                self._after = numbered.number
                if numbered.event.kind == TASK:
                    self._learn(numbered.event.data)
        # What is answered by who never took it is told to nobody here.
        if len(self._leases) + sum(len(waiting) for waiting in self._waiting.values()) > self._kept_max:
            self._read_all()
        self._reclaim()

    def _learn(self, data: bytes) -> None:
        # A definition may publish events of any kind, and of this one too.
        with suppress(msgspec.ValidationError):
            self._add(msgspec.msgpack.decode(data, type=TaskName))

    def _read_all(self) -> None:
        """Begin again with those that wait for an answer now."""
        self._after = self._feed.last
        names = _NAMES.decode(self._ask(ListTaskNames()))
        given = self._given
        self._given, self._leases, self._waiting = {}, [], {}
        for name in names:
            if name in given:
                self._lease(name, until_s=given[name])
            else:
                self._add(name)
        self._kept_max = max(_NAMES_KEPT, 2 * len(names))

    def _ask(self, query: Query) -> bytes:
        return self._leader.partition.machine.read(encode_value(query))

    def _add(self, name: TaskName) -> None:
        self._number += 1
        self._waiting.setdefault(name.kind, deque()).append((self._number, name))

    def _next(self, kinds: Sequence[str], *, limit: int) -> list[TaskName]:
        """Those that have waited for longest, of whichever of these kinds; they wait no more."""
        names: list[TaskName] = []
        while len(names) < limit and (queues := [self._waiting[kind] for kind in kinds if kind in self._waiting]):
            queue = min(queues, key=lambda each: each[0][0])
            _, name = queue.popleft()
            if not queue:
                del self._waiting[name.kind]
            names.append(name)
        return names

    def _give(self, names: Sequence[TaskName], *, lease_s: float) -> None:
        until_s = self._now_s() + lease_s
        for name in names:
            self._lease(name, until_s=until_s)

    def _lease(self, name: TaskName, *, until_s: float) -> None:
        self._given[name] = until_s
        self._number += 1
        heapq.heappush(self._leases, (until_s, self._number, name))

    def _reclaim(self) -> None:
        """Offer again, behind all others, what was given for a time that is over: it may be what ends its workers."""
        while self._leases and self._leases[0][0] <= self._now_s():
            until_s, _, name = heapq.heappop(self._leases)
            if self._given.get(name) == until_s:
                del self._given[name]
                self._add(name)


_OFFERS: Final[WeakKeyDictionary[Node, Offers]] = WeakKeyDictionary()


def offers_of(own: Node) -> Offers:
    """Those of a node of sagas: the same for all who ask there."""
    if own not in _OFFERS:
        _OFFERS[own] = Offers(own.leaders)
    return _OFFERS[own]
