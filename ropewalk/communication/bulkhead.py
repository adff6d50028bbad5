"""A bulkhead before one target: so many calls under way, so many that wait in their order, and no more.

A target that hangs holds the calls that it has. It must not hold those to other targets, nor this process's memory.

    state     event              becomes   answer
    free      a call             free      runs
    free      the last call      full      runs
    full      a call             waiting   waits
    full      an end             free      nobody is next
    waiting   the last place     packed    waits
    waiting   an end             full      one is next
    waiting   a wait given up    full      -
    packed    a call             packed    refused
    packed    an end             waiting   one is next

Promise:    never more under way, or waiting, than the bounds.
Checked by: tests/communication/test_bulkhead.py
"""

import enum

from ropewalk.communication.limits import BULKHEAD_RUNNING_MAX, BULKHEAD_WAITING_MAX
from ropewalk.errors import invariant


class Entry(enum.Enum):
    """What becomes of a call that comes."""

    RUNS = "runs"
    WAITS = "waits"
    REFUSED = "refused"


class Bulkhead:
    """Counts; who waits, and in which order, is known to whoever asks."""

    def __init__(self, *, running_max: int = BULKHEAD_RUNNING_MAX, waiting_max: int = BULKHEAD_WAITING_MAX) -> None:
        self.running = 0
        self.waiting = 0
        self._running_max = running_max
        self._waiting_max = waiting_max

    def has_room(self) -> bool:
        """Whether a call would run at once or wait."""
        return self.running < self._running_max or self.waiting < self._waiting_max

    def enter(self) -> Entry:
        """A call comes."""
        if self.running < self._running_max:
            self.running += 1
            return Entry.RUNS
        if self.waiting < self._waiting_max:
            self.waiting += 1
            return Entry.WAITS
        return Entry.REFUSED

    def leave(self) -> bool:
        """A call ends. True if its place goes to the one that has waited longest, which runs from now on."""
        invariant(self.running > 0, "a call that ends was under way")
        if self.waiting:
            self.waiting -= 1
            return True
        self.running -= 1
        return False

    def give_up(self) -> None:
        """A call waits no longer."""
        invariant(self.waiting > 0, "a call that waits no longer did wait")
        self.waiting -= 1
