"""Starting sagas, waiting for them, and looking after those that are stuck.

    await start(node, "trip", Trip(…), id_="t1")
    summary = await wait_saga(node, "t1")

Promise:    the same id starts one saga; a saga that was started goes on whatever is killed.
Checked by: tests/runtime/test_sagas.py
"""

import asyncio
from http import HTTPStatus
from typing import Final, cast

import msgspec

from ropewalk.coordination.sagas.limits import SAGAS_PAGE_MAX
from ropewalk.coordination.sagas.messages import (
    COMPENSATED,
    COMPLETED,
    STUCK,
    Command,
    Compensate,
    GetSaga,
    ListSagas,
    Refused,
    Reply,
    Resolve,
    Retry,
    Start,
    Summary,
    View,
)
from ropewalk.coordination.sagas.state import State
from ropewalk.core.codec import encode_value
from ropewalk.core.limits import DEADLINE_DEFAULT_S
from ropewalk.core.machine import NO_ID
from ropewalk.errors import NotAccepted
from ropewalk.runtime.listeners import Heard
from ropewalk.runtime.neighbours import ANYBODY, Caller, answered, beside
from ropewalk.runtime.node import Node
from ropewalk.runtime.problems import Problem

SUFFIX: Final = "-sagas"

_NEWS: Final = (COMPLETED, COMPENSATED, STUCK)
_STATUSES: Final = {
    "unknown": HTTPStatus.NOT_FOUND,
    "id_used": HTTPStatus.CONFLICT,
    "not_stuck": HTTPStatus.CONFLICT,
    "not_running": HTTPStatus.CONFLICT,
    "not_open": HTTPStatus.CONFLICT,
    "unknown_definition": HTTPStatus.CONFLICT,
    # Only under a request id: its repeat gets this answer too, so it is none that invites to one.
    "full": HTTPStatus.INSUFFICIENT_STORAGE,
}


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
