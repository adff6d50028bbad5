"""A map in a SQLite file, for keyed state that outgrows memory. Durability: none; it is made anew at each start.

What makes the state durable is the log and its snapshots. So this file is written without waiting for the disk, in
one transaction that never ends: SQLite keeps what fits into its cache and spills the rest.

Checked by: tests/engines/test_table.py, ropewalk.proving.conformance (machine checks)
"""

import sqlite3
from collections.abc import Iterator, MutableMapping
from pathlib import Path

from ropewalk.errors import NotAccepted

_SETUP = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA cache_size = -65536;
CREATE TABLE items (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
BEGIN;
"""


class SqliteTable(MutableMapping[str, bytes]):
    """Keys in order of their UTF-8 bytes, each with its value."""

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._path = path
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.executescript(_SETUP)
        self._count = 0

    def _execute(self, sql: str, given: tuple[object, ...] = ()) -> sqlite3.Cursor:
        try:
            return self._database.execute(sql, given)
        except sqlite3.OperationalError as error:
            # Half a change may be in it, which whoever stops for this error leaves behind.
            raise NotAccepted(
                f"{self._path}: {error}: free some space on this disk and start again; nothing was lost, since this "
                "file is made from the log"
            ) from error

    def __getitem__(self, key: str) -> bytes:
        row = self._execute("SELECT value FROM items WHERE key = ?", (key,)).fetchone()
        if row is None:
            raise KeyError(key)
        value: bytes = row[0]
        return value

    def __setitem__(self, key: str, value: bytes) -> None:
        update = self._execute("UPDATE items SET value = ? WHERE key = ?", (value, key))
        if update.rowcount == 0:
            self._execute("INSERT INTO items VALUES (?, ?)", (key, value))
            self._count += 1

    def __delitem__(self, key: str) -> None:
        if self._execute("DELETE FROM items WHERE key = ?", (key,)).rowcount == 0:
            raise KeyError(key)
        self._count -= 1

    def __iter__(self) -> Iterator[str]:
        for (key,) in self._execute("SELECT key FROM items ORDER BY key"):
            yield key

    def __len__(self) -> int:
        return self._count
