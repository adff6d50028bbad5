"""Asking a running service over HTTP, for commands: where it is, how often to try, and what to say if it refuses.

    Refusal     exit code 1     no, and never         change what was asked
    NotDone     exit code 75    no, not this time     try again
                exit code 75    perhaps               look, or do again what may be done twice
                exit code 69    nothing happened      no service of ours answers there

Checked by: tests/cli/test_payments.py, tests/cli/test_client.py, tests/cli/test_strangers.py
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, Final, Literal, NamedTuple, NotRequired, TypedDict, TypeVar, cast

import click
import httpx
import msgspec

from ropewalk.cli.terminal import waiting

F = TypeVar("F", bound=Callable[..., object])
T = TypeVar("T")
Json = Mapping[str, Any]

URL: Final = "http://127.0.0.1:8080"
ANSWER_S: Final = 30.0
"""How long a service may take over an answer."""
UPLOAD_S: Final = 300.0
"""How long it may take over a file: a file of a million entries is read whole before it is answered for."""
_LATE_S: Final = 2.0
"""How much longer its answer is waited for: a service that gives up says more than silence does."""

_CONNECT_S: Final = 5.0

_READ: Final = "try again"
_HARMLESS: Final = "it may have happened, and doing it again is harmless"
_LOOK: Final = "it may have happened, so look before you do it again"

# Those of sysexits.h.
NO_SERVICE: Final = 69
TRY_AGAIN: Final = 75

_ATTEMPTS_MAX: Final = 5
_PAGE: Final = 1_000
_OF_ANY_SERVICE: Final = frozenset({"saga", "webhooks"})
"""The groups of commands that every kind of service may be asked with; others are for payments."""
_OURS: Final = "urn:ropewalk:problem:"
_RETRIED: Final = frozenset({httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.GATEWAY_TIMEOUT})


def _url(_: click.Context, __: click.Parameter, url: str) -> str:
    if not re.match(r"https?://[^/?#]", url):
        raise click.BadParameter(f"{url!r} is none: give a URL that begins with http:// or https:// and names a host")
    return url


def asking(command: F) -> F:
    """The options of every command that asks a running service."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line."),
        click.option(
            "--url",
            default=URL,
            envvar="ROPEWALK_URL",
            show_default=True,
            callback=_url,
            help="Where it answers; or ROPEWALK_URL.",
        ),
    ):
        command = option(command)
    return command


class Refusal(click.ClickException):
    """What the service said no to: its problem, word for word, and what to do if that is known here only."""

    def __init__(self, problem: Json, *, url: httpx.URL) -> None:
        super().__init__(f"{problem['detail']}{_advice(problem, url)}")
        self.problem = problem
        self.name = str(problem.get("type")).removeprefix(_OURS)


class NotDone(click.ClickException):
    """What was not done this time, or perhaps was: the `verdict` says which."""

    exit_code = TRY_AGAIN

    def __init__(self, message: str, verdict: Literal["not_accepted", "unknown", "no_service"]) -> None:
        super().__init__(message)
        self.verdict = verdict


class NoService(NotDone):
    """What there is no service of ours for, where it was looked for."""

    exit_code = NO_SERVICE

    def __init__(self, message: str) -> None:
        super().__init__(message, "no_service")


class AnotherService(NoService):
    """That a service of ours answers there, and has no such path."""


class _Asked(NamedTuple):
    """What is asked, what to do `again` if no answer comes, and how long one may take."""

    method: str
    path: str
    again: str
    within_s: float


class _Problem(TypedDict):
    """Why an answer is none, as RFC 9457 says it."""

    type: str
    detail: str
    retry_after_s: NotRequired[Annotated[float, msgspec.Meta(ge=0)]]


class _Page(TypedDict):
    """A page of rows; `next` is where another begins."""

    items: list[Any]
    next: str | None


class Client:
    """A service at a URL. What changes something carries a key, so that it can be sent again.

    Each answer is of a shape: what is used of it, checked here, so that a stranger's answer goes no further. What
    else there is stays in it, as newer services may tell more.
    """

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def get(self, path: str, shape: type[T], **query: object) -> T:
        """What is at a path."""
        return _shaped(self._read(path, query), shape)

    def content(self, path: str, *, media: str, **query: object) -> bytes:
        """The bytes that are at a path, of a media type."""
        response = self._read(path, query, media=media)
        if not response.headers.get("Content-Type", "").startswith(media):
            raise not_ours(response)
        return response.content

    def exchange(self, path: str, content: bytes, *, media: str) -> httpx.Response:
        """Send bytes that name themselves by an id of their own, and get bytes back, which the caller checks."""
        headers = {"Content-Type": media}
        return self._answer("POST", path, again=_HARMLESS, content=content, headers=headers)

    def items(self, path: str, shape: type[T], *, count_max: int | None = None, **query: object) -> Iterator[T]:
        """The rows at a path, page by page, `count_max` of them at most."""
        after = query.pop("after", None)
        while count_max is None or count_max > 0:
            limit = _PAGE if count_max is None else min(_PAGE, count_max)
            response = self._read(path, {**query, "after": after, "limit": limit})
            page = _shaped(response, _Page)
            for row in page["items"]:
                yield _checked(row, shape, response)
            after = page["next"]
            if after is None:
                return
            count_max = None if count_max is None else count_max - len(page["items"])

    def post(self, path: str, body: object, shape: type[T], *, key: str | None = None) -> T:
        """Have something done: once for each key, if it does not name itself by an id of its own."""
        headers = {"Content-Type": "application/json", **({"Idempotency-Key": key} if key else {})}
        content = msgspec.json.encode(body)
        return _shaped(self._answer("POST", path, again=_LOOK, content=content, headers=headers), shape)

    def put(self, path: str, body: object, shape: type[T]) -> T:
        """Have something be as it is said: as often as it is sent."""
        headers = {"Content-Type": "application/json"}
        content = msgspec.json.encode(body)
        return _shaped(self._answer("PUT", path, again=_HARMLESS, content=content, headers=headers), shape)

    def upload(self, path: str, pieces: Callable[[], Iterator[bytes]], shape: type[T], *, key: str) -> T:
        """Send bytes in pieces; `pieces` begins again if they must be sent again."""
        headers = {"Idempotency-Key": key, "Content-Type": "application/octet-stream"}

        def how() -> dict[str, Any]:
            return {"content": pieces(), "headers": headers}

        return _shaped(self._tried(_Asked("POST", path, _HARMLESS, UPLOAD_S), how), shape)

    def _read(self, path: str, query: Json, *, media: str = "*/*") -> httpx.Response:
        given = {name: str(value) for name, value in query.items() if value is not None}
        return self._answer("GET", path, again=_READ, params=given, headers={"Accept": media})

    def _answer(self, method: str, path: str, *, again: str, **how: Any) -> httpx.Response:
        with waiting(f"waiting for {self._http.base_url}"):
            return self._tried(_Asked(method, path, again, ANSWER_S), lambda: how)

    def _tried(self, asked: _Asked, how: Callable[[], dict[str, Any]]) -> httpx.Response:
        """The answer, after trying again as often as the service asks for it. Raises Refusal or NotDone.

        What is sent, `how` says each time.
        """
        timeout = httpx.Timeout(asked.within_s + _LATE_S, connect=_CONNECT_S)
        for attempt in range(1, _ATTEMPTS_MAX + 1):
            given = how()
            given["headers"] = {"Ropewalk-Deadline": str(asked.within_s), **given.get("headers", {})}
            try:
                response = self._http.request(asked.method, asked.path, timeout=timeout, **given)
            except httpx.TransportError as error:
                raise _unanswered(error, asked, url=self._http.base_url) from error
            if response.is_success:
                return response
            problem = _problem(response)
            if response.status_code not in _RETRIED or attempt == _ATTEMPTS_MAX:
                break
            time.sleep(float(problem.get("retry_after_s", 0.1)))
        raise _failure(response, problem, url=self._http.base_url)


@contextmanager
def connected(url: str) -> Iterator[Client]:
    """A client of the service at `url`. Raises NotDone if that is no URL."""
    try:
        http = httpx.Client(base_url=url)
    except httpx.InvalidURL as error:
        raise _nobody(url, str(error)) from error
    with http:
        yield Client(http)


def print_json(row: object) -> None:
    """One JSON object on a line."""
    click.echo(msgspec.json.encode(row))


def _unanswered(error: httpx.TransportError, asked: _Asked, *, url: httpx.URL) -> NotDone:
    """What an answer that did not come says of what was asked."""
    match error:
        case httpx.ConnectError() | httpx.ConnectTimeout() | httpx.UnsupportedProtocol():
            return _nobody(url, str(error))
        case httpx.TimeoutException():
            told = f"{url} did not answer within {asked.within_s:g} s"
        case _:
            told = f"the connection to {url} ended before the answer ({error})"
    return NotDone(f"{told}: {asked.again}", "not_accepted" if asked.again is _READ else "unknown")


def _nobody(url: object, why: str) -> NoService:
    return NoService(f"no service answers at {url} ({why}): start one with {_starters()}, or give its --url")


def _failure(response: httpx.Response, problem: Json, *, url: httpx.URL) -> click.ClickException:
    """What an answer that is none says of what was asked."""
    refusal = Refusal(problem, url=url)
    match response.status_code:
        case httpx.codes.SERVICE_UNAVAILABLE:
            return NotDone(refusal.message, "not_accepted")
        case httpx.codes.INTERNAL_SERVER_ERROR | httpx.codes.BAD_GATEWAY | httpx.codes.GATEWAY_TIMEOUT:
            return NotDone(refusal.message, "unknown")
        case _ if _is_of_another(problem):
            return AnotherService(refusal.message)
        case _ if not str(problem.get("type")).startswith(_OURS):
            return NoService(refusal.message)
        case _:
            return refusal


def _starters() -> str:
    """The commands that start a service which the command that runs may ask."""
    within = click.get_current_context().parent
    if within is not None and within.info_name in _OF_ANY_SERVICE:
        return "`ropewalk up` or `ropewalk serve`"
    return "`ropewalk up payments`"


def _advice(problem: Json, url: httpx.URL) -> str:
    if _is_of_another(problem):
        return f"; another service answers at {url}: is --url right?"
    return " with `ropewalk webhooks list`" if problem.get("type") == f"{_OURS}unknown_endpoint" else ""


def _is_of_another(problem: Json) -> bool:
    """True if the edge says that there is no such path, and not an operation that it found no such thing."""
    is_none = problem.get("type") == f"{_OURS}not_found"
    return is_none and str(problem.get("detail")).startswith("there is nothing at /")


def _problem(response: httpx.Response) -> Json:
    try:
        return _shaped(response, _Problem)
    except NoService as error:
        return {"detail": error.message}


def _shaped(response: httpx.Response, shape: type[T]) -> T:
    try:
        answer = msgspec.json.decode(response.content)
    except (ValueError, RecursionError) as error:
        # Beside its own errors: text that is no UTF-8, and what is nested too deep.
        raise not_ours(response) from error
    return _checked(answer, shape, response)


def _checked(answer: object, shape: type[T], response: httpx.Response) -> T:
    """An answer, or a part of it, if it has all that its shape has: the whole of it, and not only that."""
    try:
        msgspec.convert(answer, shape)
    except msgspec.ValidationError as error:
        raise not_ours(response) from error
    return cast(T, answer)


def not_ours(response: httpx.Response) -> NoService:
    """What to raise for an answer that no service of ours gives."""
    return NoService(f"{response.url} answered {response.status_code}, and not as Ropewalk does: is --url right?")
