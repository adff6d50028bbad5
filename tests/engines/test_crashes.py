"""SQLite under `kill -9`, on a full disk, and with bytes that are not what was written."""

import asyncio
import resource
import sqlite3
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from ropewalk import open_engine, open_node
from ropewalk.engines.sqlite import SqliteLog
from ropewalk.errors import Damaged, NotAccepted
from ropewalk.proving.conformance import payloads
from ropewalk.proving.crashes import check_crashes
from tests.runtime.counter import Add
from tests.runtime.test_node import counters

MINE = "from ropewalk import open_engine\ndef mine(number): return open_engine(f'sqlite:data/{number}')\n"


def test_what_was_durable_survives_the_death_of_its_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine_to_kill.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    check_crashes("mine_to_kill:mine", number=1, kills=6, random=Random(1), folder=tmp_path)


def fill(folder: Path) -> None:
    async def main() -> None:
        async with open_node(counters(1), open_engine(f"sqlite:{folder}")) as node:
            for _ in range(20):
                await node.call(Add("a", 1))

    asyncio.run(main())


def test_a_damaged_record_stops_the_partition_and_says_which_it_is(tmp_path: Path) -> None:
    fill(tmp_path)
    partition = tmp_path / "counters" / "0000"
    for snapshot in (partition / "snapshots").iterdir():
        snapshot.unlink()
    with sqlite3.connect(partition / "log.db") as database:
        (payload,) = database.execute("SELECT payload FROM log WHERE position = 7").fetchone()
        database.execute("UPDATE log SET payload = ? WHERE position = 7", (payload[:-1] + b"?",))
    database.close()
    with pytest.raises(Damaged, match=r"record at position 7 is damaged.*nothing was skipped"):
        fill(tmp_path)


def test_a_missing_record_stops_the_partition_and_says_which_it_is(tmp_path: Path) -> None:
    fill(tmp_path)
    partition = tmp_path / "counters" / "0000"
    for snapshot in (partition / "snapshots").iterdir():
        snapshot.unlink()
    with sqlite3.connect(partition / "log.db") as database:
        database.execute("DELETE FROM log WHERE position = 7")
    database.close()
    with pytest.raises(Damaged, match="record at position 7 is missing"):
        fill(tmp_path)


def test_a_log_that_ends_before_a_snapshot_is_not_continued(tmp_path: Path) -> None:
    fill(tmp_path)
    partition = tmp_path / "counters" / "0000"
    for path in partition.glob("log.db*"):
        path.unlink()
    for _ in range(2):
        with pytest.raises(
            Damaged, match=r"log ends at position 0, and there is a snapshot at 21.*nothing was written"
        ):
            fill(tmp_path)


def test_a_damaged_newest_snapshot_falls_back_to_the_one_before_and_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fill(tmp_path)
    fill(tmp_path)
    older, newest = sorted((tmp_path / "counters" / "0000" / "snapshots").iterdir())
    newest.write_bytes(newest.read_bytes()[:-1])
    fill(tmp_path)
    assert f"the snapshot at position {int(newest.stem)} has a damaged part" in caplog.text
    assert "an older one is used" in caplog.text
    assert older.exists()


async def append_much(log: SqliteLog) -> None:
    for _ in range(1_000):
        await log.append(bytes(4_000))


def test_a_full_database_refuses_and_takes_more_when_there_is_room(tmp_path: Path) -> None:
    async def main() -> None:
        log = SqliteLog(tmp_path / "log.db")
        await log._run(lambda: log._database.execute("PRAGMA max_page_count = 20"))
        with pytest.raises(NotAccepted, match="free some space on this disk"):
            await append_much(log)
        appended = await log.last()
        await log._run(lambda: log._database.execute("PRAGMA max_page_count = 1000"))
        assert await log.append(b"next") == appended + 1
        assert len(await payloads(log)) == appended + 1
        await log.close()

    asyncio.run(main())


def test_a_start_on_a_full_disk_says_what_could_not_be_opened_and_what_to_do(tmp_path: Path) -> None:
    fill(tmp_path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(NotAccepted, match=r"log\.db can't be opened: disk I/O error: nothing was lost; see that"):
            fill(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    fill(tmp_path)


ON_A_FULL_DISK = """
import asyncio, resource, sys
from ropewalk import open_engine, open_node
from ropewalk.errors import RopewalkError
from tests.runtime.counter import Add
from tests.runtime.test_node import counters

async def main():
    async with open_node(counters(1), open_engine(f"sqlite:{sys.argv[1]}")) as node:
        acknowledged, refused = 0, None
        while refused is None:
            try:
                acknowledged = (await node.call(Add("a", 1), deadline_s=2.0)).value
            except RopewalkError as error:
                refused = error
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        for _ in range(50):
            try:
                again = (await node.call(Add("a", 0), deadline_s=5.0)).value
                break
            except RopewalkError:
                pass
        print(acknowledged, again, type(refused).__name__)

asyncio.run(main())
"""


def test_a_full_disk_loses_nothing_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))

    repository = Path(__file__).parents[2]
    command = [sys.executable, "-c", ON_A_FULL_DISK, str(tmp_path / "data")]
    ran = subprocess.run(
        command, cwd=repository, capture_output=True, text=True, check=False, preexec_fn=limit, timeout=60
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    acknowledged, again, refused = ran.stdout.split()
    assert int(again) in (int(acknowledged), int(acknowledged) + 1)
    assert refused in ("NotAccepted", "OutcomeUnknown")
