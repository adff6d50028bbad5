"""A bulkhead: every row of the table, and its bounds whatever happens."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk.communication import bulkhead as bulkhead_module
from ropewalk.communication.bulkhead import Bulkhead, Entry
from tests.communication.tables import Row, rows_of

RUNNING_MAX, WAITING_MAX = 2, 2


def with_calls(count: int) -> Bulkhead:
    bulkhead = Bulkhead(running_max=RUNNING_MAX, waiting_max=WAITING_MAX)
    for _ in range(count):
        assert bulkhead.enter() is not Entry.REFUSED
    return bulkhead


def state_of(bulkhead: Bulkhead) -> str:
    if bulkhead.waiting:
        return "packed" if bulkhead.waiting == WAITING_MAX else "waiting"
    return "full" if bulkhead.running == RUNNING_MAX else "free"


def give_up(bulkhead: Bulkhead) -> str:
    bulkhead.give_up()
    return "-"


CALLS = {
    "free: a call": 0,
    "free: the last call": 1,
    "full: a call": 2,
    "full: an end": 2,
    "waiting: the last place": 3,
    "waiting: an end": 3,
    "waiting: a wait given up": 3,
    "packed: a call": 4,
    "packed: an end": 4,
}
EVENTS: dict[str, Callable[[Bulkhead], object]] = {
    "a call": lambda bulkhead: bulkhead.enter().value,
    "the last call": lambda bulkhead: bulkhead.enter().value,
    "the last place": lambda bulkhead: bulkhead.enter().value,
    "an end": lambda bulkhead: "one is next" if bulkhead.leave() else "nobody is next",
    "a wait given up": lambda bulkhead: give_up(bulkhead),
}


@pytest.mark.parametrize("row", rows_of(bulkhead_module), ids=lambda row: row.name)
def test_a_bulkhead_follows_its_table(row: Row) -> None:
    bulkhead = with_calls(CALLS[row.name])
    assert state_of(bulkhead) == row.state
    assert EVENTS[row.event](bulkhead) == row.answer
    assert state_of(bulkhead) == row.becomes


@given(st.lists(st.sampled_from(["enter", "leave", "give_up"]), max_size=60))
def test_never_more_run_or_wait_than_may(steps: list[str]) -> None:
    bulkhead = Bulkhead(running_max=RUNNING_MAX, waiting_max=WAITING_MAX)
    inside = 0
    for step in steps:
        match step:
            case "enter":
                inside += bulkhead.enter() is not Entry.REFUSED
            case "leave" if bulkhead.running:
                bulkhead.leave()
                inside -= 1
            case "give_up" if bulkhead.waiting:
                bulkhead.give_up()
                inside -= 1
        assert bulkhead.running <= RUNNING_MAX
        assert bulkhead.waiting <= WAITING_MAX
        assert bulkhead.running + bulkhead.waiting == inside
        assert not bulkhead.waiting or bulkhead.running == RUNNING_MAX
