"""The cursor of an endpoint, when answers come in any order."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk.communication.webhooks.limits import WINDOW_MAX
from ropewalk.communication.webhooks.window import Window
from ropewalk.errors import Bug


def test_the_cursor_stays_before_the_oldest_event_without_an_answer() -> None:
    window = Window(after=4)
    for number in (5, 6, 7):
        window.take(number)
    window.finish(6)
    window.finish(7)
    assert (window.through, window.taken) == (4, 7)
    window.finish(5)
    assert window.through == 7


def test_an_event_that_is_not_for_the_endpoint_waits_for_those_before_it() -> None:
    window = Window(after=0)
    window.take(1)
    window.pass_over(2)
    assert window.through == 0
    window.finish(1)
    assert window.through == 2
    window.pass_over(9)
    assert window.through == 9


def test_a_window_has_an_end() -> None:
    window = Window(after=0)
    for number in range(1, WINDOW_MAX + 1):
        window.take(number)
    assert window.room == 0
    window.finish(1)
    assert window.room == 1


def test_events_are_taken_in_order() -> None:
    window = Window(after=3)
    with pytest.raises(Bug, match="in order"):
        window.take(3)


@given(st.integers(0, 60), st.integers())
def test_all_up_to_the_cursor_are_finished_and_the_next_is_not(count: int, seed: int) -> None:
    window, order, finished = Window(after=0), list(range(1, count + 1)), set()
    for number in order:
        window.take(number)
    Random(seed).shuffle(order)
    for number in order:
        window.finish(number)
        finished.add(number)
        assert finished >= set(range(1, window.through + 1))
        assert window.through + 1 not in finished
    assert window.through == count
