"""What a partition takes on: as much as it answers in time, and the more important first.

The limit is on requests that are accepted and not yet answered. It is found by AIMD, as TCP finds its window: it
grows by a step with a record that was answered in time while callers were refused, and falls to nine tenths of what
was under way when one was late. It waits for what was accepted before, which the new limit can't help, and looks
again.

The signal is a fixed time in the partition, beside what the disk takes at its best: a slow disk is not a queue, and a
call waits for the append under way and then for its own whatever is refused. It is not a ratio of latencies as in TCP
Vegas or in the Gradient2 of Netflix's concurrency-limits, which were read first. Both take latency above that of an
idle server for a queue, and shrink. Here records are group commits: a full record takes many times as long as one of
a single request, and is what gives the rate. A ratio would throttle exactly that. Gradient2 moreover learns a new
"normal" under lasting overload, and drifts up.

Classes share one limit. Each may fill a part of it, the lower the less. A record that ends makes much room at once,
and whoever comes first would take it; so a class whose better was refused since the last record loses a tenth of its
part, and gets it back step by step. What is left to the lower classes is what the higher leave. A class that is alone
grows the limit until its part is what the partition can do, so parts cost no rate.

    part       since the last record       becomes
    any        a better was refused        lower
    lowered    no better was refused       higher
    whole      no better was refused       whole

    state      event                       becomes    limit
    free       a call within its part      free       stays
    free       a call past its part        pressed    stays
    free       an answer in time           free       stays
    free       a late answer               settling   falls
    pressed    a call within its part      pressed    stays
    pressed    an answer in time           free       grows
    pressed    a late answer               settling   falls
    settling   a call past its part        settling   stays
    settling   a late answer               settling   stays
    settling   an answer in time           settling   stays
    settling   a call past, when settled   pressed    stays
    settling   a late answer, settled      settling   falls

Promise:    a call is refused only if its class fills its part; at any moment what is refused of a class would be
            refused of every lower one; the limit stays between the floor and the ceiling.
Not given:  a short wait for who sends many requests in one call: some calls are admitted whatever is in them.
Checked by: tests/communication/test_admission.py
"""

import enum
from typing import Final

from ropewalk.communication.limits import (
    ADMISSION_BACKOFF,
    ADMISSION_CALLS_LEAST,
    ADMISSION_FLOOR,
    ADMISSION_PART_STEP,
    ADMISSION_STEP,
    ADMISSION_TARGET_S,
    SHARE_OF_BULK,
    SHARE_OF_CRITICAL,
    SHARE_OF_INTERACTIVE,
)


class Priority(enum.IntEnum):
    """How much it matters that a call is answered now; the lowest number matters most."""

    CRITICAL = 0
    """What others wait for: settlement, decisions of transactions, messages between partitions."""

    INTERACTIVE = 1
    """A person or a terminal waits."""

    BULK = 2
    """Nobody waits: imports, analytics, reconciliation. It is repeated later."""


class State(enum.Enum):
    """What is known about the limit."""

    FREE = "free"
    PRESSED = "pressed"
    SETTLING = "settling"


USUAL: Final = Priority.INTERACTIVE
"""The class of a call that says none."""

_WHOLE: Final = {
    Priority.CRITICAL: SHARE_OF_CRITICAL,
    Priority.INTERACTIVE: SHARE_OF_INTERACTIVE,
    Priority.BULK: SHARE_OF_BULK,
}


_APPENDS_WAITED_FOR: Final = 2
"""The one that is under way when a call comes, and the call's own."""

_BEST_IS_FORGOTTEN: Final = 1.01
"""A disk that was fast once and is slow now is known as slow after some hundred records."""

_BEST_AT_FIRST_S: Final = 1.0


class Admission:
    """The limit of one partition. It begins at the ceiling, because nothing was late yet."""

    def __init__(self, *, ceiling: int, target_s: float = ADMISSION_TARGET_S) -> None:
        self.limit = float(ceiling)
        self.refused = dict.fromkeys(Priority, 0)
        self._ceiling = ceiling
        self._target_s = target_s
        self._parts = dict(_WHOLE)
        self._best_refused: Priority | None = None
        self._is_pressed = False
        self._settles_at_s = 0.0
        self._best_append_s = _BEST_AT_FIRST_S

    def state(self, now_s: float) -> State:
        """What a call or an answer would find now."""
        if now_s < self._settles_at_s:
            return State.SETTLING
        return State.PRESSED if self._is_pressed else State.FREE

    def part_of(self, priority: Priority) -> int:
        """The requests up to which calls of this class are admitted."""
        return int(self.limit * self._parts[priority])

    def admits(self, priority: Priority, *, requests: int, calls: int, now_s: float) -> bool:
        """Whether to take on a call, with which so many requests in so many calls would be under way."""
        part = self._parts[priority]
        if requests <= self.limit * part or calls <= ADMISSION_CALLS_LEAST * part:
            return True
        self.refused[priority] += 1
        self._best_refused = priority if self._best_refused is None else min(priority, self._best_refused)
        self._is_pressed = now_s >= self._settles_at_s
        return False

    def answered(self, *, took_s: float, requests: int, now_s: float, append_s: float = 0.0) -> None:
        """A record was answered whose oldest call was `took_s` in the partition, while so many requests were.

        `append_s` of that went into making the record durable.
        """
        self._share_out()
        self._best_append_s = min(append_s, self._best_append_s * _BEST_IS_FORGOTTEN)
        state = self.state(now_s)
        if state is State.SETTLING:
            return
        if took_s > self._target_s + _APPENDS_WAITED_FOR * self._best_append_s:
            self.limit = max(self._floor, min(self.limit, float(requests)) * ADMISSION_BACKOFF)
            self._settles_at_s = now_s + took_s
        elif state is State.PRESSED:
            self.limit = min(float(self._ceiling), self.limit + ADMISSION_STEP)
        self._is_pressed = False

    def _share_out(self) -> None:
        for priority, part in self._parts.items():
            if self._best_refused is not None and self._best_refused < priority:
                self._parts[priority] = part * ADMISSION_BACKOFF
            else:
                self._parts[priority] = min(_WHOLE[priority], part + ADMISSION_PART_STEP)
        self._best_refused = None

    @property
    def _floor(self) -> float:
        return float(min(ADMISSION_FLOOR, self._ceiling))
