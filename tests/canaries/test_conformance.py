"""Planted bugs in an engine or a machine: for each, a check of the conformance suite that finds it."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import pytest

from ropewalk.core.chain import Position
from ropewalk.core.codec import checksum
from ropewalk.core.keyed import KeyedMachine
from ropewalk.core.machine import Batch, Message, Outcome, Received, Request
from ropewalk.data.log import LogRecord
from ropewalk.engines.memory import MemoryEngine, MemoryLog, MemoryShelf, MemorySnapshots
from ropewalk.errors import Bug
from ropewalk.proving.conformance import ENGINE_CHECKS, check_batching, check_machine
from tests.runtime.counter import Add, AddAt, counter, request


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


def batches_with_timers() -> list[list[Request]]:
    return [[request(AddAt("a", 1, number * 1_000_000_000 + 500_000_000))] for number in range(1, 4)]


def digest_without_timers(machine: Any) -> bytes:
    return checksum(machine.save().parts["items"])


def load_without_timers(machine: Any, parts: Mapping[str, bytes]) -> None:
    machine._state.update(msgspec.msgpack.decode(parts["items"]))


def reply_that_tells_its_process(machine: Any, batch: Batch) -> Outcome:
    return Outcome([str(id(machine)).encode() for _ in batch.requests])


@pytest.mark.parametrize(
    ("method", "bug", "claim"),
    [
        ("digest", digest_without_timers, "a changed state has another digest"),
        ("load", load_without_timers, "equal machines"),
        ("apply", reply_that_tells_its_process, "equal machines give equal outcomes"),
    ],
)
def test_a_bug_planted_in_a_machine_is_found(
    monkeypatch: pytest.MonkeyPatch, method: str, bug: Callable[..., object], claim: str
) -> None:
    monkeypatch.setattr(KeyedMachine, method, bug)
    with pytest.raises(Bug, match=claim):
        asyncio.run(check_machine(counter, batches_with_timers()))


def test_a_machine_whose_replies_depend_on_their_batch_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        KeyedMachine, "apply", lambda _, batch: Outcome([bytes([len(batch.requests)])] * len(batch.requests))
    )
    with pytest.raises(Bug, match="what is told does not depend on the batch"):
        check_batching(counter, [request(Add("a", 1)), request(Add("a", 2))])


def test_a_machine_whose_messages_depend_on_their_batch_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        KeyedMachine,
        "apply",
        lambda _, batch: Outcome([b""] * (len(batch.messages) + len(batch.requests)), sent=[Message("a/0", b"sum")]),
    )
    with pytest.raises(Bug, match="what is told does not depend on the batch"):
        check_batching(counter, [request(Add("a", 1))], messages=[Received("b/0", b"")])


def test_a_machine_that_does_not_answer_messages_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KeyedMachine, "apply", lambda _, batch: Outcome([b""] * len(batch.requests)))
    with pytest.raises(Bug, match="there is a reply to each"):
        asyncio.run(check_machine(counter, [[]], messages=lambda _: [Received("b/0", b"")]))


def test_without_a_bug_nothing_is_found() -> None:
    assert broken_checks() == []
    asyncio.run(check_machine(counter, batches_with_timers()))
    check_batching(counter, [request(Add("a", 1)), request(Add("a", 2))])
