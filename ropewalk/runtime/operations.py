"""What an edge answers: operations, each a method, a path, a handler and the types that describe it.

A service that speaks its field's own formats lists operations of its own in `Service.operations`; they stand beside
those that every service has, in the same document and with the same errors, deadlines and tokens.

Checked by: tests/runtime/test_edge.py
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from ropewalk.communication.deadlines import HEADER

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from ropewalk.runtime.node import Node

JSON: Final = "application/json"
BYTES: Final = "application/octet-stream"

IDEMPOTENCY_KEY: Final = "Idempotency-Key"
DEADLINE: Final = HEADER
PRIORITY: Final = "Ropewalk-Priority"
TOKEN: Final = "Ropewalk-Token"


class Parameter(msgspec.Struct, frozen=True):
    """One value from the path, the query or the headers (`place`: path, query or header)."""

    name: str
    summary: str
    type: object = str
    place: str = "query"


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One method of one path. `body` and `answer` are types by media type; a name in braces is a part of the path.

    `group` is the heading under which the documentation lists it. What `waits` for something to happen is broken off
    when the edge closes: nobody else would wait for it.
    """

    method: str
    path: str
    summary: str
    handler: "Callable[[Node, Request], Awaitable[Response]]"
    body: Mapping[str, object] = {}
    answer: Mapping[str, object] = {}
    parameters: Sequence[Parameter] = ()
    group: str = ""
    waits: bool = False


KEY_PARAMETER: Final = Parameter(
    IDEMPOTENCY_KEY,
    "A string in double quotes, new for each request. The same key with the same body gets the first answer again; "
    "with another body it is refused with 422.",
    place="header",
)
DEADLINE_PARAMETER: Final = Parameter(DEADLINE, "Seconds that the caller waits at most.", float, place="header")
PRIORITY_PARAMETER: Final = Parameter(
    PRIORITY,
    "critical, interactive (the default) or bulk: when more is asked than can be done, bulk is refused first.",
    place="header",
)
TOKEN_PARAMETER: Final = Parameter(
    TOKEN, "The token of an earlier answer: see at least what it was based on.", place="header"
)
LEVEL_PARAMETERS: Final = (
    Parameter("level", "strong (the default) sees all that was acknowledged; stale may be older."),
    Parameter("max_age_s", "With level=stale: how old the answer may be, in seconds.", float),
    TOKEN_PARAMETER,
    DEADLINE_PARAMETER,
)
WRITE_PARAMETERS: Final = (KEY_PARAMETER, DEADLINE_PARAMETER)
COMMAND_PARAMETERS: Final = (*WRITE_PARAMETERS, PRIORITY_PARAMETER)
