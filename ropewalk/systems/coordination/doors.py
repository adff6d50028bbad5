"""Two ways to ask the coordination service: a node in this program, or a URL. Both answer in the same words.

Checked by: tests/coordination/system/test_client.py
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar, cast

import msgspec

from ropewalk.communication.deadlines import deadline_in
from ropewalk.communication.outcomes import Unreachable
from ropewalk.core.codec import checksum
from ropewalk.core.limits import DEADLINE_DEFAULT_S
from ropewalk.core.machine import NO_ID
from ropewalk.errors import NotAccepted, OutcomeUnknown
from ropewalk.runtime.node import Node
from ropewalk.runtime.over_http import Question, ServiceAt, service_at
from ropewalk.systems.coordination.offers import Offer, Terms

B = TypeVar("B")
A = TypeVar("A")


class Door(Protocol):
    """How an offer is asked for; what has stopped may come back, or is a node that doesn't."""

    may_come_back: bool

    async def ask(self, offer: Offer[B, A], body: B, *, key: str = "") -> A:
        """Its answer. With a `key` a repeat gets the first answer again.

        Problem         refused; its name says why
        NotAccepted     nothing happened this time
        OutcomeUnknown  perhaps it did: ask again with the same key
        """
        ...


@asynccontextmanager
async def opened(at: Node | str) -> AsyncIterator[Door]:
    """The way in at a node or a URL, until the block ends. Raises Rejected if it is no URL."""
    if isinstance(at, Node):
        yield _OfNode(at)
        return
    async with service_at(at) as service:
        yield _OfUrl(service)


class _OfNode:
    """A node in this program."""

    may_come_back = False

    def __init__(self, node: Node) -> None:
        self._node = node

    async def ask(self, offer: Offer[B, A], body: B, *, key: str = "") -> A:
        return await offer.give(self._node, body, Terms(checksum(key.encode()) if key else NO_ID))


class _OfUrl:
    """A service over HTTP."""

    may_come_back = True

    def __init__(self, service: ServiceAt) -> None:
        self._service = service
        self._now_s = asyncio.get_running_loop().time

    async def ask(self, offer: Offer[B, A], body: B, *, key: str = "") -> A:
        # Who waits for a turn or a change is answered when it comes; the deadline is for what is done then.
        wait_s: float = getattr(body, "wait_s", 0.0)
        deadline = deadline_in(wait_s + DEADLINE_DEFAULT_S, now_s=self._now_s())
        try:
            response = await self._service.send(_question(offer, body, key), deadline=deadline)
        except Unreachable as error:
            raise NotAccepted(f"{error}: start one with `ropewalk up coordination`") from error
        try:
            return cast(A, msgspec.json.decode(response.content, type=cast(type, offer.answer)))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise OutcomeUnknown(
                f"{response.url} answered, and not as the coordination service does: is it the URL?"
            ) from error


def _question(offer: Offer[B, A], body: B, key: str) -> Question:
    if offer.method == "POST":
        return Question("POST", offer.path, body=msgspec.json.encode(body), key=key)
    given = msgspec.to_builtins(body)
    chosen = {name: value for name, value in given.items() if value is not None and name != "type"}
    return Question("GET", offer.path, params=chosen, key=key)
