"""Deadlines that travel: a moment on this machine's clock, and the seconds that are left when it goes on.

Clocks differ, so what travels is how long is left and not when it ends. Each hop keeps a margin for itself.

    state     event                 becomes   which means
    open      time passes           open      less is left
    open      its moment comes      passed    nothing is left
    open      a hop with room       open      it ends a margin earlier
    open      a hop without room    passed    nothing is left, and nothing is sent
    open      an earlier one        open      it ends when that one does
    open      a later one           open      it ends when it did
    passed    a hop with room       passed    nothing is left

Promise:    no step makes a deadline later: what is left at the end of a chain of calls is less than at its beginning.
Not given:  anything about the time that a request spends on the wire; the margin is for that.
Checked by: tests/communication/test_deadlines.py
"""

import math
from typing import Final

import msgspec

from ropewalk.communication.limits import HOP_LEAST_S, HOP_MARGIN_S
from ropewalk.core.limits import DEADLINE_MAX_S
from ropewalk.errors import Rejected

HEADER: Final = "Ropewalk-Deadline"
"""The header of a request that says how many seconds its caller waits at most."""


class Deadline(msgspec.Struct, frozen=True, order=True):
    """Until when somebody waits, in seconds of a clock that only this process knows."""

    at_s: float

    def left_s(self, now_s: float) -> float:
        """Seconds that are left; zero when it has passed."""
        return max(0.0, self.at_s - now_s)

    def has_passed(self, now_s: float) -> bool:
        """Whether nobody waits any more."""
        return self.at_s <= now_s

    def sooner(self, other: "Deadline") -> "Deadline":
        """The earlier of the two."""
        return min(self, other)

    def for_next_hop(self, now_s: float, *, margin_s: float = HOP_MARGIN_S) -> "Deadline":
        """What to give on: earlier by the margin, and passed if too little would be left to send."""
        onward = Deadline(self.at_s - margin_s)
        return onward if onward.left_s(now_s) >= HOP_LEAST_S else Deadline(min(self.at_s, now_s))

    def header(self, now_s: float) -> str:
        """The text for the header `Ropewalk-Deadline`. Rounded down, because a deadline never grows."""
        return f"{math.floor(self.left_s(now_s) * 1000) / 1000:.3f}"


def deadline_in(seconds: float, *, now_s: float) -> Deadline:
    """A deadline so many seconds from now."""
    return Deadline(now_s + seconds)


def read_header(text: str, *, now_s: float) -> Deadline:
    """The deadline that a header says. Raises Rejected if it says none that may be waited for."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not HOP_LEAST_S <= seconds <= DEADLINE_MAX_S:
        raise Rejected(f"{HEADER} is {text!r}: give seconds, {HOP_LEAST_S} to {DEADLINE_MAX_S}")
    return deadline_in(seconds, now_s=now_s)
