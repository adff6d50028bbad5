"""A keyed machine in plain Python: `benchmarks.bank`, its transfers in calls of 1,000, each with a request id.

What is timed is all of it: encoding commands, making them durable, applying them, remembering and decoding replies.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from random import Random
from statistics import median

import msgspec

from benchmarks.bank import BANK, Open, Transfer
from benchmarks.driving import drive
from benchmarks.measures import Measure, Result, Round, Setting, latencies
from ropewalk import open_engine, open_node
from ropewalk.core.codec import encode_value
from ropewalk.core.machine import Request
from ropewalk.engines.system import new_request_ids
from ropewalk.runtime.node import Node

_ACCOUNTS = 10_000
_BATCH = 1_000
_CALLERS = 4
_CALLS = 300


def run(setting: Setting) -> Result:
    """Measure transfers a second."""
    rounds = asyncio.run(_rounds(setting))
    rate = median(each.per_second for each in rounds)
    return Result(
        [
            Measure(
                "keyed machine in plain Python, batches of 1,000",
                "commands/s",
                rate,
                must=60_000,
                aim=150_000,
                details=latencies(rounds),
            )
        ]
    )


async def _rounds(setting: Setting) -> list[Round]:
    random = Random(6)
    names = [f"account-{number}" for number in range(_ACCOUNTS)]
    new_id = new_request_ids()
    async with open_node(BANK, open_engine(f"sqlite:{setting.folder}")) as node:
        opened = [Request(new_id(), encode_value(Open(name, 10**9))) for name in names]
        for start in range(0, _ACCOUNTS, _BATCH):
            await node.submit(opened[start : start + _BATCH])
        rounds = []
        for number in range(setting.scale.rounds + 1):
            transfers = [_transfer(random, names) for _ in range(setting.scale.count(_CALLS) * _BATCH)]
            rounds.append(await drive(_calls(node, transfers, new_id), callers=_CALLERS, work_per_call=_BATCH))
            setting.tell(f"round {number}")
        return rounds[1:]


def _transfer(random: Random, names: list[str]) -> Transfer:
    debit, credit = random.sample(names, 2)
    return Transfer(debit, credit, random.randint(1, 1000))


def _calls(
    node: Node, transfers: list[Transfer], new_id: Callable[[], bytes]
) -> Iterator[Callable[[], Awaitable[None]]]:
    decode = msgspec.msgpack.Decoder(str).decode
    for start in range(0, len(transfers), _BATCH):
        batch = transfers[start : start + _BATCH]

        async def call(batch: list[Transfer] = batch) -> None:
            answers = await node.submit([Request(new_id(), encode_value(each)) for each in batch])
            replies = [decode(reply) for reply in answers.replies if reply is not None]
            if replies.count("moved") != len(batch):
                raise AssertionError(f"{replies.count('moved')} of {len(batch)} transfers moved")

        yield call
