"""A service at a URL: a target for `communication.client.Client`, and what its problems mean here.

    async with open_client("tickets", ["http://10.0.0.1:8080", "http://10.0.0.2:8080"]) as client:
        sold = await call(client, Sell("Ada"), reply=int, key="order-42")
        state = await client.call(Question("GET", "/state/tickets"), nature=Nature.READ)

Promise:    an error says whether anything happened, as the service said it, or as is known when it said nothing; the
            deadline goes along, so the service gives up no later than its caller.
Checked by: tests/runtime/test_over_http.py
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from types import GenericAlias
from typing import Any, Final, Generic, TypeVar, cast

import httpx
import msgspec

from ropewalk.communication.client import Client
from ropewalk.communication.deadlines import Deadline, deadline_in
from ropewalk.communication.limits import HOP_LEAST_S
from ropewalk.communication.outcomes import Unreachable
from ropewalk.communication.retries import Nature
from ropewalk.core.limits import DEADLINE_DEFAULT_S, DEADLINE_MAX_S
from ropewalk.engines.system import random_bytes
from ropewalk.errors import NotAccepted, OutcomeUnknown, Rejected, RopewalkError
from ropewalk.runtime.operations import DEADLINE, IDEMPOTENCY_KEY, JSON
from ropewalk.runtime.problems import Problem
from ropewalk.runtime.resilience_metrics import RESILIENCE
from ropewalk.runtime.typed import members

R = TypeVar("R")

_CONNECT_S: Final = 5.0
_IDLE_MAX: Final = 32
_KEY_BYTES: Final = 16
_NO_ROOM: Final = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


class Question(msgspec.Struct, frozen=True):
    """A request over HTTP. With a `key` the service takes a repeat for one, and answers as it did."""

    method: str
    path: str
    params: Mapping[str, str | int | float | bool] = {}
    body: bytes | None = None
    key: str = ""
    headers: Mapping[str, str] = {}


class Replied(msgspec.Struct, Generic[R], frozen=True):
    """What a command was replied, and the token of the record that it was applied in."""

    reply: R
    token: str


class ServiceAt:
    """Made by `service_at`. A request has a connection for itself, and `connect` makes one that opens when needed.

    A pool of httpcore 1.0 looks at all connections, for each that is idle, at every request: with 100 of them that is
    4 ms of a processor each time, and sessions were lost for it.
    """

    def __init__(self, url: str, connect: Callable[[], httpx.AsyncClient]) -> None:
        self.name = url
        self._connect = connect
        self._idle: list[httpx.AsyncClient] = []
        self._now_s = asyncio.get_running_loop().time

    async def send(self, request: Question, *, deadline: Deadline) -> httpx.Response:
        """Ask once, and return an answer that is no error.

        Problem         no, and never; its name says why
        NotAccepted     no, not now; `Unreachable` if nothing listens there
        OutcomeUnknown  no answer came in time, or none that this kind of service gives
        """
        now_s = self._now_s()
        until = deadline.sooner(deadline_in(DEADLINE_MAX_S, now_s=now_s))
        if until.left_s(now_s) < HOP_LEAST_S:
            raise NotAccepted(f"the deadline is too near to ask {self.name}: nothing was sent")
        headers = {DEADLINE: until.header(now_s), "Content-Type": JSON, **request.headers}
        if request.key:
            _check_key(request.key)
            headers[IDEMPOTENCY_KEY] = request.key
        http = self._idle.pop() if self._idle else self._connect()
        try:
            async with asyncio.timeout_at(until.at_s):
                response = await http.request(
                    request.method, request.path, params=request.params, content=request.body, headers=headers
                )
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Unreachable(f"no service answers at {self.name}") from error
        except (httpx.RequestError, TimeoutError) as error:
            why = str(error) or "it took too long"
            raise OutcomeUnknown(f"the answer of {self.name} was lost ({why}): it may have happened") from error
        finally:
            await self._put_back(http)
        if not response.is_success:
            raise error_of(response)
        return response

    async def close(self) -> None:
        """Close the connections that nobody uses."""
        while self._idle:
            await self._idle.pop().aclose()

    async def _put_back(self, http: httpx.AsyncClient) -> None:
        if len(self._idle) < _IDLE_MAX:
            self._idle.append(http)
        else:
            await http.aclose()


@asynccontextmanager
async def service_at(url: str) -> AsyncIterator[ServiceAt]:
    """The service at a URL, over connections that are kept until the block ends. Raises Rejected if it is no URL."""
    check_url(url)
    # Reading the certificates takes 20 ms.
    trusted = httpx.create_ssl_context()
    timeout = httpx.Timeout(None, connect=_CONNECT_S)
    service = ServiceAt(url, lambda: httpx.AsyncClient(base_url=url, timeout=timeout, verify=trusted))
    try:
        yield service
    finally:
        await service.close()


def check_url(url: str) -> None:
    """Raise Rejected unless a service may be at this URL."""
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise Rejected(f"{url!r} is no URL: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.host:
        raise Rejected(f"{url!r} is no URL of a service: give one that begins with http:// or https://")


@asynccontextmanager
async def open_client(name: str, urls: Sequence[str]) -> AsyncIterator[Client[Question, httpx.Response]]:
    """A client of services that answer alike; its state is in this process's metrics under `name`."""
    async with AsyncExitStack() as stack:
        services = [await stack.enter_async_context(service_at(url)) for url in urls]
        client = Client(services, draw=random.random)
        RESILIENCE.watch_client(name, client)
        yield client


async def call(
    client: Client[Question, httpx.Response],
    command: msgspec.Struct,
    *,
    reply: type[R],
    key: str = "",
    deadline_s: float = DEADLINE_DEFAULT_S,
) -> Replied[R]:
    """Have a service of your own apply a command once, and return the reply, which is of this type.

    Without a `key`, by which a later call repeats it, one is drawn. Errors are those of the client.
    """
    [(name, _)] = members(type(command))
    question = Question(
        "POST", f"/commands/{name}", body=msgspec.json.encode(command), key=key or random_bytes(_KEY_BYTES).hex()
    )
    answer = await client.call(question, nature=Nature.REPEATABLE_WRITE, deadline_s=deadline_s)
    try:
        return msgspec.json.decode(answer.content, type=cast("type[Replied[R]]", GenericAlias(Replied, (reply,))))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise OutcomeUnknown(f"{name} was applied, and its reply is not of the expected type: {error}") from error


def _check_key(key: str) -> None:
    if not (key.isascii() and key.isprintable()):
        raise Rejected(f"the key {key!r} can't be in a header: give signs of ASCII; nothing was sent")


def error_of(response: httpx.Response) -> RopewalkError:
    """The error that an answer tells of. What is no problem document was not said by a service of ours."""
    try:
        told = msgspec.json.decode(response.content, type=dict[str, Any])
        kind, retry_after_s = str(told["type"]), float(told.get("retry_after_s", 1.0))
        status = HTTPStatus(response.status_code)
    except (ValueError, TypeError, RecursionError, KeyError):
        asked = f"{response.url} answered {response.status_code}"
        return OutcomeUnknown(f"{asked}, and not as a service of Ropewalk does: is it the right URL?")
    detail = str(told.get("detail", told))
    if status in _NO_ROOM:
        return NotAccepted(detail, retry_after_s=retry_after_s)
    if response.is_server_error:
        return OutcomeUnknown(detail)
    more = {name: value for name, value in told.items() if name not in ("type", "title", "status", "detail")}
    return Problem(status, kind.rpartition(":")[2], detail, more=more)
