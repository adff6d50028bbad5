"""Messages between partitions: what waits to be delivered, and how much of each sender's has been taken in.

    sender's state                              receiver's state
    outbox  to "bank/1": 7 8 9      ──7 8 9──►  inbox  from "bank/0": through 6
            to "bank/2": 3

Both are part of the partition's state, so they change in the same record as what caused a message and what it
caused. A sender numbers its messages for each receiver from 1; a receiver takes in the next number and no other. So a
delivery may be lost, late, repeated or overtaken: it takes effect once, in order. What was taken in leaves the outbox
when a record of the sender says so (`Receipt`); until then it may be delivered again, and does nothing.

Promise:    each message takes effect exactly once, by sender and number, in the order of sending for each pair of
            partitions, whatever is killed; there is no window after which a repeat would take effect.
Not given:  any order between messages of different senders.
Checked by: tests/core/test_mailbox.py, ropewalk.proving.town
"""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

import msgspec

from ropewalk.core.machine import Received
from ropewalk.errors import invariant

EVENTS: Final = "events:"
"""How the name of a sender begins whose letters are a log's events: their numbers are the log's, and stay so."""


class Letter(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A message on its way. With a `tag` the receiver's reply comes back, and is a letter itself."""

    command: bytes
    tag: bytes = b""
    is_reply: bool = False

    @property
    def size(self) -> int:
        """Its bytes, for what is bounded: a reply may be nothing but its tag."""
        return len(self.command) + len(self.tag)


class Delivery(msgspec.Struct, frozen=True, array_like=True, tag="delivery"):
    """Letters of one sender to one receiver, with the numbers from `first` on."""

    sender: str
    receiver: str
    first: int
    letters: Sequence[Letter]


class Receipt(msgspec.Struct, frozen=True, array_like=True, tag="receipt"):
    """A sender's note that a receiver has taken in its letters through this number."""

    receiver: str
    through: int


class Opening(msgspec.Struct, frozen=True, array_like=True, tag="opening"):
    """What a leader says of its service when it opens a term: how many partitions there are."""

    partitions: int


Note = Delivery | Receipt | Opening
"""What a record tells the partition itself, beside the requests that it has for the machine."""


class _Lane:
    """What waits for one receiver: letters with the numbers from `first` on."""

    __slots__ = ("first", "letters")

    def __init__(self, first: int = 1, letters: Sequence[Letter] = ()) -> None:
        self.first = first
        self.letters = deque(letters)

    @property
    def last(self) -> int:
        """The number of the newest letter; one less than `first` if none waits."""
        return self.first + len(self.letters) - 1


class _Saved(msgspec.Struct, frozen=True):
    inbox: list[tuple[str, int]]
    outbox: list[tuple[str, int, list[Letter]]]


class Mailbox:
    """Both sides of one partition."""

    def __init__(self) -> None:
        self._inbox: dict[str, int] = {}
        self._outbox: dict[str, _Lane] = {}
        self.waiting = 0
        self.waiting_bytes = 0

    def post(self, receiver: str, letter: Letter) -> None:
        """Have a letter delivered to the partition of that log."""
        self._outbox.setdefault(receiver, _Lane()).letters.append(letter)
        self._count(letter, 1)

    def take_in(self, delivery: Delivery) -> Sequence[Received]:
        """The messages of a delivery that are new, in order; none if the one due next is not among them."""
        through = self.taken_in(delivery.sender)
        fresh = delivery.letters[max(0, through + 1 - delivery.first) :]
        if delivery.first > through + 1 or not fresh:
            return ()
        self._inbox[delivery.sender] = through + len(fresh)
        return [
            Received(delivery.sender, each.command, each.tag, each.is_reply, number)
            for number, each in enumerate(fresh, start=through + 1)
        ]

    def settle(self, receipt: Receipt) -> None:
        """Forget letters that have been taken in."""
        lane = self._outbox.get(receipt.receiver, _Lane())
        invariant(receipt.through <= lane.last, "only what was sent is taken in", receipt=receipt, last=lane.last)
        while lane.first <= receipt.through:
            self._count(lane.letters.popleft(), -1)
            lane.first += 1

    def taken_in(self, sender: str) -> int:
        """The number of the last letter of a sender that was taken in; 0 if there is none."""
        return self._inbox.get(sender, 0)

    def sent(self, receiver: str) -> int:
        """The number of the last letter that was posted to a receiver; 0 if there is none."""
        return self._outbox[receiver].last if receiver in self._outbox else 0

    def settled(self, receiver: str) -> int:
        """The number of the last letter to a receiver that is known to be taken in."""
        return self._outbox[receiver].first - 1 if receiver in self._outbox else 0

    def begin_anew(self) -> None:
        """Number messages from 1 again, in both directions. What is heard of events is not forgotten."""
        invariant(self.waiting == 0, "no message is on its way", waiting=self.waiting)
        self._inbox = {sender: last for sender, last in self._inbox.items() if sender.startswith(EVENTS)}
        self._outbox = {}

    def receivers(self) -> Iterator[str]:
        """Those for whom letters wait."""
        return (receiver for receiver, lane in self._outbox.items() if lane.letters)

    def letters(self, receiver: str, *, after: int, count_max: int, bytes_max: int) -> tuple[int, list[Letter]]:
        """The number of the first letter behind `after` that waits for a receiver, and it with those that follow.

        No more than are allowed, but one if there is any.
        """
        lane = self._outbox.get(receiver, _Lane())
        skipped = max(0, after + 1 - lane.first)
        chosen: list[Letter] = []
        size = 0
        for letter in islice(lane.letters, skipped, skipped + count_max):
            size += letter.size
            if chosen and size > bytes_max:
                break
            chosen.append(letter)
        return lane.first + skipped, chosen

    def save(self) -> bytes:
        """Both sides, in the order of their names."""
        outbox = [(name, lane.first, list(lane.letters)) for name, lane in sorted(self._outbox.items())]
        return msgspec.msgpack.encode(_Saved(sorted(self._inbox.items()), outbox))

    def load(self, saved: bytes | memoryview) -> None:
        """Become what was saved."""
        parts = msgspec.msgpack.decode(saved, type=_Saved)
        self._inbox = dict(parts.inbox)
        self._outbox = {name: _Lane(first, letters) for name, first, letters in parts.outbox}
        self.waiting = self.waiting_bytes = 0
        for lane in self._outbox.values():
            for letter in lane.letters:
                self._count(letter, 1)

    def _count(self, letter: Letter, step: int) -> None:
        self.waiting += step
        self.waiting_bytes += step * letter.size
