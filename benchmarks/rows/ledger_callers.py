"""Single transfers from 256 callers in the process, who each wait for their answer: what group commit is for."""

import asyncio
from statistics import median

from benchmarks.books import Load, Mix, calls
from benchmarks.driving import drive
from benchmarks.measures import Measure, Point, Result, Round, Setting, latencies
from benchmarks.rows.disk import SMALL
from benchmarks.rows.postgresql import SINGLE as POSTGRESQL_SINGLE
from ropewalk import open_engine, open_node
from ropewalk.systems.payments.service import payments

_ACCOUNTS = 10_000
_CALLERS = 256
_CALLS = 120_000


def run(setting: Setting) -> Result:
    """Measure transfers a second, and how long one takes."""
    rounds = asyncio.run(_rounds(setting))
    rate = median(each.per_second for each in rounds)
    took = latencies(rounds)
    name = "ledger: single transfers, 256 callers"
    against = {POSTGRESQL_SINGLE: rate, SMALL: rate}
    return Result(
        [
            Measure(name, "transfers/s", rate, must=25_000, aim=60_000, against=against, details=took),
            Measure(f"{name}, p99", "ms", took["p99_ms"], more_is_better=False, must=25),
        ],
        [Point("Ropewalk, 256 callers", 1, rate, took["p99_ms"])],
    )


async def _rounds(setting: Setting) -> list[Round]:
    load = Load(_ACCOUNTS, Mix())
    async with open_node(payments, open_engine(f"sqlite:{setting.folder}")) as node:
        await load.open_accounts(node)
        rounds = []
        for number in range(setting.scale.rounds + 1):
            commands = load.commands(setting.scale.count(_CALLS), size=1)
            rounds.append(await drive(calls(node, commands), callers=_CALLERS, work_per_call=1))
            setting.tell(f"round {number}")
        return rounds[1:]
