"""Planted bugs in what guards refuse, and that they are found by comparing the ledger with its oracle.

The ledger's rules are compiled, so the bugs are planted in the oracle: a difference is found from either side.
"""

from typing import Any

import pytest

from ropewalk.systems.payments.ledger import oracle, oracle_guards
from ropewalk.systems.payments.ledger.oracle import State
from ropewalk.systems.payments.ledger.oracle_guards import Guard
from tests.payments.ledger.scenarios import Scenario

SEEDS, STEPS = 80, 60


def is_found() -> bool:
    """Whether the two differ in so many scenarios."""
    for seed in range(SEEDS):
        scenario = Scenario(seed)
        try:
            for _ in range(STEPS):
                scenario.step()
        except AssertionError:
            return True
    return False


def test_without_a_bug_nothing_is_found() -> None:
    assert not is_found()


def test_a_window_that_is_a_piece_too_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oracle_guards, "_PIECES", 23)
    assert is_found()


def test_what_is_voided_is_not_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Guard, "giving_back", lambda own, *_, **__: own)
    assert is_found()


def test_a_freeze_that_lets_credits_through(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = oracle_guards.refused_by_freeze
    monkeypatch.setattr(oracle, "refused_by_freeze", lambda debit, _: refused(debit, None))
    assert is_found()


def test_a_broken_chain_whose_debits_go_on_counting(monkeypatch: pytest.MonkeyPatch) -> None:
    copy = State.copy

    def copy_all_but_guards(own: Any) -> State:
        made = copy(own)
        made.guards = own.guards
        return made

    monkeypatch.setattr(State, "copy", copy_all_but_guards)
    assert is_found()
