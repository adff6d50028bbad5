"""An audit finds whatever is not what was written, and changes nothing."""

import asyncio
import sqlite3
from collections.abc import Mapping
from pathlib import Path

import pytest

from ropewalk.core.machine import NO_ID, Batch, Machine, Outcome, Request, Saved
from ropewalk.core.place import Place
from ropewalk.data.shelf import Shelf
from ropewalk.engines.sqlite import SqliteEngine
from ropewalk.runtime.audit import Audited, audit
from ropewalk.runtime.calls import Bounds
from ropewalk.runtime.node import open_node
from ropewalk.runtime.service import Service
from ropewalk.runtime.splitting import split
from tests.runtime.counter import Add, apply


class Hoard:
    """Keeps every command in a blob of its own."""

    name = "hoard"
    version = 1

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._blobs: list[str] = []

    def vet(self, command: bytes) -> None:
        """Anything will do."""

    def apply(self, batch: Batch) -> Outcome:
        for request in batch.requests:
            self._blobs.append(f"blob-{len(self._blobs)}")
            self._shelf.put(self._blobs[-1], request.command)
        return Outcome([b"" for _ in batch.requests])

    def read(self, query: bytes) -> bytes:
        return query

    def save(self) -> Saved:
        return Saved({"count": str(len(self._blobs)).encode()}, list(self._blobs))

    def load(self, parts: Mapping[str, bytes | memoryview]) -> None:
        self._blobs = [f"blob-{number}" for number in range(int(bytes(parts["count"])))]

    def digest(self) -> bytes:
        return bytes(16)

    def check(self) -> None:
        """Always sound."""


def hoard(shelf: Shelf, _: Place) -> Machine:
    return Hoard(shelf)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    async def main() -> None:
        service = Service("hoard", hoard)
        bounds = Bounds(snapshot_log_bytes=1_500)
        # Each stop leaves a snapshot, however slow the disk is, and behind the second the log is trimmed.
        for numbers in (range(20), range(20, 40)):
            async with open_node(service, SqliteEngine(tmp_path), bounds=bounds) as node:
                for number in numbers:
                    await node.submit([Request(NO_ID, f"command {number}".encode())])

    asyncio.run(main())
    return tmp_path


def audited(folder: Path) -> Audited:
    async def main() -> Audited:
        engine = SqliteEngine(folder)
        assert engine.partitions() == [("hoard", 0)]
        found = await audit(await engine.open("hoard", 0))
        await engine.close()
        return found

    return asyncio.run(main())


def test_what_was_not_touched_is_whole_and_stays_so(folder: Path) -> None:
    first = audited(folder)
    assert first.damages == []
    assert first.records > 0
    assert first.blobs > 7
    assert audited(folder) == first


def test_what_was_divided_is_whole(tmp_path: Path) -> None:
    async def main() -> None:
        service = Service.keyed("counter", commands=Add, value=int, apply=apply, key=lambda each: each.key)
        async with open_node(service, SqliteEngine(tmp_path / "one")) as node:
            await node.call(Add("a", 1))
        source, target = SqliteEngine(tmp_path / "one"), SqliteEngine(tmp_path / "two")
        await split(service, source, target, partitions=2, on_part=lambda _: None)
        await source.close()
        await target.close()
        divided = SqliteEngine(tmp_path / "two")
        for partition in (0, 1):
            found = await audit(await divided.open("counter", partition))
            assert (found.snapshots, found.damages) == (1, [])
        await divided.close()

    asyncio.run(main())


def test_a_trimmed_log_without_a_snapshot_is_not_whole(folder: Path) -> None:
    for snapshot in (folder / "hoard/0000/snapshots").iterdir():
        snapshot.unlink()
    assert "are trimmed" in audited(folder).damages[0]


def test_a_changed_blob_is_found(folder: Path) -> None:
    blob = folder / "hoard/0000/shelf/blob-7.blob"
    blob.write_bytes(blob.read_bytes().replace(b"7", b"8"))
    assert "'blob-7', which is damaged" in audited(folder).damages[0]


def test_a_changed_snapshot_is_found(folder: Path) -> None:
    newest = max((folder / "hoard/0000/snapshots").iterdir())
    newest.write_bytes(newest.read_bytes()[:-1] + b"?")
    assert "damaged part" in audited(folder).damages[0]


def test_a_changed_record_is_found(folder: Path) -> None:
    with sqlite3.connect(folder / "hoard/0000/log.db") as database:
        last, payload = database.execute("SELECT position, payload FROM log ORDER BY position DESC").fetchone()
        database.execute("UPDATE log SET payload = ? WHERE position = ?", (payload[:-1] + b"?", last))
    database.close()
    assert f"record at position {last} is damaged" in audited(folder).damages[0]
