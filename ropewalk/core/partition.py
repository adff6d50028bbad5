"""A partition's replica: what the records of one log make of one machine.

Pure: the runtime reads the log and hands each record here, in order, twice. `admit` decides by the chain whether it
counts, which needs nothing but its header and so may run ahead; `apply` changes the state. A leader and a follower
do the same, which is why a takeover replays nothing.

Promise:    the state after position p is a function of the records up to p, however they were batched, repeated or
            interleaved with those of deposed leaders.
Checked by: tests/core/test_partition.py, ropewalk.proving.world
"""

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import msgspec

from ropewalk.core.chain import Head, Position, follow
from ropewalk.core.codec import Kind, Stored, checksum, encode_value
from ropewalk.core.feed import Feed
from ropewalk.core.machine import Batch, Divisible, Machine, Outcome, Received, Request, Saved
from ropewalk.core.mailbox import Delivery, Letter, Mailbox, Note, Opening, Receipt
from ropewalk.core.sessions import Reply, Sessions
from ropewalk.errors import Damaged, invariant


class _Saved(msgspec.Struct, frozen=True):
    """What a snapshot holds of the partition itself; `version` is the newest of the records in it."""

    head: Head
    term: int
    time_ns: int
    wakes_at_ns: int | None
    partitions: int = 0
    version: int = 0


class Partition:
    """One machine, how far it has read its log, and how far it has applied it."""

    def __init__(self, machine: Machine, *, sessions: Sessions | None = None, feed: Feed | None = None) -> None:
        self.machine = machine
        self.mailbox = Mailbox()
        self.feed = feed or Feed()
        self.partitions = 0
        self.head = Head()
        self.read_through = Position(0)
        self.applied = Head()
        self.term = 0
        self.time_ns = 0
        self.wakes_at_ns: int | None = None
        self._term_applied = 0
        self._version_applied = 0
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
        """Apply a record that counts and return one reply a request.

        What partitions tell each other in it comes first, then the machine sees the messages and the requests.
        """
        invariant(
            stored.link.follows == self.applied,
            "records are applied in the order in which they were admitted",
            position=stored.link.position,
            applied=self.applied.position,
        )
        # A leader's clock may be behind its predecessor's: time stands still until it has caught up.
        self.time_ns = max(self.time_ns, stored.record.time_ns)
        replies = self._answer(stored, self._take_note(stored.record.notes))
        self.applied = Head(stored.link.position, stored.link.checksum)
        self._term_applied = stored.record.term
        self._version_applied = max(self._version_applied, stored.record.machine_version)
        return replies

    @property
    def applied_through(self) -> Position:
        """Every record up to here is applied or skipped."""
        # A record may be admitted and not yet applied: a leader's own, or that of one who has just deposed it.
        return self.read_through if self.head == self.applied else self.applied.position

    def save(self) -> Saved:
        """The state at the last applied record, with the chain head."""
        saved = _Saved(
            self.applied, self._term_applied, self.time_ns, self.wakes_at_ns, self.partitions, self._version_applied
        )
        machine = self.machine.save()
        parts: dict[str, bytes | memoryview] = {
            "partition": encode_value(saved),
            "sessions": self._sessions.save(),
            "mailbox": self.mailbox.save(),
            "feed": self.feed.save(),
        }
        parts.update({f"machine.{name}": part for name, part in machine.parts.items()})
        return Saved(parts, machine.blobs)

    def load(self, parts: Mapping[str, bytes | memoryview]) -> None:
        """Become what was saved; the next record to admit is the one behind its head.

        Raises Damaged if a newer version of the machine saved it, or has written what is in it.
        """
        saved = msgspec.msgpack.decode(parts["partition"], type=_Saved)
        if saved.version > self.machine.version:
            raise Damaged(
                f"it holds records of machine version {saved.version}, and this program knows versions up to "
                f"{self.machine.version}"
            )
        self._sessions.load(parts["sessions"])
        self.mailbox.load(parts["mailbox"])
        self.feed.load(parts["feed"])
        prefix = "machine."
        self.machine.load({n[len(prefix) :]: part for n, part in parts.items() if n.startswith(prefix)})
        self.head = self.applied = saved.head
        self.read_through = saved.head.position
        self.term, self._version_applied = saved.term, saved.version
        self._term_applied = saved.term
        self.time_ns, self.wakes_at_ns, self.partitions = saved.time_ns, saved.wakes_at_ns, saved.partitions

    def divide(self, belongs: Callable[[str], bool], *, partitions: int, keeps_events: bool) -> int:
        """Become one of the `partitions` that this one is divided among; return how many things are left in it.

        The divided ones begin to number their messages anew, so none may be on its way. One of them keeps the events.
        """
        invariant(isinstance(self.machine, Divisible), "the machine can be divided", machine=self.machine.name)
        self.mailbox.begin_anew()
        self.partitions = partitions
        if not keeps_events:
            self.feed = Feed()
        return cast(Divisible, self.machine).keep(belongs)

    def digest(self) -> bytes:
        """16 bytes that are equal if and only if two replicas are."""
        return checksum(
            self.machine.digest(),
            self._sessions.save(),
            self.mailbox.save(),
            self.feed.save(),
            encode_value((self.applied, self.time_ns, self.wakes_at_ns, self.partitions)),
        )

    def _take_note(self, notes: Sequence[Note]) -> Sequence[Received]:
        """Do what the notes of a record say; return the messages in them that are new."""
        messages: list[Received] = []
        for note in notes:
            match note:
                case Delivery():
                    messages.extend(self.mailbox.take_in(note))
                case Receipt():
                    self.mailbox.settle(note)
                case Opening(partitions):
                    self.partitions = partitions
        return messages

    def _answer(self, stored: Stored, messages: Sequence[Received]) -> Sequence[Reply]:
        def apply(requests: Sequence[Request]) -> Sequence[bytes]:
            version = stored.record.machine_version
            outcome = self.machine.apply(Batch(stored.link.position, self.time_ns, requests, messages, version))
            self.wakes_at_ns = outcome.wakes_at_ns
            self._post(outcome, messages)
            self.feed.add(outcome.events, time_ns=self.time_ns)
            return outcome.replies[len(messages) :] if messages else outcome.replies

        return self._sessions.answer(stored.record.requests, apply)

    def _post(self, outcome: Outcome, messages: Sequence[Received]) -> None:
        """Put into the outbox what the machine sends itself, and then what it answers to messages.

        So whoever is answered that something has happened has been told before what was sent when it did.
        """
        for sent in outcome.sent:
            self.mailbox.post(sent.to, Letter(sent.command, sent.tag))
        for message, reply in zip(messages, outcome.replies, strict=False):
            if message.tag and not message.is_reply:
                self.mailbox.post(message.sender, Letter(reply, message.tag, is_reply=True))


def saved_head(parts: Mapping[str, bytes | memoryview]) -> Head:
    """The last record that is in a saved state."""
    return msgspec.msgpack.decode(parts["partition"], type=_Saved).head


def saved_partitions(parts: Mapping[str, bytes | memoryview]) -> int:
    """How many partitions a service has, by a saved state of one of them; 0 if it is too old to say."""
    return msgspec.msgpack.decode(parts["partition"], type=_Saved).partitions
