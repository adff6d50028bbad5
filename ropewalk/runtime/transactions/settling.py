"""Strong reads of a service that takes part in transactions: they include all that is decided.

A reader that meets a hold asks the coordinator. If it has decided, the answer waits until that is done in its own
partition; if it has not, nobody can have seen an outcome yet, and the hold is shown as it is.

Promise:    whoever has seen what a transaction did at one key sees it at every other from then on, by `Node.get`,
            `Node.ask` and over HTTP.
Not given:  one moment for two keys that are read one after the other: for that there is `read_settled`.
Checked by: tests/runtime/test_transactions.py
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import msgspec

from ropewalk.coordination.commit import Decision
from ropewalk.coordination.transactions.messages import GetTransaction, Progress, Query, Reply
from ropewalk.core.chain import Position
from ropewalk.core.keyed import GUARDED, Guarded
from ropewalk.data.reads import STRONG, AtLeast, ReadLevel
from ropewalk.errors import NotAccepted
from ropewalk.runtime.leader import Leader
from ropewalk.runtime.readers import ReadAnswer
from ropewalk.runtime.service import Service

if TYPE_CHECKING:
    from ropewalk.runtime.node import Node


def coordinates(service: Service) -> bool:
    """Is this one that `with_transactions` has put beside another?"""
    return service.types is not None and service.types.queries == Query


async def read_decided(
    leader: Leader, query: bytes, *, coordinators: Sequence["Node"], deadline_s: float
) -> ReadAnswer:
    """The answer to a question, when all that is decided about it is done there."""
    loop = asyncio.get_running_loop()
    ends_s = loop.time() + deadline_s
    looked, position = await _look(leader, query, STRONG, deadline_s=deadline_s)
    awaited = [
        id_
        for id_ in looked.held
        for each in coordinators
        if await _is_decided(each, id_, deadline_s=ends_s - loop.time())
    ]
    while still := [id_ for id_ in looked.held if id_ in awaited]:
        later = AtLeast(leader.token(Position(position + 1)))
        try:
            looked, position = await _look(leader, query, later, deadline_s=ends_s - loop.time())
        except NotAccepted as error:
            what = f"{', '.join(still)} is decided and not yet done in {leader.identity.log_name}"
            raise NotAccepted(f"{what}, within {deadline_s} s: read again ({error})") from None
    return ReadAnswer(looked.answer, position)


async def _look(leader: Leader, query: bytes, level: ReadLevel, *, deadline_s: float) -> tuple[Guarded, Position]:
    told = await leader.read(GUARDED + query, level=level, deadline_s=deadline_s)
    return msgspec.msgpack.decode(told.answer, type=Guarded), told.position


async def _is_decided(own: "Node", id_: str, *, deadline_s: float) -> bool:
    told = (await own.ask(GetTransaction(id_), deadline_s=deadline_s)).value
    reply = msgspec.convert(told, cast(type[Reply], Reply))
    # What is held is remembered: one that is not there is another coordinator's.
    return isinstance(reply, Progress) and reply.decision is not Decision.UNDECIDED
