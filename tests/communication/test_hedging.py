"""Hedged reads: every row of the table, and that second reads stay few."""

from collections.abc import Callable

import pytest

from ropewalk.communication import hedging as hedging_module
from ropewalk.communication.hedging import Hedging
from ropewalk.communication.limits import HEDGE_LATENCIES_LEAST, HEDGE_SHARE, HEDGE_TOKENS_MAX
from ropewalk.communication.retries import Nature
from tests.communication.tables import Row, rows_of


def learning() -> Hedging:
    hedging = Hedging()
    for _ in range(HEDGE_LATENCIES_LEAST - 1):
        hedging.answered(0.010)
    return hedging


def ready() -> Hedging:
    hedging = learning()
    hedging.answered(0.010)
    return hedging


def spent(*, but: int = 0) -> Hedging:
    hedging = ready()
    for _ in range(int(HEDGE_TOKENS_MAX) - but):
        assert hedging.may_send_second(0.0)
    return hedging


def state_of(hedging: Hedging) -> str:
    if hedging.late_after_s is None:
        return "learning"
    return "ready" if hedging.budget.tokens >= 1.0 else "spent"


def second(hedging: Hedging, nature: Nature) -> str:
    late_after_s = hedging.begin(nature, now_s=0.0)
    return "no second read" if late_after_s is None else "a second read when it is late"


def late(hedging: Hedging) -> str:
    return "send" if hedging.may_send_second(0.0) else "do not send"


def learn(hedging: Hedging) -> str:
    hedging.answered(0.010)
    return "-"


def stale_reads(hedging: Hedging) -> str:
    for _ in range(round(1 / HEDGE_SHARE) + 1):
        hedging.begin(Nature.STALE_READ, now_s=0.0)
    return "-"


STATES: dict[str, Callable[[], Hedging]] = {"learning": learning, "ready": ready, "spent": spent}
EVENTS: dict[str, Callable[[Hedging], str]] = {
    "a stale read": lambda hedging: second(hedging, Nature.STALE_READ),
    "enough latencies": lambda hedging: learn(hedging),
    "a strong read": lambda hedging: second(hedging, Nature.READ),
    "a write": lambda hedging: second(hedging, Nature.REPEATABLE_WRITE),
    "it is late": late,
    "the last token is spent": late,
    "more stale reads": stale_reads,
}


@pytest.mark.parametrize("row", rows_of(hedging_module), ids=lambda row: row.name)
def test_hedging_follows_its_table(row: Row) -> None:
    hedging = spent(but=1) if row.event == "the last token is spent" else STATES[row.state]()
    assert state_of(hedging) == row.state
    assert EVENTS[row.event](hedging) == row.answer
    assert state_of(hedging) == row.becomes


@pytest.mark.parametrize("nature", [Nature.WRITE, Nature.REPEATABLE_WRITE, Nature.READ])
def test_nothing_but_a_stale_read_is_sent_twice(nature: Nature) -> None:
    assert ready().begin(nature, now_s=0.0) is None


def test_a_read_is_late_when_it_is_among_the_slowest_twentieth() -> None:
    hedging = Hedging()
    for milliseconds in range(1, 101):
        hedging.answered(milliseconds / 1000)
    assert hedging.late_after_s == pytest.approx(0.096)


def test_when_every_read_is_late_second_reads_are_still_few() -> None:
    hedging = ready()
    sent = 0
    for _ in range(1_000):
        hedging.begin(Nature.STALE_READ, now_s=0.0)
        sent += hedging.may_send_second(0.0)
    assert 1_000 * HEDGE_SHARE <= sent <= 1_000 * HEDGE_SHARE + HEDGE_TOKENS_MAX
