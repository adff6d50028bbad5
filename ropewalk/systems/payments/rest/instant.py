"""Instant payments over HTTP: ISO 20022 in and out, and JSON for people and programs that look or decide.

    POST message ─► parse ─► schemas ─► view ─► machine ─► view ─► schemas ─► the message that answers

A payment's UETR is its idempotency key, a return's id is its own: a message may be sent again without any header.

Promise:    a message that is answered was read whole; with schemas, it and its answer are valid.
Not given:  without a folder of schemas, that anything but what `iso20022.reading` looks at is as it should be; each
            answer says which it is, in the header Ropewalk-Schemas.
Checked by: tests/payments/rest/test_instant.py, test_instant_shards.py
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import reduce
from http import HTTPStatus
from typing import Final, TypeVar

import msgspec
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from ropewalk.core.clock import VectorClock
from ropewalk.errors import OutcomeUnknown
from ropewalk.runtime.bodies import reader_of
from ropewalk.runtime.node import Node
from ropewalk.runtime.operations import COMMAND_PARAMETERS, JSON, LEVEL_PARAMETERS, TOKEN, Operation, Parameter
from ropewalk.runtime.problems import Problem, bad_request
from ropewalk.runtime.requests import (
    body_of,
    json_response,
    request_id_of,
)
from ropewalk.systems.payments.instant import messages as ask_for
from ropewalk.systems.payments.instant.messages import PaymentView, PolicySet
from ropewalk.systems.payments.instant.record import Status
from ropewalk.systems.payments.iso20022.faults import MessageRefused
from ropewalk.systems.payments.iso20022.layouts import BY_VIEW
from ropewalk.systems.payments.iso20022.limits import MESSAGE_BYTES_MAX
from ropewalk.systems.payments.iso20022.model import (
    Envelope,
    Header,
    Message,
    PaymentReturn,
    Resolution,
    StatusReport,
    StatusRequest,
)
from ropewalk.systems.payments.iso20022.parsing import parse
from ropewalk.systems.payments.iso20022.reading import Parts, read_parts
from ropewalk.systems.payments.iso20022.schemas import Schemas
from ropewalk.systems.payments.iso20022.writing import write
from ropewalk.systems.payments.rest.ach import ACCOUNT, ROUTING
from ropewalk.systems.payments.rest.asking import number, page_of
from ropewalk.systems.payments.rest.instant_asking import do, look, reply_to, shard_of
from ropewalk.systems.payments.rest.statements import XML, accepted

T = TypeVar("T")
_Handler = Callable[[Node, HttpRequest], Awaitable[Response]]

SCHEMAS: Final = "Ropewalk-Schemas"
_GROUP: Final = "instant payments"
_UETR: Final = Parameter("uetr", "The UETR of a payment.", place="path")


class Decision(msgspec.Struct, frozen=True):
    """Who decides what, and why. `reason` is an ISO 20022 code, given if `accept` is false and only then."""

    accept: bool
    who: str
    why: str = ""
    reason: str = ""


class AccountPolicy(msgspec.Struct, frozen=True):
    """How an account's bank decides, and who says so. `arrivals`: accept or ask; `recalls`: ask, accept or refuse."""

    who: str
    arrivals: str = "accept"
    recalls: str = "ask"
    why: str = ""


class Desk:
    """Takes messages in and hands answers out, checked against the schemas if there are any."""

    def __init__(self, schemas: Schemas | None) -> None:
        self._schemas = schemas

    def read(self, content: bytes) -> Envelope:
        """The message in a body. Raises Problem (422) with each of its faults."""
        try:
            parts = Parts(parse(content))
            if self._schemas is not None:
                self._schemas.check(parts)
            return read_parts(parts)
        except MessageRefused as error:
            detail = f"the message is not taken, and nothing happened; the first fault is on {error}"
            more: dict[str, object] = {"faults": error.faults}
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "message_refused", detail, more=more) from error

    def answer(self, message: Message, token: VectorClock, *, asked: Header | None = None) -> Response:
        """A message as an answer, to whoever sent the header. Raises OutcomeUnknown if it is not valid."""
        content = write(Envelope(message, None if asked is None else _header_of(message, asked)))
        if self._schemas is not None:
            try:
                self._schemas.check(Parts(parse(content)))
            except MessageRefused as error:
                raise OutcomeUnknown(
                    f"the answer can't be given as its schema asks ({error}): ask as JSON"
                ) from error
        checked = "checked" if self._schemas is not None else "none: only the fields that decide are checked"
        return Response(content, headers={TOKEN: str(token), SCHEMAS: checked}, media_type=XML)

    async def take(self, node: Node, http: HttpRequest) -> Response:
        """Do what a message asks, and answer it."""
        envelope = self.read(await body_of(http, bytes_max=MESSAGE_BYTES_MAX))
        message = envelope.message
        if isinstance(message, (StatusReport, Resolution)):
            name = BY_VIEW[type(message)].name
            detail = f"{name} is an answer, and nothing here waits for one: people decide at …/decision"
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "nothing_asked", detail)
        if isinstance(message, StatusRequest):
            shard = await shard_of(node, http, message.original.uetr)
            asked = ask_for.AskStatus(message)
            report, token = await look(node, http, asked, kind=StatusReport, shard=shard)
            return self.answer(report, token, asked=envelope.header)
        answer, token = await do(node, http, ask_for.Take(message))
        return self.answer(answer, token, asked=envelope.header)

    async def payment(self, node: Node, http: HttpRequest) -> Response:
        """One payment as JSON, or its status report."""
        uetr = http.path_params["uetr"]
        shard = await shard_of(node, http, uetr)
        if accepted(http, JSON, XML) == XML:
            report, token = await look(node, http, ask_for.GetReport(uetr), kind=StatusReport, shard=shard)
            return self.answer(report, token)
        view, token = await look(node, http, ask_for.GetPayment(uetr), kind=PaymentView, shard=shard)
        return json_response(view, token=token)

    async def give_back(self, node: Node, http: HttpRequest) -> Response:
        """The message of one return."""
        query = ask_for.GetReturn(http.path_params["uetr"], number(http.path_params["number"], "number"))
        shard = await shard_of(node, http, query.uetr)
        message, token = await look(node, http, query, kind=PaymentReturn, shard=shard)
        return self.answer(message, token)

    async def recall(self, node: Node, http: HttpRequest) -> Response:
        """The answer to a recall, as it is now."""
        query = ask_for.GetRecall(http.path_params["uetr"])
        shard = await shard_of(node, http, query.uetr)
        message, token = await look(node, http, query, kind=Resolution, shard=shard)
        return self.answer(message, token)

    def decision(self, command: Callable[[Decision, str], ask_for.Decide | ask_for.DecideRecall]) -> _Handler:
        """A handler that lets a person decide, and answers with the message that tells of it."""
        read = reader_of(Decision)

        async def handle(node: Node, http: HttpRequest) -> Response:
            given = read(await body_of(http))
            answer, token = await do(node, http, command(given, http.path_params["uetr"]))
            return self.answer(answer, token)

        return handle


def instant_operations(schemas: Schemas | None) -> Sequence[Operation]:
    """What can be asked of instant payments, with messages checked against schemas, or not."""
    desk = Desk(schemas)
    return (*_of_messages(desk), *_of_one_payment(desk), *_of_decisions(desk))


def _of_messages(desk: Desk) -> Sequence[Operation]:
    return (
        Operation(
            method="POST",
            path="/instant/messages",
            summary="Send a message (pacs.008, pacs.004, pacs.028, camt.056); get the one that answers it",
            handler=desk.take,
            body={XML: str},
            answer={XML: str},
            parameters=COMMAND_PARAMETERS,
            group=_GROUP,
        ),
        Operation(
            method="GET",
            path="/instant/payments",
            summary="The newest payments; with `status` only those that are PDNG, ACCC or RJCT",
            handler=_payments,
            answer={JSON: list[PaymentView]},
            parameters=(
                Parameter("status", "Only those with this status."),
                Parameter("limit", "How many at most.", int),
                *LEVEL_PARAMETERS,
            ),
            group=_GROUP,
        ),
    )


def _of_one_payment(desk: Desk) -> Sequence[Operation]:
    return (
        Operation(
            method="GET",
            path="/instant/payments/{uetr}",
            summary="A payment and all that happened to it, or its newest status report",
            handler=desk.payment,
            answer={JSON: PaymentView, XML: str},
            parameters=(_UETR, *LEVEL_PARAMETERS),
            group=_GROUP,
        ),
        Operation(
            method="GET",
            path="/instant/payments/{uetr}/returns/{number}",
            summary="The message of one return (pacs.004)",
            handler=desk.give_back,
            answer={XML: str},
            parameters=(_UETR, Parameter("number", "0, 1, …", int, place="path"), *LEVEL_PARAMETERS),
            group=_GROUP,
        ),
        Operation(
            method="GET",
            path="/instant/payments/{uetr}/recall",
            summary="The answer to the recall of a payment (camt.029), as it is now",
            handler=desk.recall,
            answer={XML: str},
            parameters=(_UETR, *LEVEL_PARAMETERS),
            group=_GROUP,
        ),
    )


def _of_decisions(desk: Desk) -> Sequence[Operation]:
    return (
        _decision(
            "/instant/payments/{uetr}/decision", "Accept or reject a payment that waits", desk, command=ask_for.Decide
        ),
        _decision(
            "/instant/payments/{uetr}/recall/decision",
            "Accept or reject the recall of a payment",
            desk,
            command=ask_for.DecideRecall,
        ),
        Operation(
            method="PUT",
            path="/institutions/{routing}/accounts/{number}/instant-policy",
            summary="Say how an account's bank decides about payments that arrive, and about recalls",
            handler=_set_policy,
            body={JSON: AccountPolicy},
            answer={JSON: PolicySet},
            parameters=(ROUTING, ACCOUNT, *COMMAND_PARAMETERS),
            group=_GROUP,
        ),
    )


def _decision(
    path: str, summary: str, desk: Desk, *, command: type[ask_for.Decide] | type[ask_for.DecideRecall]
) -> Operation:
    return Operation(
        method="POST",
        path=path,
        summary=summary,
        handler=desk.decision(
            lambda given, uetr: command(uetr, given.accept, given.who, given.why, given.reason),
        ),
        body={JSON: Decision},
        answer={XML: str},
        parameters=(_UETR, *COMMAND_PARAMETERS),
        group=_GROUP,
    )


async def _payments(node: Node, http: HttpRequest) -> Response:
    status = http.query_params.get("status", "")
    if status and status not in _PAYMENT_STATUSES:
        raise bad_request(f"status is {status!r}: choose from {', '.join(_PAYMENT_STATUSES)}")
    query = ask_for.ListPayments(status, page_of(http).limit)
    listed = [
        await look(node, http, query, kind=list[PaymentView], shard=shard) for shard in range(node.service.partitions)
    ]
    # What two shards keep is shown as the debtor's has it.
    views = sorted((view for views, _ in listed for view in views), key=lambda view: view.direction != "in")
    newest = sorted({view.uetr: view for view in views}.values(), key=lambda view: -view.taken_ns)
    return json_response(newest[: query.limit], token=reduce(VectorClock.merged, (token for _, token in listed)))


async def _set_policy(node: Node, http: HttpRequest) -> Response:
    given = _POLICY(await body_of(http))
    command = ask_for.SetPolicy(
        http.path_params["routing"],
        http.path_params["number"],
        given.arrivals,
        given.recalls,
        given.who,
        given.why,
    )
    shard, request_id = node.service.partition_of(command.routing), request_id_of(http)
    reply, token = await reply_to(node, http, command, shard=shard, request_id=request_id)
    return json_response(reply, token=token)


_POLICY: Final = reader_of(AccountPolicy)
_PAYMENT_STATUSES: Final = (Status.PENDING, Status.ACCEPTED, Status.REJECTED)


def _header_of(message: Message, asked: Header) -> Header:
    """The header of an answer: from who was asked to who asked."""
    return Header(
        sender=asked.receiver,
        receiver=asked.sender,
        message_id=message.message_id,
        definition=BY_VIEW[type(message)].name,
        created=message.created,
        market_practice=asked.market_practice,
        registry=asked.registry,
    )
