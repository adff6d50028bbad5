"""Starting sagas, waiting for them, and looking after those that are stuck.

    await start(node, "trip", Trip(…), id_="t1")
    summary = await wait_saga(node, "t1")

Promise:    the same id starts one saga; a saga that was started goes on whatever is killed.
Checked by: tests/runtime/test_sagas.py
"""

import asyncio
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final, cast

import msgspec

from ropewalk.coordination.sagas.limits import SAGAS_PAGE_MAX, TASKS_PAGE_MAX
from ropewalk.coordination.sagas.messages import (
    COMPENSATED,
    COMPLETED,
    STUCK,
    Answer,
    Command,
    Compensate,
    GetSaga,
    ListSagas,
    ListTasks,
    Refused,
    Reply,
    Resolve,
    Retry,
    Start,
    Summary,
    TaskName,
    TaskView,
    View,
)
from ropewalk.coordination.sagas.state import State
from ropewalk.core.codec import encode_value
from ropewalk.core.limits import DEADLINE_DEFAULT_S, DEADLINE_MAX_S
from ropewalk.core.machine import NO_ID
from ropewalk.errors import NotAccepted, Rejected
from ropewalk.runtime.listeners import Heard
from ropewalk.runtime.neighbours import ANYBODY, Caller, answered, beside
from ropewalk.runtime.node import Node
from ropewalk.runtime.problems import Problem
from ropewalk.runtime.sagas.offering import IsGone, offers_of

SUFFIX: Final = "-sagas"

LEASE_S: Final = 30.0
"""How long whoever takes a task has it, unless he says otherwise."""

LEASE_MAX_S: Final = 86_400.0

_NEWS: Final = (COMPLETED, COMPENSATED, STUCK)
_STATUSES: Final = {
    "unknown": HTTPStatus.NOT_FOUND,
    "id_used": HTTPStatus.CONFLICT,
    "not_stuck": HTTPStatus.CONFLICT,
    "not_running": HTTPStatus.CONFLICT,
    "not_open": HTTPStatus.CONFLICT,
    "not_asked": HTTPStatus.CONFLICT,
    "unknown_definition": HTTPStatus.CONFLICT,
    # Only under a request id: its repeat gets this answer too, so it is none that invites to one.
    "full": HTTPStatus.INSUFFICIENT_STORAGE,
}


async def _is_here() -> bool:
    return False


async def start(node: Node, saga: str, input_: object, *, id_: str, caller: Caller = ANYBODY) -> Summary:
    """Start a saga, or learn how it is if it was started before. Raises Rejected if it can't be, and says why."""
    return await _do(node, Start(id_, saga, input_), caller)


async def wait_saga(node: Node, id_: str, *, deadline_s: float = DEADLINE_DEFAULT_S) -> Summary:
    """Return when a saga has ended or is stuck. Raises NotAccepted if it goes on for longer."""
    own = _own(node)
    with own.leaders[own.service.partition_of(id_)].waiting_for(id_) as heard:
        summary = (await saga(node, id_)).summary
        if summary.state not in (State.RUNNING, State.COMPENSATING):
            return summary
        try:
            async with asyncio.timeout(deadline_s):
                return await _news(heard, deadline_s=deadline_s)
        except TimeoutError:
            raise NotAccepted(f"saga {id_} goes on for longer than {deadline_s} s: wait again") from None


async def _news(heard: Heard, *, deadline_s: float) -> Summary:
    """The next event that is about the saga itself, and not one that a step of it has published."""
    while True:
        event = (await heard.event(deadline_s=deadline_s)).event
        if event.kind in _NEWS:
            return msgspec.msgpack.decode(event.data, type=Summary)


async def saga(node: Node, id_: str) -> View:
    """A whole saga, with its history. Raises Rejected if none of this id is remembered."""
    found = (await _own(node).ask(GetSaga(id_))).value
    if isinstance(found, dict) and found.get("reason") == "unknown":
        raise Problem(HTTPStatus.NOT_FOUND, "unknown", str(found["detail"]))
    return msgspec.convert(found, View)


async def sagas(node: Node, *, state: State | None = None, after: str = "", limit: int = 100) -> list[Summary]:
    """Those in some state, or all, by their ids, from behind `after` on."""
    query = encode_value(ListSagas(state, after, min(limit, SAGAS_PAGE_MAX)))
    pages = [(await leader.read(query)).answer for leader in _own(node).leaders]
    listed = [each for page in pages for each in msgspec.msgpack.decode(page, type=list[Summary])]
    return sorted(listed, key=lambda each: each.id)[:limit]


async def retry(node: Node, id_: str, *, who: str, why: str = "", caller: Caller = ANYBODY) -> Summary:
    """Try again what a stuck saga could not do. Raises Rejected if it is not stuck."""
    return await _do(node, Retry(id_, who, why), caller)


async def compensate(node: Node, id_: str, *, who: str, why: str, caller: Caller = ANYBODY) -> Summary:
    """Undo what a saga has done that runs, or is complete. Raises Rejected if it was turned back before."""
    return await _do(node, Compensate(id_, who, why), caller)


async def resolve(node: Node, id_: str, step: str, *, who: str, why: str, caller: Caller = ANYBODY) -> Summary:
    """Take a step as undone that somebody has seen to by hand. Raises Rejected if nothing is open there."""
    return await _do(node, Resolve(id_, step, who, why), caller)


async def take(
    node: Node,
    kinds: Sequence[str],
    *,
    limit: int = 1,
    lease_s: float = LEASE_S,
    wait_s: float = 0.0,
    is_gone: IsGone = _is_here,
) -> list[TaskView]:
    """Up to so many tasks of these kinds, to be answered within `lease_s`; waits `wait_s` for the first.

    `is_gone` is asked before anything is given. Raises Rejected if that is more than is given at once, NotAccepted if
    there is none where partitions serve, and one does not.
    """
    if not (kinds and 1 <= limit <= TASKS_PAGE_MAX):
        raise Rejected(f"{limit} tasks of {len(kinds)} kinds: ask for 1 to {TASKS_PAGE_MAX}, of 1 kind or more")
    if not (0 < lease_s <= LEASE_MAX_S and 0 <= wait_s <= DEADLINE_MAX_S):
        raise Rejected(f"a lease lasts up to {LEASE_MAX_S:g} s, and {DEADLINE_MAX_S:g} s can be waited")
    return await offers_of(_own(node)).take(kinds, limit=limit, lease_s=lease_s, wait_s=wait_s, is_gone=is_gone)


def extend(node: Node, names: Sequence[TaskName], *, lease_s: float = LEASE_S) -> None:
    """Have tasks that were given for `lease_s` from now on; those that were not are passed over."""
    if not 0 < lease_s <= LEASE_MAX_S:
        raise Rejected(f"a lease lasts up to {LEASE_MAX_S:g} s")
    offers_of(_own(node)).extend(names, lease_s=lease_s)


async def answer(
    node: Node, id_: str, step: str, *, reply: object, tries: int = 0, who: str = "", caller: Caller = ANYBODY
) -> Summary:
    """Say what came of the task of a step, of this try; 0 is the one that waits. Only the first answer counts.

    Raises Rejected if no answer is waited for.
    """
    return await _do(node, Answer(id_, step, reply, tries, who), caller)


async def tasks(node: Node, *, kind: str | None = None, after: str = "", limit: int = 100) -> list[TaskView]:
    """The tasks that wait for an answer, by the ids of their sagas, from behind the saga `after` on.

    They are those of `limit` sagas at most, and of 100 (`TASKS_PAGE_MAX`) at most.
    """
    limit = min(limit, TASKS_PAGE_MAX)
    query = encode_value(ListTasks(kind, after, limit))
    pages = [(await leader.read(query)).answer for leader in _own(node).leaders]
    listed = [each for page in pages for each in msgspec.msgpack.decode(page, type=list[TaskView])]
    chosen = {*sorted({each.id for each in listed})[:limit]}
    return sorted([each for each in listed if each.id in chosen], key=lambda each: each.id)


def _own(node: Node) -> Node:
    return beside(node, SUFFIX, made_by="with_sagas")


async def _do(node: Node, command: Command, caller: Caller) -> Summary:
    match cast(Reply, await answered(_own(node), command, caller)):
        case Summary() as summary:
            return summary
        case Refused("full", detail) if caller.request_id == NO_ID:
            raise NotAccepted(detail, retry_after_s=1.0)
        case Refused(reason, detail):
            raise Problem(_STATUSES.get(reason, HTTPStatus.UNPROCESSABLE_ENTITY), reason, detail)
