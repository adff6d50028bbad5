"""How an operation of payments asks the machine, and how its answers, pages and refusals look over HTTP.

Checked by: tests/payments/rest/test_ledger.py, tests/payments/rest/test_ach.py
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final, TypeVar, cast

import msgspec
from starlette.requests import Request as HttpRequest

from ropewalk.communication.admission import USUAL, Priority
from ropewalk.core.clock import VectorClock
from ropewalk.core.machine import NO_ID, Request
from ropewalk.errors import Rejected
from ropewalk.runtime.node import Node, encoded
from ropewalk.runtime.operations import LEVEL_PARAMETERS, Parameter
from ropewalk.runtime.problems import Problem, bad_request, not_found
from ropewalk.runtime.requests import deadline_s_of, level_of, natural
from ropewalk.runtime.typed import reused
from ropewalk.systems.payments.processing.limits import PAGE_MAX
from ropewalk.systems.payments.processing.messages import (
    ACH,
    AnyCommand,
    AnyQuery,
    AnyReply,
    FileRefused,
    Refused,
    decode_reply,
)
from ropewalk.systems.payments.rest.everywhere import answer_of, shard_of_command
from ropewalk.systems.payments.rest.reading import Sight, sees

T = TypeVar("T")

PAGE_DEFAULT: Final = 100
_DIGITS_MAX: Final = 39
"""Those of 2^128; `int` refuses a text of thousands with an error of its own."""

PAGE_PARAMETERS: Final = (
    Parameter("after", "The `next` of the page before; left out, the first page."),
    Parameter("limit", f"How many rows at most, up to {PAGE_MAX}.", int),
    *LEVEL_PARAMETERS,
)

_STATUSES: Final = {
    "unknown_institution": HTTPStatus.NOT_FOUND,
    "unknown_account": HTTPStatus.NOT_FOUND,
    "exists": HTTPStatus.CONFLICT,
    "other_bytes": HTTPStatus.CONFLICT,
    "nothing_due": HTTPStatus.CONFLICT,
    "undecided": HTTPStatus.SERVICE_UNAVAILABLE,
}
"""What a refusal's reason is in HTTP; every other is 422."""


class Page(msgspec.Struct, frozen=True):
    """Which rows are asked for."""

    after: int | None
    limit: int


async def submit(
    node: Node,
    command: bytes,
    *,
    shard: int = 0,
    request_id: bytes = NO_ID,
    deadline_s: float,
    priority: Priority = USUAL,
) -> tuple[bytes, VectorClock]:
    """A shard's reply to one command. Raises Problem (422) if the id was used with another command."""
    request = Request(request_id, command)
    answers = await node.submit([request], partition=shard, deadline_s=deadline_s, priority=priority)
    reply = answers.replies[0]
    if reply is None:
        raise reused(request_id)
    return reply, node.leaders[shard].token(answers.position)


async def do(
    node: Node,
    command: AnyCommand,
    *,
    shard: int | None = None,
    request_id: bytes = NO_ID,
    deadline_s: float,
    priority: Priority = USUAL,
) -> tuple[AnyReply, VectorClock]:
    """What became of an ACH command, in its shard or in another. Raises Problem if it was refused."""
    asked = ACH + encoded(command)
    there = shard_of_command(node, command) if shard is None else shard
    reply, token = await submit(
        node, asked, shard=there, request_id=request_id, deadline_s=deadline_s, priority=priority
    )
    return checked(decode_reply(reply)), token


def checked(reply: AnyReply) -> AnyReply:
    """A reply, unless it refuses something. Raises Problem if it does."""
    match reply:
        case Refused(reason, detail):
            raise Problem(_STATUSES.get(reason, HTTPStatus.UNPROCESSABLE_ENTITY), reason, detail)
        case FileRefused(reason, errors, total):
            first = f"line {errors[0].line}: {errors[0].message}" if errors else reason
            counted = "1 error" if total == 1 else f"{total} errors"
            detail = f"the file has {counted}, and nothing of it was taken; the first is: {first}"
            more: dict[str, object] = {"errors": errors, "errors_total": total}
            status = _STATUSES.get(reason, HTTPStatus.UNPROCESSABLE_ENTITY)
            raise Problem(status, f"file_{reason}", detail, more=more)
        case _:
            return reply


def sight_of(http: HttpRequest) -> Sight:
    """What a request asks to see, and how long it waits for that."""
    return sees(level_of(http), deadline_s=deadline_s_of(http))


async def look(node: Node, http: HttpRequest, query: AnyQuery, *, kind: type[T]) -> tuple[T, VectorClock]:
    """The answer to an ACH query. Raises Problem (404) if it names what is not there."""
    try:
        return await answer_of(node, query, sight_of(http), kind=kind)
    except Problem:
        raise
    except Rejected as error:
        raise not_found(str(error)) from error


def page_of(http: HttpRequest, *, limit_max: int = PAGE_MAX) -> Page:
    """The page that is asked for. Raises Problem (400) if there is no such page."""
    after, limit = http.query_params.get("after"), http.query_params.get("limit", str(PAGE_DEFAULT))
    rows = natural(limit) or 0
    if not 1 <= rows <= limit_max:
        raise bad_request(f"limit is {limit!r}: choose 1 to {limit_max}")
    return Page(None if after is None else number(after, "after"), rows)


def number(text: str, name: str, *, bits: int = 63) -> int:
    """A whole number from a text. Raises Problem (400) if it is none."""
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX and int(text) < 2**bits):
        raise bad_request(f"{name} is {text!r}: give a whole number below 2^{bits}")
    return int(text)


def next_of(rows: Sequence[object], page: Page, *, cursor: str) -> str | None:
    """What to ask for as `after` to get the rows behind these; None if these are the last."""
    return str(getattr(rows[-1], cursor)) if len(rows) >= page.limit else None


def page_type(name: str, row: type) -> type[msgspec.Struct]:
    """The type of a page of rows."""
    rows = cast(type, list[row])  # type: ignore[valid-type]
    return msgspec.defstruct(name, [("items", rows), ("next", str | None)], frozen=True)
