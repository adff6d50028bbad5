"""Planted bugs, one for each thing that a world checks: a checker that finds none of them proves nothing."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest

from ropewalk.core import partition
from ropewalk.core.chain import Head, Link, Position
from ropewalk.core.keyed import KeyedMachine
from ropewalk.core.machine import Batch, Outcome, Request
from ropewalk.core.sessions import Sessions
from ropewalk.proving.workloads.bank import Move
from ropewalk.proving.workloads.known import WORKLOADS
from ropewalk.proving.world import Breach, run_world
from ropewalk.runtime import checkpoints
from ropewalk.runtime.calls import Answers, Call
from ropewalk.runtime.leader import Leader
from ropewalk.runtime.writer import Draft, Writer
from ropewalk.systems.payments.ledger.commands import Operation, encode
from ropewalk.systems.payments.ledger.layout import TRANSFER
from ropewalk.systems.payments.ledger.machine import LedgerMachine

SEEDS = 60


def claim_found(name: str = "bank") -> str:
    """The first broken promise in so many worlds."""
    for seed in range(SEEDS):
        verdict = run_world(WORKLOADS[name](seed), seed)
        if isinstance(verdict, Breach):
            return verdict.claim
    return "nothing was found"


def test_without_a_bug_nothing_is_found() -> None:
    assert claim_found() == "nothing was found"


def test_a_chain_that_lets_a_second_record_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    def follow(head: Head, link: Link) -> Head | None:
        return Head(link.position, link.checksum) if link.follows.position <= head.position else None

    monkeypatch.setattr(partition, "follow", follow)
    assert claim_found() != "nothing was found"


def test_sessions_that_forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sessions, "_fresh", lambda _, requests: requests)
    assert "Broken" in claim_found()


def test_an_answer_before_the_append(monkeypatch: pytest.MonkeyPatch) -> None:
    async def append(writer: Any, draft: Draft, **_: object) -> Position:
        return Position(writer._partition.read_through + 1)

    monkeypatch.setattr(Writer, "append", append)
    assert claim_found() != "nothing was found"


def test_an_append_that_is_repeated_as_a_new_record(monkeypatch: pytest.MonkeyPatch) -> None:
    append = Writer.append

    async def append_twice(writer: Any, draft: Draft, **options: Any) -> object:
        await append(writer, draft, **options)
        return await append(writer, draft, **options)

    async def read_through(writer: Any, position: Position, mine: Draft) -> list[object]:
        # Believes the position instead of reading what lies before it.
        stored = partition.Stored(Link(position, mine.checksum, mine.record.follows), mine.record)
        writer._partition.read_through = Position(position - 1)
        writer._partition.admit(stored)
        return [stored]

    monkeypatch.setattr(Writer, "append", append_twice)
    monkeypatch.setattr(Writer, "read_through", read_through)
    assert claim_found() != "nothing was found"


def test_a_log_trimmed_behind_the_newest_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "SNAPSHOTS_KEPT", 1)
    assert "Damaged" in claim_found()


def test_a_snapshot_without_its_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sessions, "load", lambda *_: None)
    assert "Broken" in claim_found()


def test_a_timer_that_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    def fire_due(machine: Any, batch: Batch) -> None:
        while machine._timers and machine._timers[0][0] <= batch.time_ns:
            machine._timers.pop(0)

    monkeypatch.setattr(KeyedMachine, "_fire_due", fire_due)
    assert "Broken" in claim_found()


def test_a_strong_read_that_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    async def wait_for(*_: object) -> None:
        return None

    monkeypatch.setattr(Leader, "_wait_for", wait_for)
    assert "a read sees what its level asks" in claim_found()


def test_answers_that_go_to_the_wrong_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = Call.answer
    monkeypatch.setattr(
        Call, "answer", lambda call, answers: answer(call, Answers(answers.replies, Position(answers.position - 1)))
    )
    assert "in the log at its position" in claim_found()


def test_money_that_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    step = KeyedMachine._step

    def step_wrongly(machine: Any, command: bytes, batch: Batch) -> object:
        decoded = msgspec.msgpack.decode(command)
        if decoded.get("type") == Move.__name__ and decoded["amount"] == 7:
            machine._state[decoded["target"]] += 1
        return step(machine, command, batch)

    monkeypatch.setattr(KeyedMachine, "_step", step_wrongly)
    assert "money is neither made nor lost" in claim_found() or "judge" in claim_found()


def test_a_ledger_that_is_one_off(monkeypatch: pytest.MonkeyPatch) -> None:
    apply = LedgerMachine.apply

    def apply_wrongly(machine: Any, batch: Batch) -> Outcome:
        return apply(machine, msgspec.structs.replace(batch, requests=one_more(batch.requests)))

    def one_more(requests: Sequence[Request]) -> list[Request]:
        return [
            changed(request) if request.command[0] == Operation.CREATE_TRANSFERS else request for request in requests
        ]

    def changed(request: Request) -> Request:
        rows = np.frombuffer(request.command, TRANSFER, offset=1).copy()
        rows["amount_low"] += rows["amount_low"] == 7
        return Request(request.id, encode(Operation.CREATE_TRANSFERS, rows))

    monkeypatch.setattr(LedgerMachine, "apply", apply_wrongly)
    assert "the oracle has the same" in claim_found("payments") or "judge" in claim_found("payments")
