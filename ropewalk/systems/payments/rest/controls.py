"""Controls over HTTP: limits and freezes of accounts, reversals of transfers, and the list of who did what and why.

Checked by: tests/payments/rest/test_controls.py
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Final, TypeVar

import msgspec
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from ropewalk.core.clock import VectorClock
from ropewalk.errors import Rejected
from ropewalk.runtime.bodies import reader_of
from ropewalk.runtime.node import Node
from ropewalk.runtime.operations import COMMAND_PARAMETERS, JSON, LEVEL_PARAMETERS, Operation, Parameter
from ropewalk.runtime.problems import Problem, bad_request, not_found
from ropewalk.runtime.requests import body_of, deadline_s_of, json_response, priority_of, request_id_of
from ropewalk.systems.payments.controls import messages as ask_for
from ropewalk.systems.payments.controls.messages import (
    AccountControls,
    AnyCommand,
    Controlled,
    ControlView,
    Refused,
    decode_reply,
    encode,
)
from ropewalk.systems.payments.ledger.commands import Operation as Asked
from ropewalk.systems.payments.ledger.commands import decode_reply as decode_rows
from ropewalk.systems.payments.ledger.commands import encode as encode_rows
from ropewalk.systems.payments.ledger.layout import get, ids_of
from ropewalk.systems.payments.ledger.records import Decimal
from ropewalk.systems.payments.ledger.statuses import TransferStatus
from ropewalk.systems.payments.rest.ach import ACCOUNT, ROUTING
from ropewalk.systems.payments.rest.asking import (
    PAGE_PARAMETERS,
    next_of,
    number,
    page_of,
    page_type,
    sight_of,
    submit,
)
from ropewalk.systems.payments.rest.everywhere import shard_of_routing
from ropewalk.systems.payments.rest.reading import Sight, joined, place_of, read
from ropewalk.systems.payments.shards.addresses import shard_of
from ropewalk.systems.payments.shards.statuses import ShardStatus

T = TypeVar("T")

_Number = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]

_GROUP: Final = "controls"
_TRANSFER: Final = Parameter("id", "The id of the transfer, as a decimal number.", place="path")
_STATUSES: Final = {
    "unknown_account": HTTPStatus.NOT_FOUND,
    "unknown_transfer": HTTPStatus.NOT_FOUND,
    "frozen": HTTPStatus.CONFLICT,
    "not_frozen": HTTPStatus.CONFLICT,
    **{status.name.lower(): HTTPStatus.CONFLICT for kind in (TransferStatus, ShardStatus) for status in kind},
}
"""What a refusal's reason is in HTTP; every other is 422."""


class Reason(msgspec.Struct, frozen=True):
    """Who does it, and why."""

    who: str
    why: str


class Freezing(msgspec.Struct, frozen=True):
    """Who freezes which sides of an account, and why: debits, credits or both."""

    who: str
    why: str
    sides: str = "both"


class Reversal(msgspec.Struct, frozen=True):
    """Who sends how much back, and why; an amount of zero is all that is left.

    A reference goes back once, however often it is asked. With `from_suspense` the payee's bank pays if the payee
    can't.
    """

    who: str
    why: str
    amount: Decimal = "0"
    reference: str = ""
    from_suspense: bool = False


class AccountLimits(msgspec.Struct, frozen=True):
    """What may leave an account at once and in any 24 hours, in cents and in number; zero is no limit."""

    who: str
    why: str
    transfer_cents: _Number = 0
    day_cents: _Number = 0
    day_count: _Number = 0


def _on_account(
    path: str, summary: str, *, body: type[T], command: Callable[[T, str, str], AnyCommand], method: str = "POST"
) -> Operation:
    """An operation that controls an account, in the shard of its institution."""
    read = reader_of(body)

    async def handle(node: Node, http: HttpRequest) -> Response:
        routing, account = http.path_params["routing"], http.path_params["number"]
        given = command(read(await body_of(http)), routing, account)
        done, token = await _do(node, http, given, shard=shard_of_routing(node, routing))
        return json_response(done, token=token)

    return Operation(
        method=method,
        path=f"/institutions/{{routing}}/accounts/{{number}}/{path}",
        summary=summary,
        handler=handle,
        body={JSON: body},
        answer={JSON: Controlled},
        parameters=(ROUTING, ACCOUNT, *COMMAND_PARAMETERS),
        group=_GROUP,
    )


_REVERSAL: Final = reader_of(Reversal)


async def _reverse(node: Node, http: HttpRequest) -> Response:
    given = _REVERSAL(await body_of(http))
    wanted = number(http.path_params["id"], "id", bits=128)
    payee = await _payee_of(node, wanted, sight=sight_of(http))
    amount = number(given.amount, "amount", bits=63)
    command = ask_for.Reverse(
        given.who, given.why, f"{wanted}", amount, given.reference, from_suspense=given.from_suspense
    )
    done, token = await _do(node, http, command, shard=payee)
    return json_response(done, token=token)


async def _payee_of(node: Node, transfer: int, *, sight: Sight) -> int:
    """The shard of who was paid by a transfer. Raises Problem if there is none, or another shard has another one."""
    query = encode_rows(Asked.LOOKUP_TRANSFERS, ids_of([transfer]))
    answers = [await read(node, shard, query, sight=sight) for shard in range(node.service.partitions)]
    rows = [row for answer, _ in answers for row in decode_rows(Asked.LOOKUP_TRANSFERS, answer)]
    payees = {(get(row, "debit_account_id"), get(row, "credit_account_id")) for row in rows}
    if not payees:
        raise not_found(f"the ledger has no transfer {transfer}")
    if len(payees) > 1:
        detail = f"{len(payees)} shards have transfers of their own with the id {transfer}: pay back by a transfer"
        raise Problem(HTTPStatus.CONFLICT, "several", detail)
    return shard_of(payees.pop()[1], place_of(node))


async def _look(node: Node, http: HttpRequest) -> Response:
    routing, account = http.path_params["routing"], http.path_params["number"]
    query = encode(ask_for.GetAccountControls(routing, account))
    try:
        answer, token = await read(node, shard_of_routing(node, routing), query, sight=sight_of(http))
    except Problem:
        raise
    except Rejected as error:
        raise not_found(str(error)) from error
    return json_response(ask_for.decode_account(answer), token=token)


async def _list(node: Node, http: HttpRequest) -> Response:
    page = page_of(http)
    routing, account = http.query_params.get("routing", ""), http.query_params.get("number", "")
    if bool(routing) != bool(account):
        raise bad_request("routing and number name an account together: give both, or none for all that was done")
    query = encode(ask_for.ListControls(-1 if page.after is None else page.after, page.limit, routing, account))
    answers = [await read(node, shard, query, sight=sight_of(http)) for shard in range(node.service.partitions)]
    rows = [row for answer, _ in answers for row in ask_for.decode_views(answer)]
    rows = sorted(rows, key=lambda row: row.number)[: page.limit]
    token = joined(token for _, token in answers)
    return json_response({"items": rows, "next": next_of(rows, page, cursor="number")}, token=token)


async def _do(node: Node, http: HttpRequest, command: AnyCommand, *, shard: int) -> tuple[Controlled, VectorClock]:
    """What became of a command. Raises Problem if it was refused."""
    reply, token = await submit(
        node,
        encode(command),
        shard=shard,
        request_id=request_id_of(http),
        deadline_s=deadline_s_of(http),
        priority=priority_of(http),
    )
    told = decode_reply(reply)
    if isinstance(told, Refused):
        raise Problem(_STATUSES.get(told.reason, HTTPStatus.UNPROCESSABLE_ENTITY), told.reason, told.detail)
    return told, token


CONTROL_OPERATIONS: Final = (
    _on_account(
        "limits",
        "Limit what may leave an account, at once and in any 24 hours",
        body=AccountLimits,
        command=lambda given, routing, account: ask_for.SetLimits(
            given.who, given.why, routing, account, given.transfer_cents, given.day_cents, given.day_count
        ),
        method="PUT",
    ),
    _on_account(
        "freeze",
        "Let nothing enter or leave an account, or one of both, but for what was promised before",
        body=Freezing,
        command=lambda given, routing, account: ask_for.Freeze(given.who, given.why, routing, account, given.sides),
    ),
    _on_account(
        "unfreeze",
        "Let money enter and leave an account again",
        body=Reason,
        command=lambda given, routing, account: ask_for.Unfreeze(given.who, given.why, routing, account),
    ),
    Operation(
        method="POST",
        path="/ledger/transfers/{id}/reversal",
        summary="Send the money of a transfer back, all or a part of it, and never more than came",
        handler=_reverse,
        body={JSON: Reversal},
        answer={JSON: Controlled},
        parameters=(_TRANSFER, *COMMAND_PARAMETERS),
        group=_GROUP,
    ),
    Operation(
        method="GET",
        path="/institutions/{routing}/accounts/{number}/controls",
        summary="The limits and the freeze of an account, and what counts against them",
        handler=_look,
        answer={JSON: AccountControls},
        parameters=(ROUTING, ACCOUNT, *LEVEL_PARAMETERS),
        group=_GROUP,
    ),
    Operation(
        method="GET",
        path="/controls",
        summary="Limits, freezes and reversals, with who and why, oldest first",
        handler=_list,
        answer={JSON: page_type("ControlPage", ControlView)},
        parameters=(
            Parameter("routing", "Only those about accounts of this institution; with `number`."),
            Parameter("number", "The account's number there."),
            *PAGE_PARAMETERS,
        ),
        group=_GROUP,
    ),
)
