"""The messages between the partitions of a town, by the mailbox's rules written down a second time.

A partition's letters to another are a list, in the order in which its machine sent them; how many of them the other
has taken in is a number. A record may be read when the letters in it were sent and what it notes as taken in was: so
whoever reads the logs side by side, in any order that this allows, passes through states that may have been at once.

Promise:    `take_in` raises Broken if a delivery holds anything but what was sent under its numbers.
Checked by: tests/proving/test_letters.py, tests/canaries/test_town.py
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

from ropewalk.core.machine import Outcome, Received
from ropewalk.core.mailbox import Delivery, Letter, Mailbox, Note, Receipt
from ropewalk.proving.history import Broken

_Pair = tuple[str, str]
"""The names of two logs: the sender's and the receiver's."""


class Letters:
    """All of one town. `again` counts those that came when they had been taken in."""

    def __init__(self) -> None:
        self._sent: dict[_Pair, list[Letter]] = {}
        self._taken_in: Counter[_Pair] = Counter()
        self.again = 0

    @property
    def taken_in(self) -> int:
        """How many took effect."""
        return self._taken_in.total()

    def allow(self, reader: str, notes: Sequence[Note]) -> bool:
        """True if a record of `reader` with these notes may come next."""
        for note in notes:
            match note:
                case Delivery(sender, _, first, letters):
                    if first + len(letters) - 1 > len(self._sent.get((sender, reader), ())):
                        return False
                case Receipt(receiver, through):
                    if through > self._taken_in[reader, receiver]:
                        return False
        return True

    def take_in(self, receiver: str, notes: Sequence[Note]) -> list[Received]:
        """The messages in these notes that are to take effect."""
        fresh: list[Received] = []
        for note in notes:
            if isinstance(note, Delivery):
                fresh.extend(self._take_in((note.sender, receiver), note))
        return fresh

    def send(self, sender: str, outcome: Outcome, messages: Sequence[Received]) -> None:
        """What a machine sends with one record, to which these messages came."""
        for own in outcome.sent:
            self._post((sender, own.to), Letter(own.command, own.tag))
        for message, reply in zip(messages, outcome.replies, strict=False):
            if message.tag and not message.is_reply:
                self._post((sender, message.sender), Letter(reply, message.tag, is_reply=True))

    def on_the_way(self) -> list[Received]:
        """What was sent and is not taken in."""
        return [
            _received(sender, letter, number)
            for (sender, receiver), letters in self._sent.items()
            for number, letter in islice(enumerate(letters, start=1), self._taken_in[sender, receiver], None)
        ]

    def check_at_rest(self, owner: str, mailbox: Mailbox) -> None:
        """Everything has come, and a partition's own mailbox knows it."""
        for (sender, receiver), letters in self._sent.items():
            count = self._taken_in[sender, receiver]
            if count != len(letters):
                raise Broken(f"every message takes effect [{count} of {len(letters)} from {sender} to {receiver}]")
            if owner == receiver and mailbox.taken_in(sender) != count:
                raise Broken(f"{owner} knows that it took in {count} of {sender} [{mailbox.taken_in(sender)}]")
            if owner == sender and (mailbox.sent(receiver), mailbox.settled(receiver)) != (count, count):
                raise Broken(f"{owner} knows that {receiver} took in {count} [{mailbox.settled(receiver)}]")

    def _take_in(self, pair: _Pair, delivery: Delivery) -> Iterator[Received]:
        sent = self._sent[pair]
        for number, letter in enumerate(delivery.letters, start=delivery.first):
            if letter != sent[number - 1]:
                raise Broken(f"a delivery holds what was sent under its numbers [{number} of {pair}: {letter}]")
            if number == self._taken_in[pair] + 1:
                self._taken_in[pair] = number
                yield _received(delivery.sender, letter, number)
            else:
                self.again += number <= self._taken_in[pair]

    def _post(self, pair: _Pair, letter: Letter) -> None:
        self._sent.setdefault(pair, []).append(letter)


def _received(sender: str, letter: Letter, number: int) -> Received:
    return Received(sender, letter.command, letter.tag, letter.is_reply, number)
