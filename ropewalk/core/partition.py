"""A partition's replica: what the records of one log make of one machine.

Pure: the runtime reads the log and hands each record here, in order, twice. `admit` decides by the chain whether it
counts, which needs nothing but its header and so may run ahead; `apply` changes the state. A leader and a follower
do the same, which is why a takeover replays nothing.

Promise:    the state after position p is a function of the records up to p, however they were batched, repeated or
            interleaved with those of deposed leaders.
Checked by: tests/core/test_partition.py, ropewalk.proving.world
"""

from collections.abc import Mapping, Sequence

import msgspec

from ropewalk.core.chain import Head, Position, follow
from ropewalk.core.codec import Kind, Stored, checksum, encode_value
from ropewalk.core.machine import Batch, Machine, Request, Saved
from ropewalk.core.sessions import Reply, Sessions
from ropewalk.errors import invariant


class _Saved(msgspec.Struct, frozen=True):
    """What a snapshot holds of the partition itself."""

    head: Head
    term: int
    time_ns: int
    wakes_at_ns: int | None


class Partition:
    """One machine, how far it has read its log, and how far it has applied it."""

    def __init__(self, machine: Machine, *, sessions: Sessions | None = None) -> None:
        self.machine = machine
        self.head = Head()
        self.read_through = Position(0)
        self.applied = Head()
        self.term = 0
        self.time_ns = 0
        self.wakes_at_ns: int | None = None
        self._term_applied = 0
        self._sessions = sessions or Sessions()

    def admit(self, stored: Stored) -> bool:
        """Take note of the next record of the log; return True if it counts, and so is to be applied."""
        position = stored.link.position
        invariant(
            position == self.read_through + 1,
            "records are read in order and none is left out",
            position=position,
            read_through=self.read_through,
        )
        self.read_through = position
        head = follow(self.head, stored.link)
        if head is None:
            return False
        opens_term = stored.record.kind is Kind.TERM
        invariant(
            stored.record.term > self.term if opens_term else stored.record.term == self.term,
            "terms rise, and a batch belongs to the open one",
            term=stored.record.term,
            open_term=self.term,
        )
        self.head = head
        self.term = stored.record.term
        return True

    def apply(self, stored: Stored) -> Sequence[Reply]:
        """Apply a record that counts and return one reply a request."""
        invariant(
            stored.link.follows == self.applied,
            "records are applied in the order in which they were admitted",
            position=stored.link.position,
            applied=self.applied.position,
        )
        # A leader's clock may be behind its predecessor's: time stands still until it has caught up.
        self.time_ns = max(self.time_ns, stored.record.time_ns)
        replies = self._answer(stored)
        self.applied = Head(stored.link.position, stored.link.checksum)
        self._term_applied = stored.record.term
        return replies

    def save(self) -> Saved:
        """The state at the last applied record, with the chain head."""
        saved = _Saved(self.applied, self._term_applied, self.time_ns, self.wakes_at_ns)
        machine = self.machine.save()
        parts: dict[str, bytes | memoryview] = {
            "partition": encode_value(saved),
            "sessions": self._sessions.save(),
        }
        parts.update({f"machine.{name}": part for name, part in machine.parts.items()})
        return Saved(parts, machine.blobs)

    def load(self, parts: Mapping[str, bytes | memoryview]) -> None:
        """Become what was saved; the next record to admit is the one behind its head."""
        saved = msgspec.msgpack.decode(parts["partition"], type=_Saved)
        self._sessions.load(parts["sessions"])
        prefix = "machine."
        self.machine.load({n[len(prefix) :]: part for n, part in parts.items() if n.startswith(prefix)})
        self.head = self.applied = saved.head
        self.read_through = saved.head.position
        self.term = self._term_applied = saved.term
        self.time_ns, self.wakes_at_ns = saved.time_ns, saved.wakes_at_ns

    def digest(self) -> bytes:
        """16 bytes that are equal if and only if two replicas are."""
        return checksum(
            self.machine.digest(),
            self._sessions.save(),
            encode_value((self.applied, self.time_ns, self.wakes_at_ns)),
        )

    def _answer(self, stored: Stored) -> Sequence[Reply]:
        def apply(requests: Sequence[Request]) -> Sequence[bytes]:
            outcome = self.machine.apply(Batch(stored.link.position, self.time_ns, requests))
            self.wakes_at_ns = outcome.wakes_at_ns
            return outcome.replies

        return self._sessions.answer(stored.record.requests, apply)


def saved_head(parts: Mapping[str, bytes | memoryview]) -> Head:
    """The last record that is in a saved state."""
    return msgspec.msgpack.decode(parts["partition"], type=_Saved).head
