"""Where read models are kept: in memory, or in a SQLite file.

Durability of the file: WAL without waiting for the disk. The loss of power may cost the last writes, never a part of
one: state and cursors go back together, and the events behind are folded again.

Checked by: tests/engines/test_views.py
"""

import sqlite3
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from ropewalk.data.views import Cursor, Table
from ropewalk.errors import NotAccepted, Rejected

_SETUP = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS generations (
    generation INTEGER PRIMARY KEY, version INTEGER NOT NULL, serves INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS items (
    generation INTEGER NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (generation, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cursors (
    generation INTEGER NOT NULL, log TEXT NOT NULL, after INTEGER NOT NULL, missed INTEGER NOT NULL,
    PRIMARY KEY (generation, log)
) STRICT, WITHOUT ROWID;
"""


class MemoryTable:
    """Two dicts."""

    def __init__(self, version: int) -> None:
        self.version = version
        self._values: dict[str, bytes] = {}
        self._in_order: list[str] | None = []
        self._cursors: dict[str, Cursor] = {}

    def get(self, key: str) -> bytes | None:
        return self._values.get(key)

    def keys(self, *, after: str, limit: int) -> Sequence[str]:
        if self._in_order is None:
            self._in_order = sorted(self._values)
        first = bisect_right(self._in_order, after)
        return self._in_order[first : first + limit]

    def cursors(self) -> dict[str, Cursor]:
        return dict(self._cursors)

    def write(self, values: Mapping[str, bytes | None], cursors: Mapping[str, Cursor]) -> None:
        for key, value in values.items():
            if (key in self._values) is (value is None):
                self._in_order = None
            if value is None:
                self._values.pop(key, None)
            else:
                self._values[key] = value
        self._cursors.update(cursors)


class MemoryTables:
    """Two tables."""

    def __init__(self) -> None:
        self._serving: Table | None = None
        self._begun: Table | None = None

    def serving(self) -> Table | None:
        return self._serving

    def begin(self, *, version: int) -> Table:
        self._begun = MemoryTable(version)
        return self._begun

    def switch(self) -> None:
        self._serving, self._begun = self._begun, None

    def close(self) -> None:
        pass


class SqliteTables:
    """All generations in one file. Raises Rejected if no view can be kept there."""

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, isolation_level=None)
            self._database.executescript(_SETUP)
        except (OSError, sqlite3.Error) as error:
            raise Rejected(f"no view can be kept in {path} ({error}): choose another place, or remove it") from error

    def serving(self) -> Table | None:
        row = self._database.execute("SELECT generation, version FROM generations WHERE serves").fetchone()
        return None if row is None else _SqliteTable(self._database, row[0], version=row[1])

    def begin(self, *, version: int) -> Table:
        with _transaction(self._database):
            self._forget("NOT serves")
            insert = self._database.execute("INSERT INTO generations (version, serves) VALUES (?, FALSE)", (version,))
        return _SqliteTable(self._database, insert.lastrowid or 0, version=version)

    def switch(self) -> None:
        with _transaction(self._database):
            self._forget("serves")
            self._database.execute("UPDATE generations SET serves = TRUE")

    def close(self) -> None:
        self._database.close()

    def _forget(self, which: str) -> None:
        for table in ("items", "cursors", "generations"):
            self._database.execute(
                f"DELETE FROM {table} WHERE generation IN (SELECT generation FROM generations WHERE {which})"
            )


class _SqliteTable:
    """The rows of one generation."""

    def __init__(self, database: sqlite3.Connection, generation: int, *, version: int) -> None:
        self.version = version
        self._database = database
        self._generation = generation

    def get(self, key: str) -> bytes | None:
        sql = "SELECT value FROM items WHERE generation = ? AND key = ?"
        row = self._database.execute(sql, (self._generation, key)).fetchone()
        return None if row is None else row[0]

    def keys(self, *, after: str, limit: int) -> Sequence[str]:
        sql = "SELECT key FROM items WHERE generation = ? AND key > ? ORDER BY key LIMIT ?"
        return [key for (key,) in self._database.execute(sql, (self._generation, after, limit))]

    def cursors(self) -> dict[str, Cursor]:
        sql = "SELECT log, after, missed FROM cursors WHERE generation = ?"
        return {log: Cursor(after, missed) for log, after, missed in self._database.execute(sql, (self._generation,))}

    def write(self, values: Mapping[str, bytes | None], cursors: Mapping[str, Cursor]) -> None:
        removed = [(self._generation, key) for key, value in values.items() if value is None]
        written = [(self._generation, key, value) for key, value in values.items() if value is not None]
        moved = [(self._generation, log, cursor.after, cursor.missed) for log, cursor in cursors.items()]
        with _transaction(self._database):
            self._database.executemany("DELETE FROM items WHERE generation = ? AND key = ?", removed)
            self._database.executemany("INSERT OR REPLACE INTO items VALUES (?, ?, ?)", written)
            self._database.executemany("INSERT OR REPLACE INTO cursors VALUES (?, ?, ?, ?)", moved)


@contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    """All of the block or nothing. Raises NotAccepted if it can't be written now: a full disk, or another writer."""
    try:
        database.execute("BEGIN IMMEDIATE")
        yield
        database.execute("COMMIT")
    except sqlite3.OperationalError as error:
        raise NotAccepted(f"the view was not written ({error}): free some space on this disk") from error
    finally:
        if database.in_transaction:
            database.execute("ROLLBACK")
