"""Webhook deliveries: events of a service on SQLite, to a receiver in a process of its own that verifies each.

What is timed is all of it, from the first event that is published until the cursor behind the last one is recorded.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import msgspec
import uvloop

from benchmarks.measures import Measure, Result, Round, Setting
from ropewalk import Applied, Entry, Service, open_engine, open_node
from ropewalk.communication.webhooks.limits import IN_FLIGHT_DEFAULT
from ropewalk.communication.webhooks.messages import AddEndpoint, Endpoint
from ropewalk.communication.webhooks.signatures import secret_text
from ropewalk.core.codec import encode_value
from ropewalk.core.effects import Publish
from ropewalk.core.machine import NO_ID, Request
from ropewalk.engines.system import random_bytes
from ropewalk.runtime.node import Node
from ropewalk.runtime.webhooks.deliveries import states_of
from ropewalk.runtime.webhooks.service import with_webhooks

_ROOT = Path(__file__).parents[2]
_EVENTS = 15_000
_BATCH = 1_000
_LOOK_EVERY_S = 0.02


class Pay(msgspec.Struct, frozen=True, tag=True):
    """Pay an order."""

    order: str
    amount: int


def _apply(_: Mapping[str, int], entry: Entry[Pay]) -> Applied[int]:
    order, amount = entry.command.order, entry.command.amount
    return Applied("paid", effects=[Publish("order.paid", order, {"order": order, "amount": amount})])


_ORDERS = with_webhooks(Service.keyed("orders", commands=Pay, value=int, apply=_apply))


def run(setting: Setting) -> Result:
    """Measure deliveries a second."""
    secret = secret_text(random_bytes(32))
    with _receiver(secret) as url, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        rounds = runner.run(_rounds(setting, Endpoint("receiver", url, (secret,))))
    rate = median(each.per_second for each in rounds)
    return Result(
        [
            Measure(
                f"webhook deliveries to a local receiver, {IN_FLIGHT_DEFAULT} in flight",
                "deliveries/s",
                rate,
                must=1_000,
                aim=3_000,
                note="signed, as CloudEvents; verified by uvicorn in another process",
            )
        ]
    )


@contextmanager
def _receiver(secret: str) -> Iterator[str]:
    """A receiver in a process of its own; yields its URL."""
    command = [sys.executable, "-m", "benchmarks.webhook_receiver", secret]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=_ROOT, text=True) as receiver:
        try:
            yield (receiver.stdout.readline() if receiver.stdout else "").strip()
        finally:
            receiver.terminate()


async def _rounds(setting: Setting, endpoint: Endpoint) -> list[Round]:
    count = setting.scale.count(_EVENTS)
    async with open_node(_ORDERS, open_engine(f"sqlite:{setting.folder}")) as node:
        await node.followers["orders-webhooks"].call(AddEndpoint(endpoint))
        rounds = []
        for number in range(setting.scale.rounds + 1):
            rounds.append(await _round(node, count))
            setting.tell(f"round {number}: {rounds[-1].per_second:,.0f}/s")
    return rounds[1:]


async def _round(node: Node, count: int) -> Round:
    """Publish so many events, and wait until every one is taken. Raises AssertionError if one is not."""
    requests = [Request(NO_ID, encode_value(Pay(f"order-{number}", number))) for number in range(count)]
    began = time.perf_counter()
    for start in range(0, count, _BATCH):
        await node.submit(requests[start : start + _BATCH])
    last = node.leaders[0].partition.feed.last
    while True:
        [state] = await states_of(node.followers["orders-webhooks"])
        if state.progress.after.get("orders/0", 0) == last:
            break
        await asyncio.sleep(_LOOK_EVERY_S)
    if state.progress.delivered != last:
        raise AssertionError(f"{state.progress.delivered} of {last} messages were taken: {state.progress.waiting}")
    return Round(count, time.perf_counter() - began, [])
