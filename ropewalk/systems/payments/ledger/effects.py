"""What a transfer that nothing stands against does to its accounts: compiled.

Checked by: tests/payments/ledger/test_properties.py (against the oracle)
"""

import numpy as np

from ropewalk.systems.payments.ledger.hot import BALANCES, Hot
from ropewalk.systems.payments.ledger.layout import AccountFlags
from ropewalk.systems.payments.ledger.rules import CLOSED, CLOSING_CREDIT, CLOSING_DEBIT, POST
from ropewalk.systems.payments.ledger.words import U0, U1, Index, Row, Word, add, compiled, inlined, subtract

_HISTORY = np.uint16(AccountFlags.HISTORY)


@compiled
def reserve(debit: Row, credit: Row, low: Word, high: Word) -> None:
    """Reserve an amount."""
    debit.debits_pending_low, debit.debits_pending_high, _ = add(
        debit.debits_pending_low, debit.debits_pending_high, low, high
    )
    credit.credits_pending_low, credit.credits_pending_high, _ = add(
        credit.credits_pending_low, credit.credits_pending_high, low, high
    )


@compiled
def post(debit: Row, credit: Row, low: Word, high: Word) -> None:
    """Move an amount."""
    debit.debits_posted_low, debit.debits_posted_high, _ = add(
        debit.debits_posted_low, debit.debits_posted_high, low, high
    )
    credit.credits_posted_low, credit.credits_posted_high, _ = add(
        credit.credits_posted_low, credit.credits_posted_high, low, high
    )


@compiled
def release(debit: Row, credit: Row, pending: Row) -> None:
    """Take a pending transfer's amount out of what is reserved."""
    debit.debits_pending_low, debit.debits_pending_high = subtract(
        debit.debits_pending_low, debit.debits_pending_high, pending.amount_low, pending.amount_high
    )
    credit.credits_pending_low, credit.credits_pending_high = subtract(
        credit.credits_pending_low, credit.credits_pending_high, pending.amount_low, pending.amount_high
    )


@compiled
def close(event: Row, debit: Row, credit: Row) -> None:
    """Close what a pending transfer says."""
    if event.flags & CLOSING_DEBIT != 0:
        debit.flags |= CLOSED
    if event.flags & CLOSING_CREDIT != 0:
        credit.flags |= CLOSED


@compiled
def reopen(debit: Row, credit: Row, pending: Row) -> None:
    """Undo what a pending transfer closed."""
    if pending.flags & CLOSING_DEBIT != 0:
        debit.flags &= ~CLOSED
    if pending.flags & CLOSING_CREDIT != 0:
        credit.flags &= ~CLOSED


@compiled
def resolve(event: Row, debit: Row, credit: Row, pending: Row, low: Word, high: Word) -> None:
    """Give back what was reserved, and move what is posted or open again what was to be closed."""
    release(debit, credit, pending)
    if event.flags & POST != 0:
        post(debit, credit, low, high)
    else:
        reopen(debit, credit, pending)


@compiled
def inherit(row: Row, pending: Row) -> None:
    """Fill what a transfer that posts or voids left to the pending one."""
    row.debit_account_id_low, row.debit_account_id_high = pending.debit_account_id_low, pending.debit_account_id_high
    row.credit_account_id_low = pending.credit_account_id_low
    row.credit_account_id_high = pending.credit_account_id_high
    if row.user_data_128_low == U0 and row.user_data_128_high == U0:
        row.user_data_128_low, row.user_data_128_high = pending.user_data_128_low, pending.user_data_128_high
    if row.user_data_64 == U0:
        row.user_data_64 = pending.user_data_64
    if row.user_data_32 == 0:
        row.user_data_32 = pending.user_data_32
    row.ledger = pending.ledger
    row.code = pending.code


@inlined
def keep_balances(hot: Hot, account: Row, slot: Index, timestamp: Word) -> None:
    """Keep an account's balances if it has flags.history."""
    if account.flags & _HISTORY == 0:
        return
    balance = hot.balances[hot.counts[BALANCES]]
    balance.debits_pending_low, balance.debits_pending_high = account.debits_pending_low, account.debits_pending_high
    balance.debits_posted_low, balance.debits_posted_high = account.debits_posted_low, account.debits_posted_high
    balance.credits_pending_low = account.credits_pending_low
    balance.credits_pending_high = account.credits_pending_high
    balance.credits_posted_low, balance.credits_posted_high = account.credits_posted_low, account.credits_posted_high
    balance.timestamp = timestamp
    balance.slot = np.uint64(slot)
    hot.counts[BALANCES] += U1
