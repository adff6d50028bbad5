"""A service for the edge's tests: counters with a query, and a node of it behind a real port."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec

from ropewalk import Applied, Entry, Service, open_engine, open_node
from ropewalk.runtime.calls import Bounds
from ropewalk.runtime.node import Node
from ropewalk.runtime.operations import Operation
from ropewalk.runtime.server import serving


class Add(msgspec.Struct, frozen=True, tag=True):
    """Add to a counter."""

    counter: str
    amount: int


class Break(msgspec.Struct, frozen=True, tag=True):
    """Stop the partition, as a bug in a machine would."""

    counter: str


class Top(msgspec.Struct, frozen=True, tag=True):
    """The largest counters."""

    count: int


def apply(state: Mapping[str, int], entry: Entry[Add | Break]) -> Applied[int]:
    match entry.command:
        case Add(counter, amount):
            total = state.get(counter, 0) + amount
            return Applied(total, {counter: total})
        case Break():
            raise ZeroDivisionError("a bug in the service")


def answer(state: Mapping[str, int], query: Top) -> list[str]:
    return sorted(state, key=lambda counter: -state[counter])[: query.count]


def counters(*, partitions: int = 1) -> Service:
    return Service.keyed(
        "counters",
        commands=Add | Break,
        value=int,
        reply=int,
        queries=Top,
        answer=answer,
        apply=apply,
        key=lambda about: getattr(about, "counter", ""),
        partitions=partitions,
    )


def with_operations(service: Service, *operations: Operation) -> Service:
    return msgspec.structs.replace(service, operations=operations)


@asynccontextmanager
async def client_of(
    service: Service, *, engine: str = "memory:", bounds: Bounds | None = None
) -> AsyncIterator[tuple[httpx.AsyncClient, Node]]:
    """A client of a served node, and the node."""
    async with (
        open_node(service, open_engine(engine), bounds=bounds) as node,
        serving(node, port=0) as url,
        httpx.AsyncClient(base_url=url, timeout=20.0) as client,
    ):
        yield client, node


def problem(response: httpx.Response) -> dict[str, Any]:
    assert response.headers["content-type"] == "application/problem+json", response.text
    told: dict[str, Any] = response.json()
    assert told["status"] == response.status_code
    return told
