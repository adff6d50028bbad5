"""Planted bugs in an engine: for each, a check of the conformance suite that finds it."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from ropewalk.core.chain import Position
from ropewalk.data.log import LogRecord
from ropewalk.engines.memory import MemoryEngine, MemoryLog, MemoryShelf, MemorySnapshots
from ropewalk.proving.conformance import ENGINE_CHECKS


def broken_checks() -> list[str]:
    """The checks that fail, one new engine each."""
    failed = []
    for check in ENGINE_CHECKS:
        engine = MemoryEngine()
        try:
            asyncio.run(check(lambda engine=engine: engine))  # type: ignore[misc]
        except (AssertionError, ExceptionGroup):
            failed.append(check.__name__)
    return failed


async def forgets_every_third(log: MemoryLog, payload: bytes) -> Position:
    if len(log._payloads) % 3 != 2:
        log._payloads.append(payload)
    return Position(log._trimmed + len(log._payloads))


async def appends_in_two_steps(log: MemoryLog, payload: bytes) -> Position:
    position = Position(await log.last() + 1)
    await asyncio.sleep(0)
    log._payloads.append(payload)
    return position


async def reads_over_gaps(log: MemoryLog, *, after: Position, limit: int) -> Sequence[LogRecord]:
    first = max(0, after - log._trimmed)
    records = enumerate(log._payloads[first : first + limit], start=max(after, log._trimmed) + 1)
    return [LogRecord(Position(position), payload) for position, payload in records]


async def says_the_last_but_one(log: MemoryLog) -> Position:
    return Position(max(0, log._trimmed + len(log._payloads) - 1))


async def keeps_the_first_part(snapshots: MemorySnapshots, position: Position, parts: Sequence[bytes]) -> None:
    snapshots._kept[position] = bytes(parts[0])


def keeps_the_first_blob(shelf: MemoryShelf, name: str, content: bytes) -> None:
    shelf._blobs.setdefault(name, bytes(content))


@pytest.mark.parametrize(
    ("port", "method", "bug"),
    [
        (MemoryLog, "append", forgets_every_third),
        (MemoryLog, "append", appends_in_two_steps),
        (MemoryLog, "read", reads_over_gaps),
        (MemoryLog, "last", says_the_last_but_one),
        (MemorySnapshots, "write", keeps_the_first_part),
        (MemoryShelf, "put", keeps_the_first_blob),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_planted_bug_is_found(
    monkeypatch: pytest.MonkeyPatch, port: type, method: str, bug: Callable[..., object]
) -> None:
    monkeypatch.setattr(port, method, bug)
    assert broken_checks()


def test_without_a_bug_nothing_is_found() -> None:
    assert broken_checks() == []
