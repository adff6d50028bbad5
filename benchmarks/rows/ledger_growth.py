"""The ledger after ten million transfers: its memory, its latency against an empty ledger's, an account's history.

Memory is what the system counts as resident in this process, which holds nothing but the ledger and its load: its own
(anonymous) and that of mapped files, which the system drops when it needs the room.

The single transfers go in turn to the full ledger and to one with the same accounts and no transfers, so that the
disk's moods are the same for both. Before, both are started anew and the disk is left to finish what it was given.
"""

import asyncio
import os
import time
from contextlib import AbstractAsyncContextManager
from statistics import median

import numpy as np

from benchmarks.books import Load, Mix, calls
from benchmarks.driving import drive
from benchmarks.environment import resident_mb
from benchmarks.measures import Measure, Result, Round, Setting, joined, latencies
from ropewalk import open_engine, open_node
from ropewalk.runtime.node import Node
from ropewalk.systems.payments.ledger.commands import Operation, decode_reply, encode
from ropewalk.systems.payments.ledger.layout import ACCOUNT_FILTER, AccountFilterFlags
from ropewalk.systems.payments.service import payments

_ACCOUNTS = 1_000_000
_TRANSFERS = 10_000_000
_BUSY = 1_000
_BATCH = 8_190
_SINGLES = 4_000
_TURNS = 16
_HISTORIES = 1_000
_HISTORY_ROWS = 100


def run(setting: Setting) -> Result:
    """Measure all three, in this order."""
    return Result(asyncio.run(_measures(setting)))


async def _measures(setting: Setting) -> list[Measure]:
    load, other = _load(setting), _load(setting)
    async with _ledger(setting, "full") as full:
        await load.open_accounts(full)
        memory = []
        for half in range(2):
            await _fill(full, load, setting.scale.count(_TRANSFERS // 2))
            memory.append(resident_mb())
            setting.tell(f"{half + 1} of 2 halves")
        histories = [await _histories(full, load.accounts_count, seed=seed) for seed in range(setting.scale.rounds)]
    async with _ledger(setting, "empty") as empty:
        await other.open_accounts(empty)
    setting.tell("single transfers")
    os.sync()
    began = time.perf_counter()
    async with _ledger(setting, "full") as full:
        restart_s = time.perf_counter() - began
        async with _ledger(setting, "empty") as empty:
            before, after = await _in_turn(setting, (empty, other), (full, load))
    return [_memory(memory), _growth(before, after), _history(histories), _restart(restart_s)]


def _load(setting: Setting) -> Load:
    accounts = setting.scale.count(_ACCOUNTS)
    return Load(accounts, Mix(busy=_busy(accounts)))


def _ledger(setting: Setting, name: str) -> AbstractAsyncContextManager[Node]:
    return open_node(payments, open_engine(f"sqlite:{setting.folder / name}"))


def _busy(accounts: int) -> int:
    """Some accounts that have a long history."""
    return min(_BUSY, accounts // 2)


async def _fill(node: Node, load: Load, transfers: int) -> None:
    """Some batches at a time, so that the load itself takes little memory."""
    for _ in range(max(1, transfers // (4 * _BATCH))):
        commands = load.commands(4, size=_BATCH)
        await drive(calls(node, commands), callers=4, work_per_call=_BATCH)


async def _in_turn(
    setting: Setting, empty: tuple[Node, Load], full: tuple[Node, Load]
) -> tuple[list[Round], list[Round]]:
    """Some single transfers to the one and some to the other, until each has had its rounds."""
    rounds: tuple[list[Round], list[Round]] = ([], [])
    for number in range(setting.scale.rounds + 1):
        turns: tuple[list[Round], list[Round]] = ([], [])
        for _ in range(_TURNS):
            for taken, (node, load) in zip(turns, (empty, full), strict=True):
                commands = load.commands(setting.scale.count(_SINGLES // _TURNS), size=1)
                taken.append(await drive(calls(node, commands), callers=1, work_per_call=1))
        if number:
            for of_ledger, taken in zip(rounds, turns, strict=True):
                of_ledger.append(joined(taken))
    return rounds


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
        sum(whole.values()),
        more_is_better=False,
        must=1_000,
        details=whole | {f"{name} at 5 million": value for name, value in half.items()},
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


def _restart(seconds: float) -> Measure:
    return Measure(
        "ledger: restart with 10 million transfers, 1 million accounts",
        "s",
        seconds,
        more_is_better=False,
        must=2,
        note="after a stop; what a crash adds is at most the tail of the log behind the newest snapshot",
    )
