"""The points of the picture: the ledger with calls of rising size, from four callers who wait for their answers."""

import asyncio

from benchmarks.books import Load, Mix, calls
from benchmarks.driving import drive
from benchmarks.measures import Measure, Point, Result, Round, Setting, latencies, median_round
from ropewalk import open_engine, open_node
from ropewalk.systems.payments.service import payments

_ACCOUNTS = 10_000
_CALLERS = 4
_CALLS = {1: 8_000, 8: 8_000, 64: 6_000, 512: 1_500, 2_048: 500, 8_190: 125}


def run(setting: Setting) -> Result:
    """Measure each size in turn, on one ledger."""
    rounds = asyncio.run(_rounds(setting))
    middles = {size: median_round(of_size) for size, of_size in rounds.items()}
    measures = [
        Measure(
            f"ledger: calls of {size:,}, 4 callers",
            "transfers/s",
            middles[size].per_second,
            details=latencies(of_size),
        )
        for size, of_size in rounds.items()
    ]
    points = [
        Point("Ropewalk, 4 callers", size, each.per_second, each.percentile_ms(99)) for size, each in middles.items()
    ]
    return Result(measures, points)


async def _rounds(setting: Setting) -> dict[int, list[Round]]:
    load = Load(_ACCOUNTS, Mix())
    async with open_node(payments, open_engine(f"sqlite:{setting.folder}")) as node:
        await load.open_accounts(node)
        await drive(calls(node, load.commands(20, size=max(_CALLS))), callers=_CALLERS, work_per_call=1)
        rounds: dict[int, list[Round]] = {}
        for size, count in _CALLS.items():
            setting.tell(f"calls of {size}")
            for _ in range(setting.scale.rounds):
                commands = load.commands(setting.scale.count(count), size=size)
                done = await drive(calls(node, commands), callers=_CALLERS, work_per_call=size)
                rounds.setdefault(size, []).append(done)
        return rounds
