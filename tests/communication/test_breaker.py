"""A circuit breaker: every row of the table, and what it is for."""

from collections.abc import Callable
from typing import Final

import pytest

from ropewalk.communication import breaker as breaker_module
from ropewalk.communication.breaker import Breaker, Permit, State
from ropewalk.communication.limits import BREAKER_CALLS_LEAST, BREAKER_OPEN_S, BREAKER_PROBES, BREAKER_WINDOW_S
from ropewalk.communication.outcomes import Sign
from tests.communication.tables import Row, rows_of

EARLIER: Final = Permit(0)
"""A permit of the first closed state, which is no longer when the breaker has opened."""

Event = Callable[[Breaker], object]


def call(breaker: Breaker, sign: Sign, *, now_s: float = 0.0) -> None:
    permit = breaker.ask(now_s)
    assert permit is not None
    breaker.tell(permit, sign, now_s=now_s)


def after(signs: list[Sign]) -> Breaker:
    breaker = Breaker()
    for sign in signs:
        call(breaker, sign)
    return breaker


def opened() -> Breaker:
    breaker = after([Sign.SICK] * BREAKER_CALLS_LEAST)
    assert breaker.state is State.OPEN
    return breaker


def probing(*, under_way: int = 1) -> Breaker:
    breaker = opened()
    for _ in range(under_way):
        assert breaker.ask(BREAKER_OPEN_S) is not None
    return breaker


def probe(breaker: Breaker, sign: Sign) -> None:
    breaker.tell(Permit(2), sign, now_s=BREAKER_OPEN_S)


def probes(breaker: Breaker, sign: Sign) -> None:
    for _ in range(BREAKER_PROBES):
        probe(breaker, sign)


MANY = BREAKER_CALLS_LEAST - 1
SITUATIONS: dict[str, Callable[[], Breaker]] = {
    "closed: a call": Breaker,
    "closed: a well sign": lambda: after([Sign.SICK] * MANY),
    "closed: a busy sign": lambda: after([Sign.SICK] * MANY),
    "closed: a sick sign, too few calls": lambda: after([Sign.SICK] * (MANY - 1)),
    "closed: a sick sign, small share": lambda: after([Sign.WELL] * MANY),
    "closed: a sick sign, large share": lambda: after([Sign.SICK] * MANY),
    "closed: a sick sign, the others forgotten": lambda: after([Sign.SICK] * MANY),
    "open: a call": opened,
    "open: a late sign": opened,
    "open: a call after the pause": opened,
    "half-open: a call, probes are left": probing,
    "half-open: a call, no probe is left": lambda: probing(under_way=BREAKER_PROBES),
    "half-open: a late sign": probing,
    "half-open: a well sign, others under way": lambda: probing(under_way=2),
    "half-open: the last well sign": lambda: probing(under_way=BREAKER_PROBES),
    "half-open: a busy sign, others under way": lambda: probing(under_way=2),
    "half-open: a sick sign": lambda: probing(under_way=2),
    "half-open: a probe given up": lambda: probing(under_way=BREAKER_PROBES),
}
EVENTS: dict[str, Event] = {
    "closed: a call": lambda breaker: breaker.ask(0.0),
    "closed: a well sign": lambda breaker: call(breaker, Sign.WELL),
    "closed: a busy sign": lambda breaker: call(breaker, Sign.BUSY),
    "closed: a sick sign, too few calls": lambda breaker: call(breaker, Sign.SICK),
    "closed: a sick sign, small share": lambda breaker: call(breaker, Sign.SICK),
    "closed: a sick sign, large share": lambda breaker: call(breaker, Sign.SICK),
    "closed: a sick sign, the others forgotten": lambda breaker: call(breaker, Sign.SICK, now_s=BREAKER_WINDOW_S),
    "open: a call": lambda breaker: breaker.ask(BREAKER_OPEN_S - 0.1),
    "open: a late sign": lambda breaker: breaker.tell(EARLIER, Sign.WELL, now_s=0.1),
    "open: a call after the pause": lambda breaker: breaker.ask(BREAKER_OPEN_S),
    "half-open: a call, probes are left": lambda breaker: breaker.ask(BREAKER_OPEN_S),
    "half-open: a call, no probe is left": lambda breaker: breaker.ask(BREAKER_OPEN_S),
    "half-open: a late sign": lambda breaker: breaker.tell(EARLIER, Sign.SICK, now_s=BREAKER_OPEN_S),
    "half-open: a well sign, others under way": lambda breaker: probe(breaker, Sign.WELL),
    "half-open: the last well sign": lambda breaker: probes(breaker, Sign.WELL),
    "half-open: a busy sign, others under way": lambda breaker: probe(breaker, Sign.BUSY),
    "half-open: a sick sign": lambda breaker: probe(breaker, Sign.SICK),
    "half-open: a probe given up": lambda breaker: breaker.give_up(Permit(2)),
}


@pytest.mark.parametrize("row", rows_of(breaker_module), ids=lambda row: row.name)
def test_a_breaker_follows_its_table(row: Row) -> None:
    breaker = SITUATIONS[row.name]()
    assert breaker.state.value == row.state
    answer = EVENTS[row.name](breaker)
    assert breaker.state.value == row.becomes
    if row.answer != "-":
        assert (answer is not None) is (row.answer == "permit")


def test_every_situation_is_in_the_table() -> None:
    assert {row.name for row in rows_of(breaker_module)} == set(SITUATIONS) == set(EVENTS)


def test_a_probe_given_up_may_be_made_by_another() -> None:
    breaker = probing(under_way=BREAKER_PROBES)
    breaker.give_up(Permit(2))
    assert breaker.ask(BREAKER_OPEN_S) is not None
    assert breaker.ask(BREAKER_OPEN_S) is None


def test_a_target_that_sheds_load_is_never_cut_off() -> None:
    breaker = after([Sign.BUSY] * 1_000)
    assert breaker.state is State.CLOSED


def test_a_closed_breaker_does_not_remember_what_opened_it() -> None:
    breaker = probing(under_way=BREAKER_PROBES)
    for _ in range(BREAKER_PROBES):
        probe(breaker, Sign.WELL)
    call(breaker, Sign.SICK, now_s=BREAKER_OPEN_S)
    assert breaker.state is State.CLOSED


def test_half_of_the_calls_of_the_window_trip_it_and_fewer_do_not() -> None:
    half = [Sign.WELL, Sign.SICK] * BREAKER_CALLS_LEAST
    assert after(half[:BREAKER_CALLS_LEAST]).state is State.OPEN
    fewer = [Sign.WELL, Sign.WELL, Sign.SICK] * BREAKER_CALLS_LEAST
    assert after(fewer).state is State.CLOSED
