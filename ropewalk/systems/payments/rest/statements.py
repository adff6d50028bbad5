"""The statement of an account: pages of JSON, or the whole of some days as camt.053 or CSV, by what is accepted.

A statement of days is read to its last page, whose balance is the closing balance; the opening balance is that less
what moved since. So it is right however much moves while it is read.

Promise:    the opening balance, the entries and the closing balance of a statement agree.
Checked by: tests/payments/rest/test_statements.py
"""

from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from typing import Final

import msgspec
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from ropewalk.core.clock import VectorClock
from ropewalk.core.codec import checksum
from ropewalk.runtime.node import Node
from ropewalk.runtime.operations import JSON, TOKEN, Operation, Parameter
from ropewalk.runtime.problems import Problem, bad_request
from ropewalk.runtime.requests import header, json_response
from ropewalk.systems.payments.iso20022.limits import STATEMENT_LINES_MAX
from ropewalk.systems.payments.iso20022.statement import Entry, Statement, write_camt053, write_csv
from ropewalk.systems.payments.processing.limits import PAGE_MAX
from ropewalk.systems.payments.processing.messages import GetStatement
from ropewalk.systems.payments.processing.views import AccountView, StatementLine, StatementView
from ropewalk.systems.payments.rest.ach import ACCOUNT, ROUTING
from ropewalk.systems.payments.rest.asking import PAGE_PARAMETERS, look, next_of, page_of

XML: Final = "application/xml"
CSV: Final = "text/csv"
_WRITERS: Final = {XML: write_camt053, CSV: write_csv}

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND_NS: Final = 1_000
_DAY_SUMMARY: Final = "camt.053 and CSV only: {} day of the statement, like 2026-11-25 (UTC)."

_Page: Final = msgspec.defstruct(
    "StatementPage", [("account", AccountView), ("items", list[StatementLine]), ("next", str | None)]
)


def accepted(http: HttpRequest, *offered: str) -> str:
    """The first of the media types that a request accepts which is offered; else the first that is offered."""
    wanted = [each.partition(";")[0].strip().lower() for each in (header(http, b"accept") or "").split(",")]
    return next((each for each in wanted if each in offered), offered[0])


async def _statement(node: Node, http: HttpRequest) -> Response:
    media = accepted(http, JSON, *_WRITERS)
    if media == JSON:
        return await _page(node, http)
    statement, token = await _whole(node, http, _days(http))
    return Response(_WRITERS[media](statement), headers={TOKEN: str(token)}, media_type=media)


async def _page(node: Node, http: HttpRequest) -> Response:
    page = page_of(http)
    statement, token = await look(node, http, _query(http, page.after or 0, page.limit), kind=StatementView)
    following = next_of(statement.lines, page, cursor="timestamp")
    return json_response({"account": statement.account, "items": statement.lines, "next": following}, token=token)


async def _whole(node: Node, http: HttpRequest, days: tuple[int, int]) -> tuple[Statement, VectorClock]:
    begins_ns, ends_ns = days
    lines: list[StatementLine] = []
    after = begins_ns - 1 if begins_ns else 0
    while True:
        part, token = await look(node, http, _query(http, after, PAGE_MAX), kind=StatementView)
        lines += part.lines
        if len(part.lines) < PAGE_MAX:
            return _statement_of(part.account, lines, begins_ns=begins_ns, ends_ns=ends_ns), token
        if len(lines) > STATEMENT_LINES_MAX:
            detail = (
                f"more than {STATEMENT_LINES_MAX} lines moved since then: let `from` be a later day, or take pages"
            )
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "statement_too_long", detail)
        after = part.lines[-1].timestamp


def _query(http: HttpRequest, after: int, limit: int) -> GetStatement:
    return GetStatement(http.path_params["routing"], http.path_params["number"], after, limit)


def _statement_of(account: AccountView, lines: list[StatementLine], *, begins_ns: int, ends_ns: int) -> Statement:
    booked = [line for line in lines if not line.pending]
    opening = account.balance_cents - sum(line.amount_cents for line in booked)
    within = [line for line in booked if line.timestamp < ends_ns]
    closing = opening + sum(line.amount_cents for line in within)
    # What is reserved is known as it is now: of a day that is over it is not kept.
    reserved = account.balance_cents - account.available_cents if len(within) == len(booked) else 0
    last_ns = lines[-1].timestamp if lines else begins_ns
    named = f"{account.routing}/{account.account}/{begins_ns}/{ends_ns}/{last_ns}"
    return Statement(
        statement_id=checksum(named.encode()).hex(),
        created=_moment(last_ns),
        begins=_moment(begins_ns or _first_ns(within)),
        ends=_moment(min(ends_ns, last_ns)),
        routing=account.routing,
        account=account.account,
        name=account.name,
        currency="USD",
        opening_minor=opening,
        available_minor=closing - reserved,
        entries=[_entry(line) for line in within],
    )


def _first_ns(lines: list[StatementLine]) -> int:
    return lines[0].timestamp if lines else 0


def _entry(line: StatementLine) -> Entry:
    return Entry(_moment(line.timestamp), line.amount_cents, line.what, f"{int(line.transfer_id):x}", line.uetr)


def _days(http: HttpRequest) -> tuple[int, int]:
    """When the days begin that are asked for, and when they have ended; all of them if none are."""
    first, last = (_day(http, name) for name in ("from", "to"))
    if first is not None and last is not None and last < first:
        raise bad_request(f"to is {last}, before from, which is {first}")
    begins_ns = 0 if first is None else _begins_ns(first)
    return begins_ns, 2**63 - 1 if last is None else _begins_ns(last + timedelta(days=1))


def _day(http: HttpRequest, name: str) -> date | None:
    given = http.query_params.get(name)
    if given is None:
        return None
    try:
        day = date.fromisoformat(given)
    except ValueError as error:
        raise bad_request(f"{name} is {given!r}: give a day like 2026-11-25") from error
    if not 1970 <= day.year <= 2200:
        raise bad_request(f"{name} is {given!r}: give a day of 1970 to 2200")
    return day


def _begins_ns(day: date) -> int:
    return (
        (datetime(day.year, day.month, day.day, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1) * _MICROSECOND_NS
    )


def _moment(time_ns: int) -> str:
    shown = (_EPOCH + timedelta(microseconds=time_ns // _MICROSECOND_NS)).isoformat(timespec="microseconds")
    return shown.replace("+00:00", "Z")


STATEMENT_OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/institutions/{routing}/accounts/{number}/statement",
        summary="What moved on an account, oldest first: pages of JSON, or a statement as camt.053 or CSV",
        handler=_statement,
        answer={JSON: _Page, XML: str, CSV: str},
        parameters=(
            ROUTING,
            ACCOUNT,
            Parameter("from", _DAY_SUMMARY.format("the first")),
            Parameter("to", _DAY_SUMMARY.format("the last")),
            *PAGE_PARAMETERS,
        ),
        group="ACH",
    ),
)
