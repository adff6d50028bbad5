"""A circuit breaker for one target: it stops calls to one that fails, and lets a few find out when it works again.

Signs are those of `ropewalk.communication.outcomes`; only a sick one is a failure. A call gets a permit, and says
with it what became of the call. A permit of an earlier state says nothing of the present one: its sign is not
counted.

    state       event                                 becomes     answer
    closed      a call                                closed      permit
    closed      a well sign                           closed      -
    closed      a busy sign                           closed      -
    closed      a sick sign, too few calls            closed      -
    closed      a sick sign, small share              closed      -
    closed      a sick sign, large share              open        -
    closed      a sick sign, the others forgotten     closed      -
    open        a call                                open        no
    open        a late sign                           open        -
    open        a call after the pause                half-open   permit
    half-open   a call, probes are left               half-open   permit
    half-open   a call, no probe is left              half-open   no
    half-open   a late sign                           half-open   -
    half-open   a well sign, others under way         half-open   -
    half-open   the last well sign                    closed      -
    half-open   a busy sign, others under way         half-open   -
    half-open   a sick sign                           open        -
    half-open   a probe given up                      half-open   -

Promise:    an open breaker gives no permit; a half-open one gives so many as it has probes, and takes back what is
            given up.
Checked by: tests/communication/test_breaker.py
"""

import enum
from collections import deque
from typing import NewType

from ropewalk.communication.limits import (
    BREAKER_BUCKETS,
    BREAKER_CALLS_LEAST,
    BREAKER_FAILURE_SHARE,
    BREAKER_OPEN_S,
    BREAKER_PROBES,
    BREAKER_WINDOW_S,
)
from ropewalk.communication.outcomes import Sign

Permit = NewType("Permit", int)
"""Which stay in a state the call belongs to."""

_BUCKET_S = BREAKER_WINDOW_S / BREAKER_BUCKETS


class State(enum.Enum):
    """Whether calls go through."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Breaker:
    """Begins closed."""

    def __init__(self) -> None:
        self.state = State.CLOSED
        self._stay = Permit(0)
        self._window = _Window()
        self._opens_until_s = 0.0
        self._probes_left = 0
        self._probes_well = 0

    def would_permit(self, now_s: float) -> bool:
        """Whether a call would get a permit now."""
        match self.state:
            case State.CLOSED:
                return True
            case State.OPEN:
                return now_s >= self._opens_until_s
            case State.HALF_OPEN:
                return self._probes_left > 0

    def ask(self, now_s: float) -> Permit | None:
        """A permit for one call, or None."""
        if not self.would_permit(now_s):
            return None
        if self.state is State.OPEN:
            self._become(State.HALF_OPEN)
            self._probes_left, self._probes_well = BREAKER_PROBES, 0
        if self.state is State.HALF_OPEN:
            self._probes_left -= 1
        return self._stay

    def tell(self, permit: Permit, sign: Sign, *, now_s: float) -> None:
        """What became of a call."""
        if permit != self._stay:
            return
        match self.state:
            case State.CLOSED:
                self._count(sign, now_s)
            case State.HALF_OPEN if sign is Sign.SICK:
                self._open(now_s)
            case State.HALF_OPEN:
                self._probes_well += 1
                if self._probes_well == BREAKER_PROBES:
                    self._become(State.CLOSED)
                    self._window = _Window()

    def give_up(self, permit: Permit) -> None:
        """Nobody will learn what becomes of the call: its caller has gone."""
        if permit == self._stay and self.state is State.HALF_OPEN:
            self._probes_left += 1

    def _count(self, sign: Sign, now_s: float) -> None:
        calls, failures = self._window.add(now_s, is_failure=sign is Sign.SICK)
        if calls >= BREAKER_CALLS_LEAST and failures >= calls * BREAKER_FAILURE_SHARE and sign is Sign.SICK:
            self._open(now_s)

    def _open(self, now_s: float) -> None:
        self._become(State.OPEN)
        self._opens_until_s = now_s + BREAKER_OPEN_S

    def _become(self, state: State) -> None:
        self.state = state
        self._stay = Permit(self._stay + 1)


class _Window:
    """Calls and failures of the last seconds, in a few buckets."""

    def __init__(self) -> None:
        self._buckets: deque[list[int]] = deque()
        self._calls = self._failures = 0

    def add(self, now_s: float, *, is_failure: bool) -> tuple[int, int]:
        """Count a call, and return how many calls and failures the window holds."""
        number = int(now_s / _BUCKET_S)
        while self._buckets and self._buckets[0][0] <= number - BREAKER_BUCKETS:
            _, calls, failures = self._buckets.popleft()
            self._calls -= calls
            self._failures -= failures
        if not self._buckets or self._buckets[-1][0] != number:
            self._buckets.append([number, 0, 0])
        self._buckets[-1][1] += 1
        self._buckets[-1][2] += is_failure
        self._calls += 1
        self._failures += is_failure
        return self._calls, self._failures
