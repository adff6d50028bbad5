"""Errors as RFC 9457 problems: what went wrong, whether anything happened, and what to do next.

    Rejected          400, 403, 404, 405, 409, 413 or 422    nothing happened: change the request
    NotAccepted       503 with Retry-After                   nothing happened this time: send it again
    OutcomeUnknown    504                                    perhaps it did: send it again with the same key

Checked by: tests/runtime/test_edge.py
"""

import math
from http import HTTPStatus
from typing import Final

import msgspec
from starlette.responses import Response

from ropewalk.errors import NotAccepted, OutcomeUnknown, Rejected, RopewalkError

MEDIA_TYPE: Final = "application/problem+json"


class Problem(Rejected):
    """A `Rejected` that knows its status. `name` is a word for programs, `more` what else they may want to read."""

    def __init__(
        self, status: HTTPStatus, name: str, detail: str, *, more: dict[str, object] | None = None, allow: str = ""
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.name = name
        self.more = more or {}
        self.allow = allow


class ProblemBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an error looks like on the wire. A problem may have further members of its own."""

    type: str
    title: str
    status: int
    detail: str
    retry_after_s: float | None = None


def problem_response(error: RopewalkError) -> Response:
    """The answer that tells of an error."""
    match error:
        case Problem(status=status, name=name, more=more):
            return _response(
                status, name, str(error), more=more, headers={"allow": error.allow} if error.allow else {}
            )
        case Rejected():
            return _response(HTTPStatus.UNPROCESSABLE_ENTITY, "rejected", str(error))
        case NotAccepted(retry_after_s=retry_after_s):
            return _response(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "not_accepted",
                str(error),
                more={"retry_after_s": retry_after_s},
                headers={"retry-after": str(math.ceil(retry_after_s))},
            )
        case OutcomeUnknown():
            detail = f"{error}; send the same request again with the same Idempotency-Key to learn what happened"
            return _response(HTTPStatus.GATEWAY_TIMEOUT, "outcome_unknown", detail)
        case _:
            return _response(HTTPStatus.INTERNAL_SERVER_ERROR, "stopped", str(error))


def not_found(detail: str) -> Problem:
    """There is nothing of that name."""
    return Problem(HTTPStatus.NOT_FOUND, "not_found", detail)


def bad_request(detail: str) -> Problem:
    """The request can't be read."""
    return Problem(HTTPStatus.BAD_REQUEST, "bad_request", detail)


def _response(
    status: HTTPStatus,
    name: str,
    detail: str,
    *,
    more: dict[str, object] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    body = {
        "type": f"urn:ropewalk:problem:{name}",
        "title": status.phrase,
        "status": status.value,
        "detail": detail,
        **(more or {}),
    }
    return Response(msgspec.json.encode(body), status, headers=headers, media_type=MEDIA_TYPE)
