"""Some shards of payments, and the mail between them: delivered when it is asked for, in any order of pairs.

Not a test. Each shard is a machine with its mailbox, as a partition has it, without logs: `crash` makes a new one
from what was saved. Time stands still unless `wait` moves it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from ropewalk.core.chain import Position
from ropewalk.core.machine import NO_ID, Batch, Event, Request
from ropewalk.core.mailbox import Delivery, Letter, Mailbox, Receipt
from ropewalk.core.place import Place
from ropewalk.engines.memory import MemoryShelf
from ropewalk.systems.payments.instant.limits import USUAL_TERMS, Terms
from ropewalk.systems.payments.ledger.commands import Operation, decode_reply, encode
from ropewalk.systems.payments.ledger.layout import ACCOUNT, TRANSFER, get, ids_of, rows_of
from ropewalk.systems.payments.ledger.statuses import TransferStatus
from ropewalk.systems.payments.machine import PaymentsMachine
from ropewalk.systems.payments.processing.limits import USUAL_STEPS, Steps
from ropewalk.systems.payments.shards.addresses import shard_of
from ropewalk.systems.payments.shards.limits import Patience
from ropewalk.systems.payments.shards.messages import CreateTogether, Decided, GuardedAnswer, Outcome
from ropewalk.systems.payments.shards.messages import encode as encode_between
from ropewalk.systems.payments.shards.statuses import ShardStatus

SECOND_NS = 1_000_000_000
PATIENCE = Patience(decides_within_ns=5 * SECOND_NS, asks_after_ns=10 * SECOND_NS, undecided_max=4)
LIMITED = 2
"""debits_must_not_exceed_credits"""

Row = dict[str, int]


def name_of(status: int) -> str:
    """A status in words."""
    known = ShardStatus if status in set(map(int, ShardStatus)) else TransferStatus
    return known(status).name.lower()


def account(number: int, shard: int, *, shards: int) -> int:
    """An id whose account is kept in that shard: the number-th that is."""
    halves = (half for half in range(1, 1_000) if shard_of(half << 64, Place("payments", 0, shards)) == shard)
    return next(halves) << 64 | number


def transfer(number: int, debit: int, credit: int, amount: int, **more: int) -> Row:
    return {
        "id": number, "debit_account_id": debit, "credit_account_id": credit, "amount": amount,
        "ledger": 1, "code": 1,
    } | more  # fmt: skip


@dataclass
class Shard:
    """One of them."""

    place: Place
    patience: Patience = PATIENCE
    steps: Steps = USUAL_STEPS
    terms: Terms = USUAL_TERMS
    shelf: MemoryShelf = field(default_factory=MemoryShelf)
    mailbox: Mailbox = field(default_factory=Mailbox)
    events: list[Event] = field(default_factory=list)
    wakes_at_ns: int | None = None
    position: int = 0

    def __post_init__(self) -> None:
        self.machine = self._new()

    def _new(self) -> PaymentsMachine:
        return PaymentsMachine(
            self.shelf, place=self.place, patience=self.patience, steps=self.steps, terms=self.terms
        )

    def crash(self) -> None:
        """Die, and come back from what was durable."""
        saved, mail = self.machine.save(), self.mailbox.save()
        digest = self.machine.digest()
        self.machine, self.mailbox = self._new(), Mailbox()
        self.machine.load({name: bytes(part) for name, part in saved.parts.items()})
        self.mailbox.load(mail)
        assert self.machine.digest() == digest

    def apply(
        self, commands: Sequence[bytes] = (), deliveries: Iterable[Delivery] = (), *, time_ns: int
    ) -> list[bytes]:
        """One record: deliveries are taken in, then callers are answered."""
        messages = [each for delivery in deliveries for each in self.mailbox.take_in(delivery)]
        for command in commands:
            self.machine.vet(command)
        self.position += 1
        requests = [Request(NO_ID, command) for command in commands]
        outcome = self.machine.apply(Batch(Position(self.position), time_ns, requests, messages))
        for message, reply in zip(messages, outcome.replies, strict=False):
            if message.tag and not message.is_reply:
                self.mailbox.post(message.sender, Letter(reply, message.tag, is_reply=True))
        for sent in outcome.sent:
            self.mailbox.post(sent.to, Letter(sent.command, sent.tag))
        self.events += outcome.events
        self.wakes_at_ns = outcome.wakes_at_ns
        self.machine.check()
        return list(outcome.replies[len(messages) :])


class Town:
    """All of them."""

    def __init__(
        self,
        shards: int = 2,
        *,
        patience: Patience = PATIENCE,
        steps: Steps = USUAL_STEPS,
        terms: Terms = USUAL_TERMS,
    ) -> None:
        places = [Place("payments", number, shards) for number in range(shards)]
        self.shards = [Shard(place, patience, steps, terms) for place in places]
        self.time_ns = 1_764_000_000 * SECOND_NS

    def account(self, number: int, shard: int) -> int:
        return account(number, shard, shards=len(self.shards))

    def open(self, accounts: Iterable[int], *, flags: int = 0, ledger: int = 1) -> None:
        """Open accounts where they belong."""
        for number in accounts:
            row = {"id": number, "ledger": ledger, "code": 1, "flags": flags}
            self.ask(self.shard_of(number), encode(Operation.CREATE_ACCOUNTS, rows_of(ACCOUNT, [row])))

    def shard_of(self, account_id: int) -> int:
        return shard_of(account_id, self.shards[0].place)

    def ask(self, shard: int, *commands: bytes) -> list[bytes]:
        return self.shards[shard].apply(commands, time_ns=self.time_ns)

    def pay(self, shard: int, *rows: Row) -> list[str]:
        """What a shard answers to a request of transfers."""
        (reply,) = self.ask(shard, encode(Operation.CREATE_TRANSFERS, rows_of(TRANSFER, rows)))
        return names_in(reply)

    def pay_together(self, shard: int, *rows: Row) -> list[str]:
        """What a shard answers to transfers of which all are to be made, or none."""
        (reply,) = self.ask(shard, encode_between(CreateTogether(rows_of(TRANSFER, rows).tobytes())))
        return names_in(reply)

    def lanes(self) -> list[tuple[int, int]]:
        """From which shard to which letters wait."""
        receivers = [(shard.place.partition, name) for shard in self.shards for name in shard.mailbox.receivers()]
        return sorted((sender, int(name.rpartition("/")[2])) for sender, name in receivers)

    def deliver(self, sender: int, receiver: int, *, count: int = 1, is_told: bool = True) -> None:
        """Deliver the next letters of a lane; if not `is_told`, the sender never hears of it and will do it again."""
        ours, theirs = self.shards[sender], self.shards[receiver]
        name = theirs.place.log_name
        first, letters = ours.mailbox.letters(name, after=0, count_max=count, bytes_max=2**30)
        theirs.apply((), [Delivery(ours.place.log_name, name, first, letters)], time_ns=self.time_ns)
        if is_told:
            ours.mailbox.settle(Receipt(name, theirs.mailbox.taken_in(ours.place.log_name)))

    def settle(self) -> None:
        """Deliver all that waits, until nothing does."""
        while lanes := self.lanes():
            for sender, receiver in lanes:
                self.deliver(sender, receiver, count=1_000)

    def wait(self, seconds: float) -> None:
        """Let time pass; who wants a batch by then gets it."""
        self.time_ns += int(seconds * SECOND_NS)
        for shard in self.shards:
            while shard.wakes_at_ns is not None and shard.wakes_at_ns <= self.time_ns:
                shard.apply(time_ns=self.time_ns)

    def balance(self, account_id: int) -> tuple[int, int, int]:
        """What an account has (posted), what of it is held, and what is on its way to it."""
        query = encode(Operation.LOOKUP_ACCOUNTS, ids_of([account_id]))
        (row,) = decode_reply(Operation.LOOKUP_ACCOUNTS, self.shards[self.shard_of(account_id)].machine.read(query))
        assert get(row, "id") == account_id
        posted = get(row, "credits_posted") - get(row, "debits_posted")
        return posted, get(row, "debits_pending"), get(row, "credits_pending")

    def decided(self, shard: int) -> list[list[str]]:
        """What the decisions of a shard told, in order."""
        told = [
            msgspec.msgpack.decode(event.data, type=Decided)
            for event in self.shards[shard].events
            if event.kind == "transfers.decided"
        ]
        return [[name_of(status) for status in np.frombuffer(each.statuses, "u4").tolist()] for each in told]


def names_in(reply: bytes) -> list[str]:
    """The statuses of a reply, in words."""
    return [name_of(status) for status in decode_reply(Operation.CREATE_TRANSFERS, reply)["status"].tolist()]


def undecided(town: Town) -> int:
    """How many transactions are open anywhere, on either side."""
    states = [shard.machine.shards.state for shard in town.shards]
    return sum(len(state.own) + len(state.promised) for state in states)


def guarded(answer: bytes) -> GuardedAnswer:
    return msgspec.msgpack.decode(answer, type=GuardedAnswer)


def outcome(answer: bytes) -> Outcome:
    return msgspec.msgpack.decode(answer, type=Outcome)
