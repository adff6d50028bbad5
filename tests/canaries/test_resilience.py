"""Planted bugs in the machines of the communication layer: what compares them with their tables finds each."""

from collections.abc import Callable
from types import ModuleType

import pytest

from ropewalk.communication import admission, balancing, breaker, budgets, bulkhead, deadlines, hedging, retries
from ropewalk.communication.admission import Admission, Priority
from ropewalk.communication.balancing import Balancer, Standing
from ropewalk.communication.breaker import Breaker, Permit
from ropewalk.communication.budgets import Budget
from ropewalk.communication.bulkhead import Bulkhead
from ropewalk.communication.deadlines import Deadline
from ropewalk.communication.hedging import Hedging
from ropewalk.communication.outcomes import Sign
from ropewalk.communication.retries import Nature
from ropewalk.errors import OutcomeUnknown, RopewalkError
from tests.communication import (
    test_admission,
    test_balancing,
    test_breaker,
    test_budgets,
    test_bulkhead,
    test_deadlines,
    test_hedging,
    test_retries,
)
from tests.communication.tables import Row, rows_of


def wrong_rows(module: ModuleType, follows_its_table: Callable[[Row], None]) -> list[str]:
    """The rows of a table that a machine does not follow."""
    wrong = []
    for row in rows_of(module):
        try:
            follows_its_table(row)
        except AssertionError:
            wrong.append(row.name)
    return wrong


def test_a_breaker_that_opens_on_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    tell = Breaker.tell

    def planted(self: Breaker, permit: Permit, sign: Sign, *, now_s: float) -> None:
        tell(self, permit, Sign.SICK if sign is Sign.BUSY else sign, now_s=now_s)

    monkeypatch.setattr(Breaker, "tell", planted)
    found = wrong_rows(breaker, test_breaker.test_a_breaker_follows_its_table)
    assert found == ["closed: a busy sign", "half-open: a busy sign, others under way"]


def test_a_breaker_that_loses_the_probe_of_who_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Breaker, "give_up", lambda *_: None)
    with pytest.raises(AssertionError):
        test_breaker.test_a_probe_given_up_may_be_made_by_another()


def test_a_budget_that_may_be_overdrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    def planted(self: Budget, now_s: float) -> bool:
        self._tokens -= 1.0
        return self._tokens >= -1.0

    monkeypatch.setattr(Budget, "spend", planted)
    assert wrong_rows(budgets, test_budgets.test_a_budget_follows_its_table) == ["empty: a spending"]


def test_a_bulkhead_with_one_place_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    begin = Bulkhead.__init__

    def planted(self: Bulkhead, *, running_max: int, waiting_max: int) -> None:
        begin(self, running_max=running_max + 1, waiting_max=waiting_max)

    monkeypatch.setattr(Bulkhead, "__init__", planted)
    assert "full: a call" in wrong_rows(bulkhead, test_bulkhead.test_a_bulkhead_follows_its_table)


def test_a_deadline_that_grows_on_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Deadline, "for_next_hop", lambda self, *_, **__: Deadline(self.at_s + 0.005))
    found = wrong_rows(deadlines, test_deadlines.test_a_deadline_follows_its_table)
    assert found == ["open: a hop with room", "open: a hop without room"]


def test_hedging_of_what_is_not_a_stale_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Hedging, "begin", lambda self, *_, **__: self.late_after_s)
    found = wrong_rows(hedging, test_hedging.test_hedging_follows_its_table)
    assert {"ready: a strong read", "ready: a write"} <= set(found)


def test_a_retry_of_a_write_that_may_have_happened(monkeypatch: pytest.MonkeyPatch) -> None:
    def planted(error: RopewalkError, nature: Nature) -> bool:
        return isinstance(error, OutcomeUnknown) or retries.is_safe_to_repeat(error, nature)

    monkeypatch.setattr(test_retries, "is_safe_to_repeat", planted)
    with pytest.raises(AssertionError):
        test_retries.test_what_is_repeated_follows_the_table("OutcomeUnknown", "write", "never")


def test_a_balancer_that_ejects_whoever_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Balancer, "_may_eject", lambda *_: True)
    found = wrong_rows(balancing, test_balancing.test_a_target_follows_the_table)
    assert found == ["sound: a failure, too many are ejected"]


def test_a_balancer_that_calls_who_asked_to_be_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(balancing.Member, "rest", lambda *_: None)
    assert Standing.BUSY not in {member.standing(0.0) for member in test_balancing.all_busy().members}
    with pytest.raises(AssertionError):
        test_balancing.test_a_target_that_refuses_quickly_does_not_draw_requests_to_it()


def test_an_admission_that_shrinks_again_before_it_can_know(monkeypatch: pytest.MonkeyPatch) -> None:
    state = Admission.state

    def planted(self: Admission, now_s: float) -> admission.State:
        found = state(self, now_s)
        return admission.State.FREE if found is admission.State.SETTLING else found

    monkeypatch.setattr(Admission, "state", planted)
    assert "settling: a late answer" in wrong_rows(admission, test_admission.test_admission_follows_its_table)


def test_an_admission_that_lets_whoever_is_first_take_what_a_record_frees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Admission, "_share_out", lambda *_: None)
    with pytest.raises(AssertionError):
        test_admission.test_when_all_classes_come_at_once_the_most_important_is_answered_whole()


def test_an_admission_that_favours_the_lower_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = dict.fromkeys(Priority, 1.0)
    monkeypatch.setattr(admission, "_WHOLE", {**whole, Priority.CRITICAL: 0.5})
    with pytest.raises(AssertionError):
        test_admission.test_what_is_refused_of_a_class_is_refused_of_every_lower_one()
