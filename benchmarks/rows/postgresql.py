"""PostgreSQL 15 on the same disk, doing the same transfers: single ones from 16 clients, and a batch as one set.

Settings are the defaults, which are durable (`fsync`, `synchronous_commit`), but for more shared memory and a longer
write-ahead log, both in its favour. Single transfers call one function, over prepared statements. The batch comes by
COPY and is applied by one statement, which is refused as a whole if one account would exceed its limit.
Ids are unique and each account's history is indexed, as in the ledger; there is no two-phase transfer and no chain.
"""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import Random
from statistics import median

import psycopg

from benchmarks.debian import program
from benchmarks.measures import Measure, Point, Result, Round, Scale, Setting, latencies, median_round

SINGLE = "PostgreSQL 15: single transfers, 16 clients"
BATCH = "PostgreSQL 15: batches of 8,190 as one set"

_CLIENTS = 16
_BATCH = 8_190
_ACCOUNTS = 10_000
SCHEMA = Path(__file__).parents[1] / "postgres.sql"
PROGRAMS = Path("/usr/lib/postgresql/15/bin")
_USER = "postgres"
_SETTINGS = {"shared_buffers": "1GB", "max_wal_size": "8GB", "listen_addresses": ""}

_SCRIPT = """
\\set debit random(1, {accounts})
\\set other random(1, {accounts} - 1)
\\set credit 1 + (:debit + :other - 1) % {accounts}
\\set amount random(1, 1000)
SELECT transfer(lpad(to_hex(nextval('transfer_ids')), 32, '0')::uuid, :debit, :credit, :amount);
"""

_APPLY = """
WITH created AS (
    INSERT INTO transfers SELECT id, debit, credit, amount, 1, 1 FROM batch ORDER BY id
    ON CONFLICT DO NOTHING RETURNING debit_account_id, credit_account_id, amount
), moved AS (
    SELECT account, sum(debit)::bigint AS debit, sum(credit)::bigint AS credit FROM (
        SELECT debit_account_id AS account, amount AS debit, 0 AS credit FROM created
        UNION ALL SELECT credit_account_id, 0, amount FROM created
    ) AS sides GROUP BY account
)
UPDATE accounts SET debits_posted = debits_posted + moved.debit, credits_posted = credits_posted + moved.credit
FROM moved WHERE id = moved.account
"""


def run(setting: Setting) -> Result:
    """Measure both, on a server of our own; raises FileNotFoundError where PostgreSQL can't be had."""
    programs = program("pgbench", package="postgresql-15", folder=PROGRAMS).parent
    with server(setting.folder, programs):
        with psycopg.connect(address(setting.folder), autocommit=True) as connection:
            connection.execute(SCHEMA.read_text())
            connection.execute(
                "INSERT INTO accounts SELECT id, 0, 0, false, 1, 1 FROM generate_series(1, %s) AS id", (_ACCOUNTS,)
            )
            connection.execute("VACUUM ANALYZE")
        setting.tell(f"{_CLIENTS} clients")
        single = [_single(setting, programs) for _ in range(setting.scale.rounds)]
        setting.tell("batches")
        batches = _batches(setting)
    return Result(
        [
            Measure(SINGLE, "transfers/s", median(each.per_second for each in single), details=latencies(single)),
            Measure(BATCH, "transfers/s", median(each.per_second for each in batches), details=latencies(batches)),
        ],
        [_point(1, single), _point(_BATCH, batches)],
    )


def _point(batch: int, rounds: list[Round]) -> Point:
    middle = median_round(rounds)
    return Point("PostgreSQL 15", batch, middle.per_second, middle.percentile_ms(99))


@contextmanager
def server(folder: Path, programs: Path, settings: Mapping[str, str] = {}) -> Iterator[None]:
    """A cluster of our own in `folder`, reached through a socket there and through no network."""
    data = folder / "data"
    data.mkdir()
    # PostgreSQL refuses to run as root.
    user = _USER if os.geteuid() == 0 else None
    if user is not None:
        shutil.chown(data, user)
        shutil.chown(folder, user)
    subprocess.run(
        [programs / "initdb", "--auth=trust", f"--username={_USER}", "--encoding=UTF8", "--no-locale", data],
        check=True,
        stdout=subprocess.DEVNULL,
        user=user,
        cwd=folder,
    )
    options = [part for name, value in {**_SETTINGS, **settings}.items() for part in ("-c", f"{name}={value}")]
    log = (folder / "log").open("wb")
    server = subprocess.Popen(
        [programs / "postgres", "-D", data, "-k", folder, *options], stderr=log, stdout=log, user=user, cwd=folder
    )
    try:
        _wait_until_ready(folder, server)
        yield
    finally:
        server.terminate()
        server.wait(timeout=60)


def _wait_until_ready(folder: Path, server: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + 30
    while True:
        try:
            psycopg.connect(address(folder)).close()
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"PostgreSQL did not start: {(folder / 'log').read_text()}") from None
            time.sleep(0.05)
        else:
            return


def address(folder: Path) -> str:
    """How to reach the one in `folder`."""
    return f"host={folder} user={_USER} dbname=postgres"


def _single(setting: Setting, programs: Path) -> Round:
    folder = setting.folder
    script = folder / "transfer.sql"
    script.write_text(_SCRIPT.format(accounts=_ACCOUNTS))
    seconds = max(1, round(setting.scale.seconds))
    command: list[str | Path] = [programs / "pgbench", "-n", "-M", "prepared", "-f", script]
    command += ["-c", str(_CLIENTS), "-j", "2", "-T", str(seconds), "-l", "--log-prefix", folder / "took"]
    command += ["-h", folder, "-U", _USER, "postgres"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rate = re.search(r"^tps = ([\d.]+)", done.stdout, re.MULTILINE)
    if rate is None:
        raise RuntimeError(f"pgbench said no rate: {done.stdout}{done.stderr}")
    took = [float(line.split()[2]) / 1e6 for path in folder.glob("took.*") for line in path.open()]
    for path in folder.glob("took.*"):
        path.unlink()
    return Round(len(took), len(took) / float(rate[1]), took)


def _batches(setting: Setting) -> list[Round]:
    with psycopg.connect(address(setting.folder)) as connection:
        connection.execute(
            "CREATE TEMP TABLE batch (id uuid, debit bigint, credit bigint, amount bigint) ON COMMIT DELETE ROWS"
        )
        connection.commit()
        random = Random(15)
        _batch(connection, _rows(random, 0))
        return [
            _batches_for(connection, random, setting.scale, first=number)
            for number in range(1, setting.scale.rounds + 1)
        ]


def _batches_for(
    connection: "psycopg.Connection[tuple[object, ...]]", random: Random, scale: Scale, *, first: int
) -> Round:
    took: list[float] = []
    while sum(took) < scale.seconds:
        rows = _rows(random, first * 1_000_000 + len(took))
        began = time.perf_counter()
        _batch(connection, rows)
        took.append(time.perf_counter() - began)
    return Round(len(took) * _BATCH, sum(took), took)


def _rows(random: Random, number: int) -> bytes:
    """A batch as COPY reads it. Its ids rise, as the ledger's do."""
    lines = []
    for index in range(_BATCH):
        debit = random.randrange(_ACCOUNTS)
        credit = (debit + random.randrange(1, _ACCOUNTS)) % _ACCOUNTS
        lines.append(
            f"{1 << 64 | number * _BATCH + index:032x}\t{debit + 1}\t{credit + 1}\t{random.randint(1, 1000)}\n"
        )
    return "".join(lines).encode()


def _batch(connection: "psycopg.Connection[tuple[object, ...]]", rows: bytes) -> None:
    with connection.cursor() as cursor:
        with cursor.copy("COPY batch FROM STDIN") as copy:
            copy.write(rows)
        cursor.execute(_APPLY)
    connection.commit()
