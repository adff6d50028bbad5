"""What stands against a transfer, in plain Python: the pure half of the oracle, with its records.

Checked by: tests/payments/ledger/test_properties.py
"""

from collections.abc import Iterable
from dataclasses import dataclass

from ropewalk.systems.payments.ledger.layout import TIMESTAMP_MAX, WIDE_MAX, AccountFlags, TransferFlags
from ropewalk.systems.payments.ledger.statuses import TransferStatus

_SECOND_NS = 1_000_000_000
POST_OR_VOID = TransferFlags.POST_PENDING_TRANSFER | TransferFlags.VOID_PENDING_TRANSFER
_BALANCING = TransferFlags.BALANCING_DEBIT | TransferFlags.BALANCING_CREDIT
_CLOSING = TransferFlags.CLOSING_DEBIT | TransferFlags.CLOSING_CREDIT


@dataclass(frozen=True, kw_only=True)
class Account:
    """An account and its balances."""

    id: int = 0
    debits_pending: int = 0
    debits_posted: int = 0
    credits_pending: int = 0
    credits_posted: int = 0
    user_data_128: int = 0
    user_data_64: int = 0
    user_data_32: int = 0
    reserved: int = 0
    ledger: int = 0
    code: int = 0
    flags: int = 0
    timestamp: int = 0


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """A transfer, as it is sent and as it is kept."""

    id: int = 0
    debit_account_id: int = 0
    credit_account_id: int = 0
    amount: int = 0
    pending_id: int = 0
    user_data_128: int = 0
    user_data_64: int = 0
    user_data_32: int = 0
    timeout: int = 0
    ledger: int = 0
    code: int = 0
    flags: int = 0
    timestamp: int = 0


def expires_at(pending: Transfer) -> int:
    """When a pending transfer with a timeout expires."""
    return pending.timestamp + pending.timeout * _SECOND_NS


def same_amount(event: Transfer, existing: Transfer, pending: Transfer | None) -> bool:
    """Whether a retry names an amount by which the existing transfer may have come about."""
    if event.flags & _BALANCING:
        return event.amount >= existing.amount
    if event.flags & TransferFlags.VOID_PENDING_TRANSFER:
        return event.amount in (0, existing.amount)
    if pending is not None and existing.amount == pending.amount:
        return event.amount >= pending.amount
    return event.amount == existing.amount


def refused_by_fields(event: Transfer) -> TransferStatus:
    """What is wrong with a transfer that neither posts nor voids, whatever the accounts are."""
    status = TransferStatus
    is_pending = bool(event.flags & TransferFlags.PENDING)
    reasons = [
        (event.debit_account_id == 0, status.DEBIT_ACCOUNT_ID_MUST_NOT_BE_ZERO),
        (event.debit_account_id == WIDE_MAX, status.DEBIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX),
        (event.credit_account_id == 0, status.CREDIT_ACCOUNT_ID_MUST_NOT_BE_ZERO),
        (event.credit_account_id == WIDE_MAX, status.CREDIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX),
        (event.debit_account_id == event.credit_account_id, status.ACCOUNTS_MUST_BE_DIFFERENT),
        (event.pending_id != 0, status.PENDING_ID_MUST_BE_ZERO),
        (event.timeout != 0 and not is_pending, status.TIMEOUT_RESERVED_FOR_PENDING_TRANSFER),
        (bool(event.flags & _CLOSING) and not is_pending, status.CLOSING_TRANSFER_MUST_BE_PENDING),
        (event.ledger == 0, status.LEDGER_MUST_NOT_BE_ZERO),
        (event.code == 0, status.CODE_MUST_NOT_BE_ZERO),
    ]
    return _first(reasons)


def refused_by_closing(debit: Account, credit: Account) -> TransferStatus:
    """Closed accounts."""
    return _first(
        [
            (bool(debit.flags & AccountFlags.CLOSED), TransferStatus.DEBIT_ACCOUNT_ALREADY_CLOSED),
            (bool(credit.flags & AccountFlags.CLOSED), TransferStatus.CREDIT_ACCOUNT_ALREADY_CLOSED),
        ]
    )


def refused_by_balances(
    event: Transfer, accounts: tuple[Account, Account], *, amount: int, timestamp: int
) -> TransferStatus:
    """Overflows, and then limits, of the debit and the credit account."""
    debit, credit = accounts
    status = TransferStatus
    is_pending = bool(event.flags & TransferFlags.PENDING)
    debits = debit.debits_pending + debit.debits_posted + amount
    credits = credit.credits_pending + credit.credits_posted + amount
    debits_limited = bool(debit.flags & AccountFlags.DEBITS_MUST_NOT_EXCEED_CREDITS)
    credits_limited = bool(credit.flags & AccountFlags.CREDITS_MUST_NOT_EXCEED_DEBITS)
    return _first(
        [
            (is_pending and debit.debits_pending + amount > WIDE_MAX, status.OVERFLOWS_DEBITS_PENDING),
            (is_pending and credit.credits_pending + amount > WIDE_MAX, status.OVERFLOWS_CREDITS_PENDING),
            (debit.debits_posted + amount > WIDE_MAX, status.OVERFLOWS_DEBITS_POSTED),
            (credit.credits_posted + amount > WIDE_MAX, status.OVERFLOWS_CREDITS_POSTED),
            (debits > WIDE_MAX, status.OVERFLOWS_DEBITS),
            (credits > WIDE_MAX, status.OVERFLOWS_CREDITS),
            (timestamp + event.timeout * _SECOND_NS > TIMESTAMP_MAX, status.OVERFLOWS_TIMEOUT),
            (debits_limited and debits > debit.credits_posted, status.EXCEEDS_CREDITS),
            (credits_limited and credits > credit.debits_posted, status.EXCEEDS_DEBITS),
        ]
    )


def refused_as_resolution(event: Transfer) -> TransferStatus:
    """What is wrong with a transfer that posts or voids, whatever it names."""
    status = TransferStatus
    excluded = TransferFlags.PENDING | _BALANCING | _CLOSING
    return _first(
        [
            (event.flags & POST_OR_VOID == POST_OR_VOID, status.FLAGS_ARE_MUTUALLY_EXCLUSIVE),
            (bool(event.flags & excluded), status.FLAGS_ARE_MUTUALLY_EXCLUSIVE),
            (event.pending_id == 0, status.PENDING_ID_MUST_NOT_BE_ZERO),
            (event.pending_id == WIDE_MAX, status.PENDING_ID_MUST_NOT_BE_INT_MAX),
            (event.pending_id == event.id, status.PENDING_ID_MUST_BE_DIFFERENT),
            (event.timeout != 0, status.TIMEOUT_RESERVED_FOR_PENDING_TRANSFER),
        ]
    )


def refused_by_pending(event: Transfer, pending: Transfer, amount: int, *, is_void: bool) -> TransferStatus:
    """Where a transfer that posts or voids contradicts the pending one."""
    status = TransferStatus
    reasons = [
        (
            getattr(event, name) not in (0, getattr(pending, name)),
            status[f"PENDING_TRANSFER_HAS_DIFFERENT_{name.upper()}"],
        )
        for name in ("debit_account_id", "credit_account_id", "ledger", "code")
    ]
    return _first(
        [
            *reasons,
            (amount > pending.amount, status.EXCEEDS_PENDING_TRANSFER_AMOUNT),
            (is_void and amount < pending.amount, status.PENDING_TRANSFER_HAS_DIFFERENT_AMOUNT),
        ]
    )


def _first(reasons: Iterable[tuple[bool, TransferStatus]]) -> TransferStatus:
    """The first reason that applies."""
    return next((status for applies, status in reasons if applies), TransferStatus.CREATED)
