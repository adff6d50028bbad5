"""What a shard keeps of transactions that are not decided: its own, and those of others that hold something here.

Both are in the order in which they began, so the first is the one whose time passes first.

Checked by: tests/payments/shards/test_properties.py
"""

from collections.abc import Mapping

import msgspec

from ropewalk.core.place import Place
from ropewalk.systems.payments.ledger.ledger import Ledger
from ropewalk.systems.payments.parts import Outgoing
from ropewalk.systems.payments.shards.holds import Holding, Holds
from ropewalk.systems.payments.shards.limits import Patience


class Transaction(msgspec.Struct):
    """One that this shard coordinates.

    `statuses` are of its rows, as far as they are known. `peers` are the places of the rows that each other shard
    holds something for; of `waiting` no vote has come. If it `is_whole`, all rows move or none.
    """

    number: int
    subject: str
    is_whole: bool
    deadline_ns: int
    statuses: bytes
    own: Holding
    peers: dict[int, bytes]
    waiting: list[int]


class Promised(msgspec.Struct):
    """What is held here for a transaction of another shard, whose `rows` it sent; when to ask what became of it.

    It is not asked again before the answer has come (`is_asked`): a question to a shard that is away is not lost, and
    one more every few seconds would fill the outbox.
    """

    rows: int
    holding: Holding
    asks_ns: int
    is_asked: bool = False


class _Saved(msgspec.Struct, frozen=True):
    begun: int
    resolved: int
    between: list[tuple[int, int]]
    own: list[Transaction]
    promised: list[tuple[int, int, Promised]]
    sent: dict[str, int]
    taken: dict[str, int]
    unheard: dict[int, int] = {}


class State:
    """All of it. `begun` numbers the transactions that began here; `sent` and `taken` count messages by log.

    `unheard` counts the votes that each other shard owes, also on what was decided without it.
    """

    def __init__(self, ledger: Ledger, place: Place, *, outgoing: Outgoing, patience: Patience) -> None:
        self.ledger = ledger
        self.place = place
        self.outgoing = outgoing
        self.patience = patience
        self.holds = Holds(ledger, place)
        self.begun = 0
        self.own: dict[int, Transaction] = {}
        self.promised: dict[tuple[int, int], Promised] = {}
        self.sent: dict[str, int] = {}
        self.taken: dict[str, int] = {}
        self.unheard: dict[int, int] = {}

    def is_silent(self, peer: int) -> bool:
        """True if a shard owes so many votes that no more are asked of it: what it is sent waits in the outbox."""
        return self.unheard.get(peer, 0) >= self.patience.undecided_max

    def save(self) -> dict[str, bytes]:
        """All of it but the ledger."""
        promised = [(shard, number, each) for (shard, number), each in self.promised.items()]
        saved = _Saved(
            self.begun, self.holds.resolved, self.holds.between.save(), list(self.own.values()), promised,
            self.sent, self.taken, self.unheard,
        )  # fmt: skip
        return {"transactions": msgspec.msgpack.encode(saved)}

    def load(self, parts: Mapping[str, bytes | memoryview]) -> None:
        """Become what was saved, over the ledger that was loaded."""
        saved = msgspec.msgpack.decode(parts["transactions"], type=_Saved)
        self.begun, self.holds.resolved = saved.begun, saved.resolved
        self.holds.between.load(saved.between)
        self.own = {transaction.number: transaction for transaction in saved.own}
        self.promised = {(shard, number): each for shard, number, each in saved.promised}
        self.sent, self.taken, self.unheard = dict(saved.sent), dict(saved.taken), dict(saved.unheard)
