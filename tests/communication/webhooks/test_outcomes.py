"""What is collected between two records."""

from ropewalk.communication.webhooks.messages import Record, Recover
from ropewalk.communication.webhooks.outcomes import Outcomes
from tests.communication.webhooks.machine import attempt


def test_what_is_new_is_recorded_once_and_nothing_else() -> None:
    outcomes = Outcomes("a", {"log": 5})
    assert outcomes.take({"log": 5}) == []
    outcomes.delivered += 2
    outcomes.missed += 3
    outcomes.fail(attempt(1), is_gone=True)
    outcomes.settle("event-2", was_held_up=False)
    expected = Record(
        "a", {"log": 9}, delivered=2, failed=(attempt(1),), settled=("event-2",), missed=3, is_gone=True
    )
    assert outcomes.take({"log": 9}) == [expected]
    assert outcomes.recorded() == {"event-1", "event-2"}
    assert outcomes.take({"log": 9}) == []


def test_what_failed_counts_until_it_is_recorded() -> None:
    outcomes = Outcomes("a", {})
    outcomes.fail(attempt(1), is_gone=False)
    outcomes.take({})
    outcomes.fail(attempt(2), is_gone=False)
    assert outcomes.failed == 2
    outcomes.recorded()
    assert outcomes.failed == 1


def test_an_endpoint_that_was_held_up_and_takes_one_recovers() -> None:
    outcomes = Outcomes("a", {})
    outcomes.settle("event-1", was_held_up=True)
    assert outcomes.take({}) == [Record("a", settled=("event-1",)), Recover("a")]
