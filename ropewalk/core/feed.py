"""The events of a partition: numbered facts that others may follow, the newest of them kept in the state.

A follower keeps the number of the last event that it has seen in a state of its own, and asks for what comes behind.
So it decides how fast it goes, a repeat is seen as one, and it can begin again at any event that is kept.

Promise:    events are numbered from 1 without a gap, in the order of what caused them; the same records give the same
            events in every replica.
Not given:  that an event is kept for ever: the oldest go when there are more than `core.limits` allows.
Checked by: tests/core/test_feed.py
"""

from collections import deque
from collections.abc import Sequence
from itertools import islice

import msgspec

from ropewalk.core.limits import EVENTS_BYTES_KEPT, EVENTS_KEPT
from ropewalk.core.machine import Event
from ropewalk.errors import Rejected


class NumberedEvent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An event with its number in its partition, and the time of the record that caused it."""

    number: int
    time_ns: int
    event: Event


class Feed:
    """The events of one partition, oldest first."""

    def __init__(self, *, count_max: int = EVENTS_KEPT, bytes_max: int = EVENTS_BYTES_KEPT) -> None:
        self._count_max = count_max
        self._bytes_max = bytes_max
        self._kept: deque[NumberedEvent] = deque()
        self._bytes = 0
        self.last = 0

    @property
    def oldest(self) -> int:
        """The number of the oldest event that is kept; the next one's if none is."""
        return self.last - len(self._kept) + 1

    def add(self, events: Sequence[Event], *, time_ns: int) -> None:
        """Number some events, and forget the oldest if there are too many."""
        for event in events:
            self.last += 1
            self._kept.append(NumberedEvent(self.last, time_ns, event))
            self._bytes += event.size
        while len(self._kept) > self._count_max or self._bytes > self._bytes_max:
            self._bytes -= self._kept.popleft().event.size

    def behind(self, after: int, *, limit: int) -> list[NumberedEvent]:
        """Up to `limit` events behind number `after`. Raises Rejected if one of them is kept no more."""
        skipped = after + 1 - self.oldest
        if skipped < 0:
            raise Rejected(
                f"event {after + 1} was asked for, and {self.oldest} is the oldest that is kept: begin there, "
                "and rebuild from the state what the lost ones told"
            )
        count = len(self._kept) - skipped
        if count > skipped:
            return list(islice(self._kept, skipped, skipped + limit))
        # Whoever has kept up asks for the newest: they are found from that end, and not past all the others.
        newest = list(islice(reversed(self._kept), max(0, count)))
        newest.reverse()
        return newest[:limit]

    def save(self) -> bytes:
        """All that are kept."""
        return msgspec.msgpack.encode((self.last, list(self._kept)))

    def load(self, saved: bytes | memoryview) -> None:
        """Become what was saved."""
        self.last, kept = msgspec.msgpack.decode(saved, type=tuple[int, list[NumberedEvent]])
        self._kept = deque(kept)
        self._bytes = sum(numbered.event.size for numbered in kept)
