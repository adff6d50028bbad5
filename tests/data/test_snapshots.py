"""Snapshots: whole or not there, whatever interrupts their writing."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from ropewalk.core.chain import Position
from ropewalk.core.machine import Saved
from ropewalk.data.snapshots import check_blobs, read_blob_names, read_snapshot, write_snapshot
from ropewalk.engines.files import FileShelf, FileSnapshots
from ropewalk.errors import Damaged

SAVED = Saved({"accounts": b"a" * 100, "nothing": b""}, ["rows-1"])


@pytest.fixture
def disk(tmp_path: Path) -> tuple[FileSnapshots, FileShelf]:
    shelf = FileShelf(tmp_path / "shelf")
    shelf.put("rows-1", b"settled")
    return FileSnapshots(tmp_path / "snapshots"), shelf


def test_a_snapshot_is_read_back_with_its_parts_and_blobs(disk: tuple[FileSnapshots, FileShelf]) -> None:
    async def main() -> None:
        snapshots, shelf = disk
        size = await write_snapshot(snapshots, shelf, position=Position(4), saved=SAVED)
        snapshot = await read_snapshot(snapshots, shelf, Position(4))
        assert {name: bytes(part) for name, part in snapshot.parts.items()} == SAVED.parts
        assert await read_blob_names(snapshots, Position(4)) == ["rows-1"]
        assert size == len(await snapshots.read(Position(4)))
        await check_blobs(shelf, snapshot)

    asyncio.run(main())


def test_a_file_that_a_crash_left_half_written_is_not_a_snapshot(
    disk: tuple[FileSnapshots, FileShelf], tmp_path: Path
) -> None:
    (tmp_path / "snapshots" / f"{9:020}.new").write_bytes(b"half")
    assert list(asyncio.run(disk[0].positions())) == []


def shorten(shelf: FileShelf) -> None:
    shelf.put("rows-1", b"settle")


def lose(shelf: FileShelf) -> None:
    shelf.remove("rows-1")


@pytest.mark.parametrize(("harm", "message"), [(shorten, "another length"), (lose, "not on the shelf")])
def test_a_snapshot_without_its_blob_is_damaged(
    disk: tuple[FileSnapshots, FileShelf], harm: Callable[[FileShelf], None], message: str
) -> None:
    async def main() -> None:
        snapshots, shelf = disk
        await write_snapshot(snapshots, shelf, position=Position(4), saved=SAVED)
        harm(shelf)
        with pytest.raises(Damaged, match=message):
            await read_snapshot(snapshots, shelf, Position(4))

    asyncio.run(main())


def test_a_full_check_finds_a_blob_that_was_changed(disk: tuple[FileSnapshots, FileShelf]) -> None:
    async def main() -> None:
        snapshots, shelf = disk
        await write_snapshot(snapshots, shelf, position=Position(4), saved=SAVED)
        snapshot = await read_snapshot(snapshots, shelf, Position(4))
        shelf.put("rows-1", b"Settled")
        with pytest.raises(Damaged, match="restore it from a backup"):
            await check_blobs(shelf, snapshot)

    asyncio.run(main())


def test_what_a_dead_process_left_half_written_is_removed_when_the_folder_is_opened(tmp_path: Path) -> None:
    for folder in ("shelf", "snapshots"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "half.new").write_bytes(b"half")
    FileShelf(tmp_path / "shelf")
    FileSnapshots(tmp_path / "snapshots")
    assert not list(tmp_path.glob("*/*.new"))
