"""A worker: does the tasks of sagas, with functions of yours, and answers them.

    async def charge(task: TaskView) -> object:
        card = task.data_as(Card)
        return await provider.charge(card.token, card.cents, idempotency_key=task.key)      # {"charged": true}, say

    async with working("http://127.0.0.1:8080", {"charge": charge}): ...

What a function returns is the answer: the step's `done` says whether that is a yes. What it raises says nothing, so
the task is offered again, to anybody, when its lease is over. So a function may be called again for what it has done
before: with the same `task.key`.

Promise:    a task is answered once it was done, however often the service must be asked; a worker has no more than
            `at_once` tasks, and has them for as long as it works on them.
Not given:  that a function is called once, or by one worker at a time: one that is paused has lost its lease.
Checked by: tests/runtime/test_saga_tasks.py
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, Protocol, TypeVar
from urllib.parse import quote

import msgspec

from ropewalk.communication.deadlines import deadline_in
from ropewalk.coordination.sagas.limits import TASKS_PAGE_MAX
from ropewalk.coordination.sagas.messages import TaskName, TaskView
from ropewalk.core.limits import DEADLINE_DEFAULT_S
from ropewalk.errors import NotAccepted, OutcomeUnknown, Rejected
from ropewalk.runtime.node import Node
from ropewalk.runtime.over_http import Question, ServiceAt, service_at
from ropewalk.runtime.sagas.calls import LEASE_S, answer, extend, take
from ropewalk.runtime.sagas.operations import Answering, Extending, Taking, Tasks
from ropewalk.runtime.tasks import beside, open_tasks

T = TypeVar("T")

LOG = logging.getLogger("ropewalk")

Handler = Callable[[TaskView], Awaitable[object]]

_WAIT_S: Final = 10.0
_AGAIN_S: Final = 1.0


@asynccontextmanager
async def working(
    at: Node | str, handlers: Mapping[str, Handler], *, at_once: int = 10, lease_s: float = LEASE_S, who: str = ""
) -> AsyncIterator[None]:
    """Do tasks of these kinds as long as the block runs, of a node's sagas or of those at a URL."""
    async with beside(work(at, handlers, at_once=at_once, lease_s=lease_s, who=who)):
        yield


async def work(
    at: Node | str, handlers: Mapping[str, Handler], *, at_once: int = 10, lease_s: float = LEASE_S, who: str = ""
) -> None:
    """Do tasks of these kinds until it is cancelled.

    Raises Rejected if there is nothing that it may do, or the service is none that has sagas.
    """
    if at_once < 1 or not handlers:
        raise Rejected(f"a worker for {at_once} tasks of {len(handlers)} kinds: give it 1 or more, of 1 kind or more")
    if isinstance(at, Node):
        await _Worker(_OfNode(at), handlers, at_once=at_once, lease_s=lease_s, who=who).run()
        return
    async with service_at(at) as service:
        await _Worker(_OfUrl(service), handlers, at_once=at_once, lease_s=lease_s, who=who).run()


class _Worker:
    def __init__(
        self, door: "_Door", handlers: Mapping[str, Handler], *, at_once: int, lease_s: float, who: str
    ) -> None:
        self._door = door
        self._handlers = handlers
        self._free = at_once
        self._freed = asyncio.Event()
        self._lease_s = lease_s
        self._who = who
        self._said = ""

    async def run(self) -> None:
        taking = Taking([*self._handlers], lease_s=self._lease_s, wait_s=_WAIT_S)
        async with open_tasks() as running:
            while True:
                self._freed.clear()
                if not self._free:
                    await self._freed.wait()
                asked = msgspec.structs.replace(taking, limit=min(self._free, TASKS_PAGE_MAX))
                for task in await self._until_told(partial(self._door.take, asked)):
                    self._free -= 1
                    running.create_task(self._do(task))

    async def _do(self, task: TaskView) -> None:
        """Do one, and answer it; or leave it to be offered again."""
        try:
            async with beside(self._extended(task.name)):
                # As JSON tells it, so that it means the same over a node and over HTTP.
                reply = msgspec.json.decode(msgspec.json.encode(await self._handlers[task.kind](task)))
                await self._answered(task, Answering(task.step, reply, task.tries, self._who))
        except Exception:
            # The supervisor: what a function raises by mistake leaves its own task undone, and stops no other.
            LOG.exception("task %s of %s: it is offered again in up to %s s", task.key, task.kind, self._lease_s)
        finally:
            self._free += 1
            self._freed.set()

    async def _answered(self, task: TaskView, answering: Answering) -> None:
        try:
            await self._until_told(partial(self._door.answer, task.id, answering))
        except Rejected as error:
            LOG.error("task %s of %s was done, and its answer is refused: %s", task.key, task.kind, error)

    async def _extended(self, name: TaskName) -> None:
        """Have it for longer, as long as it takes."""
        while True:
            await asyncio.sleep(self._lease_s / 3)
            await self._until_told(partial(self._door.extend, Extending([name], self._lease_s)))

    async def _until_told(self, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer, of a service that may be away for a while."""
        while True:
            try:
                told = await ask()
            except (NotAccepted, OutcomeUnknown) as error:
                if str(error) != self._said:
                    self._said = str(error)
                    LOG.warning("%s; it is tried every %s s", self._said, _AGAIN_S)
                await asyncio.sleep(_AGAIN_S)
            else:
                self._said = ""
                return told


class _Door(Protocol):
    """How tasks are asked for. Errors are those of `ServiceAt.send`."""

    async def take(self, taking: Taking) -> Sequence[TaskView]: ...

    async def extend(self, extending: Extending) -> None: ...

    async def answer(self, id_: str, answering: Answering) -> None: ...


class _OfNode:
    """A node in this program."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def take(self, taking: Taking) -> Sequence[TaskView]:
        return await take(self._node, taking.kinds, limit=taking.limit, lease_s=taking.lease_s, wait_s=taking.wait_s)

    async def extend(self, extending: Extending) -> None:
        extend(self._node, extending.tasks, lease_s=extending.lease_s)

    async def answer(self, id_: str, answering: Answering) -> None:
        await answer(self._node, id_, answering.step, reply=answering.reply, tries=answering.tries, who=answering.who)


class _OfUrl:
    """A service over HTTP."""

    def __init__(self, service: ServiceAt) -> None:
        self._service = service
        self._now_s = asyncio.get_running_loop().time

    async def take(self, taking: Taking) -> Sequence[TaskView]:
        content = await self._post("/saga-tasks/take", taking, wait_s=taking.wait_s)
        try:
            return msgspec.json.decode(content, type=Tasks).items
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise OutcomeUnknown(f"{self._service.name} answers, and not as sagas do: is it the URL?") from error

    async def extend(self, extending: Extending) -> None:
        await self._post("/saga-tasks/extend", extending)

    async def answer(self, id_: str, answering: Answering) -> None:
        await self._post(f"/sagas/{quote(id_, safe='')}/answer", answering)

    async def _post(self, path: str, body: msgspec.Struct, *, wait_s: float = 0.0) -> bytes:
        deadline = deadline_in(wait_s + DEADLINE_DEFAULT_S, now_s=self._now_s())
        response = await self._service.send(Question("POST", path, body=msgspec.json.encode(body)), deadline=deadline)
        return response.content
