"""The memory engine: for tests and simulation. Durability: none; it ends with the process.

Faults wrap these (`ropewalk.proving.faults`).
"""

from collections.abc import MutableMapping, Sequence

from ropewalk.core.chain import START, Position
from ropewalk.core.codec import checksum
from ropewalk.data.engine import Storage
from ropewalk.data.log import LogRecord, Trimmed
from ropewalk.errors import Damaged, Rejected


class MemoryLog:
    """A list."""

    def __init__(self) -> None:
        self._trimmed = START
        self._payloads: list[bytes] = []

    async def append(self, payload: bytes) -> Position:
        self._payloads.append(payload)
        return await self.last()

    async def read(self, *, after: Position, limit: int) -> Sequence[LogRecord]:
        first = after - self._trimmed
        if first < 0:
            raise Trimmed(f"records after {after} were asked for, and those up to {self._trimmed} are trimmed")
        return [
            LogRecord(Position(after + 1 + index), payload)
            for index, payload in enumerate(self._payloads[first : first + limit])
        ]

    async def last(self) -> Position:
        return Position(self._trimmed + len(self._payloads))

    async def trim(self, *, through: Position) -> None:
        count = min(through - self._trimmed, len(self._payloads))
        if count > 0:
            del self._payloads[:count]
            self._trimmed = Position(self._trimmed + count)

    async def skip(self, *, through: Position) -> None:
        if await self.last() != START:
            raise Rejected(f"this log has {len(self._payloads)} records: only an empty one can begin elsewhere")
        self._trimmed = through

    async def close(self) -> None:
        pass


class MemorySnapshots:
    """A dict."""

    def __init__(self) -> None:
        self._kept: dict[Position, bytes] = {}

    async def write(self, position: Position, parts: Sequence[bytes | memoryview]) -> None:
        self._kept[position] = b"".join(parts)

    async def read(self, position: Position, *, bytes_max: int | None = None) -> bytes:
        if position not in self._kept:
            raise Damaged(f"there is no snapshot at position {position}")
        return self._kept[position][:bytes_max]

    async def positions(self) -> Sequence[Position]:
        return sorted(self._kept)

    async def remove(self, position: Position) -> None:
        self._kept.pop(position, None)


class MemoryShelf:
    """A dict of blobs."""

    def __init__(self) -> None:
        self._blobs: dict[str, bytes] = {}

    def put(self, name: str, content: bytes | memoryview) -> None:
        self._blobs[name] = bytes(content)

    def get(self, name: str) -> memoryview:
        return memoryview(self._blobs[name])

    def remove(self, name: str) -> None:
        self._blobs.pop(name, None)

    def names(self) -> list[str]:
        return sorted(self._blobs)

    async def sync(self, name: str) -> bytes:
        return checksum(self._blobs[name])

    def table(self) -> MutableMapping[str, bytes]:
        return {}


class MemoryEngine:
    """Storage by service and partition; opening it again gives the same, as a disk would."""

    def __init__(self) -> None:
        self._opened: dict[tuple[str, int], Storage] = {}

    async def open(self, service: str, partition: int) -> Storage:
        return self._opened.setdefault((service, partition), Storage(MemoryLog(), MemorySnapshots(), MemoryShelf()))

    async def close(self) -> None:
        pass
