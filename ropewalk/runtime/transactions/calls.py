"""Having a transaction done, and reading several keys at one moment.

    progress = await transact(node, Move("m1", "ada", "ben", 5))
    ada, ben = await read_settled(node, ["ada", "ben"])

Promise:    what `transact` returns as committed or aborted is so for ever, and every later Strong read shows it;
            `read_settled` shows of each transaction all or nothing.
Not given:  that `read_settled` comes to an end while its keys change all the time, or that it notices a value that
            changed and changed back between its two looks.
Checked by: tests/runtime/test_transactions.py
"""

import asyncio
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final, cast

import msgspec

from ropewalk.coordination.commit import Decision
from ropewalk.coordination.transactions.limits import TRANSACTIONS_PAGE_MAX
from ropewalk.coordination.transactions.messages import (
    GetTransaction,
    Identified,
    ListTransactions,
    Progress,
    Refused,
    Reply,
)
from ropewalk.core.codec import encode_value
from ropewalk.core.limits import DEADLINE_DEFAULT_S
from ropewalk.core.machine import NO_ID
from ropewalk.data.reads import STRONG
from ropewalk.errors import NotAccepted, OutcomeUnknown
from ropewalk.runtime.listeners import Heard
from ropewalk.runtime.neighbours import ANYBODY, Caller, answered, beside
from ropewalk.runtime.node import Node
from ropewalk.runtime.problems import Problem

SUFFIX: Final = "-transactions"
_STATUSES: Final = {
    "id_used": HTTPStatus.CONFLICT,
    "unknown": HTTPStatus.NOT_FOUND,
    # Only under a request id: its repeat gets this answer too, so it is none that invites to one.
    "full": HTTPStatus.INSUFFICIENT_STORAGE,
}


async def transact(node: Node, command: msgspec.Struct, *, caller: Caller = ANYBODY) -> Progress:
    """Do all that a command consists of, or nothing; return when its parts are done, or let go.

    A repeat of its id, at any time, is told how it is, and so is a repeat of the request's id. If the deadline passes
    after the decision, that is returned.

    Rejected        nothing happened: the command is no transaction, or its id was used for another
    NotAccepted     nothing happened this time
    OutcomeUnknown  it is not decided yet: ask again with the same id
    """
    own = beside(node, SUFFIX, made_by="with_transactions")
    id_ = cast(Identified, command).id
    ends_s = asyncio.get_running_loop().time() + caller.deadline_s
    with own.leaders[own.service.partition_of(id_)].waiting_for(id_) as heard:
        reply = cast(Reply, await answered(own, command, caller))
        progress = _progress(reply, caller.request_id)
        if caller.request_id != NO_ID and not progress.has_ended:
            # Perhaps it was answered so long ago that it has ended since, and nothing more will be heard of it.
            progress = await transaction(node, id_)
        return await _ended(heard, progress, ends_s=ends_s)


async def transaction(node: Node, id_: str) -> Progress:
    """How a transaction is. Raises Rejected if none of this id is remembered."""
    own = beside(node, SUFFIX, made_by="with_transactions")
    answered = (await own.ask(GetTransaction(id_))).value
    return _progress(msgspec.convert(answered, cast(type[Reply], Reply)))


async def transactions(node: Node, *, is_open: bool = True, after: str = "", limit: int = 100) -> list[Progress]:
    """Those that have not ended, or all, by their ids, from behind `after` on."""
    own = beside(node, SUFFIX, made_by="with_transactions")
    query = encode_value(ListTransactions(is_open, after, min(limit, TRANSACTIONS_PAGE_MAX)))
    pages = [(await leader.read(query, level=STRONG)).answer for leader in own.leaders]
    listed = [each for page in pages for each in msgspec.msgpack.decode(page, type=list[Progress])]
    return sorted(listed, key=lambda each: each.id)[:limit]


async def read_settled(node: Node, keys: Sequence[str], *, deadline_s: float = DEADLINE_DEFAULT_S) -> list[object]:
    """The values that keys had together: of each transaction all or nothing.

    They are read until two looks in a row agree. Raises NotAccepted if they don't in time.
    """
    try:
        async with asyncio.timeout(deadline_s):
            seen, values = None, await _look(node, keys)
            while values != seen:
                seen, values = values, await _look(node, keys)
            return values
    except TimeoutError:
        raise NotAccepted(f"{', '.join(keys)} did not settle within {deadline_s} s: read them again") from None


async def _look(node: Node, keys: Sequence[str]) -> list[object]:
    return [(await node.get(key)).value for key in keys]


async def _ended(heard: Heard, progress: Progress, *, ends_s: float) -> Progress:
    while not progress.has_ended:
        left_s = ends_s - asyncio.get_running_loop().time()
        try:
            event = await heard.event(deadline_s=left_s)
        except NotAccepted as error:
            if progress.decision is not Decision.UNDECIDED:
                return progress
            raise OutcomeUnknown(f"{progress.id} is not decided yet: ask again with the same id ({error})") from None
        progress = msgspec.msgpack.decode(event.event.data, type=Progress)
    return progress


def _progress(reply: Reply, request_id: bytes = NO_ID) -> Progress:
    match reply:
        case Progress():
            return reply
        case Refused("full", detail) if request_id == NO_ID:
            raise NotAccepted(detail, retry_after_s=1.0)
        case Refused(reason, detail):
            raise Problem(_STATUSES.get(reason, HTTPStatus.UNPROCESSABLE_ENTITY), reason, detail)
