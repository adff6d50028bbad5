"""Orders whose changes are published, webhooks beside them, and a clock that a test moves on."""

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence, Set
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from ropewalk import Applied, Entry, Service, open_node
from ropewalk.communication.webhooks.messages import AddEndpoint, Command, Endpoint, Refused, State
from ropewalk.communication.webhooks.signatures import secret_text
from ropewalk.core.chain import Position
from ropewalk.core.codec import encode_value
from ropewalk.core.effects import Publish
from ropewalk.core.machine import NO_ID, Request
from ropewalk.data.engine import Engine
from ropewalk.data.reads import AtLeast
from ropewalk.engines.http import HttpSender
from ropewalk.engines.memory import MemoryEngine
from ropewalk.runtime.node import Node
from ropewalk.runtime.webhooks.deliveries import states_of
from ropewalk.runtime.webhooks.service import with_webhooks
from tests.runtime.webhooks.receiver import Receiver

SECRET = secret_text(bytes(32))


class Pay(msgspec.Struct, frozen=True, tag=True):
    """Pay an order."""

    order: str
    kind: str = "order.paid"


def apply(_: Mapping[str, int], entry: Entry[Pay]) -> Applied[int]:
    order = entry.command.order
    return Applied("paid", {order: 1}, [Publish(entry.command.kind, order, {"order": order})])


def numbered(count: int) -> list[str]:
    """The names of so many orders."""
    return [f"order-{number}" for number in range(count)]


class Clock:
    """The system's time, and what a test has added to it."""

    def __init__(self) -> None:
        self.added_s = 0

    def __call__(self) -> int:
        return time.time_ns() + self.added_s * 1_000_000_000


def orders(
    clock: Clock | None = None,
    *,
    partitions: int = 1,
    internal: Set[str] = frozenset(),
    timeout_s: float = 10.0,
    draw: Callable[[int], int] = lambda _: 0,
) -> Service:
    service = Service.keyed(
        "orders",
        commands=Pay,
        value=int,
        reply=str,
        apply=apply,
        key=lambda about: getattr(about, "order", ""),
        partitions=partitions,
    )
    return with_webhooks(
        service,
        internal=internal,
        sender=lambda: HttpSender(timeout_s=timeout_s),
        clock_ns=clock or Clock(),
        draw=draw,
    )


class Shop:
    """A node of orders, and its webhooks."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.webhooks = node.followers["orders-webhooks"]

    async def tell(self, command: Command) -> Any:
        """Have the webhooks' machine do something; it must not refuse."""
        value = (await self.webhooks.call(command)).value
        assert not isinstance(value, Refused), value
        return value

    async def add(self, receiver: Receiver, name: str = "a", **settings: Any) -> None:
        """Send events to a receiver from now on."""
        after = {leader.identity.log_name: leader.partition.feed.last for leader in self.node.leaders}
        await self.tell(AddEndpoint(Endpoint(name, receiver.url, (SECRET,), **settings), after))

    async def pay(self, *names: str, kind: str = "order.paid") -> None:
        """Publish an event for each of these orders."""
        for partition, given in self._routed(names).items():
            requests = [Request(NO_ID, encode_value(Pay(order, kind))) for order in given]
            await self.node.submit(requests, partition=partition)

    async def state(self, name: str = "a") -> State:
        [state] = [state for state in await states_of(self.webhooks) if state.endpoint.endpoint == name]
        return state

    async def wait_behind(self, name: str = "a") -> State:
        """The endpoint's state, once it is done with every event: each record is looked at as it comes."""
        webhooks = self.webhooks.leaders[0]
        while True:
            position = webhooks.partition.applied.position
            state = await self.state(name)
            lasts = {leader.identity.log_name: leader.partition.feed.last for leader in self.node.leaders}
            if all(state.progress.after.get(log, 0) == last for log, last in lasts.items()):
                return state
            next_record = AtLeast(webhooks.token(Position(position + 1)))
            await webhooks.read(encode_value("endpoints"), level=next_record)

    def _routed(self, names: Sequence[str]) -> dict[int, list[str]]:
        routed: dict[int, list[str]] = {}
        for name in names:
            routed.setdefault(self.node.service.partition_of(name), []).append(name)
        return routed


@asynccontextmanager
async def shop(
    service: Service | None = None, *, engine: Engine | None = None, clock: Clock | None = None
) -> AsyncIterator[Shop]:
    """An open shop."""
    clock = clock or Clock()
    async with open_node(service or orders(clock), engine or MemoryEngine(), clock_ns=clock) as node:
        yield Shop(node)


SERVICE = orders()
"""For `ropewalk serve` to find."""
