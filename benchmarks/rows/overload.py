"""Three times the load that a partition can hold: what it still answers, and how soon it refuses the rest.

The full rate is that of callers who wait for their answers. Then calls come on a timetable, three times as many,
whether or not anything is answered. Each is timed from the moment at which it was due: a loop that is held up shows.
"""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import cycle, islice
from random import Random
from statistics import median

import msgspec
import numpy as np

from benchmarks.bank import BANK, Open, Transfer
from benchmarks.driving import drive
from benchmarks.measures import Measure, Result, Round, Setting
from ropewalk import open_engine, open_node
from ropewalk.core.codec import encode_value
from ropewalk.core.machine import Request
from ropewalk.engines.system import new_request_ids
from ropewalk.errors import NotAccepted
from ropewalk.runtime.node import Node

_ACCOUNTS = 10_000
_BATCH = 100
_CALLERS = 12
_CALLS = 4_000
_TIMES = 3
_BATCHES = 5_000
"""So many that an id comes again only when the partition has forgotten it, though it refuses two of three."""


class _Overloaded(msgspec.Struct, frozen=True):
    """What became of the calls of one round; times in seconds."""

    full_per_second: float
    answered_per_second: float
    answered_s: list[float]
    refused_s: list[float]


def run(setting: Setting) -> Result:
    """Measure transfers a second under overload, as a share of the full rate, and the time to a refusal."""
    rounds = asyncio.run(_rounds(setting))
    share = median(each.answered_per_second / each.full_per_second for each in rounds)
    refused_ms = median(_percentile_ms(each.refused_s, 99) for each in rounds)
    load = f"{_TIMES} times the load"
    return Result(
        [
            Measure(
                f"{load}: answered, of the full rate",
                "%",
                share * 100,
                must=90,
                aim=97,
                details={
                    "answered_per_s": median(each.answered_per_second for each in rounds),
                    "full_per_s": median(each.full_per_second for each in rounds),
                    "answered_p99_ms": median(_percentile_ms(each.answered_s, 99) for each in rounds),
                },
            ),
            Measure(f"{load}: time to a refusal, p99", "ms", refused_ms, more_is_better=False, must=10, aim=7),
        ]
    )


async def _rounds(setting: Setting) -> list[_Overloaded]:
    random = Random(6)
    names = [f"account-{number}" for number in range(_ACCOUNTS)]
    new_id = new_request_ids()
    async with open_node(BANK, open_engine(f"sqlite:{setting.folder}")) as node:
        opened = [Request(new_id(), encode_value(Open(name, 10**9))) for name in names]
        for start in range(0, _ACCOUNTS, _BATCH):
            await node.submit(opened[start : start + _BATCH])
        made = [[_transfer(random, names, new_id) for _ in range(_BATCH)] for _ in range(_BATCHES)]
        # What callers hold in other processes, the partition's does not have to collect.
        gc.freeze()
        batches = cycle(made)
        rounds = []
        for number in range(setting.scale.rounds + 1):
            calls = _calls(node, islice(batches, setting.scale.count(_CALLS)))
            full = await drive(calls, callers=_CALLERS, work_per_call=_BATCH)
            per_second = full.per_second / _BATCH * _TIMES
            due = max(1, round(per_second * setting.scale.seconds))
            rounds.append(await _overloaded(node, islice(batches, due), per_second=per_second, full=full))
            setting.tell(f"round {number}")
        return rounds[1:]


def _transfer(random: Random, names: list[str], new_id: Callable[[], bytes]) -> Request:
    debit, credit = random.sample(names, 2)
    return Request(new_id(), encode_value(Transfer(debit, credit, random.randint(1, 1000))))


def _calls(node: Node, batches: Iterator[Sequence[Request]]) -> Iterator[Callable[[], Awaitable[None]]]:
    for batch in batches:

        async def call(batch: Sequence[Request] = batch) -> None:
            await node.submit(batch)

        yield call


async def _overloaded(
    node: Node, batches: Iterator[Sequence[Request]], *, per_second: float, full: Round
) -> _Overloaded:
    """Calls on a timetable. Those that are overdue are made at once, as callers elsewhere would have made them."""
    answered_s: list[float] = []
    refused_s: list[float] = []

    async def call(batch: Sequence[Request], due: float) -> None:
        try:
            await node.submit(batch)
        except NotAccepted:
            refused_s.append(time.perf_counter() - due)
        else:
            answered_s.append(time.perf_counter() - due)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for number, batch in enumerate(batches):
            due = began + number / per_second
            wait_s = due - time.perf_counter()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            tasks.create_task(call(batch, due))
    took = time.perf_counter() - began
    return _Overloaded(full.per_second, len(answered_s) * _BATCH / took, answered_s, refused_s)


def _percentile_ms(took_s: list[float], percent: float) -> float:
    return float(np.percentile(took_s or [0.0], percent, method="higher")) * 1e3
