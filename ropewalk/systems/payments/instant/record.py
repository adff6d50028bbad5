"""What is kept of instant payments beside their money: who asked for what, how it was decided, and by whom.

Payments are kept in the order in which they came, and the oldest make room. What is open (waiting for a decision, or
recalled) is kept; a payment of which the words were let go is found in the ledger again, which knows its money for
ever. So no repeat, return or recall can move money twice, however late it comes.

Checked by: tests/payments/instant/test_instant.py, test_properties.py
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Final

import msgspec

from ropewalk.core.codec import encode_value
from ropewalk.errors import invariant
from ropewalk.systems.payments.instant.books import Transfer, held, payment_moved, returns_moved
from ropewalk.systems.payments.instant.limits import NOTES_MAX, RETURNS_MAX, Terms
from ropewalk.systems.payments.iso20022.model import Agent, CancellationRequest, CreditTransfer, Party
from ropewalk.systems.payments.iso20022.money import Amount
from ropewalk.systems.payments.ledger.ledger import Ledger
from ropewalk.systems.payments.parts import Outgoing
from ropewalk.systems.payments.processing import books
from ropewalk.systems.payments.processing.directory import Directory

SECOND_NS: Final = 1_000_000_000
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


class Recall(msgspec.Struct, frozen=True):
    """A request to send the money back."""

    request: CancellationRequest
    outcome: Outcome
    reason: str
    time_ns: int


class Payment(msgspec.Struct):
    """A payment. `debtor` and `creditor` are slots of the directory, -1 if there is no such account."""

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

    @property
    def is_open(self) -> bool:
        """Whether somebody is to decide something."""
        return self.status is Status.PENDING or (self.recall is not None and self.recall.outcome is Outcome.PENDING)

    @property
    def returned(self) -> int:
        """How much went back."""
        return sum(each.amount for each in self.returns)

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
    """All payments that are kept, and the accounts' policies."""

    def __init__(self, ledger: Ledger, directory: Directory, *, outgoing: Outgoing, terms: Terms) -> None:
        self.ledger = ledger
        self.directory = directory
        self.outgoing = outgoing
        self.terms = terms
        self.policies: dict[int, Policy] = {}
        self._payments: dict[str, Payment] = {}
        self._due: dict[str, int] = {}

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

    def wait(self, payment: Payment) -> None:
        """Let a payment wait for its decision."""
        self._due[payment.transfer.uetr] = payment.taken_ns + self.terms.decision_seconds * SECOND_NS

    def decided(self, payment: Payment) -> None:
        """A payment waits no longer."""
        del self._due[payment.transfer.uetr]

    def due_ns(self, uetr: str) -> int:
        """When a payment is rejected if nobody decides; 0 if it does not wait."""
        return self._due.get(uetr, 0)

    def first_due(self) -> tuple[str, int] | None:
        """The payment that has waited for longest, and when its time is up: times are in order, as they all wait
        equally long."""
        return next(iter(self._due.items()), None)

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

    def save(self) -> dict[str, bytes]:
        """The whole of it, in parts."""
        return {
            "payments": encode_value(list(self._payments.values())),
            "policies": encode_value(sorted(self.policies.items())),
            "due": encode_value(list(self._due.items())),
        }

    def load(self, parts: Mapping[str, bytes | memoryview]) -> None:
        """Become what was saved."""
        payments = msgspec.msgpack.decode(parts["payments"], type=list[Payment])
        self._payments = {payment.transfer.uetr: payment for payment in payments}
        self.policies = dict(msgspec.msgpack.decode(parts["policies"], type=list[tuple[int, Policy]]))
        self._due = dict(msgspec.msgpack.decode(parts["due"], type=list[tuple[str, int]]))

    def check(self) -> None:
        """Raise Bug if what waits is not reserved, or more went back than had come."""
        waiting: dict[int, int] = {}
        for uetr in self._due:
            payment = self._payments[uetr]
            institution = self._party(payment.debtor).institution
            waiting[institution] = waiting.get(institution, 0) + payment.transfer.amount.minor
        for institution, amount in waiting.items():
            reserved = held(self.ledger, institution)
            invariant(reserved >= amount, "what waits for a decision is reserved", reserved=reserved, waiting=amount)
        for payment in self._payments.values():
            invariant(
                payment.returned <= payment.transfer.amount.minor,
                "no more goes back than came",
                uetr=payment.transfer.uetr,
            )

    def _oldest(self, count: int) -> Iterator[str]:
        return (uetr for uetr, _ in zip(self._payments, range(count), strict=False))

    def _party(self, slot: int) -> books.Party:
        return books.Party(slot, int(self.directory.accounts["institution"][slot]))

    def _remembered(self, uetr: str) -> Payment | None:
        """A payment whose words were let go, from its money."""
        moved = payment_moved(self.ledger, uetr)
        if moved is None:
            return None
        transfer = CreditTransfer(
            message_id="",
            created="",
            uetr=uetr,
            end_to_end_id="",
            amount=Amount(CURRENCY, moved.amount),
            debtor=Party(account=self._number(moved.payer)),
            debtor_agent=Agent(routing=self._routing(moved.payer)),
            creditor=Party(account=self._number(moved.payee)),
            creditor_agent=Agent(routing=self._routing(moved.payee)),
        )
        returns = [
            Returned("", "", each.amount, "", each.key, each.time_ns)
            for each in returns_moved(self.ledger, uetr, count_max=RETURNS_MAX)
        ]
        return Payment(transfer, moved.payer, moved.payee, moved.time_ns, Status.ACCEPTED, "", moved.time_ns, returns)

    def _number(self, slot: int) -> str:
        number: bytes = self.directory.accounts["number"][slot]
        return number.decode()

    def _routing(self, slot: int) -> str:
        return self.directory.institutions[self._party(slot).institution].routing
