"""What guards refuse, in plain Python: a list of debits, looked through each time.

Checked by: tests/payments/ledger/test_properties.py
"""

from dataclasses import dataclass, field, replace

from ropewalk.systems.payments.ledger.guards import NEITHER, Limit, Sides
from ropewalk.systems.payments.ledger.oracle_rules import Transfer
from ropewalk.systems.payments.ledger.statuses import TransferStatus

_SECOND_NS = 1_000_000_000
_PIECES = 24


@dataclass(frozen=True)
class Debit:
    """One that was counted, and when."""

    now: int
    amount: int
    count: int = 1


@dataclass(frozen=True)
class Guard:
    """An account's, with its debits by the ids of their transfers, as long as its window has had this length."""

    limit: Limit = field(default_factory=Limit)
    sides: Sides = NEITHER
    debits: dict[int, Debit] = field(default_factory=dict)

    def limited(self, limit: Limit) -> "Guard":
        """The guard with another limit."""
        debits = self.debits if limit.window_s == self.limit.window_s else {}
        return replace(self, limit=limit, debits=debits)

    def against(self, amount: int, now: int) -> TransferStatus:
        """What stands against a debit."""
        limit = self.limit
        if limit.transfer_max is not None and amount > limit.transfer_max:
            return TransferStatus.EXCEEDS_TRANSFER_LIMIT
        if limit.window_s:
            piece_ns = -(-limit.window_s * _SECOND_NS // _PIECES)
            counted = [each for each in self.debits.values() if now // piece_ns - each.now // piece_ns <= _PIECES]
            if limit.amount_max is not None and sum(each.amount for each in counted) + amount > limit.amount_max:
                return TransferStatus.EXCEEDS_WINDOW_LIMIT
            if limit.count_max is not None and sum(each.count for each in counted) >= limit.count_max:
                return TransferStatus.EXCEEDS_WINDOW_COUNT
        return TransferStatus.CREATED

    def counting(self, transfer: Transfer, amount: int, now: int) -> "Guard":
        """The guard that has counted a debit."""
        return replace(self, debits={**self.debits, transfer.id: Debit(now, amount)})

    def giving_back(self, pending: Transfer, amount: int, *, is_whole: bool) -> "Guard":
        """The guard that counts so much less of a pending debit; an import's is not known by its time."""
        counted = self.debits.get(pending.id)
        if counted is None or counted.now != pending.timestamp:
            return self
        left = replace(counted, amount=counted.amount - amount, count=counted.count - is_whole)
        return replace(self, debits={**self.debits, pending.id: left})


def refused_by_freeze(debit: Guard | None, credit: Guard | None) -> TransferStatus:
    """Frozen accounts."""
    if debit is not None and debit.sides & Sides.DEBITS:
        return TransferStatus.DEBIT_ACCOUNT_FROZEN
    if credit is not None and credit.sides & Sides.CREDITS:
        return TransferStatus.CREDIT_ACCOUNT_FROZEN
    return TransferStatus.CREATED
