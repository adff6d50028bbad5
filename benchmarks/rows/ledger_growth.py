"""The ledger after ten million transfers: its memory, its latency against an empty ledger's, an account's history.

Memory is read from /proc in this process, which holds nothing but the ledger and its load. Anonymous memory is the
ledger's own. Mapped files are what it has read of its segments and indexes: the system keeps as much of that as it
has room for, and drops it when it needs the room. The single transfers go in turn to the full ledger and to one with
the same accounts and no transfers, so that the disk's moods are the same for both.
"""

import asyncio
import time
from contextlib import AsyncExitStack
from statistics import median

import numpy as np

from benchmarks.books import LEDGER, Load, Mix, calls
from benchmarks.driving import drive
from benchmarks.environment import resident_mb
from benchmarks.measures import Measure, Result, Round, Setting, latencies
from ropewalk import open_engine, open_node
from ropewalk.runtime.node import Node
from ropewalk.systems.payments.ledger.commands import Operation, decode_reply, encode
from ropewalk.systems.payments.ledger.layout import ACCOUNT_FILTER, AccountFilterFlags

_ACCOUNTS = 1_000_000
_TRANSFERS = 10_000_000
_BUSY = 1_000
_BATCH = 8_190
_SINGLES = 4_000
_HISTORIES = 1_000
_HISTORY_ROWS = 100


def run(setting: Setting) -> Result:
    """Measure all three, in this order."""
    return Result(asyncio.run(_measures(setting)))


async def _measures(setting: Setting) -> list[Measure]:
    accounts = setting.scale.count(_ACCOUNTS)
    async with AsyncExitStack() as stack:
        engine = open_engine(f"sqlite:{setting.folder / 'full'}")
        full = await stack.enter_async_context(open_node(LEDGER, engine))
        load = Load(accounts, Mix(busy=_busy(accounts)))
        await load.open_accounts(full)
        memory = []
        for half in range(2):
            await _fill(full, load, setting.scale.count(_TRANSFERS // 2))
            memory.append(resident_mb())
            setting.tell(f"{half + 1} of 2 halves")
        histories = [await _histories(full, accounts, seed=seed) for seed in range(setting.scale.rounds)]
        setting.tell("single transfers")
        engine = open_engine(f"sqlite:{setting.folder / 'empty'}")
        empty = await stack.enter_async_context(open_node(LEDGER, engine))
        other = Load(accounts, Mix(busy=_busy(accounts)))
        await other.open_accounts(empty)
        before, after = [], []
        for _ in range(setting.scale.rounds):
            before.append(await _singles(empty, other, setting))
            after.append(await _singles(full, load, setting))
    return [_memory(memory), _growth(before, after), _history(histories)]


def _busy(accounts: int) -> int:
    """Some accounts that have a long history."""
    return min(_BUSY, accounts // 2)


async def _fill(node: Node, load: Load, transfers: int) -> None:
    """Some batches at a time, so that the load itself takes little memory."""
    for _ in range(max(1, transfers // (4 * _BATCH))):
        commands = load.commands(4, size=_BATCH)
        await drive(calls(node, commands), callers=4, work_per_call=_BATCH)


async def _singles(node: Node, load: Load, setting: Setting) -> Round:
    commands = load.commands(setting.scale.count(_SINGLES), size=1)
    return await drive(calls(node, commands), callers=1, work_per_call=1)


async def _histories(node: Node, accounts: int, *, seed: int) -> Round:
    """Read the first rows of accounts that have many, each a strong read."""
    chosen = np.random.default_rng(seed).integers(1, _busy(accounts) + 1, _HISTORIES)
    took = []
    for account in chosen.tolist():
        asked = np.zeros(1, ACCOUNT_FILTER)
        asked["account_id_low"], asked["limit"] = account, _HISTORY_ROWS
        asked["flags"] = AccountFilterFlags.DEBITS | AccountFilterFlags.CREDITS
        query = encode(Operation.GET_ACCOUNT_TRANSFERS, asked)
        began = time.perf_counter()
        read = await node.leaders[0].read(query)
        rows = decode_reply(Operation.GET_ACCOUNT_TRANSFERS, read.answer)
        took.append(time.perf_counter() - began)
        if not 1 <= rows.size <= _HISTORY_ROWS:
            raise AssertionError(f"account {account} has {rows.size} rows of history")
    return Round(len(took), sum(took), took)


def _memory(found: list[dict[str, float]]) -> Measure:
    half, whole = found
    return Measure(
        "ledger: memory with 10 million transfers, 1 million accounts",
        "MB",
        whole["anonymous_mb"],
        more_is_better=False,
        must=1_000,
        details={
            "mapped_files_mb": whole["mapped_files_mb"],
            "anonymous_mb at 5 million": half["anonymous_mb"],
            "mapped_files_mb at 5 million": half["mapped_files_mb"],
        },
        note="the process's own memory; mapped files are in the page cache, which the system takes back at will",
    )


def _growth(before: list[Round], after: list[Round]) -> Measure:
    empty, full = latencies(before), latencies(after)
    return Measure(
        "ledger: one transfer a record, p99 after 10 million against an empty ledger",
        "times",
        full["p99_ms"] / empty["p99_ms"],
        more_is_better=False,
        must=1.5,
        details={"p50_ms": full["p50_ms"], "p99_ms": full["p99_ms"]}
        | {"p50_ms empty": empty["p50_ms"], "p99_ms empty": empty["p99_ms"]},
    )


def _history(rounds: list[Round]) -> Measure:
    took = latencies(rounds)
    return Measure(
        "ledger: first 100 rows of an account's history among 10 million, p99",
        "ms",
        took["p99_ms"],
        more_is_better=False,
        must=50,
        aim=5,
        details={"p50_ms": took["p50_ms"], "reads/s": median(each.per_second for each in rounds)},
    )
