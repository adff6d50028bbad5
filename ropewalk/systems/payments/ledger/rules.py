"""What stands against a transfer, by precedence: pure checks on single rows, compiled.

`create.py` asks them in order. Each returns CREATED if it has nothing against the transfer.

Checked by: tests/payments/ledger/test_statuses.py, test_properties.py (against the oracle)
"""

import numpy as np

from ropewalk.systems.payments.ledger.hot import EXPIRED, POSTED, VOIDED
from ropewalk.systems.payments.ledger.layout import AccountFlags, TransferFlags
from ropewalk.systems.payments.ledger.statuses import TransferStatus
from ropewalk.systems.payments.ledger.words import U0, Row, Word, add, compiled, less, subtract

IMPORTED = np.uint16(TransferFlags.IMPORTED)
PENDING_FLAG = np.uint16(TransferFlags.PENDING)
POST = np.uint16(TransferFlags.POST_PENDING_TRANSFER)
VOID = np.uint16(TransferFlags.VOID_PENDING_TRANSFER)
CLOSING_DEBIT = np.uint16(TransferFlags.CLOSING_DEBIT)
CLOSING_CREDIT = np.uint16(TransferFlags.CLOSING_CREDIT)
BALANCING_DEBIT = np.uint16(TransferFlags.BALANCING_DEBIT)
BALANCING_CREDIT = np.uint16(TransferFlags.BALANCING_CREDIT)
POST_OR_VOID = POST | VOID
CLOSING = CLOSING_DEBIT | CLOSING_CREDIT
BALANCING = BALANCING_DEBIT | BALANCING_CREDIT
CLOSED = np.uint16(AccountFlags.CLOSED)
SECOND_NS = np.uint64(1_000_000_000)
MAX = np.uint64(2**64 - 1)
TIMESTAMP_MAX = np.uint64(2**63 - 1)

_KNOWN = np.uint16(511)
_DEBITS_LIMITED = np.uint16(AccountFlags.DEBITS_MUST_NOT_EXCEED_CREDITS)
_CREDITS_LIMITED = np.uint16(AccountFlags.CREDITS_MUST_NOT_EXCEED_DEBITS)


@compiled
def refused_by_request(event: Row, imports: int, request_timestamp: Word) -> TransferStatus:
    """What the request as a whole, of which `imports` is the first event's flag, has against an event."""
    if event.flags & IMPORTED != imports:
        return TransferStatus.IMPORTED_EVENT_EXPECTED if imports else TransferStatus.IMPORTED_EVENT_NOT_EXPECTED
    if not imports:
        return TransferStatus.TIMESTAMP_MUST_BE_ZERO if event.timestamp != U0 else TransferStatus.CREATED
    if event.timestamp == U0 or event.timestamp > TIMESTAMP_MAX:
        return TransferStatus.IMPORTED_EVENT_TIMESTAMP_OUT_OF_RANGE
    if event.timestamp >= request_timestamp:
        return TransferStatus.IMPORTED_EVENT_TIMESTAMP_MUST_NOT_ADVANCE
    return TransferStatus.CREATED


@compiled
def refused_by_id(event: Row) -> TransferStatus:
    """Unknown flags, and ids that are none."""
    if event.flags & ~_KNOWN != 0:
        return TransferStatus.RESERVED_FLAG
    if event.id_low == U0 and event.id_high == U0:
        return TransferStatus.ID_MUST_NOT_BE_ZERO
    if event.id_low == MAX and event.id_high == MAX:
        return TransferStatus.ID_MUST_NOT_BE_INT_MAX
    return TransferStatus.CREATED


@compiled
def refused_by_fields(event: Row) -> TransferStatus:
    """What is wrong with a transfer that neither posts nor voids, whatever the accounts are."""
    debit_low, debit_high = event.debit_account_id_low, event.debit_account_id_high
    credit_low, credit_high = event.credit_account_id_low, event.credit_account_id_high
    if debit_low == U0 and debit_high == U0:
        return TransferStatus.DEBIT_ACCOUNT_ID_MUST_NOT_BE_ZERO
    if debit_low == MAX and debit_high == MAX:
        return TransferStatus.DEBIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX
    if credit_low == U0 and credit_high == U0:
        return TransferStatus.CREDIT_ACCOUNT_ID_MUST_NOT_BE_ZERO
    if credit_low == MAX and credit_high == MAX:
        return TransferStatus.CREDIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX
    if debit_low == credit_low and debit_high == credit_high:
        return TransferStatus.ACCOUNTS_MUST_BE_DIFFERENT
    if event.pending_id_low != U0 or event.pending_id_high != U0:
        return TransferStatus.PENDING_ID_MUST_BE_ZERO
    if event.flags & PENDING_FLAG == 0:
        if event.timeout != 0:
            return TransferStatus.TIMEOUT_RESERVED_FOR_PENDING_TRANSFER
        if event.flags & CLOSING != 0:
            return TransferStatus.CLOSING_TRANSFER_MUST_BE_PENDING
    if event.ledger == 0:
        return TransferStatus.LEDGER_MUST_NOT_BE_ZERO
    if event.code == 0:
        return TransferStatus.CODE_MUST_NOT_BE_ZERO
    return TransferStatus.CREATED


@compiled
def refused_by_accounts(event: Row, debit: Row, credit: Row) -> TransferStatus:
    """What the two accounts have against a transfer, apart from their balances."""
    if debit.ledger != credit.ledger:
        return TransferStatus.ACCOUNTS_MUST_HAVE_THE_SAME_LEDGER
    if event.ledger != debit.ledger:
        return TransferStatus.TRANSFER_MUST_HAVE_THE_SAME_LEDGER_AS_ACCOUNTS
    return TransferStatus.CREATED


@compiled
def refused_by_import(event: Row, debit: Row, credit: Row) -> TransferStatus:
    """What stands against the time of an imported transfer."""
    if event.timestamp <= debit.timestamp:
        return TransferStatus.IMPORTED_EVENT_TIMESTAMP_MUST_POSTDATE_DEBIT_ACCOUNT
    if event.timestamp <= credit.timestamp:
        return TransferStatus.IMPORTED_EVENT_TIMESTAMP_MUST_POSTDATE_CREDIT_ACCOUNT
    if event.timeout != 0:
        return TransferStatus.IMPORTED_EVENT_TIMEOUT_MUST_BE_ZERO
    return TransferStatus.CREATED


@compiled
def refused_by_closing(debit: Row, credit: Row) -> TransferStatus:
    """Closed accounts."""
    if debit.flags & CLOSED != 0:
        return TransferStatus.DEBIT_ACCOUNT_ALREADY_CLOSED
    if credit.flags & CLOSED != 0:
        return TransferStatus.CREDIT_ACCOUNT_ALREADY_CLOSED
    return TransferStatus.CREATED


@compiled
def balanced(event: Row, debit: Row, credit: Row) -> tuple[Word, Word]:
    """The amount that a transfer moves: its own, or as much of it as its balancing flags leave."""
    low, high = event.amount_low, event.amount_high
    if event.flags & BALANCING_DEBIT != 0:
        used_low, used_high, _ = add(
            debit.debits_pending_low, debit.debits_pending_high, debit.debits_posted_low, debit.debits_posted_high
        )
        low, high = _at_most(low, high, debit.credits_posted_low, debit.credits_posted_high, used_low, used_high)
    if event.flags & BALANCING_CREDIT != 0:
        used_low, used_high, _ = add(
            credit.credits_pending_low,
            credit.credits_pending_high,
            credit.credits_posted_low,
            credit.credits_posted_high,
        )
        low, high = _at_most(low, high, credit.debits_posted_low, credit.debits_posted_high, used_low, used_high)
    return low, high


@compiled
def _at_most(
    low: Word, high: Word, limit_low: Word, limit_high: Word, used_low: Word, used_high: Word
) -> tuple[Word, Word]:
    """The smaller of an amount and what is left of a limit."""
    if less(limit_low, limit_high, used_low, used_high):
        return U0, U0
    left_low, left_high = subtract(limit_low, limit_high, used_low, used_high)
    if less(left_low, left_high, low, high):
        return left_low, left_high
    return low, high


@compiled
def refused_by_balances(event: Row, debit: Row, credit: Row, low: Word, high: Word) -> TransferStatus:
    """Overflows, first of the single balances, then of their sums."""
    if event.flags & PENDING_FLAG != 0:
        if add(low, high, debit.debits_pending_low, debit.debits_pending_high)[2]:
            return TransferStatus.OVERFLOWS_DEBITS_PENDING
        if add(low, high, credit.credits_pending_low, credit.credits_pending_high)[2]:
            return TransferStatus.OVERFLOWS_CREDITS_PENDING
    if add(low, high, debit.debits_posted_low, debit.debits_posted_high)[2]:
        return TransferStatus.OVERFLOWS_DEBITS_POSTED
    if add(low, high, credit.credits_posted_low, credit.credits_posted_high)[2]:
        return TransferStatus.OVERFLOWS_CREDITS_POSTED
    debits_low, debits_high, _ = add(
        debit.debits_pending_low, debit.debits_pending_high, debit.debits_posted_low, debit.debits_posted_high
    )
    debits_low, debits_high, overflows = add(low, high, debits_low, debits_high)
    if overflows:
        return TransferStatus.OVERFLOWS_DEBITS
    credits_low, credits_high, _ = add(
        credit.credits_pending_low, credit.credits_pending_high, credit.credits_posted_low, credit.credits_posted_high
    )
    credits_low, credits_high, overflows = add(low, high, credits_low, credits_high)
    if overflows:
        return TransferStatus.OVERFLOWS_CREDITS
    return TransferStatus.CREATED


@compiled
def refused_by_limits(debit: Row, credit: Row, low: Word, high: Word) -> TransferStatus:
    """Limits that the accounts' owners set; sums can't overflow here."""
    if debit.flags & _DEBITS_LIMITED != 0:
        debits_low, debits_high, _ = add(
            debit.debits_pending_low, debit.debits_pending_high, debit.debits_posted_low, debit.debits_posted_high
        )
        debits_low, debits_high, _ = add(low, high, debits_low, debits_high)
        if less(debit.credits_posted_low, debit.credits_posted_high, debits_low, debits_high):
            return TransferStatus.EXCEEDS_CREDITS
    if credit.flags & _CREDITS_LIMITED != 0:
        credits_low, credits_high, _ = add(
            credit.credits_pending_low,
            credit.credits_pending_high,
            credit.credits_posted_low,
            credit.credits_posted_high,
        )
        credits_low, credits_high, _ = add(low, high, credits_low, credits_high)
        if less(credit.debits_posted_low, credit.debits_posted_high, credits_low, credits_high):
            return TransferStatus.EXCEEDS_DEBITS
    return TransferStatus.CREATED


@compiled
def refused_as_resolution(event: Row) -> TransferStatus:
    """What is wrong with a transfer that posts or voids, whatever it names."""
    flags = event.flags
    if flags & POST_OR_VOID == POST_OR_VOID or flags & (PENDING_FLAG | BALANCING | CLOSING) != 0:
        return TransferStatus.FLAGS_ARE_MUTUALLY_EXCLUSIVE
    low, high = event.pending_id_low, event.pending_id_high
    if low == U0 and high == U0:
        return TransferStatus.PENDING_ID_MUST_NOT_BE_ZERO
    if low == MAX and high == MAX:
        return TransferStatus.PENDING_ID_MUST_NOT_BE_INT_MAX
    if low == event.id_low and high == event.id_high:
        return TransferStatus.PENDING_ID_MUST_BE_DIFFERENT
    if event.timeout != 0:
        return TransferStatus.TIMEOUT_RESERVED_FOR_PENDING_TRANSFER
    return TransferStatus.CREATED


@compiled
def resolved_amount(event: Row, pending: Row) -> tuple[Word, Word]:
    """The amount that is posted or voided; zero voids all, and 2^128 - 1 posts all."""
    low, high = event.amount_low, event.amount_high
    all_of_it = U0 if event.flags & VOID != 0 else MAX
    if low == all_of_it and high == all_of_it:
        return pending.amount_low, pending.amount_high
    return low, high


@compiled
def refused_by_pending(event: Row, pending: Row, low: Word, high: Word) -> TransferStatus:
    """Where a transfer that posts or voids contradicts the pending one."""
    if pending.flags & PENDING_FLAG == 0:
        return TransferStatus.PENDING_TRANSFER_NOT_PENDING
    if (event.debit_account_id_low != U0 or event.debit_account_id_high != U0) and (
        event.debit_account_id_low != pending.debit_account_id_low
        or event.debit_account_id_high != pending.debit_account_id_high
    ):
        return TransferStatus.PENDING_TRANSFER_HAS_DIFFERENT_DEBIT_ACCOUNT_ID
    if (event.credit_account_id_low != U0 or event.credit_account_id_high != U0) and (
        event.credit_account_id_low != pending.credit_account_id_low
        or event.credit_account_id_high != pending.credit_account_id_high
    ):
        return TransferStatus.PENDING_TRANSFER_HAS_DIFFERENT_CREDIT_ACCOUNT_ID
    if event.ledger != 0 and event.ledger != pending.ledger:
        return TransferStatus.PENDING_TRANSFER_HAS_DIFFERENT_LEDGER
    if event.code != 0 and event.code != pending.code:
        return TransferStatus.PENDING_TRANSFER_HAS_DIFFERENT_CODE
    if less(pending.amount_low, pending.amount_high, low, high):
        return TransferStatus.EXCEEDS_PENDING_TRANSFER_AMOUNT
    if event.flags & VOID != 0 and less(low, high, pending.amount_low, pending.amount_high):
        return TransferStatus.PENDING_TRANSFER_HAS_DIFFERENT_AMOUNT
    return TransferStatus.CREATED


@compiled
def refused_by_state(pending: Row, state: Word, now: Word) -> TransferStatus:
    """What became of a pending transfer already. It expires on time, whether or not that has been noted yet."""
    if state == POSTED:
        return TransferStatus.PENDING_TRANSFER_ALREADY_POSTED
    if state == VOIDED:
        return TransferStatus.PENDING_TRANSFER_ALREADY_VOIDED
    if state == EXPIRED:
        return TransferStatus.PENDING_TRANSFER_EXPIRED
    if pending.timeout != 0 and pending.timestamp + np.uint64(pending.timeout) * SECOND_NS <= now:
        return TransferStatus.PENDING_TRANSFER_EXPIRED
    return TransferStatus.CREATED
