"""What is collected between two records."""

from ropewalk.communication.webhooks.limits import MESSAGE_BYTES_MAX, WAITING_MAX
from ropewalk.communication.webhooks.messages import Record, Recover
from ropewalk.communication.webhooks.outcomes import Outcomes
from ropewalk.core.codec import encode_value
from ropewalk.core.limits import COMMAND_BYTES_MAX
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


def test_records_say_how_often_the_endpoint_had_been_set_back() -> None:
    outcomes = Outcomes("a", {"log": 5}, replays=2)
    assert outcomes.take({"log": 5}) == []
    assert outcomes.take({"log": 6}) == [Record("a", {"log": 6}, replays=2)]


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


def test_what_failed_is_cut_into_records_that_fit_and_the_cursors_come_last() -> None:
    outcomes = Outcomes("a", {})
    large = [attempt(number, body=bytes(MESSAGE_BYTES_MAX if number < 20 else 2)) for number in range(200)]
    for each in large:
        outcomes.fail(each, is_gone=False)
    commands = outcomes.take({"log": 20})
    assert all(len(encode_value(command)) <= COMMAND_BYTES_MAX for command in commands)
    assert max(len(command.failed) for command in commands if isinstance(command, Record)) <= WAITING_MAX
    records = [command for command in commands if isinstance(command, Record)]
    assert [attempt for record in records for attempt in record.failed] == large
    assert [record.after for record in records] == [*({} for _ in records[1:]), {"log": 20}]
    assert outcomes.failed == 200
    assert len(outcomes.recorded()) == 200
