"""What is kept of instant payments beside their money: who asked for what, how it was decided, and by whom.

Payments are kept in the order in which they came, and the oldest make room. What is open (waiting for a decision, or
recalled) is kept; a payment of which the words were let go is found in the ledger again, which knows its money for
ever. So no repeat, return or recall can move money twice, however late it comes.

Checked by: tests/payments/instant/test_instant.py, test_properties.py
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Final

import msgspec

from ropewalk.coordination.commit import Stand
from ropewalk.core.codec import encode_value
from ropewalk.core.place import Place
from ropewalk.errors import invariant
from ropewalk.systems.payments.instant.books import Moved, Transfer, held, payment_moved, returns_moved
from ropewalk.systems.payments.instant.halves import (
    IS_PAID,
    IS_PAID_BACK,
    PAYS,
    PAYS_BACK,
    Half,
    half_moved,
    half_returns_moved,
)
from ropewalk.systems.payments.instant.limits import NOTES_MAX, OPEN_MAX, RETURNS_AND_RECALL_MAX, Terms
from ropewalk.systems.payments.instant.waiting import Waiting
from ropewalk.systems.payments.iso20022.model import (
    Agent,
    CancellationRequest,
    CreditTransfer,
    Party,
    PaymentReturn,
)
from ropewalk.systems.payments.iso20022.money import Amount
from ropewalk.systems.payments.ledger.ledger import Ledger
from ropewalk.systems.payments.parts import Outgoing
from ropewalk.systems.payments.processing import books
from ropewalk.systems.payments.processing.directory import Directory

CURRENCY: Final = "USD"


class Status(StrEnum):
    """What has become of a payment, in the codes of ISO 20022."""

    PENDING = "PDNG"
    ACCEPTED = "ACCC"
    SETTLED = "ACSC"
    REJECTED = "RJCT"


class Outcome(StrEnum):
    """What has become of a recall."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


class Note(msgspec.Struct, frozen=True):
    """One thing that happened, by whom, and why."""

    time_ns: int
    what: str
    who: str
    why: str = ""


class Returned(msgspec.Struct, frozen=True):
    """Money that went back; `message` names the message that asked for it, or that told of it."""

    return_id: str
    message: str
    amount: int
    reason: str
    key: int
    time_ns: int


class Returning(msgspec.Struct, frozen=True):
    """A return that another shard is asked about: of a message, or of a recall if there is none."""

    attempt: int
    wanted: Returned
    message: PaymentReturn | None


class Coming(msgspec.Struct, frozen=True):
    """A return that is held here, and that another shard decides about."""

    attempt: int
    amount: int
    key: int


class Recall(msgspec.Struct, frozen=True):
    """A request to send the money back. One that is pending and `asks` waits for a person."""

    request: CancellationRequest
    outcome: Outcome
    reason: str
    time_ns: int
    asks: bool = False


class Payment(msgspec.Struct):
    """A payment. `debtor` and `creditor` are slots of the directory, -1 if there is no such account here.

    If `peer` is a shard, the one that is not here is kept there: this is the creditor's shard if the payment
    `arrives`, and `stand` is what it has said; else it is the debtor's, which decides. `far` is 64 bits of who is
    there. One that is pending and `asks` waits for a person.
    """

    transfer: CreditTransfer
    debtor: int
    creditor: int
    taken_ns: int
    status: Status
    reason: str = ""
    decided_ns: int = 0
    returns: list[Returned] = []
    recall: Recall | None = None
    history: list[Note] = []
    peer: int = -1
    arrives: bool = False
    far: int = 0
    stand: Stand | None = None
    asks: bool = False
    returning: list[Returning] = []
    coming: list[Coming] = []

    @property
    def leaves(self) -> bool:
        """Whether it goes from here to another shard."""
        return self.peer >= 0 and not self.arrives

    @property
    def is_open(self) -> bool:
        """Whether somebody is to decide something."""
        is_recalled = self.recall is not None and self.recall.outcome is Outcome.PENDING
        return self.status is Status.PENDING or is_recalled or bool(self.returning or self.coming)

    @property
    def promised(self) -> int:
        """How many halves are held here that another shard decides about."""
        is_promised = self.arrives and self.status is Status.PENDING and self.stand is Stand.PREPARED
        return is_promised + len(self.coming)

    @property
    def returned(self) -> int:
        """How much went back."""
        return sum(each.amount for each in self.returns)

    @property
    def left(self) -> int:
        """How much has not gone back, and is not about to."""
        return self.transfer.amount.minor - self.returned - sum(each.wanted.amount for each in self.returning)

    def note(self, note: Note) -> None:
        """Add to the history; of a long one the second makes room."""
        self.history.append(note)
        if len(self.history) > NOTES_MAX:
            del self.history[1]


class Policy(msgspec.Struct, frozen=True):
    """How an account's bank decides: `asks` a person about arrivals; recalls are ask, accept or refuse."""

    asks: bool = False
    recalls: str = "ask"


USUAL_POLICY: Final = Policy()


class Record:
    """All payments that are kept, and the accounts' policies.

    `promised` counts the halves that are held here, by the shards that decide: to look for them in all payments takes
    7 ms.
    """

    def __init__(
        self, ledger: Ledger, directory: Directory, *, place: Place, outgoing: Outgoing, terms: Terms
    ) -> None:
        self.ledger = ledger
        self.directory = directory
        self.place = place
        self.outgoing = outgoing
        self.terms = terms
        self.policies: dict[int, Policy] = {}
        self._payments: dict[str, Payment] = {}
        self.promised: Counter[int] = Counter()
        self.waiting = Waiting(seconds=terms.decision_seconds)
        self._attempts = 0

    def find(self, uetr: str) -> Payment | None:
        """The payment with a UETR: as it is kept, or as the ledger remembers it."""
        return self._payments.get(uetr) or self._remembered(uetr)

    def keep(self, payment: Payment) -> None:
        """Keep a payment, as the newest if it is not kept yet; the oldest that are not open make room."""
        self._payments.setdefault(payment.transfer.uetr, payment)
        excess = len(self._payments) - self.terms.payments_kept
        for uetr in list(self._oldest(2 * excess)):
            if excess > 0 and not self._payments[uetr].is_open:
                del self._payments[uetr]
                excess -= 1

    def has_room(self) -> bool:
        """Whether one more payment may wait for a person, however long that takes."""
        return len(self._payments) < self.terms.payments_kept + OPEN_MAX

    def next_attempt(self) -> int:
        """A number for an attempt at a return: no other here has it."""
        self._attempts += 1
        return self._attempts

    def due_ns(self, payment: Payment) -> int:
        """When a payment is rejected if nobody decides; 0 if it does not wait."""
        is_pending = payment.status is Status.PENDING
        return payment.taken_ns + self.waiting.patience_ns if is_pending else 0

    def newest(self) -> Iterator[Payment]:
        """Payments, the newest first."""
        return reversed(self._payments.values())

    def transfer_of(self, payment: Payment) -> Transfer:
        """What moves a payment's money."""
        return Transfer(
            payment.transfer.uetr,
            self._party(payment.debtor),
            self._party(payment.creditor),
            payment.transfer.amount.minor,
        )

    def half_of(self, payment: Payment) -> Half:
        """What moves the half of a payment that is here."""
        side, slot = (IS_PAID, payment.creditor) if payment.arrives else (PAYS, payment.debtor)
        amount = payment.transfer.amount.minor
        return Half(payment.transfer.uetr, side, self._party(slot), amount, payment.peer, payment.far)

    def half_of_return(self, payment: Payment, return_: Coming) -> Half:
        """What moves the half of a return that is here."""
        side, slot = (PAYS_BACK, payment.creditor) if payment.arrives else (IS_PAID_BACK, payment.debtor)
        return Half(
            payment.transfer.uetr, side, self._party(slot), return_.amount, payment.peer, return_.key, return_.attempt
        )

    def save(self) -> dict[str, bytes]:
        """The whole of it, in parts."""
        return {
            "attempts": encode_value(self._attempts),
            "payments": encode_value(list(self._payments.values())),
            "policies": encode_value(sorted(self.policies.items())),
            "due": self.waiting.save(),
        }

    def load(self, parts: Mapping[str, bytes | memoryview]) -> None:
        """Become what was saved."""
        payments = msgspec.msgpack.decode(parts["payments"], type=list[Payment])
        self._payments = {payment.transfer.uetr: payment for payment in payments}
        self.promised = self._count_promised()
        self.policies = dict(msgspec.msgpack.decode(parts["policies"], type=list[tuple[int, Policy]]))
        self.waiting.load(parts["due"])
        self._attempts = msgspec.msgpack.decode(parts["attempts"], type=int)

    def check(self) -> None:
        """Raise Bug if what waits is not reserved, or more went back than had come."""
        waiting: dict[int, list[int]] = {}
        for half in self._reserved():
            sums = waiting.setdefault(half.party.institution, [0, 0])
            sums[0 if half.side.pays else 1] += half.amount
        for institution, sums in waiting.items():
            reserved = held(self.ledger, institution)
            is_reserved = all(has >= waits for has, waits in zip(reserved, sums, strict=True))
            invariant(is_reserved, "what waits for a decision is reserved", reserved=reserved, waiting=sums)
        for payment in self._payments.values():
            invariant(payment.left >= 0, "no more goes back than came", uetr=payment.transfer.uetr)
        invariant(self.promised == self._count_promised(), "what is promised is counted", counted=self.promised)

    def _reserved(self) -> Iterator[Half]:
        """All that must be reserved: what leaves an account here or comes to one, if it is decided so."""
        for uetr in self.waiting.payments():
            yield self.half_of(self._payments[uetr])
        for payment in self._payments.values():
            if payment.arrives and payment.stand is Stand.PREPARED:
                yield self.half_of(payment)
            for each in payment.returning:
                yield self.half_of_return(payment, Coming(each.attempt, each.wanted.amount, each.wanted.key))
            for coming in payment.coming:
                yield self.half_of_return(payment, coming)

    def _count_promised(self) -> Counter[int]:
        promised: Counter[int] = Counter()
        for payment in self._payments.values():
            promised[payment.peer] += payment.promised
        return promised

    def _oldest(self, count: int) -> Iterator[str]:
        return (uetr for uetr, _ in zip(self._payments, range(count), strict=False))

    def _party(self, slot: int) -> books.Party:
        return books.Party(slot, int(self.directory.accounts["institution"][slot]))

    def _remembered(self, uetr: str) -> Payment | None:
        """A payment whose words were let go, from its money: of one between two shards, from the half here."""
        moved = payment_moved(self.ledger, uetr)
        if moved is not None:
            return self._payment_of(uetr, moved, returns_moved(self.ledger, uetr, count_max=RETURNS_AND_RECALL_MAX))
        half = half_moved(self.ledger, uetr) if self.place.partitions > 1 else None
        if half is None:
            return None
        returns = [each.moved for each in half_returns_moved(self.ledger, uetr, count_max=RETURNS_AND_RECALL_MAX)]
        payment = self._payment_of(uetr, half.moved, returns)
        payment.peer, payment.arrives, payment.far = half.peer, half.moved.payer < 0, half.moved.key
        return payment

    def _payment_of(self, uetr: str, moved: Moved, returns: list[Moved]) -> Payment:
        debtor_agent, debtor = self._end(moved.payer)
        creditor_agent, creditor = self._end(moved.payee)
        transfer = CreditTransfer(
            message_id="",
            created="",
            uetr=uetr,
            end_to_end_id="",
            amount=Amount(CURRENCY, moved.amount),
            debtor=debtor,
            debtor_agent=debtor_agent,
            creditor=creditor,
            creditor_agent=creditor_agent,
        )
        went_back = [Returned("", "", each.amount, "", each.key, each.time_ns) for each in returns]
        status, time_ns = Status.ACCEPTED, moved.time_ns
        return Payment(transfer, moved.payer, moved.payee, time_ns, status, "", time_ns, went_back)

    def _end(self, slot: int) -> tuple[Agent, Party]:
        """Who is at one end of a payment, as far as it is known here."""
        if slot < 0:
            return Agent(), Party()
        return Agent(routing=self._routing(slot)), Party(account=self._number(slot))

    def _number(self, slot: int) -> str:
        number: bytes = self.directory.accounts["number"][slot]
        return number.decode()

    def _routing(self, slot: int) -> str:
        return self.directory.institutions[self._party(slot).institution].routing
