"""The ledger, by the batch: 8,190 transfers in a call, from four callers who each wait for their answer.

Four, so that there is always a batch to write while another is applied; two of them share a record.
"""

import asyncio
from statistics import median

from benchmarks.books import TRANSFER_BYTES, Load, Mix, calls
from benchmarks.driving import drive
from benchmarks.measures import Measure, Result, Round, Setting, latencies
from benchmarks.rows.disk import LARGE
from benchmarks.rows.postgresql import BATCH as POSTGRESQL_BATCH
from ropewalk import open_engine, open_node
from ropewalk.systems.payments.service import payments

_BATCH = 8_190
_CALLS = 250
_CALLERS = 4
_WARM_UP_CALLS = 20


def run(setting: Setting, *, accounts: int, two_phase: bool = False, has_random_ids: bool = False) -> Result:
    """Measure transfers a second; `two_phase` is 10 % two-phase, and limits on half of the accounts."""
    mix = Mix(two_phase=0.1 if two_phase else 0.0, is_limited=two_phase, has_random_ids=has_random_ids)
    rounds = asyncio.run(_rounds(setting, Load(setting.scale.count(accounts), mix)))
    must, aim = (250_000, 600_000) if two_phase else (400_000, 1_000_000)
    rate = median(each.per_second for each in rounds)
    kind = "10 % two-phase, half limited" if two_phase else "plain transfers"
    return Result(
        [
            Measure(
                f"ledger: batches of 8,190, {kind}, {accounts:,} accounts"
                + (", random ids" if has_random_ids else ""),
                "transfers/s",
                rate,
                # Ids in no order are the ledger's worst case: shown beside the others, and no limit is set for it.
                must=None if has_random_ids else must,
                aim=None if has_random_ids else aim,
                against={POSTGRESQL_BATCH: rate, LARGE: rate * TRANSFER_BYTES / 1e6},
                details=latencies(rounds),
            )
        ]
    )


async def _rounds(setting: Setting, load: Load) -> list[Round]:
    async with open_node(payments, open_engine(f"sqlite:{setting.folder}")) as node:
        await load.open_accounts(node)
        rounds = []
        for number in range(setting.scale.rounds + 1):
            commands = load.commands(setting.scale.count(_CALLS) if number else _WARM_UP_CALLS, size=_BATCH)
            rounds.append(await drive(calls(node, commands), callers=_CALLERS, work_per_call=_BATCH))
            setting.tell(f"round {number}")
        return rounds[1:]
