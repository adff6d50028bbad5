"""Deadlines that travel: every row of the table, and that none ever grows."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk.communication import deadlines
from ropewalk.communication.deadlines import Deadline, deadline_in, read_header
from ropewalk.communication.limits import HOP_MARGIN_S
from ropewalk.errors import Rejected
from tests.communication.tables import Row, rows_of

NOW_S = 100.0
ROWS = rows_of(deadlines)


class Waiting:
    """A deadline, and the time at which it is looked at."""

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline
        self.now_s = NOW_S

    def pass_time(self, seconds: float) -> None:
        self.now_s += seconds

    def become(self, deadline: Deadline) -> None:
        self.deadline = deadline

    @property
    def state(self) -> str:
        return "passed" if self.deadline.has_passed(self.now_s) else "open"


STATES: dict[str, Callable[[], Waiting]] = {
    "open": lambda: Waiting(deadline_in(2.0, now_s=NOW_S)),
    "passed": lambda: Waiting(deadline_in(-1.0, now_s=NOW_S)),
}
EVENTS: dict[str, Callable[[Waiting], object]] = {
    "time passes": lambda waiting: waiting.pass_time(1.0),
    "its moment comes": lambda waiting: waiting.pass_time(2.0),
    "a hop with room": lambda waiting: waiting.become(waiting.deadline.for_next_hop(waiting.now_s)),
    "a hop without room": lambda waiting: waiting.become(waiting.deadline.for_next_hop(waiting.now_s, margin_s=2.0)),
    "an earlier one": lambda waiting: waiting.become(waiting.deadline.sooner(Deadline(NOW_S + 1.0))),
    "a later one": lambda waiting: waiting.become(waiting.deadline.sooner(Deadline(NOW_S + 3.0))),
}
LEFT_S = {
    "open: time passes": 1.0,
    "open: its moment comes": 0.0,
    "open: a hop with room": 2.0 - HOP_MARGIN_S,
    "open: a hop without room": 0.0,
    "open: an earlier one": 1.0,
    "open: a later one": 2.0,
    "passed: a hop with room": 0.0,
}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_deadline_follows_its_table(row: Row) -> None:
    waiting = STATES[row.state]()
    EVENTS[row.event](waiting)
    assert waiting.state == row.becomes
    assert waiting.deadline.left_s(waiting.now_s) == pytest.approx(LEFT_S[row.name])


@given(
    seconds=st.floats(0.001, 300.0),
    hops=st.lists(st.tuples(st.floats(0.0, 0.2), st.floats(-1e6, 1e6)), max_size=6),
)
def test_a_deadline_never_grows_on_its_way_through_machines_whose_clocks_differ(
    seconds: float, hops: list[tuple[float, float]]
) -> None:
    deadline, now_s, real_left_s = deadline_in(seconds, now_s=0.0), 0.0, seconds
    for delay_s, clock_s in hops:
        now_s += delay_s
        real_left_s = max(0.0, real_left_s - delay_s)
        onward = deadline.for_next_hop(now_s)
        if onward.has_passed(now_s):
            break
        now_s, deadline = clock_s, read_header(onward.header(now_s), now_s=clock_s)
        assert deadline.left_s(now_s) <= real_left_s + 1e-6
    assert deadline.left_s(now_s) <= seconds


def test_the_header_is_seconds_rounded_down() -> None:
    assert Deadline(12.3459).header(0.0) == "12.345"


@pytest.mark.parametrize("text", ["", "soon", "0", "-1", "301", "nan", "inf"])
def test_a_header_that_says_no_time_is_rejected(text: str) -> None:
    with pytest.raises(Rejected, match="Ropewalk-Deadline is"):
        read_header(text, now_s=0.0)
