"""How a transfer compares with the one that has its id already: compiled.

A retry may say less than the ledger knows: a transfer that posts or voids leaves to the pending one what it does not
say, and a balancing transfer says only the most that it may move. Such a retry still is the same transfer.

Checked by: tests/payments/ledger/test_statuses.py, test_properties.py (against the oracle)
"""

from ropewalk.systems.payments.ledger.rules import BALANCING, POST, POST_OR_VOID
from ropewalk.systems.payments.ledger.statuses import TransferStatus
from ropewalk.systems.payments.ledger.words import U0, Row, compiled, less


@compiled
def compared(event: Row, existing: Row, pending: Row) -> TransferStatus:
    """EXISTS, or the first difference. `pending` is what the existing one posted or voided, else anything."""
    if event.flags != existing.flags:
        return TransferStatus.EXISTS_WITH_DIFFERENT_FLAGS
    if event.pending_id_low != existing.pending_id_low or event.pending_id_high != existing.pending_id_high:
        return TransferStatus.EXISTS_WITH_DIFFERENT_PENDING_ID
    if event.timeout != existing.timeout:
        return TransferStatus.EXISTS_WITH_DIFFERENT_TIMEOUT
    resolves = event.flags & POST_OR_VOID != 0
    low, high = event.debit_account_id_low, event.debit_account_id_high
    left_out = resolves and low == U0 and high == U0
    if not left_out and (low != existing.debit_account_id_low or high != existing.debit_account_id_high):
        return TransferStatus.EXISTS_WITH_DIFFERENT_DEBIT_ACCOUNT_ID
    low, high = event.credit_account_id_low, event.credit_account_id_high
    left_out = resolves and low == U0 and high == U0
    if not left_out and (low != existing.credit_account_id_low or high != existing.credit_account_id_high):
        return TransferStatus.EXISTS_WITH_DIFFERENT_CREDIT_ACCOUNT_ID
    if not _same_amount(event, existing, pending):
        return TransferStatus.EXISTS_WITH_DIFFERENT_AMOUNT
    status = _compared_user_data(event, existing, pending)
    if status != TransferStatus.EXISTS:
        return status
    if event.ledger != existing.ledger and not (resolves and event.ledger == 0):
        return TransferStatus.EXISTS_WITH_DIFFERENT_LEDGER
    if event.code != existing.code and not (resolves and event.code == 0):
        return TransferStatus.EXISTS_WITH_DIFFERENT_CODE
    return TransferStatus.EXISTS


@compiled
def _same_amount(event: Row, existing: Row, pending: Row) -> bool:
    low, high = event.amount_low, event.amount_high
    if event.flags & BALANCING != 0:
        return not less(low, high, existing.amount_low, existing.amount_high)
    if low == existing.amount_low and high == existing.amount_high:
        return True
    if event.flags & POST != 0:
        # What posted all of it asked for all of it or more, and more is refused unless it is the largest number.
        posted_all = existing.amount_low == pending.amount_low and existing.amount_high == pending.amount_high
        return bool(posted_all and less(existing.amount_low, existing.amount_high, low, high))
    return bool(event.flags & POST_OR_VOID != 0 and low == U0 and high == U0)


@compiled
def _compared_user_data(event: Row, existing: Row, pending: Row) -> TransferStatus:
    """User data of a transfer that posts or voids is that of the pending one where it has none."""
    low, high = event.user_data_128_low, event.user_data_128_high
    word, half = event.user_data_64, event.user_data_32
    if event.flags & POST_OR_VOID != 0:
        if low == U0 and high == U0:
            low, high = pending.user_data_128_low, pending.user_data_128_high
        word = word if word != U0 else pending.user_data_64
        half = half if half != 0 else pending.user_data_32
    if low != existing.user_data_128_low or high != existing.user_data_128_high:
        return TransferStatus.EXISTS_WITH_DIFFERENT_USER_DATA_128
    if word != existing.user_data_64:
        return TransferStatus.EXISTS_WITH_DIFFERENT_USER_DATA_64
    if half != existing.user_data_32:
        return TransferStatus.EXISTS_WITH_DIFFERENT_USER_DATA_32
    return TransferStatus.EXISTS
