"""The port that card networks and acquirers connect to, beside the one for HTTP.

    async with open_node(payments, engine) as node, serving_cards(node, Terms(key), port=8583) as address:
        ...

Promise:    when the block ends no connection is taken any more and nothing more is read, and what was read is
            answered before it returns.
Checked by: tests/payments/cards/test_server.py
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from prometheus_client import Counter, Gauge

from ropewalk.observability.metrics import REGISTRY
from ropewalk.observability.traces import is_tracing
from ropewalk.runtime.node import Node
from ropewalk.runtime.server import open_listener
from ropewalk.runtime.tasks import open_tasks
from ropewalk.systems.payments.cards.codec import Codec
from ropewalk.systems.payments.cards.connection import Connection, Host
from ropewalk.systems.payments.cards.issuers import Issuers
from ropewalk.systems.payments.cards.limits import ANSWER_S, CONNECTIONS_MAX, IDLE_S
from ropewalk.systems.payments.cards.specification import Specification
from ropewalk.systems.payments.cards.tokens import CardKey

HOST: Final = "127.0.0.1"
PORT: Final = 8583

_SWEEPS: Final = 15
"""How often idle connections are looked for while one may be idle."""

_answered = Counter("ropewalk_card_messages_answered", "Card messages answered.", ("type", "code"), registry=REGISTRY)
_connections = Gauge("ropewalk_card_connections", "Open connections for card messages.", registry=REGISTRY)


class Terms(NamedTuple):
    """How a server speaks, and how long it bears silence."""

    key: CardKey
    specification: Specification
    connections_max: int = CONNECTIONS_MAX
    idle_s: float = IDLE_S


@asynccontextmanager
async def serving_cards(
    node: Node, terms: Terms, *, host: str = HOST, port: int = PORT
) -> AsyncIterator[tuple[str, int]]:
    """Answer card messages on `host` and `port` (0 takes a free one) until the block ends; yields where.

    Raises Rejected if nothing can listen there.
    """
    async with open_tasks() as tasks:
        codec = Codec(terms.specification)
        shared = Host(codec, terms.key, Issuers(node, tasks=tasks), is_tracing())
        server = _Server(terms, shared)
        listener = open_listener(host, port)
        listening = await asyncio.get_running_loop().create_server(server.connection, sock=listener)
        address: tuple[str, int] = listening.sockets[0].getsockname()[:2]
        sweeping = tasks.create_task(server.sweep())
        try:
            yield address
        finally:
            listening.close()
            sweeping.cancel()
            await server.stop()


class _Server:
    """The connections that are open."""

    def __init__(self, terms: Terms, shared: Host) -> None:
        self._terms = terms
        self._shared = shared
        self._loop = asyncio.get_running_loop()
        self._open: dict[Connection, None] = {}
        self._counters: dict[tuple[str, str], Counter] = {}
        self._is_empty = asyncio.Event()
        self._is_empty.set()

    def connection(self) -> Connection:
        """One that comes in."""
        return Connection(self._shared, self)

    def opened(self, connection: Connection) -> bool:
        """Take note of a connection; False if there is no room for it."""
        if len(self._open) >= self._terms.connections_max:
            return False
        self._open[connection] = None
        self._is_empty.clear()
        _connections.set(len(self._open))
        return True

    def closed(self, connection: Connection) -> None:
        """Forget a connection."""
        self._open.pop(connection, None)
        _connections.set(len(self._open))
        if not self._open:
            self._is_empty.set()

    def answered(self, message_type: str, code: str) -> None:
        """Count an answer."""
        counter = self._counters.get((message_type, code))
        if counter is None:
            counter = self._counters[message_type, code] = _answered.labels(message_type, code)
        counter.inc()

    async def sweep(self) -> None:
        """Cut off what has been silent for too long, until cancelled: it may be one that fetches no answers."""
        while True:
            await asyncio.sleep(self._terms.idle_s / _SWEEPS)
            heard_since_s = self._loop.time() - self._terms.idle_s
            for connection in [each for each in self._open if each.heard_at_s < heard_since_s]:
                connection.stop(at_once=True)

    async def stop(self) -> None:
        """Answer what was read and close; who does not fetch its answers is cut off."""
        for connection in list(self._open):
            connection.stop()
        try:
            await asyncio.wait_for(self._is_empty.wait(), 2 * ANSWER_S)
        except TimeoutError:
            for connection in list(self._open):
                connection.stop(at_once=True)
            await self._is_empty.wait()
