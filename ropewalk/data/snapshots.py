"""Snapshots: a partition's state at one position, kept so that recovery reads the newest good one and then the tail.

    write_snapshot ──► named parts, each with a checksum, and the names and checksums of the blobs it needs
    read_snapshot  ──► the same, or Damaged: then recovery falls back to the one before

Promise:    a snapshot is either whole or not there, whatever interrupts its writing.
Checked by: ropewalk.proving.conformance (snapshot checks), tests/data/test_snapshots.py
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from ropewalk.core.chain import NO_CHECKSUM, Position
from ropewalk.core.codec import Checksum, checksum, encode_value
from ropewalk.core.machine import Saved
from ropewalk.data.shelf import Shelf
from ropewalk.errors import Damaged


class Snapshots(Protocol):
    """What an engine does to keep snapshots of one partition: whole byte strings by position."""

    async def write(self, position: Position, parts: Sequence[bytes | memoryview]) -> None:
        """Keep the joined `parts`, durable and all or nothing, replacing what was kept at that position."""
        ...

    async def read(self, position: Position, *, bytes_max: int | None = None) -> bytes:
        """Return what was kept, or only its first `bytes_max` bytes. Raises Damaged if it can't be read."""
        ...

    async def positions(self) -> Sequence[Position]:
        """The positions of all that are kept, rising."""
        ...

    async def remove(self, position: Position) -> None:
        """Forget one. Harmless if it is not there."""
        ...


class _Manifest(msgspec.Struct, frozen=True):
    """The head of a stored snapshot: for each part and for each blob it needs: name, length in bytes, checksum."""

    position: int
    parts: Sequence[tuple[str, int, bytes]]
    blobs: Sequence[tuple[str, int, bytes]]


class Snapshot(msgspec.Struct, frozen=True):
    """One that was read back and found good."""

    position: Position
    parts: Mapping[str, memoryview]
    blobs: Sequence[tuple[str, int, bytes]]


_LENGTH_BYTES = 8
_HEAD_BYTES = _LENGTH_BYTES + len(NO_CHECKSUM)
_PIECE_BYTES = 1_048_576


async def write_snapshot(store: Snapshots, shelf: Shelf, *, position: Position, saved: Saved) -> int:
    """Keep `saved` as the state at `position`; its blobs are durable before it is. Return its size in bytes."""
    blobs = [(name, len(shelf.get(name)), await shelf.sync(name)) for name in saved.blobs]
    parts = [(name, memoryview(part).nbytes, await _checksum(part)) for name, part in saved.parts.items()]
    manifest = encode_value(_Manifest(position, parts, blobs))
    head = len(manifest).to_bytes(_LENGTH_BYTES, "little") + checksum(manifest) + manifest
    await store.write(position, [head, *saved.parts.values()])
    return len(head) + sum(length for _, length, _ in parts)


async def read_snapshot(store: Snapshots, shelf: Shelf, position: Position) -> Snapshot:
    """Read one back. Raises Damaged, saying what is wrong, unless every byte is what was written."""
    where = f"the snapshot at position {position}"
    stored = memoryview(await store.read(position))
    manifest, end = _manifest(stored, where)
    parts: dict[str, memoryview] = {}
    for name, length, expected in manifest.parts:
        parts[name] = stored[end : end + length]
        end += length
        if await _checksum(parts[name]) != expected:
            raise Damaged(f"{where} has a damaged part {name!r}")
    for name, length, _ in manifest.blobs:
        if len(_blob(shelf, name, where)) != length:
            raise Damaged(f"{where} needs the blob {name!r} with {length} bytes, and it has another length")
    return Snapshot(position, parts, manifest.blobs)


async def read_blob_names(store: Snapshots, position: Position) -> list[str]:
    """The names of the blobs that a snapshot needs, without reading its parts. Raises Damaged if it can't tell."""
    where = f"the snapshot at position {position}"
    size = int.from_bytes((await store.read(position, bytes_max=_LENGTH_BYTES)), "little")
    manifest, _ = _manifest(memoryview(await store.read(position, bytes_max=_HEAD_BYTES + size)), where)
    return [name for name, _, _ in manifest.blobs]


def _manifest(stored: memoryview, where: str) -> tuple[_Manifest, int]:
    """The manifest at the beginning of `stored`, and where it ends."""
    end = _HEAD_BYTES + int.from_bytes(stored[:_LENGTH_BYTES], "little")
    body = stored[_HEAD_BYTES:end]
    if len(stored) < end or checksum(body) != stored[_LENGTH_BYTES:_HEAD_BYTES]:
        raise Damaged(f"{where} has a damaged head")
    return msgspec.msgpack.decode(body, type=_Manifest), end


async def check_blobs(shelf: Shelf, snapshot: Snapshot) -> None:
    """Read every byte of a snapshot's blobs. Raises Damaged at the first that is not what was written.

    Apart from `read_snapshot` because it takes a second a gigabyte, and a restart should not wait for it.
    """
    where = f"the snapshot at position {snapshot.position}"
    for name, _, expected in snapshot.blobs:
        if await _checksum(_blob(shelf, name, where)) != expected:
            raise Damaged(f"{where} needs the blob {name!r}, which is damaged: restore it from a backup")


def _blob(shelf: Shelf, name: str, where: str) -> memoryview:
    try:
        return shelf.get(name)
    except KeyError:
        raise Damaged(f"{where} needs the blob {name!r}, which is not on the shelf") from None


async def _checksum(part: bytes | memoryview) -> bytes:
    """As `checksum`, letting others run between pieces: a large part takes a tenth of a second."""
    state = Checksum()
    view = memoryview(part).cast("B")
    for start in range(0, len(view), _PIECE_BYTES):
        state.update(view[start : start + _PIECE_BYTES])
        await asyncio.sleep(0)
    return state.digest()
