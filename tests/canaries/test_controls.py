"""Planted bugs in limits, freezes and reversals, and that the tests of controls find them."""

from typing import Any

import pytest

from ropewalk.errors import Bug
from ropewalk.systems.payments.cards import reversing as reversing_of_cards
from ropewalk.systems.payments.controls import reversing
from ropewalk.systems.payments.controls.reversing import Made
from ropewalk.systems.payments.ledger.guards import Guards, Room
from ropewalk.systems.payments.ledger.layout import WIDE_MAX
from ropewalk.systems.payments.ledger.statuses import TransferStatus
from tests.payments.controls import test_everywhere, test_reversals
from tests.payments.controls.banks import Banks
from tests.payments.processing.town import HARBOR


def test_reversals_that_are_not_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    made = reversing._made

    def made_of_none(*about: Any) -> Made:
        return made(*about)._replace(amount=0)

    monkeypatch.setattr(reversing, "_made", made_of_none)
    with pytest.raises(AssertionError):
        test_reversals.test_parts_go_back_until_nothing_is_left(Banks())


def test_a_reversal_of_what_was_voided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reversing, "_MOVES_NOTHING", 0)
    with pytest.raises(AssertionError):
        test_reversals.test_what_posted_goes_back_and_what_was_pending_or_voided_does_not(Banks())


def test_a_reversal_of_what_another_part_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reversing, "RESERVED_BYTE", 0xAD)
    with pytest.raises(AssertionError):
        test_reversals.test_what_payments_made_by_itself_goes_back_in_its_own_way()


def test_a_card_that_is_asked_no_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Guards, "room", lambda *_, **__: Room(WIDE_MAX, TransferStatus.CREATED))
    with pytest.raises(Bug, match="what was judged can be made"):
        test_everywhere.test_a_card_is_answered_with_the_code_of_iso_8583(test_everywhere.freeze(HARBOR, "7"), "")


def test_a_refund_to_a_frozen_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reversing_of_cards, "takes_nothing", lambda *_: False)
    with pytest.raises(Bug, match="what was judged can be made"):
        test_everywhere.test_what_a_frozen_account_held_is_not_spent_and_is_given_up()
