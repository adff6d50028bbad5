"""The coordination service over HTTP: each offer an operation.

    POST /claims/acquire   {"name": "orders/42", "session": "ada", "ttl_ms": 10000, "wait_s": 5}
                           {"type": "Held", "token": 7}
    GET  /changes?name=app/&after=12&wait_s=30        what changed below app/ behind number 12, or changes next

Promise:    a refusal is a problem whose name is its reason, with the `current` version or value if that was not the
            expected one.
Checked by: tests/coordination/system/test_rest.py
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from ropewalk.coordination.recipes.limits import VALUE_BYTES_MAX, WAIT_MAX_S
from ropewalk.runtime.bodies import reader_of
from ropewalk.runtime.node import Node
from ropewalk.runtime.operations import (
    DEADLINE_PARAMETER,
    JSON,
    LEVEL_PARAMETERS,
    WRITE_PARAMETERS,
    Operation,
    Parameter,
)
from ropewalk.runtime.requests import (
    body_of,
    deadline_s_of,
    json_response,
    level_of,
    query_of,
    request_id_of,
)
from ropewalk.systems.coordination.catalogue import ACQUIRE, CHANGES, OFFERS
from ropewalk.systems.coordination.offers import Offer, Terms

_BODY_BYTES_MAX: Final = 8 * VALUE_BYTES_MAX
"""A value as JSON may take six bytes for one."""

_SUMMARIES: Final = {
    "after": "Only what comes behind this: a name in a list, a number of changes.",
    "kind": "lock (the usual one), semaphore or election; of changes also config (the usual one) and counter.",
    "limit": "How many at most.",
    "name": "A name; of changes also a prefix that ends with /.",
    "prefix": "What the names begin with: SPACE/ and more.",
    "session": "The session's id.",
    "space": "The space: the first part of a name.",
    "wait_s": f"How long the answer waits for a change, in seconds, up to {WAIT_MAX_S:g}.",
}


def _operation(offer: Offer[Any, Any]) -> Operation:
    asked = _asked if offer.method == "GET" else _posted
    read = reader_of(offer.body)

    async def handle(node: Node, http: HttpRequest) -> Response:
        body, terms = await asked(read, http, offer.body)
        return json_response(await offer.give(node, body, terms))

    return Operation(
        method=offer.method,
        path=offer.path,
        summary=offer.summary,
        handler=handle,
        body={} if offer.method == "GET" else {JSON: offer.body},
        answer={JSON: offer.answer},
        parameters=tuple(_parameters(offer)),
        group=offer.path.split("/")[1],
        waits=offer is ACQUIRE or offer is CHANGES,
    )


def _parameters(offer: Offer[Any, Any]) -> Iterator[Parameter]:
    if offer is ACQUIRE:
        yield DEADLINE_PARAMETER
        return
    if offer.method == "POST":
        yield from WRITE_PARAMETERS
        return
    for field in msgspec.structs.fields(offer.body):
        yield Parameter(field.name, _SUMMARIES[field.name], field.type)
    yield from () if offer is CHANGES else LEVEL_PARAMETERS


async def _posted(read: Callable[[bytes], Any], http: HttpRequest, _: type) -> tuple[Any, Terms]:
    body = read(await body_of(http, bytes_max=_BODY_BYTES_MAX))
    return body, Terms(request_id_of(http), deadline_s_of(http))


async def _asked(_: object, http: HttpRequest, type_: type) -> tuple[Any, Terms]:
    return query_of(http, type_), Terms(deadline_s=deadline_s_of(http), level=level_of(http))


OPERATIONS: Final[Sequence[Operation]] = tuple([_operation(offer) for offer in OFFERS])
