"""How an operation of instant payments asks: the shard that a payment is for, and until the other one has answered.

    command ──► its shard ──► answered
                          └─► another shard is asked ──► the event that brings the answer ──► answered

Who is told that money has moved between two shards may look at once in either: the answer waits for a moment until
the other shard has done its half, and its token asks for both.

Promise:    what is answered is what was decided; if that takes longer than the caller waits, the answer is pending.
Checked by: tests/payments/rest/test_instant.py, test_instant_shards.py
"""

import asyncio
from http import HTTPStatus
from typing import Final, NamedTuple, TypeVar, cast

import msgspec
from starlette.requests import Request as HttpRequest

from ropewalk.communication.admission import Priority
from ropewalk.core.clock import VectorClock
from ropewalk.core.feed import NumberedEvent
from ropewalk.core.machine import NO_ID, Request
from ropewalk.errors import NotAccepted, Rejected
from ropewalk.runtime.listeners import Heard
from ropewalk.runtime.node import Node
from ropewalk.runtime.problems import Problem, not_found
from ropewalk.runtime.requests import deadline_s_of, level_of, priority_of, request_id_of
from ropewalk.runtime.typed import reused
from ropewalk.systems.payments.instant import messages as ask_for
from ropewalk.systems.payments.instant.messages import (
    Answered,
    AnyCommand,
    AnyQuery,
    Decide,
    DecideRecall,
    PaymentView,
    PolicySet,
    Refused,
    Take,
)
from ropewalk.systems.payments.instant.record import Status
from ropewalk.systems.payments.instant.shards import subject_of, uetr_of, unsuited
from ropewalk.systems.payments.iso20022.model import CreditTransfer, Resolution, StatusReport

T = TypeVar("T")

HALF_WAITS_S: Final = 1.0
"""How long the answer that money has moved waits for the other shard to do its half: it is decided, and will be."""

_STATUSES: Final = {
    "unknown_payment": HTTPStatus.NOT_FOUND,
    "unknown_recall": HTTPStatus.NOT_FOUND,
    "unknown_account": HTTPStatus.NOT_FOUND,
    "decided": HTTPStatus.CONFLICT,
}
"""What a refusal's reason is in HTTP; every other is 422."""


class Shards(NamedTuple):
    """Which shard a command is for, and the other one of its payment: the same if there is none."""

    asked: int
    other: int


async def do(
    node: Node, http: HttpRequest, command: Take | Decide | DecideRecall
) -> tuple[StatusReport | Resolution, VectorClock]:
    """The message that answers a command. Raises Problem if it was refused."""
    until_s = asyncio.get_running_loop().time() + deadline_s_of(http)
    shards = await _shards_of(node, http, command)
    asked, other = (node.leaders[shard] for shard in shards)
    request_id = request_id_of(http)
    with asked.waiting_for(subject_of(command)) as heard, other.waiting_for(uetr_of(command)) as done_there:
        reply, token = await reply_to(node, http, command, shard=shards.asked, request_id=request_id)
        answered = cast(Answered, reply)
        if answered.is_asking and request_id != NO_ID:
            # The reply to a request that is repeated is the first one, and what it asked may be answered by now.
            answered, token = await _by_now(node, http, command, shard=shards.asked)
        if not answered.is_asking:
            return answered.message, token
        told = await _next(heard, until_s=until_s)
        if told is None:
            return answered.message, token
        message = cast(Answered, ask_for.decode_reply(told.event.data)).message
        token = token.merged(asked.token(asked.partition.applied_through))
        if asked is not other and _has_moved(message):
            soon_s = min(until_s, asyncio.get_running_loop().time() + HALF_WAITS_S)
            if await _next(done_there, until_s=soon_s) is not None:
                token = token.merged(other.token(other.partition.applied_through))
        return message, token


async def reply_to(
    node: Node, http: HttpRequest, command: AnyCommand, *, shard: int, request_id: bytes
) -> tuple[Answered | PolicySet, VectorClock]:
    """A shard's reply to one command. Raises Problem if it was refused, or the id was used with another command."""
    request = Request(request_id, ask_for.encode_command(command))
    # Who waits for an instant payment waits for seconds, so it goes before what is settled tonight.
    priority = priority_of(http, usual=Priority.CRITICAL)
    answers = await node.submit([request], partition=shard, deadline_s=deadline_s_of(http), priority=priority)
    answer = answers.replies[0]
    if answer is None:
        raise reused(request.id)
    reply = ask_for.decode_reply(answer)
    if isinstance(reply, Refused):
        raise Problem(_STATUSES.get(reply.reason, HTTPStatus.UNPROCESSABLE_ENTITY), reply.reason, reply.detail)
    return reply, node.leaders[shard].token(answers.position)


async def look(node: Node, http: HttpRequest, query: AnyQuery, *, kind: type[T], shard: int) -> tuple[T, VectorClock]:
    """A shard's answer to a query. Raises Problem (404) if it names what is not there."""
    leader, encoded = node.leaders[shard], ask_for.encode_query(query)
    try:
        read = await leader.read(encoded, level=level_of(http), deadline_s=deadline_s_of(http))
    except Problem:
        raise
    except Rejected as error:
        raise not_found(str(error)) from error
    return msgspec.msgpack.decode(read.answer, type=kind), leader.token(read.position)


async def shard_of(node: Node, http: HttpRequest, uetr: str) -> int:
    """A shard that knows a payment, the debtor's if both do; the first if none does, which then says so."""
    seen = await _directions(node, http, uetr)
    return next((shard for direction, shard in seen.items() if direction != "in"), seen.get("in", 0))


async def _shards_of(node: Node, http: HttpRequest, command: Take | Decide | DecideRecall) -> Shards:
    if isinstance(command, Take) and isinstance(command.message, CreditTransfer):
        ends = (command.message.debtor_agent, command.message.creditor_agent)
        return Shards(*(node.service.partition_of(agent.routing) for agent in ends))
    seen = await _directions(node, http, uetr_of(command))
    suited = [shard for direction, shard in seen.items() if direction != unsuited(command)]
    asked = suited[0] if suited else 0
    return Shards(asked, next((shard for shard in seen.values() if shard != asked), asked))


async def _directions(node: Node, http: HttpRequest, uetr: str) -> dict[str, int]:
    """The shards that know a payment, by how they see it go."""
    if node.service.partitions == 1:
        return {"within": 0}
    seen: dict[str, int] = {}
    for shard in range(node.service.partitions):
        try:
            view, _ = await look(node, http, ask_for.GetPayment(uetr), kind=PaymentView, shard=shard)
        except Problem as problem:
            if problem.status is not HTTPStatus.NOT_FOUND:
                raise
        else:
            seen.setdefault(view.direction, shard)
    return seen


async def _by_now(
    node: Node, http: HttpRequest, command: Take | Decide | DecideRecall, *, shard: int
) -> tuple[Answered, VectorClock]:
    """What has become of something that was asked before: a message may be sent again, a decision is made once."""
    match command:
        case Take():
            reply, token = await reply_to(node, http, command, shard=shard, request_id=NO_ID)
            return cast(Answered, reply), token
        case Decide(uetr):
            report, token = await look(node, http, ask_for.GetReport(uetr), kind=StatusReport, shard=shard)
            return Answered(report, is_asking=report.status == Status.PENDING), token
        case DecideRecall(uetr):
            answer, token = await look(node, http, ask_for.GetRecall(uetr), kind=Resolution, shard=shard)
            return Answered(answer, is_asking=answer.confirmation == "PDCR"), token


async def _next(heard: Heard, *, until_s: float) -> NumberedEvent | None:
    """The next event; None if it does not come in time."""
    try:
        return await heard.event(deadline_s=max(0.0, until_s - asyncio.get_running_loop().time()))
    except NotAccepted:
        return None


def _has_moved(message: StatusReport | Resolution) -> bool:
    """Whether an answer says that money has moved."""
    said = message.status if isinstance(message, StatusReport) else message.confirmation
    return said in (Status.ACCEPTED, Status.SETTLED, "IPAY")
