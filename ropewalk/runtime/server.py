"""A node's edge on a port: uvicorn, started and stopped by whoever owns the node.

    async with open_node(service, engine) as node, serving(node, port=8080) as url:
        ...

Promise:    when the block ends no connection is taken any more, and what was accepted is answered before it returns;
            who waits for something to happen is told to ask again.
Checked by: tests/runtime/test_server.py
"""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import uvicorn

from ropewalk.core.limits import DEADLINE_MAX_S
from ropewalk.errors import Rejected
from ropewalk.runtime.edge import Edge
from ropewalk.runtime.node import Node
from ropewalk.runtime.tasks import open_tasks

HOST: Final = "127.0.0.1"
PORT: Final = 8080

_BACKLOG: Final = 2_048
_IDLE_S: Final = 75
"""An idle connection is kept longer than clients usually keep theirs, so that none is closed under a request."""


@asynccontextmanager
async def serving(node: Node, *, host: str = HOST, port: int = PORT) -> AsyncIterator[str]:
    """Answer HTTP on `host` and `port` (0 takes a free one) until the block ends; yields the URL.

    Raises Rejected if nothing can listen there.
    """
    edge = Edge(node)
    listener = open_listener(host, port)
    server = _Server(
        uvicorn.Config(
            edge,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=_BACKLOG,
            timeout_keep_alive=_IDLE_S,
            timeout_graceful_shutdown=int(DEADLINE_MAX_S),
        )
    )
    async with open_tasks() as tasks:
        served = tasks.create_task(server.serve(sockets=[listener]))
        await server.accepts.wait()
        try:
            yield _url(listener)
        finally:
            edge.close()
            server.should_exit = True
            # Else an error of the block would cut off those who wait for an answer.
            await served


class _Server(uvicorn.Server):
    """Uvicorn's, but for signals: they belong to the program that owns the node."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.accepts = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.accepts.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def open_listener(host: str, port: int) -> socket.socket:
    """A socket that listens on `host` and `port`. Raises Rejected if nothing can listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        why = "another program does" if error.errno == errno.EADDRINUSE else str(error.strerror)
        other = "host" if error.errno == errno.EADDRNOTAVAIL else "port"
        raise Rejected(f"can't listen on {host}, port {port} ({why}): choose another {other}") from error
    # Its connections inherit this. asyncio leaves it out, since `create_server` does not say that it makes TCP, and
    # without it the second part of each answer waits 40 ms for the client to confirm the first.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
