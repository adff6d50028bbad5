"""Two ways to ask the coordination service: a node in this program, or a URL. Both answer in the same words.

Checked by: tests/coordination/system/test_client.py
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Final, Protocol, TypeVar, cast

import httpx
import msgspec

from ropewalk.coordination.recipes.limits import WAIT_MAX_S
from ropewalk.core.codec import checksum
from ropewalk.core.machine import NO_ID
from ropewalk.errors import NotAccepted, OutcomeUnknown
from ropewalk.runtime.node import Node
from ropewalk.runtime.operations import IDEMPOTENCY_KEY, JSON
from ropewalk.runtime.problems import Problem
from ropewalk.systems.coordination.offers import Offer, Terms

B = TypeVar("B")
A = TypeVar("A")

_CONNECT_S: Final = 5.0
_ANSWER_S: Final = WAIT_MAX_S + 30.0


class Door(Protocol):
    """How an offer is asked for."""

    async def ask(self, offer: Offer[B, A], body: B, *, key: str = "") -> A:
        """Its answer. With a `key` a repeat gets the first answer again.

        Problem         refused; its name says why
        NotAccepted     nothing happened this time
        OutcomeUnknown  perhaps it did: ask again with the same key
        """
        ...


@asynccontextmanager
async def opened(at: Node | str) -> AsyncIterator[Door]:
    """The way in at a node or a URL, until the block ends."""
    if isinstance(at, Node):
        yield _OfNode(at)
        return
    timeout = httpx.Timeout(_ANSWER_S, connect=_CONNECT_S, pool=_ANSWER_S)
    async with httpx.AsyncClient(base_url=at, timeout=timeout) as http:
        yield _OfUrl(http)


class _OfNode:
    """A node in this program."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def ask(self, offer: Offer[B, A], body: B, *, key: str = "") -> A:
        return await offer.give(self._node, body, Terms(checksum(key.encode()) if key else NO_ID))


class _OfUrl:
    """A service over HTTP."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def ask(self, offer: Offer[B, A], body: B, *, key: str = "") -> A:
        response = await self._answered(offer, body, key)
        if not response.is_success:
            raise _refusal(response)
        try:
            return cast(A, msgspec.json.decode(response.content, type=cast(type, offer.answer)))
        except msgspec.DecodeError as error:
            raise OutcomeUnknown(_not_ours(response)) from error

    async def _answered(self, offer: Offer[B, A], body: B, key: str) -> httpx.Response:
        headers = {IDEMPOTENCY_KEY: key} if key else {}
        try:
            if offer.method == "GET":
                given = msgspec.to_builtins(body)
                chosen = {name: value for name, value in given.items() if value is not None and name != "type"}
                return await self._http.get(offer.path, params=chosen)
            headers["Content-Type"] = JSON
            return await self._http.post(offer.path, content=msgspec.json.encode(body), headers=headers)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise NotAccepted(
                f"no service answers at {self._http.base_url}: start one with `ropewalk up coordination`"
            ) from error
        except httpx.TransportError as error:
            raise OutcomeUnknown(f"the answer of {self._http.base_url} was lost ({error})") from error


def _refusal(response: httpx.Response) -> Exception:
    """The error that a problem tells of."""
    try:
        told = msgspec.json.decode(response.content, type=dict[str, Any])
    except msgspec.DecodeError:
        return OutcomeUnknown(_not_ours(response))
    detail = str(told.get("detail", told))
    if response.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
        return NotAccepted(detail, retry_after_s=float(told.get("retry_after_s", 1.0)))
    if response.status_code in (HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.GATEWAY_TIMEOUT):
        return OutcomeUnknown(detail)
    name = str(told.get("type", "")).rpartition(":")[2]
    more = {"current": told["current"]} if "current" in told else {}
    return Problem(HTTPStatus(response.status_code), name, detail, more=more)


def _not_ours(response: httpx.Response) -> str:
    return f"{response.url} answered {response.status_code}, and not as the coordination service does: is it the URL?"
