"""The coordination service in virtual time, and behind a real port."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import httpx

from ropewalk import open_engine, open_node
from ropewalk.proving.virtual import VirtualLoop, run_virtual
from ropewalk.runtime.node import Node
from ropewalk.runtime.server import serving
from ropewalk.systems.coordination.client import Coordination, connected
from ropewalk.systems.coordination.service import coordination_of

T = TypeVar("T")


def in_virtual_time(main: Callable[[Node, Coordination], Coroutine[Any, Any, T]]) -> T:
    """Run a test over a node in this program: a minute passes at once."""

    async def run() -> T:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        async with (
            open_node(coordination_of(3), open_engine("memory:"), clock_ns=loop.now_ns) as node,
            connected(node) as coordination,
        ):
            return await main(node, coordination)

    return run_virtual(run())


@asynccontextmanager
async def over_http(*, engine: str = "memory:") -> AsyncIterator[tuple[str, httpx.AsyncClient]]:
    """A URL, and a plain client of it."""
    async with (
        open_node(coordination_of(3), open_engine(engine)) as node,
        serving(node, port=0) as url,
        httpx.AsyncClient(base_url=url, timeout=20.0) as http,
    ):
        yield url, http


async def both_ways(main: Callable[[Coordination], Awaitable[None]]) -> None:
    """Run a test over a node in this program, and over HTTP."""
    async with open_node(coordination_of(3), open_engine("memory:")) as node, connected(node) as coordination:
        await main(coordination)
    async with over_http() as (url, _), connected(url) as coordination:
        await main(coordination)
