"""What a request over HTTP says: its body within bounds, its id, its deadline, and what a read needs to see.

Checked by: tests/runtime/test_edge.py
"""

import asyncio
import re
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Final, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ropewalk.communication.admission import USUAL, Priority
from ropewalk.core.clock import VectorClock
from ropewalk.core.codec import checksum
from ropewalk.core.limits import COMMAND_BYTES_MAX, DEADLINE_DEFAULT_S, DEADLINE_MAX_S
from ropewalk.core.machine import NO_ID
from ropewalk.data.reads import STRONG, AtLeast, ReadLevel, Stale
from ropewalk.errors import Rejected
from ropewalk.runtime.operations import DEADLINE, IDEMPOTENCY_KEY, JSON, PRIORITY, TOKEN
from ropewalk.runtime.problems import Problem, bad_request

T = TypeVar("T")

ABOUT_KEYS: Final[dict[str, object]] = {"documentation": "/docs"}
"""What a problem with an Idempotency-Key says besides: where its use is described."""

_ENCODER: Final = msgspec.json.Encoder()
_KEY, _DEADLINE, _PRIORITY, _TOKEN = (name.lower().encode() for name in (IDEMPOTENCY_KEY, DEADLINE, PRIORITY, TOKEN))
_PRIORITIES: Final = {priority.name.lower(): priority for priority in Priority}

_ENDS: Final = "ropewalk.ends_s"
_DIGITS: Final = re.compile(r"[0-9]{1,19}")
_QUOTED_KEY: Final = re.compile(r'"(?:[ !#-\[\]-~]|\\["\\])+"')
_ESCAPED: Final = re.compile(r'\\(["\\])')
_BARE_KEY: Final = re.compile(r"[!#-~](?:[ -~]*[!-~])?")


def header(request: Request, name: bytes) -> str | None:
    """A header by its name in lower case: five times as fast as `request.headers`, on the path of every command."""
    for known, value in request.scope["headers"]:
        if known == name:
            return str(value, "latin-1")
    return None


def sends(request: Request, media: str) -> bool:
    """Whether the body is of that media type."""
    return (header(request, b"content-type") or "").partition(";")[0].strip().lower() == media


async def body_of(request: Request, *, bytes_max: int = COMMAND_BYTES_MAX) -> bytes:
    """The whole body. Raises Problem (413) past `bytes_max`."""
    _check_announced(request, bytes_max)
    body, has_more = await _piece(request)
    if not has_more and len(body) <= bytes_max:
        return body
    pieces, size = [body], len(body)
    while has_more and size <= bytes_max:
        piece, has_more = await _piece(request)
        pieces.append(piece)
        size += len(piece)
    if size > bytes_max:
        raise _too_large(bytes_max)
    return b"".join(pieces)


async def stream_of(request: Request, *, bytes_max: int) -> AsyncIterator[bytes]:
    """The body, in pieces as they come. Raises Problem (413) past `bytes_max`."""
    _check_announced(request, bytes_max)
    size = 0
    has_more = True
    while has_more:
        piece, has_more = await _piece(request)
        size += len(piece)
        if size > bytes_max:
            raise _too_large(bytes_max)
        yield piece


def query_of(request: Request, kind: type[T]) -> T:
    """The query of the URL. Raises Problem (400) if it is not of the type."""
    try:
        return msgspec.convert(dict(request.query_params), kind, strict=False)
    except msgspec.ValidationError as error:
        raise bad_request(f"the query of the URL is not what is expected: {error}") from error


def request_id_of(request: Request) -> bytes:
    """The request id that an Idempotency-Key stands for; `NO_ID` without one. Raises Problem (400) if it is none."""
    keys = [value for known, value in request.scope["headers"] if known == _KEY]
    if not keys:
        return NO_ID
    if len(keys) > 1:
        raise _bad_key(f"{len(keys)} {IDEMPOTENCY_KEY} headers were given: give one")
    return checksum(_key(str(keys[0], "latin-1")).encode())


def deadline_s_of(request: Request) -> float:
    """How much longer the caller waits: whatever is asked on the way to an answer has one deadline together, which
    begins when this is first called. Raises Problem (400) if that is not a time that may be waited.
    """
    now_s = asyncio.get_running_loop().time()
    ends_s: float | None = request.scope.get(_ENDS)
    if ends_s is not None:
        return max(0.0, ends_s - now_s)
    given = header(request, _DEADLINE)
    wait_s = DEADLINE_DEFAULT_S if given is None else seconds(DEADLINE, given, least_s=0.001, most_s=DEADLINE_MAX_S)
    request.scope[_ENDS] = now_s + wait_s
    return wait_s


def priority_of(request: Request, *, usual: Priority = USUAL) -> Priority:
    """How much it matters that this is answered now. Raises Problem (400) if that can't be read."""
    given = header(request, _PRIORITY)
    if given is None:
        return usual
    if given not in _PRIORITIES:
        raise bad_request(f"{PRIORITY} is {given!r}: choose {', '.join(_PRIORITIES)}")
    return _PRIORITIES[given]


def level_of(request: Request) -> ReadLevel:
    """What the answer must include. Raises Problem (400) if that can't be read."""
    token = header(request, _TOKEN)
    query = request.query_params
    level = query.get("level", "strong")
    if token is not None and "level" in query:
        raise bad_request(f"a {TOKEN} header and a level were given: give one of them")
    if token is not None:
        return AtLeast(_token(token))
    match level:
        case "strong":
            return STRONG
        case "stale":
            return Stale(seconds("max_age_s", query.get("max_age_s", "1"), least_s=0.0, most_s=float("inf")))
        case _:
            raise bad_request(f"level is {level!r}: choose strong or stale")


def json_response(value: object, *, status: HTTPStatus = HTTPStatus.OK, token: VectorClock | None = None) -> Response:
    """An answer in JSON, with its token in a header."""
    headers = None if token is None else {TOKEN: str(token)}
    return Response(_ENCODER.encode(value), status, headers=headers, media_type=JSON)


def seconds(name: str, given: str, *, least_s: float, most_s: float) -> float:
    """A time from a text. Raises Problem (400) if it is none within the bounds."""
    try:
        value = float(given)
    except ValueError:
        value = float("nan")
    if not least_s <= value <= most_s:
        raise bad_request(f"{name} is {given!r}: give seconds, {least_s} to {most_s}")
    return value


def whole(name: str, given: str, *, most: int) -> int:
    """A number from 0 to `most` from a text. Raises Problem (400) if it is none."""
    value = natural(given)
    if value is None or value > most:
        raise bad_request(f"{name} is {given!r}: give a whole number, 0 to {most}")
    return value


def natural(text: str) -> int | None:
    """The number that a text is; None if it is none of at most 19 digits: `int` reads more, and fails at many."""
    return int(text) if _DIGITS.fullmatch(text) else None


def _key(text: str) -> str:
    """The key in a header: a String of RFC 9651, or the same without its quotes, as most clients send it."""
    if _QUOTED_KEY.fullmatch(text):
        return _ESCAPED.sub(r"\1", text[1:-1])
    if _BARE_KEY.fullmatch(text):
        return text
    raise _bad_key(f"{IDEMPOTENCY_KEY} is {text!r}: give letters, digits and signs of ASCII between double quotes")


def _bad_key(detail: str) -> Problem:
    return Problem(HTTPStatus.BAD_REQUEST, "bad_key", detail, more=ABOUT_KEYS)


def _check_announced(request: Request, bytes_max: int) -> None:
    announced = header(request, b"content-length")
    if announced is not None and announced.isdigit() and int(announced) > bytes_max:
        raise _too_large(bytes_max)


async def _piece(request: Request) -> tuple[bytes, bool]:
    """The next piece of the body, and whether there are more."""
    message = await request.receive()
    if message["type"] == "http.disconnect":
        raise bad_request("the connection closed before the whole body had arrived: nothing happened")
    return message.get("body", b""), message.get("more_body", False)


def _too_large(bytes_max: int) -> Problem:
    detail = f"the body is larger than {bytes_max} bytes: send it in several requests"
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", detail)


def _token(text: str) -> VectorClock:
    try:
        return VectorClock.parse(text)
    except Rejected as error:
        raise bad_request(str(error)) from error
