"""Planted bugs in what banks of several shards do with each other: towns of them, which hold without, find each."""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from ropewalk.proving.town import run_town
from ropewalk.proving.verdict import Breach
from ropewalk.proving.workloads.banks import Banks, Trade
from ropewalk.proving.workloads.banks_cards import Authorisations
from ropewalk.proving.workloads.banks_files import Files
from ropewalk.proving.workloads.banks_instant import Instants
from ropewalk.systems.payments.cards import completing, reversing
from ropewalk.systems.payments.cards.commands import Answer
from ropewalk.systems.payments.cards.reasons import Reason
from ropewalk.systems.payments.cards.standing_in import StandIns
from ropewalk.systems.payments.instant import hearing, instant, paying, payments_elsewhere, returns_elsewhere
from ropewalk.systems.payments.instant.elsewhere import Concluded
from ropewalk.systems.payments.instant.halves import post_half
from ropewalk.systems.payments.instant.waiting import Waiting
from ropewalk.systems.payments.ledger.statuses import TransferStatus
from ropewalk.systems.payments.processing import entries_elsewhere, files_elsewhere
from ropewalk.systems.payments.processing import hearing as ach_hearing
from ropewalk.systems.payments.processing.divided import DividedFiles
from ropewalk.systems.payments.processing.elsewhere import FileDecided, FilePlaced, PartTaken, Settled

SEEDS = 6


def claim_found(trade: Callable[[], Trade]) -> str:
    """The first broken promise in so many towns."""
    verdicts = (run_town(Banks(trade()), seed) for seed in range(SEEDS))
    return next((verdict.claim for verdict in verdicts if isinstance(verdict, Breach)), "nothing was found")


def test_a_creditor_s_shard_that_pays_what_was_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    hear_concluded = payments_elsewhere.hear_concluded

    def pay_anyway(*given: Any, **more: Any) -> None:
        with monkeypatch.context() as planted:
            planted.setattr(payments_elsewhere, "void_half", post_half)
            hear_concluded(*given, **more)

    monkeypatch.setattr(hearing, "hear_concluded", pay_anyway)
    assert "an account has what has moved" in claim_found(Instants)


def test_a_creditor_s_shard_that_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    tell = payments_elsewhere.tell

    def tell_no_end(record: Any, shard: int, message: Any) -> None:
        if not isinstance(message, Concluded) or not message.reason:
            tell(record, shard, message)

    monkeypatch.setattr(payments_elsewhere, "tell", tell_no_end)
    assert "every payment has ended" in claim_found(Instants)


def test_a_time_limit_that_does_not_survive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Waiting, "load", lambda *_: None)
    assert "KeyError" in claim_found(Instants)


def test_a_debtor_who_is_not_paid_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def keep(record: Any, message: Any, *, time_ns: int) -> None:
        returns_elsewhere.hear_return_concluded(
            record, msgspec.structs.replace(message, returned=None), time_ns=time_ns
        )

    monkeypatch.setattr(hearing, "hear_return_concluded", keep)
    assert "both shards of a payment say the same" in claim_found(Instants)


def test_a_payment_that_is_told_to_be_accepted_too_early(monkeypatch: pytest.MonkeyPatch) -> None:
    def accept(*given: Any, **more: Any) -> Any:
        report = paying.take_payment(*given, **more)
        return msgspec.structs.replace(report, status="ACCC") if report.status == "PDNG" else report

    monkeypatch.setattr(instant, "take_payment", accept)
    assert "a payment has ended as was told" in claim_found(Instants)


def test_a_reversal_that_gives_nothing_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reversing, "create", lambda *_, **__: [TransferStatus.CREATED])
    assert claim_found(Authorisations).startswith("Bug")


def test_a_repeat_that_is_answered_by_what_is_so_now(monkeypatch: pytest.MonkeyPatch) -> None:
    answer_again = completing._answer_again

    def tell_now(*given: Any) -> Answer | None:
        before = answer_again(*given)
        return Answer(Reason.ALREADY_COMPLETED) if before is not None and before.approval else before

    monkeypatch.setattr(completing, "_answer_again", tell_now)
    assert claim_found(Authorisations).startswith("Bug")


def test_an_issuer_that_is_not_told_who_stood_in_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    decide = StandIns.decide
    monkeypatch.setattr(StandIns, "decide", lambda *given, **more: (decide(*given, **more)[0], None))
    assert "the issuer learns of each decision" in claim_found(Authorisations)


def test_a_receiver_who_is_paid_though_the_entry_is_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    settle = entries_elsewhere.settle_there

    def refuse_after_all(*given: Any, **more: Any) -> Settled:
        reply = settle(*given, **more)
        return Settled(reply.number, np.full(len(reply.codes), 3, "u1").tobytes())

    monkeypatch.setattr(ach_hearing, "settle_there", refuse_after_all)
    assert claim_found(Files).startswith(("Bug", "Broken"))


def test_a_file_that_a_shard_objects_to_and_all_take_in(monkeypatch: pytest.MonkeyPatch) -> None:
    hear_taken = files_elsewhere.hear_taken

    def hear_no_objection(state: Any, shard: int, message: PartTaken, **more: Any) -> None:
        hear_taken(state, shard, msgspec.structs.replace(message, errors=()), **more)

    monkeypatch.setattr(ach_hearing, "hear_taken", hear_no_objection)
    assert "what nothing was against can be taken in" in claim_found(Files)


def test_a_file_of_which_a_shard_forgets_its_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    def forget(state: Any, home: int, message: FileDecided, **_: Any) -> None:
        state.divided.forget(message.checksum)
        if message.file is not None:
            state.caller.tell(home, FilePlaced(message.checksum, message.file + 1))

    monkeypatch.setattr(ach_hearing, "hear_decided", forget)
    assert "a file" in claim_found(Files)


def test_a_file_that_waits_and_does_not_survive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DividedFiles, "load", lambda *_: None)
    assert "apply the record" in claim_found(Files)
