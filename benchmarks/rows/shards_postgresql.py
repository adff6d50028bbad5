"""The same transfers across two PostgreSQL servers, by the two-phase commit that PostgreSQL has: PREPARE TRANSACTION.

The payers are on one server and the payees on the other, both on the disk that is measured. A batch of 8,190 is one
statement on each: it notes the transfers and moves their amounts. Both prepare, and then both commit, as whoever
coordinates them would have it; what that would write down of its decision is left out, in PostgreSQL's favour.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, Final

import psycopg

from benchmarks.debian import program
from benchmarks.measures import Measure, Result, Round, Setting, latencies
from benchmarks.rows.postgresql import PROGRAMS, SCHEMA, address, server

ACROSS: Final = "PostgreSQL 15: batches of 8,190 across two servers, PREPARE TRANSACTION"

_BATCH = 8_190
_ACCOUNTS = 10_000
_SETTINGS = {"max_prepared_transactions": "64", "shared_buffers": "512MB"}

_Connection = psycopg.Connection[tuple[Any, ...]]

_APPLY = """
WITH created AS (
    INSERT INTO transfers SELECT *, 1, 1
    FROM unnest(%s::uuid[], %s::bigint[], %s::bigint[], %s::bigint[]) AS batch (id, debit, credit, amount)
    ON CONFLICT DO NOTHING RETURNING {side}_account_id AS account, amount
), moved AS (
    SELECT account, sum(amount)::bigint AS amount FROM created GROUP BY account
)
UPDATE accounts SET {side}s_posted = {side}s_posted + moved.amount FROM moved WHERE id = moved.account
"""


def run(setting: Setting) -> Result:
    """Measure batches; raises FileNotFoundError where PostgreSQL can't be had."""
    programs = program("pgbench", package="postgresql-15", folder=PROGRAMS).parent
    payers, payees = setting.folder / "payers", setting.folder / "payees"
    for folder in (payers, payees):
        folder.mkdir()
    with server(payers, programs, _SETTINGS), server(payees, programs, _SETTINGS):
        rounds = _rounds(setting, payers, payees)
    rate = median(each.per_second for each in rounds)
    return Result([Measure(ACROSS, "transfers/s", rate, details=latencies(rounds))])


def _rounds(setting: Setting, payers: Path, payees: Path) -> list[Round]:
    connections = [_opened(folder) for folder in (payers, payees)]
    random = Random(24)
    made = 0
    rounds = []
    with ThreadPoolExecutor(2) as both:
        for number in range(setting.scale.rounds + 1):
            took: list[float] = []
            while sum(took) < (setting.scale.seconds if number else 0.2):
                rows = _rows(random, made)
                made += 1
                began = time.perf_counter()
                _transfer(both, connections, rows, f"batch-{made}")
                took.append(time.perf_counter() - began)
            rounds.append(Round(len(took) * _BATCH, sum(took), took))
            setting.tell(f"round {number}")
    for connection in connections:
        connection.close()
    return rounds[1:]


def _opened(folder: Path) -> _Connection:
    connection = psycopg.connect(address(folder), autocommit=True)
    connection.execute(SCHEMA.read_text())
    connection.execute(
        "INSERT INTO accounts SELECT id, 0, 0, false, 1, 1 FROM generate_series(1, %s) AS id", (_ACCOUNTS,)
    )
    connection.execute("VACUUM ANALYZE")
    return connection


def _transfer(both: ThreadPoolExecutor, connections: list[_Connection], rows: list[list[Any]], name: str) -> None:
    """One batch: both servers work at the same time, and neither commits before both have prepared."""

    def on_each(step: Callable[[_Connection, str], None]) -> None:
        list(both.map(step, connections, ("debit", "credit")))

    def prepare(connection: _Connection, side: str) -> None:
        connection.execute("BEGIN")
        connection.execute(_APPLY.format(side=side).encode(), rows)
        connection.execute(f"PREPARE TRANSACTION '{name}'".encode())

    def commit(connection: _Connection, _: str) -> None:
        connection.execute(f"COMMIT PREPARED '{name}'".encode())

    on_each(prepare)
    on_each(commit)


def _rows(random: Random, number: int) -> list[list[Any]]:
    """A batch as columns. Its ids rise, as the ledger's do."""
    ids = [f"{1 << 64 | number * _BATCH + index:032x}" for index in range(_BATCH)]
    debits, credits = ([random.randint(1, _ACCOUNTS) for _ in range(_BATCH)] for _ in range(2))
    return [ids, debits, credits, [random.randint(1, 1_000) for _ in range(_BATCH)]]
