"""Transactions over HTTP.

    POST /transactions/Move {"id": "m1", …}    have it done; the answer says whether it was, and why not
    GET  /transactions/m1                      how it is
    GET  /transactions?open=true&after=&limit= those that have not ended, or all that are remembered

Checked by: tests/runtime/test_transactions_rest.py
"""

from collections.abc import Iterator, Sequence
from typing import Final, cast

import msgspec
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from ropewalk.coordination.transactions.limits import TRANSACTIONS_PAGE_MAX
from ropewalk.coordination.transactions.messages import Progress
from ropewalk.errors import Rejected
from ropewalk.runtime.bodies import reader_of
from ropewalk.runtime.neighbours import caller_of
from ropewalk.runtime.node import Node
from ropewalk.runtime.operations import JSON, WRITE_PARAMETERS, Operation, Parameter
from ropewalk.runtime.requests import body_of, json_response, query_of
from ropewalk.runtime.transactions.calls import transact, transaction, transactions
from ropewalk.runtime.typed import members

_LIMIT: Final = 100


class _Page(msgspec.Struct, frozen=True):
    """Transactions by their ids; `next` is what to give as `after` for those behind, null if these are the last."""

    items: Sequence[Progress]
    next: str | None


def transaction_operations(commands: object) -> Iterator[Operation]:
    """The operations of a service with transactions: one for each kind of them, and two to look."""
    for name, kind in members(commands):
        yield _begin(name, kind)
    yield Operation(
        method="GET",
        path="/transactions/{id:path}",
        summary="How a transaction is",
        handler=_show,
        answer={JSON: Progress},
        parameters=(Parameter("id", "Its id.", place="path"),),
        group="transactions",
    )
    yield Operation(
        method="GET",
        path="/transactions",
        summary="Transactions that have not ended, or all that are remembered",
        handler=_list,
        answer={JSON: _Page},
        parameters=(
            Parameter("open", "true (the usual): only those that have not ended.", bool),
            Parameter("after", "Only ids behind this one."),
            Parameter("limit", f"How many at most, up to {TRANSACTIONS_PAGE_MAX}.", int),
        ),
        group="transactions",
    )


def _begin(name: str, kind: type) -> Operation:
    read = reader_of(cast("type[msgspec.Struct]", kind))

    async def handle(node: Node, http: HttpRequest) -> Response:
        command = read(await body_of(http))
        return json_response(await transact(node, command, caller=caller_of(http)))

    return Operation(
        method="POST",
        path=f"/transactions/{name}",
        summary=f"Have {name} done, all of it or nothing: once for each id",
        handler=handle,
        body={JSON: kind},
        answer={JSON: Progress},
        parameters=WRITE_PARAMETERS,
        group="transactions",
    )


async def _show(node: Node, http: HttpRequest) -> Response:
    return json_response(await transaction(node, http.path_params["id"]))


class _Asked(msgspec.Struct, frozen=True):
    open: bool = True
    after: str = ""
    limit: int = _LIMIT


async def _list(node: Node, http: HttpRequest) -> Response:
    asked = query_of(http, _Asked)
    if not 1 <= asked.limit <= TRANSACTIONS_PAGE_MAX:
        raise Rejected(f"limit is {asked.limit}: give 1 to {TRANSACTIONS_PAGE_MAX}")
    items = await transactions(node, is_open=asked.open, after=asked.after, limit=asked.limit)
    return json_response(_Page(items, items[-1].id if len(items) == asked.limit else None))
