"""Snapshots and shelf as files in a folder, and the lock that keeps a second process out.

Durability: a snapshot is written under another name, synced, renamed, and the folder synced; a crash leaves the old
state or the new one. A blob of the shelf is durable after `sync`.
"""

import asyncio
import ctypes
import errno
import fcntl
import mmap
import os
import re
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ropewalk.core.chain import Position
from ropewalk.core.codec import checksum
from ropewalk.engines.table import SqliteTable
from ropewalk.errors import Damaged, NotAccepted, Rejected

_SNAPSHOT = re.compile(r"(\d{20})\.snapshot")
_BLOB_NAME = re.compile(r"[A-Za-z0-9._-]+")


@contextmanager
def usable(folder: Path) -> Iterator[Path]:
    """Make a folder, and do with it what is done first. Raises Rejected if the system refuses that."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
    except OSError as error:
        raise Rejected(
            f"{folder} can't be used: {error.strerror}: nothing was written there; name a folder in which this user "
            "may write, on a disk with room"
        ) from error


class FolderLock:
    """One process at a time in a folder, by flock(2): the system lets go of it however the process ends."""

    def __init__(self, folder: Path) -> None:
        with usable(folder):
            self._take(folder)

    def _take(self, folder: Path) -> None:
        self._descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._descriptor, 32).decode(errors="replace") or "unknown"
            os.close(self._descriptor)
            raise Rejected(
                f"{folder} is in use by process {holder}: stop that one first, or choose another folder"
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, str(os.getpid()).encode())

    def release(self) -> None:
        """Let the next one in."""
        os.close(self._descriptor)


class FileSnapshots:
    """One file a snapshot, named by its position."""

    def __init__(self, folder: Path) -> None:
        self._folder = _opened(folder)

    async def write(self, position: Position, parts: Sequence[bytes | memoryview]) -> None:
        try:
            await asyncio.to_thread(_write_durably, self._path(position), parts)
        except OSError as error:
            raise NotAccepted(f"the snapshot at position {position} was not written: {error}") from error

    async def read(self, position: Position, *, bytes_max: int | None = None) -> bytes:
        try:
            return await asyncio.to_thread(_read, self._path(position), bytes_max)
        except OSError as error:
            raise Damaged(f"the snapshot at position {position} can't be read: {error}") from error

    async def positions(self) -> Sequence[Position]:
        found = (_SNAPSHOT.fullmatch(path.name) for path in self._folder.iterdir())
        return sorted(Position(int(match[1])) for match in found if match)

    async def remove(self, position: Position) -> None:
        self._path(position).unlink(missing_ok=True)

    def _path(self, position: Position) -> Path:
        return self._folder / f"{position:020}.snapshot"


_FROM_HERE, _EXCHANGE = -100, 2
"""AT_FDCWD and RENAME_EXCHANGE of <fcntl.h> and <linux/fs.h>."""

_RESIDENT_BYTES_MAX = 256 * 1_048_576
"""About so much of mapped files is in this process's memory at most; the system's cache keeps what has room."""

_TOUCHED_BYTES = 65_536
"""What one look into a blob brings in: Linux maps 16 pages around each that is asked for."""


class FileShelf:
    """One file a blob, read through memory maps."""

    def __init__(self, folder: Path) -> None:
        self._folder = _opened(folder)
        self._maps: dict[str, _Mapped] = {}
        self._synced: dict[str, bytes] = {}
        self._resident_bytes = 0
        self._puts = 0
        # What an earlier process left may not be durable yet.
        self._puts_synced = -1

    def put(self, name: str, content: bytes | memoryview) -> None:
        # Replaced by rename, so that maps of the earlier file stay what they were.
        temporary = self._path(name).with_suffix(".new")
        try:
            temporary.write_bytes(content)
            temporary.rename(self._path(name))
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise NotAccepted(
                f"{self._path(name)} was not written: {error}; free some space and start again"
            ) from error
        self._maps.pop(name, None)
        self._synced.pop(name, None)
        self._puts += 1
        self._touch(len(content))

    def get(self, name: str) -> memoryview:
        if name not in self._maps:
            self._maps[name] = _map(self._path(name))
        self._touch(_TOUCHED_BYTES)
        return self._maps[name].view

    def remove(self, name: str) -> None:
        self._maps.pop(name, None)
        self._synced.pop(name, None)
        self._path(name).unlink(missing_ok=True)

    def names(self) -> list[str]:
        return sorted(path.stem for path in self._folder.glob("*.blob"))

    async def sync(self, name: str) -> bytes:
        if name not in self._synced:
            view = self.get(name)
            self._synced[name] = await asyncio.to_thread(self._sync, view, self._path(name))
            self._touch(len(view))
        return self._synced[name]

    def table(self) -> MutableMapping[str, bytes]:
        return SqliteTable(self._folder / "table.db")

    def _sync(self, blob: memoryview, path: Path) -> bytes:
        _sync_path(path)
        puts = self._puts
        if self._puts_synced < puts:
            _sync_path(self._folder)
            self._puts_synced = puts
        return checksum(blob)

    def _touch(self, size: int) -> None:
        """Count what is in memory of the maps, and let go of all of it now and then: it is read again when needed."""
        self._resident_bytes += size
        if self._resident_bytes > _RESIDENT_BYTES_MAX:
            self._resident_bytes = 0
            for mapped in self._maps.values():
                if mapped.file is not None:
                    mapped.file.madvise(mmap.MADV_DONTNEED)

    def _path(self, name: str) -> Path:
        if not _BLOB_NAME.fullmatch(name):
            raise Rejected(f"not a blob name: {name!r}; use letters, digits, dot, dash and underscore")
        return self._folder / f"{name}.blob"


class _Mapped(NamedTuple):
    """A file in memory; an empty one can't be mapped."""

    file: mmap.mmap | None
    view: memoryview


def exchange(one: Path, other: Path) -> None:
    """Have two folders change places, at once: each place holds one of them, whatever is killed when."""
    # Python's renames have no flags: renameat2(2).
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    places = (_FROM_HERE, os.fsencode(one), _FROM_HERE, os.fsencode(other))
    if renameat2 is None or renameat2(*places, _EXCHANGE):
        number = ctypes.get_errno() or errno.ENOSYS
        raise OSError(number, os.strerror(number), str(one), None, str(other))


def _write_durably(path: Path, parts: Sequence[bytes | memoryview]) -> None:
    temporary = path.with_suffix(".new")
    try:
        with temporary.open("wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    except OSError:
        # On a full disk half a file is in the way of everything else.
        temporary.unlink(missing_ok=True)
        raise
    _sync_path(path.parent)


def _read(path: Path, bytes_max: int | None) -> bytes:
    with path.open("rb") as file:
        # A damaged head may ask for more than there is memory, and `read` makes room for what it is asked for.
        size = os.fstat(file.fileno()).st_size
        return file.read(size if bytes_max is None else min(bytes_max, size))


def _opened(folder: Path) -> Path:
    """A folder without the files that a process was still writing when it died."""
    with usable(folder):
        for unfinished in folder.glob("*.new"):
            unfinished.unlink()
    return folder


def _sync_path(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _map(path: Path) -> _Mapped:
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                return _Mapped(None, memoryview(b""))
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            return _Mapped(mapped, memoryview(mapped))
    except FileNotFoundError:
        raise KeyError(path.stem) from None
