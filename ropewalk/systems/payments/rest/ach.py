"""ACH over HTTP: institutions, accounts, originators, files and their entries, windows, returns, reports.

What changes something takes an Idempotency-Key; what only looks takes a level or a token. Lists come in pages.

Checked by: tests/payments/rest/test_ach.py, test_ach_shards.py
"""

from collections.abc import Callable
from typing import Final, TypeVar, cast

import msgspec
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from ropewalk.communication.admission import USUAL, Priority
from ropewalk.runtime.bodies import reader_of
from ropewalk.runtime.node import Node
from ropewalk.runtime.operations import COMMAND_PARAMETERS, JSON, LEVEL_PARAMETERS, TOKEN, Operation, Parameter
from ropewalk.runtime.problems import bad_request
from ropewalk.runtime.requests import body_of, deadline_s_of, json_response, priority_of, request_id_of
from ropewalk.systems.payments.processing import messages as ask_for
from ropewalk.systems.payments.processing import views
from ropewalk.systems.payments.processing.layouts import EntryState
from ropewalk.systems.payments.processing.messages import AnyCommand, AnyQuery, NewAccount
from ropewalk.systems.payments.rest.asking import (
    PAGE_PARAMETERS,
    Page,
    do,
    look,
    next_of,
    number,
    page_of,
    page_type,
    sight_of,
)
from ropewalk.systems.payments.rest.everywhere import window_of_all

T = TypeVar("T")

_GROUP: Final = "ACH"

ROUTING: Final = Parameter("routing", "The nine digits of an institution.", place="path")
ACCOUNT: Final = Parameter("number", "The account's number there.", place="path")
FILE: Final = Parameter("file", "The number of an accepted file.", int, place="path")
WINDOW: Final = Parameter("window", "The number of a settlement window.", int, place="path")


class ByHand(msgspec.Struct, frozen=True):
    """Settle, now, what is due by `through_ns`; 0 means the next window in which anything is due."""

    through_ns: int = 0


class Restriction(msgspec.Struct, frozen=True):
    """What keeps entries from an account; `none` lifts it."""

    restriction: str


def _change(
    path: str,
    summary: str,
    *,
    body: type[T],
    command: Callable[[T, HttpRequest], AnyCommand],
    method: str = "POST",
    named: tuple[Parameter, ...] = (),
    usual: Priority = USUAL,
) -> Operation:
    """An operation that has a command applied."""
    read = reader_of(body)

    async def handle(node: Node, http: HttpRequest) -> Response:
        given = command(read(await body_of(http) or b"{}"), http)
        if isinstance(given, ask_for.RunWindow):
            given = await window_of_all(node, given, sight_of(http))
        reply, token = await do(
            node,
            given,
            request_id=request_id_of(http),
            deadline_s=deadline_s_of(http),
            priority=priority_of(http, usual=usual),
        )
        return json_response(reply, token=token)

    return Operation(
        method=method,
        path=path,
        summary=summary,
        handler=handle,
        body={JSON: body},
        answer={JSON: ask_for.WindowStarted if body is ByHand else ask_for.Done},
        parameters=(*named, *COMMAND_PARAMETERS),
        group=_GROUP,
    )


def _one(
    path: str,
    summary: str,
    *,
    kind: type,
    query: Callable[[HttpRequest], AnyQuery],
    named: tuple[Parameter, ...] = (),
) -> Operation:
    """An operation that shows one thing."""

    async def handle(node: Node, http: HttpRequest) -> Response:
        answer, token = await look(node, http, query(http), kind=cast(type[object], kind))
        return json_response(answer, token=token)

    return Operation(
        method="GET",
        path=path,
        summary=summary,
        handler=handle,
        answer={JSON: kind},
        parameters=(*named, *LEVEL_PARAMETERS),
        group=_GROUP,
    )


def _pages(
    path: str,
    summary: str,
    *,
    row: type,
    cursor: str,
    query: Callable[[HttpRequest, Page], AnyQuery],
    parameters: tuple[Parameter, ...] = (),
) -> Operation:
    """An operation that lists things in pages."""
    page_kind = page_type(f"{row.__name__}Page", row)
    rows_kind = list[row]  # type: ignore[valid-type]

    async def handle(node: Node, http: HttpRequest) -> Response:
        page = page_of(http)
        rows, token = await look(node, http, query(http, page), kind=rows_kind)
        return json_response({"items": rows, "next": next_of(rows, page, cursor=cursor)}, token=token)

    return Operation(
        method="GET",
        path=path,
        summary=summary,
        handler=handle,
        answer={JSON: page_kind},
        parameters=(*parameters, *PAGE_PARAMETERS),
        group=_GROUP,
    )


def _after(page: Page, *, first: int = -1) -> int:
    return first if page.after is None else page.after


def _account(http: HttpRequest) -> AnyQuery:
    return ask_for.GetAccount(http.path_params["routing"], http.path_params["number"])


def _entries(http: HttpRequest, page: Page) -> AnyQuery:
    state = http.query_params.get("state", "")
    if state and state.upper() not in EntryState.__members__:
        raise bad_request(f"state is {state!r}: choose from {', '.join(each.name.lower() for each in EntryState)}")
    return ask_for.ListEntries(number(http.path_params["file"], "file"), _after(page), page.limit, state)


async def _return_file(node: Node, http: HttpRequest) -> Response:
    path = http.path_params
    query = ask_for.GetReturnFile(number(path["window"], "window"), path["routing"], number(path["part"], "part"))
    content, token = await look(node, http, query, kind=bytes)
    name = f"returns-{query.window}-{query.routing}-{query.part}.ach"
    headers = {TOKEN: str(token), "content-disposition": f'attachment; filename="{name}"'}
    return Response(content, headers=headers, media_type="text/plain; charset=us-ascii")


ACH_OPERATIONS: Final = (
    _change(
        "/institutions",
        "Open an institution with its settlement, clearing and suspense account",
        body=ask_for.OpenInstitution,
        command=lambda given, _: given,
    ),
    _pages(
        "/institutions",
        "Institutions, by number",
        row=views.InstitutionView,
        cursor="number",
        query=lambda _, page: ask_for.ListInstitutions(_after(page), page.limit),
    ),
    _change(
        "/accounts",
        "Open accounts: all of them, or none",
        body=list[NewAccount],
        command=lambda given, _: ask_for.OpenAccounts(given),
    ),
    _pages(
        "/accounts",
        "Accounts, by number",
        row=views.AccountView,
        cursor="number",
        query=lambda _, page: ask_for.ListAccounts(_after(page), page.limit),
    ),
    _one(
        "/institutions/{routing}/accounts/{number}",
        "One account and its balances",
        kind=views.AccountView,
        query=_account,
        named=(ROUTING, ACCOUNT),
    ),
    _change(
        "/institutions/{routing}/accounts/{number}/restriction",
        "Keep entries from an account, or let them through again",
        body=Restriction,
        command=lambda given, http: ask_for.RestrictAccount(
            http.path_params["routing"], http.path_params["number"], given.restriction
        ),
        method="PUT",
        named=(ROUTING, ACCOUNT),
    ),
    _change(
        "/originators",
        "Let an institution send files for a company",
        body=ask_for.OpenOriginator,
        command=lambda given, _: given,
    ),
    _pages(
        "/originators",
        "Originators, by number",
        row=views.OriginatorView,
        cursor="number",
        query=lambda _, page: ask_for.ListOriginators(_after(page), page.limit),
    ),
    _pages(
        "/files",
        "Accepted files, by number",
        row=views.FileView,
        cursor="file",
        query=lambda _, page: ask_for.ListFiles(_after(page), page.limit),
    ),
    _one(
        "/files/{file}",
        "One file, and what has become of its entries",
        kind=views.FileView,
        query=lambda http: ask_for.GetFile(number(http.path_params["file"], "file")),
        named=(FILE,),
    ),
    _pages(
        "/files/{file}/entries",
        "The entries of a file",
        row=views.EntryView,
        cursor="row",
        query=_entries,
        parameters=(FILE, Parameter("state", "Only those that are accepted, pending, posted, returned or rejected.")),
    ),
    _change(
        "/windows",
        "Settle by hand what is due, in a new window or one that takes all of it; an empty body: what is due next",
        body=ByHand,
        command=lambda given, _: ask_for.RunWindow(given.through_ns),
        usual=Priority.CRITICAL,
    ),
    _pages(
        "/windows",
        "Settlement windows with their net positions, by number",
        row=views.WindowView,
        cursor="window",
        query=lambda _, page: ask_for.ListWindows(_after(page), page.limit),
    ),
    _one(
        "/windows/{window}",
        "One settlement window; it has closed when closed_ns is not 0",
        kind=views.WindowView,
        query=lambda http: ask_for.GetWindow(number(http.path_params["window"], "window")),
        named=(WINDOW,),
    ),
    _one(
        "/windows/{window}/returns",
        "The return files that a closed window made",
        kind=list[views.ReturnFileView],
        query=lambda http: ask_for.ListReturnFiles(number(http.path_params["window"], "window")),
        named=(WINDOW,),
    ),
    Operation(
        method="GET",
        path="/windows/{window}/returns/{routing}/{part}",
        summary="One return file, in the NACHA format",
        handler=_return_file,
        answer={"text/plain": str},
        parameters=(WINDOW, ROUTING, Parameter("part", "0, 1, …", int, place="path"), *LEVEL_PARAMETERS),
        group=_GROUP,
    ),
    _pages(
        "/notices",
        "Notifications of change, by number",
        row=views.NoticeView,
        cursor="number",
        query=lambda _, page: ask_for.ListNotices(_after(page), page.limit),
    ),
    _one(
        "/reports/trial-balance",
        "All debits and all credits, by what the accounts are for",
        kind=views.TrialBalance,
        query=lambda _: ask_for.GetTrialBalance(),
    ),
    _one(
        "/reports/progress",
        "What is still to do, and when it is due",
        kind=views.Progress,
        query=lambda _: ask_for.GetProgress(),
    ),
)
