"""The ledger over HTTP: accounts and transfers in batches, looked up, listed, and the history of one account.

Batches come as JSON, with ids and amounts as decimal strings, or as `application/octet-stream`: the ledger's own rows
(128 bytes an account or transfer, 16 an id), which are answered by rows.

Events go to the shards of their accounts, and answers come from there, wherever that is (`across`, `reading`).

Promise:    each event of a batch is answered, in order; a transfer's id is unique for ever, so a repeat is harmless
            with or without an Idempotency-Key.
Checked by: tests/payments/rest/test_ledger.py, test_shards.py
"""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import numpy as np
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from ropewalk.core.clock import VectorClock
from ropewalk.core.limits import COMMAND_BYTES_MAX
from ropewalk.runtime.bodies import reader_of
from ropewalk.runtime.node import Node
from ropewalk.runtime.operations import BYTES, COMMAND_PARAMETERS, JSON, LEVEL_PARAMETERS, TOKEN, Operation, Parameter
from ropewalk.runtime.problems import bad_request, not_found
from ropewalk.runtime.requests import (
    body_of,
    deadline_s_of,
    json_response,
    priority_of,
    request_id_of,
    sends,
)
from ropewalk.systems.payments.ledger import commands as ledger
from ropewalk.systems.payments.ledger.commands import Operation as Asked
from ropewalk.systems.payments.ledger.layout import (
    ACCOUNT_FILTER,
    QUERY_FILTER,
    AccountFilterFlags,
    QueryFilterFlags,
    Rows,
    ids_of,
    put,
)
from ropewalk.systems.payments.ledger.limits import ROWS_MAX
from ropewalk.systems.payments.ledger.records import (
    Account,
    Balance,
    Decimal,
    Result,
    Transfer,
    account_rows,
    accounts_of,
    balances_of,
    results_of,
    transfer_rows,
    transfers_of,
)
from ropewalk.systems.payments.ledger.statuses import AccountStatus, Meaning, TransferStatus
from ropewalk.systems.payments.rest.across import create, create_together, waits
from ropewalk.systems.payments.rest.asking import Page, next_of, number, page_of, page_type, sight_of
from ropewalk.systems.payments.rest.reading import list_rows, look_up, place_of, read
from ropewalk.systems.payments.shards.addresses import shard_of
from ropewalk.systems.payments.shards.statuses import ShardStatus

_GROUP: Final = "ledger"
_JSON_BYTES_MAX: Final = 8 * COMMAND_BYTES_MAX
"""A batch as JSON: some 500 bytes a transfer."""

_ID: Final = Parameter("id", "The id, as a decimal number.", place="path")
_PAGE: Final = (
    Parameter("after", "The `next` of the page before; left out, the first page."),
    Parameter("limit", f"How many rows at most, up to {ROWS_MAX}.", int),
    Parameter("order", "oldest (the default) or newest first."),
)
_FIELDS: Final = {"ledger": 32, "code": 16, "user_data_128": 128, "user_data_64": 64, "user_data_32": 32}
_NEWEST: Final = "newest"


class Results(msgspec.Struct, frozen=True):
    """What became of each event, in order."""

    results: Sequence[Result]


def _create(
    path: str,
    asked: Asked,
    *,
    kind: type[Account] | type[Transfer],
    rows_of: Callable[..., Rows],
    statuses: Sequence[type[Meaning]],
    parameters: Sequence[Parameter] = (),
) -> Operation:
    """An operation that creates each event of a batch, or says why not."""
    kinds = list[kind]  # type: ignore[valid-type]
    read: Callable[[bytes], object] = reader_of(kinds)

    async def handle(node: Node, http: HttpRequest) -> Response:
        is_binary = sends(http, BYTES)
        if is_binary:
            command = bytes([asked]) + await body_of(http)
        else:
            body = await body_of(http, bytes_max=_JSON_BYTES_MAX)
            command = ledger.encode(asked, rows_of(read(body)))
        caller = waits(request_id_of(http), deadline_s=deadline_s_of(http), priority=priority_of(http))
        if asked is Asked.CREATE_TRANSFERS and _is_together(http):
            results, token = await create_together(node, command, caller)
        else:
            results, token = await create(node, command, caller)
        if is_binary:
            return Response(results.tobytes(), headers={TOKEN: str(token)}, media_type=BYTES)
        return json_response(Results(results_of(results, statuses)), token=token)

    return Operation(
        method="POST",
        path=path,
        summary=f"Create up to {ROWS_MAX:,} {path.rpartition('/')[2]}, each answered with its status",
        handler=handle,
        body={JSON: kinds, BYTES: bytes},
        answer={JSON: Results, BYTES: bytes},
        parameters=(*parameters, *COMMAND_PARAMETERS),
        group=_GROUP,
    )


def _is_together(http: HttpRequest) -> bool:
    given = http.query_params.get("together", "false")
    if given not in ("true", "false"):
        raise bad_request(f"together is {given!r}: choose true or false")
    return given == "true"


def _look_up(path: str, asked: Asked, *, kind: type, records_of: Callable[[Rows], Sequence[object]]) -> Operation:
    """An operation that answers with those of many ids that are there."""
    read_ids = reader_of(list[Decimal])

    async def handle(node: Node, http: HttpRequest) -> Response:
        if sends(http, BYTES):
            ids = ledger.decode_rows(asked, await body_of(http))
            found, token = await look_up(node, asked, ids, sight=sight_of(http))
            return Response(found.tobytes(), headers={TOKEN: str(token)}, media_type=BYTES)
        ids = ids_of([number(each, "id", bits=128) for each in read_ids(await body_of(http))])
        found, token = await look_up(node, asked, ids, sight=sight_of(http))
        return json_response(records_of(found), token=token)

    return Operation(
        method="POST",
        path=path,
        summary=f"Those of up to {ROWS_MAX:,} ids that are there, in order",
        handler=handle,
        body={JSON: list[Decimal], BYTES: bytes},
        answer={JSON: list[kind], BYTES: bytes},  # type: ignore[valid-type]
        parameters=LEVEL_PARAMETERS,
        group=_GROUP,
    )


def _one(path: str, asked: Asked, *, kind: type, records_of: Callable[[Rows], Sequence[object]]) -> Operation:
    """An operation that shows what has an id."""

    async def handle(node: Node, http: HttpRequest) -> Response:
        wanted = number(http.path_params["id"], "id", bits=128)
        found, token = await look_up(node, asked, ids_of([wanted]), sight=sight_of(http))
        if not found.size:
            raise not_found(f"the ledger has no {kind.__name__.lower()} {wanted}")
        return json_response(records_of(found)[0], token=token)

    return Operation(
        method="GET",
        path=path,
        summary=f"One {kind.__name__.lower()} by its id",
        handler=handle,
        answer={JSON: kind},
        parameters=(_ID, *LEVEL_PARAMETERS),
        group=_GROUP,
    )


def _list(path: str, asked: Asked, *, kind: type, records_of: Callable[[Rows], Sequence[object]]) -> Operation:
    """An operation that lists all of a kind, or those with the fields that the query names."""

    async def handle(node: Node, http: HttpRequest) -> Response:
        page = page_of(http, limit_max=ROWS_MAX)
        chosen = np.zeros(1, QUERY_FILTER)
        _choose_fields(chosen[0], http)
        _choose_page(chosen[0], http, page)
        chosen["flags"] = QueryFilterFlags.REVERSED if _is_newest_first(http) else 0
        rows, token = await list_rows(node, asked, chosen, sight=sight_of(http))
        return _page_response(records_of(rows), page, token)

    return Operation(
        method="GET",
        path=path,
        summary=f"All {path.rpartition('/')[2]}, or those with the given fields, by time",
        handler=handle,
        answer={JSON: page_type(f"{kind.__name__}Page", kind)},
        parameters=(
            *(Parameter(field, "Only those with this value; 0 asks for nothing.") for field in _FIELDS),
            *_PAGE,
            *LEVEL_PARAMETERS,
        ),
        group=_GROUP,
    )


def _history(path: str, asked: Asked, *, kind: type, records_of: Callable[[Rows], Sequence[object]]) -> Operation:
    """An operation that lists what happened on one account."""

    async def handle(node: Node, http: HttpRequest) -> Response:
        page = page_of(http, limit_max=ROWS_MAX)
        chosen = np.zeros(1, ACCOUNT_FILTER)
        account = number(http.path_params["id"], "id", bits=128)
        put(chosen[0], "account_id", account)
        _choose_page(chosen[0], http, page)
        chosen["flags"] = _sides(http) | (AccountFilterFlags.REVERSED if _is_newest_first(http) else 0)
        shard, query = shard_of(account, place_of(node)), ledger.encode(asked, chosen)
        answer, token = await read(node, max(shard, 0), query, sight=sight_of(http), accounts=ids_of([account]))
        return _page_response(records_of(ledger.decode_reply(asked, answer)), page, token)

    return Operation(
        method="GET",
        path=path,
        summary=f"The {path.rpartition('/')[2]} of one account, by time",
        handler=handle,
        answer={JSON: page_type(f"Account{kind.__name__}Page", kind)},
        parameters=(
            _ID,
            Parameter("side", "debits, credits, or both (the default)."),
            *_PAGE,
            *LEVEL_PARAMETERS,
        ),
        group=_GROUP,
    )


def _page_response(items: Sequence[object], page: Page, token: VectorClock) -> Response:
    return json_response({"items": items, "next": next_of(items, page, cursor="timestamp")}, token=token)


def _choose_fields(chosen: np.void, http: HttpRequest) -> None:
    for field, bits in _FIELDS.items():
        put(chosen, field, number(http.query_params.get(field, "0"), field, bits=bits))


def _choose_page(chosen: np.void, http: HttpRequest, page: Page) -> None:
    chosen["limit"] = page.limit
    if page.after is not None and _is_newest_first(http):
        chosen["timestamp_max"] = max(page.after - 1, 1)
    elif page.after is not None:
        chosen["timestamp_min"] = page.after + 1


def _is_newest_first(http: HttpRequest) -> bool:
    order = http.query_params.get("order", "oldest")
    if order not in ("oldest", _NEWEST):
        raise bad_request(f"order is {order!r}: choose oldest or newest")
    return order == _NEWEST


def _sides(http: HttpRequest) -> int:
    match http.query_params.get("side", "both"):
        case "both":
            return AccountFilterFlags.DEBITS | AccountFilterFlags.CREDITS
        case "debits":
            return AccountFilterFlags.DEBITS
        case "credits":
            return AccountFilterFlags.CREDITS
        case side:
            raise bad_request(f"side is {side!r}: choose debits, credits or both")


LEDGER_OPERATIONS: Final = (
    _create("/ledger/accounts", Asked.CREATE_ACCOUNTS, kind=Account, rows_of=account_rows, statuses=[AccountStatus]),
    _create(
        "/ledger/transfers",
        Asked.CREATE_TRANSFERS,
        kind=Transfer,
        rows_of=transfer_rows,
        statuses=[TransferStatus, ShardStatus],
        parameters=[Parameter("together", "true: all of them are created, or none.", bool)],
    ),
    _look_up("/ledger/accounts/lookup", Asked.LOOKUP_ACCOUNTS, kind=Account, records_of=accounts_of),
    _look_up("/ledger/transfers/lookup", Asked.LOOKUP_TRANSFERS, kind=Transfer, records_of=transfers_of),
    _list("/ledger/accounts", Asked.QUERY_ACCOUNTS, kind=Account, records_of=accounts_of),
    _list("/ledger/transfers", Asked.QUERY_TRANSFERS, kind=Transfer, records_of=transfers_of),
    _one("/ledger/accounts/{id}", Asked.LOOKUP_ACCOUNTS, kind=Account, records_of=accounts_of),
    _one("/ledger/transfers/{id}", Asked.LOOKUP_TRANSFERS, kind=Transfer, records_of=transfers_of),
    _history("/ledger/accounts/{id}/transfers", Asked.GET_ACCOUNT_TRANSFERS, kind=Transfer, records_of=transfers_of),
    _history("/ledger/accounts/{id}/balances", Asked.GET_ACCOUNT_BALANCES, kind=Balance, records_of=balances_of),
)
