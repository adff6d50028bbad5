"""How a node gives what the coordination service offers: one command each, and one event to wait for if it must be.

Who waits for a claim begins to listen before the command is written, so no grant is missed.

Promise:    an uncontended claim is one command; a claim that waits is told of its grant by the record that grants it.
Checked by: tests/coordination/system/test_rest.py, tests/coordination/system/test_client.py
"""

import asyncio
from http import HTTPStatus
from typing import Final, TypeVar, cast

import msgspec

from ropewalk.coordination.recipes.limits import PAGE_MAX, WAIT_MAX_S
from ropewalk.coordination.recipes.machine import space
from ropewalk.coordination.recipes.messages import (
    Acquire,
    Busy,
    Command,
    Counted,
    Granted,
    Held,
    Holder,
    Key,
    Query,
    Reason,
    Refused,
    Reply,
    Waiting,
)
from ropewalk.coordination.recipes.reasons import explained
from ropewalk.coordination.recipes.state import claim_key, space_of, subject_of
from ropewalk.core.feed import NumberedEvent
from ropewalk.core.machine import Request
from ropewalk.errors import NotAccepted, Rejected
from ropewalk.runtime.leader import Leader
from ropewalk.runtime.listeners import Heard
from ropewalk.runtime.node import Node, encoded
from ropewalk.runtime.problems import Problem, bad_request
from ropewalk.runtime.typed import reused
from ropewalk.systems.coordination.offers import Change, Changes, Claiming, Following, Offer, Terms

M = TypeVar("M", bound=Command)
Q = TypeVar("Q", bound=Query)
A = TypeVar("A")

_REPLIES: Final = msgspec.msgpack.Decoder(cast("type[Reply]", Reply))

_STATUSES: Final[dict[Reason, HTTPStatus]] = {
    "session_expired": HTTPStatus.GONE,
    "session_unknown": HTTPStatus.NOT_FOUND,
    "unknown": HTTPStatus.NOT_FOUND,
    "not_claimed": HTTPStatus.CONFLICT,
    "permits_differ": HTTPStatus.CONFLICT,
    "version_differs": HTTPStatus.CONFLICT,
    "value_differs": HTTPStatus.CONFLICT,
    "full": HTTPStatus.INSUFFICIENT_STORAGE,
}
"""What a refusal's reason is in HTTP; every other is 422."""


def command(path: str, summary: str, *, body: type[M], answer: type[A]) -> Offer[M, A]:
    """The offer to have a command applied."""

    async def give(node: Node, asked: M, terms: Terms) -> A:
        return cast(A, await applied(node, asked, terms))

    return Offer("POST", path, summary, body, answer, give)


def question(path: str, summary: str, *, body: type[Q], answer: type[A]) -> Offer[Q, A]:
    """The offer to answer a query."""

    async def give(node: Node, asked: Q, terms: Terms) -> A:
        leader = leader_of(node, space(asked))
        read = await leader.read(encoded(asked), level=terms.level, deadline_s=terms.deadline_s)
        return msgspec.msgpack.decode(read.answer, type=answer)

    return Offer("GET", path, summary, body, answer, give)


async def applied(node: Node, message: Command, terms: Terms) -> Reply:
    """The reply to a command. Raises Problem if it is refused, NotAccepted if only the queue is full."""
    partition = node.service.partition_of(space(message))
    request = Request(terms.request_id, encoded(message))
    answers = await node.submit([request], partition=partition, deadline_s=terms.deadline_s)
    if answers.replies[0] is None:
        raise reused(terms.request_id)
    return accepted(_REPLIES.decode(answers.replies[0]))


async def acquire(node: Node, asked: Claiming, terms: Terms) -> Held | Waiting | Busy:
    """Claim it, or wait for it as long as is asked. The session says who asks, so a repeat needs no key."""
    message = Acquire(
        asked.name,
        asked.session,
        asked.kind,
        asked.ttl_ms,
        asked.wait_s > 0,
        asked.takes,
        asked.permits,
        asked.value,
    )
    terms = Terms(deadline_s=terms.deadline_s)
    if not message.waits:
        return cast(Held | Busy, await applied(node, message, terms))
    subject = subject_of(claim_key(asked.kind, asked.name), asked.session)
    with leader_of(node, space(message)).waiting_for(subject) as heard:
        reply = cast(Held | Waiting, await applied(node, message, terms))
        if isinstance(reply, Held):
            return reply
        return await _granted(heard, reply, wait_s=min(asked.wait_s, WAIT_MAX_S))


async def changes(node: Node, asked: Following, _: Terms) -> Changes:
    """What has changed, or what changes next."""
    leader = leader_of(node, space_of(asked.name))
    last = leader.partition.feed.last
    after = last if asked.after is None else asked.after
    if after < 0:
        raise bad_request(f"after is {after}: ask without it to begin now")
    # A timer for no number at all may hold up every other of this program.
    if not asked.wait_s >= 0:
        raise bad_request(f"wait_s is {asked.wait_s}: give seconds, 0 or more")
    if after > last:
        # Of another log: this one was divided from it, or begun anew.
        raise _forgotten(f"after is {after}, and the last change here has number {last}: ask without it to begin now")
    with leader.waiting_for(f"{asked.kind}:{asked.name}") as heard:
        found = _behind(leader, asked, after)
        if found.changes or not asked.wait_s:
            return found
        change = await _next(leader, asked, heard)
        if change is not None:
            return Changes([change], change.number)
        # What came just now is found by the next question.
        return found if heard.has_news else Changes([], leader.partition.feed.last)


def leader_of(node: Node, name: str) -> Leader:
    """Who leads the partition of a space. Raises Problem if that is no space."""
    if not name:
        raise bad_request("the name or the prefix begins with no space: write SPACE/ and what follows")
    return node.leaders[node.service.partition_of(name)]


def accepted(reply: Reply) -> Reply:
    """The reply itself, unless it is a refusal."""
    if not isinstance(reply, Refused):
        return reply
    if reply.reason == "queue_full":
        raise NotAccepted(explained(reply), retry_after_s=1.0)
    more: dict[str, object] = {} if reply.current is None else {"current": reply.current}
    status = _STATUSES.get(reply.reason, HTTPStatus.UNPROCESSABLE_ENTITY)
    raise Problem(status, reply.reason, explained(reply), more=more)


async def _granted(heard: Heard, waiting: Waiting, *, wait_s: float) -> Held | Waiting:
    try:
        event = (await heard.event(deadline_s=wait_s)).event
    except NotAccepted:
        # Its place is kept for as long as its session lives: it asks again.
        return waiting
    if event.kind == "withdrawn":
        accepted(msgspec.msgpack.decode(event.data, type=Refused))
    return Held(msgspec.msgpack.decode(event.data, type=Granted).token)


def _behind(leader: Leader, asked: Following, after: int) -> Changes:
    """Those of the next events that are asked for, or how far there are none."""
    while True:
        try:
            events = leader.events(after, limit=PAGE_MAX)
        except Rejected as error:
            raise _forgotten(str(error)) from error
        found = [change for each in events if (change := _change(each, asked)) is not None]
        after = events[-1].number if events else after
        if found or not events:
            return Changes(found, after)


async def _next(leader: Leader, asked: Following, heard: Heard) -> Change | None:
    """The next that is heard of; None if there is none in time."""
    now_s = asyncio.get_running_loop().time
    until_s = now_s() + min(asked.wait_s, WAIT_MAX_S)
    try:
        while True:
            numbered = await heard.event(deadline_s=until_s - now_s())
            change = _change(numbered, asked)
            if change is not None:
                return change
    except NotAccepted:
        if leader.stopped_because is not None:
            raise
        return None


def _forgotten(detail: str) -> Problem:
    return Problem(HTTPStatus.GONE, "changes_forgotten", detail)


def _change(numbered: NumberedEvent, asked: Following) -> Change | None:
    event = numbered.event
    kind, _, name = event.subject.partition(":")
    is_below = asked.name.endswith("/") and name.startswith(asked.name)
    if kind != asked.kind or not (name == asked.name or is_below):
        return None
    match event.kind:
        case "set" | "deleted":
            key = msgspec.msgpack.decode(event.data, type=Key)
            return Change(numbered.number, event.kind, name, key.value, key.version, key.session)
        case "elected" | "vacant" | "held" | "released":
            holder = msgspec.msgpack.decode(event.data, type=Holder)
            value = holder.value if event.kind in ("elected", "held") else None
            return Change(numbered.number, event.kind, name, value, holder.token, holder.session)
        case "counted":
            counted = msgspec.msgpack.decode(event.data, type=Counted)
            return Change(numbered.number, event.kind, name, str(counted.value), 0, "")
        case _:
            return None
