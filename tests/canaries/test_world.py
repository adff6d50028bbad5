"""Planted bugs, one for each thing that a world checks: a checker that finds none of them proves nothing."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import msgspec
import numpy as np
import pytest

from ropewalk.core import partition
from ropewalk.core.chain import Head, Link, Position
from ropewalk.core.codec import HEADER_BYTES, Stored, checksum
from ropewalk.core.keyed import KeyedMachine
from ropewalk.core.machine import NO_ID, Batch, Outcome, Request
from ropewalk.core.sessions import Reply, Sessions
from ropewalk.proving.history import Acknowledged, Broken, _check_acknowledged
from ropewalk.proving.verdict import Breach
from ropewalk.proving.workloads.bank import Move
from ropewalk.proving.workloads.known import WORKLOADS
from ropewalk.proving.workloads.settlement import Settlement
from ropewalk.proving.world import run_world
from ropewalk.runtime import checkpoints, recovery
from ropewalk.runtime.calls import Answers, Call
from ropewalk.runtime.leader import Leader
from ropewalk.runtime.writer import Draft, Writer
from ropewalk.systems.payments.ledger.commands import Operation, encode
from ropewalk.systems.payments.ledger.layout import TRANSFER
from ropewalk.systems.payments.ledger.machine import LedgerMachine
from ropewalk.systems.payments.processing import books
from ropewalk.systems.payments.processing.files import File

SEEDS = 60


def claim_found(name: str = "bank") -> str:
    """The first broken promise in so many worlds."""
    for seed in range(SEEDS):
        verdict = run_world(WORKLOADS[name](seed), seed)
        if isinstance(verdict, Breach):
            return verdict.claim
    return "nothing was found"


def settlement_claim_found() -> str:
    """The same in worlds of ACH files."""
    verdicts = (run_world(Settlement(), seed) for seed in range(SEEDS))
    return next((verdict.claim for verdict in verdicts if isinstance(verdict, Breach)), "nothing was found")


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
    assert "Trimmed" in claim_found()


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


def test_one_effect_that_is_acknowledged_to_two() -> None:
    acknowledged = Acknowledged(Request(NO_ID, b"once"), b"done", Position(2), 0.0, 1.0)
    told: dict[tuple[Position, bytes, bytes], list[Reply]] = {(Position(2), NO_ID, b"once"): [b"done", b"repeated"]}
    again = msgspec.structs.replace(acknowledged, reply=b"repeated")
    _check_acknowledged([acknowledged, again], deepcopy(told))
    with pytest.raises(Broken, match="what was answered is what the log gives"):
        _check_acknowledged([acknowledged, acknowledged], told)


def test_money_that_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    step = KeyedMachine._step

    def step_wrongly(machine: Any, command: object, batch: Batch, **sender: str) -> object:
        if isinstance(command, Move) and command.amount == 7:
            machine._state[command.target] += 1
        return step(machine, command, batch, **sender)

    monkeypatch.setattr(KeyedMachine, "_step", step_wrongly)
    claim = claim_found()
    assert "money is neither made nor lost" in claim or "judge" in claim


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
    claim = claim_found("payments")
    assert "the oracle has the same" in claim or "judge" in claim


def test_a_damaged_record_that_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    def decode_record(position: Position, payload: bytes, *, machine_version_max: int) -> Stored:
        sealed = bytearray(payload)
        fields = HEADER_BYTES - 16
        sealed[fields:HEADER_BYTES] = checksum(bytes(sealed[:fields]), bytes(sealed[HEADER_BYTES:]))
        return decode(position, bytes(sealed), machine_version_max=machine_version_max)

    decode = recovery.decode_record
    monkeypatch.setattr(recovery, "decode_record", decode_record)
    assert claim_found() != "nothing was found"


def test_a_leader_that_stops_because_of_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def is_due(_: object) -> bool:
        raise ZeroDivisionError("a mistake")

    monkeypatch.setattr(checkpoints.Checkpoints, "is_due", property(is_due))
    assert "no leader stops because of itself" in claim_found()


def test_a_receiver_who_gets_a_cent_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    rows_of_legs = books._rows

    def one_more(legs: books.Legs, purpose: books.Move) -> object:
        rows = rows_of_legs(legs, purpose)
        rows["amount_low"] += purpose is books.Move.RECEIVER_LEG
        return rows

    monkeypatch.setattr(books, "_rows", one_more)
    assert "Bug" in settlement_claim_found()


def test_an_entry_whose_state_changes_without_its_count(monkeypatch: pytest.MonkeyPatch) -> None:
    change = File.change
    monkeypatch.setattr(File, "change", lambda file, rows, state: change(file, rows[1:], state))
    assert "Bug" in settlement_claim_found()
