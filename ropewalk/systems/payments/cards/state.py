"""What card authorisation holds beside the ledger: programmes, cards, and what each card has spent on a day.

Checked by: tests/payments/cards/test_properties.py
"""

from collections.abc import Mapping

import msgspec

from ropewalk.core.codec import encode_value
from ropewalk.errors import invariant
from ropewalk.systems.payments.cards.books import DAY_NS
from ropewalk.systems.payments.cards.standing_in import StandIns
from ropewalk.systems.payments.ledger.ledger import Ledger
from ropewalk.systems.payments.processing.directory import Directory


class Programme(msgspec.Struct, frozen=True):
    """Cards whose numbers begin with the same six digits. `institution` is the index of the bank that issues them."""

    bin: str
    routing: str
    institution: int
    hold_days: int
    stand_in_minor: int
    stand_in_day_minor: int


class Card(msgspec.Struct, array_like=True):
    """A card: `account` is the slot of its customer's account, the rest is as in the commands.

    `day` is the last one on which it was used, in days since 1970, UTC; the other two say what it spent then.
    """

    number: int
    masked: str
    programme: str
    account: int
    expires: str
    state: str = "active"
    limit_minor: int = 0
    day_limit_minor: int = 0
    day_count_max: int = 0
    day: int = 0
    spent_minor: int = 0
    spent_count: int = 0

    def spent_on(self, time_ns: int) -> tuple[int, int]:
        """How much was spent on the day of this time, and how often."""
        return (self.spent_minor, self.spent_count) if self.day == time_ns // DAY_NS else (0, 0)

    def spend(self, amount_minor: int, *, time_ns: int) -> None:
        """Count what is spent."""
        spent_minor, spent_count = self.spent_on(time_ns)
        self.day = time_ns // DAY_NS
        self.spent_minor, self.spent_count = spent_minor + amount_minor, spent_count + 1

    def give_back(self, amount_minor: int, *, spent_ns: int, time_ns: int) -> None:
        """Count what is given back, if it was spent on this same day."""
        if self.day == spent_ns // DAY_NS == time_ns // DAY_NS:
            self.spent_minor = max(0, self.spent_minor - amount_minor)
            self.spent_count = max(0, self.spent_count - 1)


class State:
    """One partition's cards, over its ledger and the accounts that its institutions keep."""

    def __init__(self, ledger: Ledger, directory: Directory) -> None:
        self.ledger = ledger
        self.directory = directory
        self.programmes: dict[str, Programme] = {}
        self.cards: dict[bytes, Card] = {}
        self.key_check = b""
        self.stand_ins = StandIns()

    def programme_of(self, masked: str) -> Programme | None:
        """The programme of a card, by the digits of its number that are not hidden."""
        return self.programmes.get(masked[:6])

    def save(self) -> dict[str, bytes]:
        """All of it but the ledger and the directory."""
        return {
            "programmes": encode_value(list(self.programmes.values())),
            "cards": encode_value(list(self.cards.items())),
            "key_check": self.key_check,
            "stand_ins": self.stand_ins.save(),
        }

    def load(self, parts: Mapping[str, bytes | memoryview]) -> None:
        """Become what was saved; a snapshot from before there were cards holds none."""
        if not parts:
            return
        programmes = msgspec.msgpack.decode(parts["programmes"], type=list[Programme])
        self.programmes = {programme.bin: programme for programme in programmes}
        self.cards = dict(msgspec.msgpack.decode(parts["cards"], type=list[tuple[bytes, Card]]))
        self.key_check = bytes(parts["key_check"])
        self.stand_ins.load(parts["stand_ins"])

    def check(self) -> None:
        """Raise Bug if a card is of no programme, or counts what can't be."""
        for card in self.cards.values():
            invariant(card.programme in self.programmes, "a card belongs to a programme", card=card.masked)
            invariant(min(card.spent_minor, card.spent_count) >= 0, "what is spent is not negative", card=card.masked)
