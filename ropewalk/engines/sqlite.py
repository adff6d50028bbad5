"""The SQLite log engine: the embedded default.

Durability: WAL with `synchronous=FULL`, one transaction an append, so an append that returned survives the loss of
power. Every call runs in the log's one thread: SQLite waits for the disk without holding the interpreter's lock, so
the partition applies one record while the next is being written.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from ropewalk.core.chain import START, Position
from ropewalk.data.engine import Storage
from ropewalk.data.log import LogRecord, Trimmed
from ropewalk.engines.files import FileShelf, FileSnapshots, FolderLock, usable
from ropewalk.errors import Damaged, NotAccepted, OutcomeUnknown, Rejected

T = TypeVar("T")

# A page of 16 KiB keeps the overflow chain of a 1 MiB record short. A checkpoint every 16 MiB stops one append for
# about 50 ms; every 64 MiB it was 230 ms, at the same rate over all. Where SQLite is built to overwrite what is
# deleted, a trim writes everything once more: ten times the work.
_SETUP = """
PRAGMA page_size = 16384;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA wal_autocheckpoint = 1024;
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA secure_delete = OFF;
CREATE TABLE IF NOT EXISTS log (position INTEGER PRIMARY KEY, payload BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS trimmed (through INTEGER NOT NULL) STRICT;
INSERT INTO trimmed SELECT 0 WHERE NOT EXISTS (SELECT * FROM trimmed);
"""

_DISK = "see that this disk has room, is whole and can be written to"

_TRIM_RECORDS = 4_096
_TRIM_BYTES = 8 * 1_048_576


class SqliteLog:
    """A table of records in one file, with a thread of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"log {path.name}")
        with usable(path.parent):
            self._database = self._thread.submit(self._open).result()

    async def append(self, payload: bytes) -> Position:
        return await self._run(lambda: self._append(payload))

    async def read(self, *, after: Position, limit: int) -> Sequence[LogRecord]:
        return await self._run(lambda: self._read(after, limit))

    async def last(self) -> Position:
        return await self._run(self._last)

    async def trim(self, *, through: Position) -> None:
        # In slices, so that an append waits for one of them and not for all.
        while await self._run(lambda: self._trim_slice(through)):
            pass

    async def skip(self, *, through: Position) -> None:
        if await self.last() != START:
            raise Rejected(f"{self._path} has records: only an empty log can begin elsewhere")
        await self._run(lambda: self._database.execute("UPDATE trimmed SET through = ?", (through,)))

    async def close(self) -> None:
        await self._run(self._database.close)
        self._thread.shutdown()

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._translated, work)

    def _translated(self, work: Callable[[], T]) -> T:
        """The one place where SQLite's errors become ours."""
        try:
            return work()
        except sqlite3.Error as error:
            message = f"{self._path}: {error}"
            match error.sqlite_errorname:
                case "SQLITE_FULL":
                    raise NotAccepted(f"{message}: free some space on this disk", retry_after_s=1.0) from error
                case "SQLITE_BUSY" | "SQLITE_READONLY":
                    raise NotAccepted(f"{message}: nothing was written", retry_after_s=1.0) from error
                case "SQLITE_CORRUPT" | "SQLITE_NOTADB":
                    raise Damaged(f"{message}: restore this file from a backup") from error
                case _:
                    raise OutcomeUnknown(f"{message}: the record may or may not be stored; {_DISK}") from error

    def _open(self) -> sqlite3.Connection:
        try:
            return self._translated(self._opened)
        except OutcomeUnknown as error:
            # No record is on its way yet.
            raise NotAccepted(
                f"{self._path} can't be opened: {error.__cause__}: nothing was lost; {_DISK}"
            ) from error

    def _opened(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        try:
            database.executescript(_SETUP)
        except sqlite3.Error:
            # Else it stays locked for whoever tries again in this process.
            database.close()
            raise
        return database

    def _append(self, payload: bytes) -> Position:
        # One statement is one transaction; the position is dense because only this thread appends.
        cursor = self._database.execute(
            "INSERT INTO log SELECT max(ifnull((SELECT max(position) FROM log), 0), through) + 1, ? FROM trimmed",
            (payload,),
        )
        return Position(cursor.lastrowid or 0)

    def _read(self, after: Position, limit: int) -> Sequence[LogRecord]:
        rows = self._database.execute(
            "SELECT position, payload FROM log WHERE position > ? ORDER BY position LIMIT ?", (after, limit)
        ).fetchall()
        trimmed = self._database.execute("SELECT through FROM trimmed").fetchone()[0]
        if after < trimmed:
            raise Trimmed(
                f"{self._path}: records after {after} were asked for, and those up to {trimmed} are trimmed: "
                "a snapshot that should hold them is missing; restore the folder from a backup"
            )
        records = [LogRecord(Position(position), payload) for position, payload in rows]
        for expected, record in enumerate(records, start=after + 1):
            if record.position != expected:
                raise Damaged(f"{self._path}: the record at position {expected} is missing; restore a backup")
        return records

    def _last(self) -> Position:
        position = self._database.execute("SELECT max(position) FROM log").fetchone()[0]
        trimmed = self._database.execute("SELECT through FROM trimmed").fetchone()[0]
        return Position(max(position or START, trimmed))

    def _trim_slice(self, through: Position) -> bool:
        """Forget some records up to `through`; return True if there are more."""
        oldest = self._database.execute(
            "SELECT position, length(payload) FROM log WHERE position <= ? ORDER BY position LIMIT ?",
            (through, _TRIM_RECORDS),
        )
        size = 0
        sliced = START
        for position, payload_bytes in oldest:
            size += payload_bytes
            sliced = position
            if size >= _TRIM_BYTES:
                break
        oldest.close()
        if sliced == START:
            return False
        with self._database:
            self._database.execute("BEGIN")
            self._database.execute("DELETE FROM log WHERE position <= ?", (sliced,))
            self._database.execute("UPDATE trimmed SET through = ?", (sliced,))
        return sliced < through


class SqliteEngine:
    """A folder of one process: `service/partition/` holds the log, the snapshots and the shelf."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = FolderLock(folder)
        self._logs: list[SqliteLog] = []

    async def open(self, service: str, partition: int) -> Storage:
        folder = self._folder / service / f"{partition:04}"
        log = SqliteLog(folder / "log.db")
        self._logs.append(log)
        return Storage(log, FileSnapshots(folder / "snapshots"), FileShelf(folder / "shelf"))

    def partitions(self) -> list[tuple[str, int]]:
        """The services and partitions that are kept here."""
        kept = sorted(path.parent for path in self._folder.glob("*/*/log.db"))
        return [(folder.parent.name, int(folder.name)) for folder in kept]

    async def close(self) -> None:
        for log in self._logs:
            await log.close()
        self._lock.release()
