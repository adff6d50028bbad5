"""Three times the load that a partition can hold: what it still answers, and how soon it refuses the rest.

The full rate is that of a partition that refuses nobody, and of so many callers that all its records are full; they
wait for their answers. Then calls come on a timetable, three times as many, at one that holds the same and refuses.
Each is timed from the moment at which it was due: a loop that is held up shows.

What is lost is a few percent, and the speed of a machine drifts by more within seconds. So rounds are short and many,
and each is compared with the full rate just before and just after it.

Callers share the partition's core, and the timetable makes three calls where the others make one. That alone costs
some 3 % of the full rate, as is seen if what is too much is sent to nobody, and is counted as the partition's loss. A
refusal itself takes it some 4 us, which is 1 to 2 %.
"""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import cycle, islice
from pathlib import Path
from random import Random
from statistics import median

import msgspec
import numpy as np

from benchmarks.bank import BANK, Open, Transfer
from benchmarks.driving import drive
from benchmarks.measures import Measure, Result, Setting
from ropewalk import open_engine, open_node
from ropewalk.core.codec import encode_value
from ropewalk.core.machine import NO_ID, Request
from ropewalk.engines.system import new_request_ids
from ropewalk.errors import NotAccepted
from ropewalk.runtime.calls import Bounds
from ropewalk.runtime.node import Node

_ACCOUNTS = 10_000
_BATCH = 100
_TIMES = 3
_ROUNDS = 10
"""For each round of other rows."""

_SECONDS = 1 / 6
"""A round lasts this part of one of other rows."""

_CALLERS = 24
"""With half of them records are not full, and the full rate is 7 % lower and easier to hold."""

_CALLS = 800
_BATCHES = 5_000
"""So many that an id comes again only when the partition has forgotten it, though it refuses two of three."""

_REFUSES_NOBODY = Bounds(answer_target_s=3_600)


class _Overloaded(msgspec.Struct, frozen=True):
    """What became of the calls of one round, and the full rate beside it, in calls; times in seconds."""

    full_per_second: float
    answered_per_second: float
    answered_s: list[float]
    refused_s: list[float]

    @property
    def share(self) -> float:
        """What was answered, as a part of the full rate."""
        return self.answered_per_second / self.full_per_second


def run(setting: Setting) -> Result:
    """Measure transfers a second under overload, as a share of the full rate, and the time to a refusal."""
    rounds = asyncio.run(_rounds(setting))
    share = median(each.share for each in rounds)
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
                    "answered_per_s": median(each.answered_per_second for each in rounds) * _BATCH,
                    "full_per_s": median(each.full_per_second for each in rounds) * _BATCH,
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
    batches = [[_transfer(random, names, new_id) for _ in range(_BATCH)] for _ in range(_BATCHES)]
    async with (
        _bank(setting.folder / "full", names, bounds=_REFUSES_NOBODY) as full,
        _bank(setting.folder / "overloaded", names, bounds=Bounds()) as overloaded,
    ):
        # What callers hold in other processes, the partition's does not have to collect.
        gc.freeze()
        held, offered = cycle(batches), cycle(batches)
        seconds = setting.scale.seconds * _SECONDS

        async def full_per_second() -> float:
            calls = _calls(full, islice(held, setting.scale.count(_CALLS)))
            return (await drive(calls, callers=_CALLERS, work_per_call=1)).per_second

        rounds = []
        before = await full_per_second()
        for number in range(setting.scale.rounds * _ROUNDS + 1):
            per_second = before * _TIMES
            due = islice(offered, max(1, round(per_second * seconds)))
            answered_s, refused_s, took_s = await _on_a_timetable(overloaded, due, per_second=per_second)
            after = await full_per_second()
            rounds.append(_Overloaded((before + after) / 2, len(answered_s) / took_s, answered_s, refused_s))
            before = after
            setting.tell(f"round {number}")
        return rounds[1:]


@asynccontextmanager
async def _bank(folder: Path, names: Sequence[str], *, bounds: Bounds) -> AsyncIterator[Node]:
    async with open_node(BANK, open_engine(f"sqlite:{folder}"), bounds=bounds) as node:
        opened = [Request(NO_ID, encode_value(Open(name, 10**9))) for name in names]
        for start in range(0, len(opened), _BATCH):
            await node.submit(opened[start : start + _BATCH])
        yield node


def _transfer(random: Random, names: list[str], new_id: Callable[[], bytes]) -> Request:
    debit, credit = random.sample(names, 2)
    return Request(new_id(), encode_value(Transfer(debit, credit, random.randint(1, 1000))))


def _calls(node: Node, batches: Iterator[Sequence[Request]]) -> Iterator[Callable[[], Awaitable[None]]]:
    for batch in batches:

        async def call(batch: Sequence[Request] = batch) -> None:
            await node.submit(batch)

        yield call


async def _on_a_timetable(
    node: Node, batches: Iterator[Sequence[Request]], *, per_second: float
) -> tuple[list[float], list[float], float]:
    """Make calls when they are due; those that are overdue at once, as callers elsewhere would have made them.

    Returns the times to each answer and to each refusal, and how long it took until the last.
    """
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
    return answered_s, refused_s, time.perf_counter() - began


def _percentile_ms(took_s: list[float], percent: float) -> float:
    return float(np.percentile(took_s or [0.0], percent, method="higher")) * 1e3
