"""A service that follows another's events: each takes effect in its own state, once.

    def apply(totals, entry):                       of Service.keyed("totals", messages=Heard, ...)
        match entry.command:
            case Heard() as heard: ...              what one event changes

    sales = with_follower(sales, totals)            in one process, on one engine
    async with following(node, "sales", at=URL):    or wherever the others are

An event is brought as a message whose number is the event's. A partition takes in its sender's next message and no
other, so the cursor is where the effect is: in the follower's own state, changed by the same record.

Promise:    each event takes effect once in the follower's state, by its log and number, in the order of its log,
            whatever is killed and however many bring it.
Not given:  any order between logs; an event that is kept no more: the follower stops before it, in that log and no
            other, and says so, until it is told to begin behind it.
Checked by: tests/runtime/test_followers.py
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol, TypeVar

import msgspec

from ropewalk.communication.deadlines import deadline_in
from ropewalk.core.limits import DEADLINE_DEFAULT_S, DELIVERY_BYTES_MAX
from ropewalk.core.mailbox import EVENTS, Delivery, Letter
from ropewalk.core.place import log_name
from ropewalk.errors import NotAccepted, OutcomeUnknown, Rejected, RopewalkError
from ropewalk.observability.metrics import FollowerMetrics
from ropewalk.runtime.following import Events, EventView, Feeds, views_of
from ropewalk.runtime.leader import Leader
from ropewalk.runtime.node import Node, encoded
from ropewalk.runtime.over_http import Question, ServiceAt, service_at
from ropewalk.runtime.service import Follower, Service
from ropewalk.runtime.tasks import beside, open_tasks
from ropewalk.runtime.typed import members

A = TypeVar("A")

LOG = logging.getLogger("ropewalk")

NOTHING: Final[Mapping[str, int]] = {}

_AGAIN_S: Final = 1.0
_WAIT_S: Final = 20.0


class Heard(msgspec.Struct, frozen=True, tag=True):
    """An event of another service, as a message: `log` is that of its partition there, for example `sales/0`."""

    log: str
    number: int
    time_ns: int
    kind: str
    subject: str
    data: Any


def with_follower(service: Service, own: Service, *, after: Mapping[str, int] = NOTHING) -> Service:
    """The same service, and beside it `own`, which hears all its events. `after` as of `following`.

    Raises Rejected if `own` has no such messages, several partitions, followers of its own, or a name that is taken.
    """
    _check_hears(own)
    if own.followers:
        raise Rejected(
            f"{own.name} has followers of its own, which would not run: put them beside {service.name}, or run "
            f"{own.name} by itself, with `following`"
        )
    if own.name in (service.name, *(each.service.name for each in service.followers)):
        raise Rejected(f"{service.name} has a {own.name} already: its log is its name, so give the other another")

    async def follow(node: Node, own: Node) -> None:
        await _follow(own, _OfNode(node), name=service.name, after=after)

    return msgspec.structs.replace(service, followers=[*service.followers, Follower(own, follow)])


@asynccontextmanager
async def following(
    own: Node, name: str, *, at: Node | str, after: Mapping[str, int] = NOTHING
) -> AsyncIterator[None]:
    """Have `own` hear all events of the service `name`, a node or a URL, until the block ends.

    `name` is part of the cursor's name: it stays the same when the URL changes. A log begins with its first event,
    or behind the number that `after` has for it: another number begins again there, and what was heard behind it
    takes effect once more. What goes wrong is logged and tried again. Raises Rejected as `with_follower` does.
    """
    _check_hears(own.service)
    async with beside(_follow_for_ever(own, at, name=name, after=after)):
        yield


class _Source(Protocol):
    """Where events come from."""

    async def partitions(self) -> int: ...

    async def behind(self, partition: int, after: int) -> Events:
        """The events behind a number; waits for the first, though not for ever."""
        ...


class _OfNode:
    """A node in this program."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def partitions(self) -> int:
        return len(self._node.leaders)

    async def behind(self, partition: int, after: int) -> Events:
        leader = self._node.leaders[partition]
        if leader.partition.feed.last == after:
            await leader.wait_events(after)
        return Events(views_of(leader.events(after)), leader.partition.feed.last)


class _OfUrl:
    """A service over HTTP."""

    def __init__(self, service: ServiceAt) -> None:
        self._service = service
        self._now_s = asyncio.get_running_loop().time

    async def partitions(self) -> int:
        return len((await self._get("/events", {}, answer=Feeds)).partitions)

    async def behind(self, partition: int, after: int) -> Events:
        return await self._get(f"/events/{partition}", {"after": after, "wait_s": _WAIT_S}, answer=Events)

    async def _get(self, path: str, params: Mapping[str, float], *, answer: type[A]) -> A:
        deadline = deadline_in(_WAIT_S + DEADLINE_DEFAULT_S, now_s=self._now_s())
        response = await self._service.send(Question("GET", path, params=params), deadline=deadline)
        try:
            return msgspec.json.decode(response.content, type=answer)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise OutcomeUnknown(
                f"its answer is not that of a service with events ({error}): is it the URL?"
            ) from error


@asynccontextmanager
async def _source(at: Node | str) -> AsyncIterator[_Source]:
    if isinstance(at, Node):
        yield _OfNode(at)
        return
    async with service_at(at) as service:
        yield _OfUrl(service)


async def _follow_for_ever(own: Node, at: Node | str, *, name: str, after: Mapping[str, int]) -> None:
    while True:
        try:
            async with _source(at) as source:
                await _follow(own, source, name=name, after=after)
        except RopewalkError as error:
            LOG.warning("%s follows %s: %s; it goes on in %s s", own.service.name, name, error, _AGAIN_S)
        await asyncio.sleep(_AGAIN_S)


async def _follow(own: Node, source: _Source, *, name: str, after: Mapping[str, int]) -> None:
    """Bring every event of every partition, until nobody says how many there are, or there are others."""
    partitions = await source.partitions()
    async with open_tasks() as tasks:
        for partition in range(partitions):
            log = log_name(name, partition)
            following = _follow_log(own.leaders[0], source, partition, log=log, begins_after=after.get(log, 0))
            tasks.create_task(following)
        while await source.partitions() == partitions:
            await asyncio.sleep(_WAIT_S)
        raise NotAccepted(f"it had {partitions} partitions, and has others now")


async def _follow_log(own: Leader, source: _Source, partition: int, *, log: str, begins_after: int) -> None:
    """Bring every event of one log. What is wrong with it holds up no other, whose events are not kept for ever."""
    said = ""
    while True:
        try:
            await _bring(own, source, partition, log=log, begins_after=begins_after)
        except RopewalkError as error:
            if str(error) != said:
                said = str(error)
                LOG.warning("%s follows %s: %s; tried every %s s", own.identity.service, log, said, _AGAIN_S)
        await asyncio.sleep(_AGAIN_S)


async def _bring(own: Leader, source: _Source, partition: int, *, log: str, begins_after: int) -> None:
    # Messages are numbered from 1, so where they begin is part of their sender's name.
    sender = f"{EVENTS}{log}@{begins_after}"
    metrics = FollowerMetrics(own.identity.service, log)
    while True:
        taken_in = own.partition.mailbox.taken_in(sender)
        found = await source.behind(partition, begins_after + taken_in)
        if found.last < begins_after + taken_in:
            raise Rejected(
                f"event {begins_after + taken_in} of {log} was heard, and it has {found.last}: it is another log, or "
                "was restored from an older backup; give it another name, or say where to begin with `after`"
            )
        metrics.heard(behind=found.last - begins_after - taken_in)
        for letters in _parcels(log, found.events):
            await own.deliver(Delivery(sender, own.identity.log_name, taken_in + 1, letters))
            taken_in += len(letters)
            metrics.heard(behind=found.last - begins_after - taken_in)


def _parcels(log: str, events: Sequence[EventView]) -> Iterator[list[Letter]]:
    """The events in as few deliveries as they fit; one that is larger has one for itself."""
    letters: list[Letter] = []
    size = 0
    for event in events:
        letter = Letter(encoded(Heard(log, event.number, event.time_ns, event.kind, event.subject, event.data)))
        if letters and size + letter.size > DELIVERY_BYTES_MAX:
            yield letters
            letters, size = [], 0
        letters.append(letter)
        size += letter.size
    if letters:
        yield letters


def _check_hears(own: Service) -> None:
    messages = own.types.messages if own.types is not None else None
    if messages is None or Heard not in [kind for _, kind in members(messages)]:
        raise Rejected(f"{own.name} can't hear events: give it `messages=Heard`, or a union that has it")
    if own.partitions != 1:
        raise Rejected(
            f"{own.name} has {own.partitions} partitions, and a cursor is in one: follow with one, and let it send"
        )
