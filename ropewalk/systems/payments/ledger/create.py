"""Creating transfers, a batch at a time: compiled.

The events of a batch are applied one after the other, exactly as if each had come alone. What they need from sealed
segments has been fetched (`plan.py`); what stands against them is in `rules.py` and what they do in `effects.py`.

Checked by: tests/payments/ledger/test_properties.py (against the oracle), test_statuses.py
"""

import numpy as np
from numpy.typing import NDArray

from ropewalk.systems.payments.ledger.accounts import Book, fail_earlier, find_account, has_account_at
from ropewalk.systems.payments.ledger.effects import close, inherit, post, reserve, resolve
from ropewalk.systems.payments.ledger.hot import (
    ABSENT,
    FAILED,
    FIRST_ROW,
    HELD,
    LAST_TIMESTAMP,
    PENDING,
    PLAIN,
    POSTED,
    ROW_MASK,
    STATE_SHIFT,
    VOIDED,
    Hot,
    add_entry,
    find_entry,
    widen,
)
from ropewalk.systems.payments.ledger.keeping import keep_transfer
from ropewalk.systems.payments.ledger.layout import Rows, TransferFlags
from ropewalk.systems.payments.ledger.repeats import compared
from ropewalk.systems.payments.ledger.rules import (
    IMPORTED,
    PENDING_FLAG,
    POST,
    POST_OR_VOID,
    SECOND_NS,
    TIMESTAMP_MAX,
    VOID,
    balanced,
    refused_as_resolution,
    refused_by_accounts,
    refused_by_balances,
    refused_by_closing,
    refused_by_fields,
    refused_by_id,
    refused_by_import,
    refused_by_limits,
    refused_by_pending,
    refused_by_request,
    refused_by_state,
    resolved_amount,
)
from ropewalk.systems.payments.ledger.statuses import TransferStatus
from ropewalk.systems.payments.ledger.undo import Undo, begin_chain, remember, take_back
from ropewalk.systems.payments.ledger.watch import (
    Watch,
    count_debit,
    refused_by_freeze,
    refused_by_guard,
    uncount_debit,
)
from ropewalk.systems.payments.ledger.words import (
    Index,
    Row,
    Word,
    compiled,
    inlined,
    subtract,
)

_LINKED = np.uint16(TransferFlags.LINKED)


@compiled
def create_all(
    events: Rows,
    plan: NDArray[np.void],
    fetched: Rows,
    book: Book,
    hot: Hot,
    watch: Watch | None,
    undo: Undo,
    ends: NDArray[np.int64],
    first: Word,
    holds: bool,
    results: Rows,
) -> None:
    """Apply the events; `ends` are where each request's events end, `first` is the first one's timestamp.

    If `holds`, what is made pending is held, and what is posted or voided was.
    """
    request, begin = 0, 0
    chain, broken = -1, False
    for index in range(events.size):
        while index >= ends[request]:
            begin = ends[request]
            request += 1
        is_last = index == ends[request] - 1
        event = events[index]
        linked = event.flags & _LINKED != 0
        if linked and chain < 0:
            chain = index
            begin_chain(undo, hot)
        timestamp = first + np.uint64(index)
        if linked and is_last:
            status = TransferStatus.LINKED_EVENT_CHAIN_OPEN
        elif broken:
            status = TransferStatus.LINKED_EVENT_FAILED
        else:
            request_timestamp = first + np.uint64(ends[request] - 1)
            status = refused_by_request(event, events[begin].flags & IMPORTED, request_timestamp)
        if status == TransferStatus.CREATED:
            undone = index - chain if chain >= 0 else -1
            status, timestamp = _create(event, plan[index], fetched, book, hot, watch, undo, undone, holds, timestamp)
        results[index].status = status
        results[index].timestamp = timestamp
        if status != TransferStatus.CREATED and chain >= 0 and not broken:
            broken = True
            take_back(book, hot, watch, undo, index - chain)
            fail_earlier(results, chain, index, first)
        if status != TransferStatus.CREATED and _is_transient(status):
            add_entry(hot, plan[index].key_low, plan[index].key_high, FAILED << STATE_SHIFT)
            widen(hot, event.id_low, event.id_high)
        if not linked or is_last:
            chain, broken = -1, False


@compiled
def _is_transient(status: TransferStatus) -> bool:
    """Whether a reason passes, so that the id is used up (`statuses.TRANSIENT`)."""
    return (
        status == TransferStatus.DEBIT_ACCOUNT_NOT_FOUND
        or status == TransferStatus.CREDIT_ACCOUNT_NOT_FOUND
        or status == TransferStatus.PENDING_TRANSFER_NOT_FOUND
        or status == TransferStatus.EXCEEDS_CREDITS
        or status == TransferStatus.EXCEEDS_DEBITS
        or status == TransferStatus.DEBIT_ACCOUNT_ALREADY_CLOSED
        or status == TransferStatus.CREDIT_ACCOUNT_ALREADY_CLOSED
        or status == TransferStatus.DEBIT_ACCOUNT_FROZEN
        or status == TransferStatus.CREDIT_ACCOUNT_FROZEN
        or status == TransferStatus.EXCEEDS_TRANSFER_LIMIT
        or status == TransferStatus.EXCEEDS_WINDOW_LIMIT
        or status == TransferStatus.EXCEEDS_WINDOW_COUNT
    )


@inlined
def _create(
    event: Row,
    step: Row,
    fetched: Rows,
    book: Book,
    hot: Hot,
    watch: Watch | None,
    undo: Undo,
    undone: Index,
    holds: bool,
    now: Word,
) -> tuple[TransferStatus, Word]:
    """Create a transfer unless something is against it; return the status and the timestamp that goes with it.

    `undone` is its place in its chain, or -1.
    """
    status = refused_by_id(event)
    if status != TransferStatus.CREATED:
        return status, now
    pending_entry, pending_value = -1, ABSENT
    if event.flags & POST_OR_VOID != 0:
        pending_entry = find_entry(hot, step.pending_key_low, step.pending_key_high)
        pending_value = hot.entries[pending_entry].value if pending_entry >= 0 else step.pending_known
    entry = find_entry(hot, step.key_low, step.key_high)
    value = hot.entries[entry].value if entry >= 0 else step.known
    if value != ABSENT:
        if value >> STATE_SHIFT == FAILED:
            return TransferStatus.ID_ALREADY_FAILED, now
        existing = _row(value, step.known_at, hot, fetched)
        pending = existing
        if pending_value != ABSENT and pending_value >> STATE_SHIFT != FAILED:
            pending = _row(pending_value, step.pending_known_at, hot, fetched)
        status = compared(event, existing, pending)
        return status, existing.timestamp if status == TransferStatus.EXISTS else now
    if event.flags & POST_OR_VOID != 0:
        return _resolve(
            event, step, pending_entry, pending_value, fetched, book, hot, watch, undo, undone, holds, now
        )
    return _move(event, step, book, hot, watch, undo, undone, holds, now)


@inlined
def _row(value: Word, fetched_at: Index, hot: Hot, fetched: Rows) -> Row:
    """The transfer that a value stands for: here, or among those that were fetched."""
    row = value & ROW_MASK
    if row >= hot.counts[FIRST_ROW]:
        return hot.rows[row - hot.counts[FIRST_ROW]]
    return fetched[fetched_at]


@inlined
def _move(
    event: Row,
    step: Row,
    book: Book,
    hot: Hot,
    watch: Watch | None,
    undo: Undo,
    undone: Index,
    holds: bool,
    now: Word,
) -> tuple[TransferStatus, Word]:
    """Create a transfer that moves its amount, or reserves it."""
    status = refused_by_fields(event)
    if status != TransferStatus.CREATED:
        return status, now
    if step.debit < 0:
        return TransferStatus.DEBIT_ACCOUNT_NOT_FOUND, now
    if step.credit < 0:
        return TransferStatus.CREDIT_ACCOUNT_NOT_FOUND, now
    debit, credit = book.rows[step.debit], book.rows[step.credit]
    status = refused_by_accounts(event, debit, credit)
    timestamp = now
    if status == TransferStatus.CREATED and event.flags & IMPORTED != 0:
        timestamp = event.timestamp
        if _regresses(timestamp, book, hot):
            return TransferStatus.IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS, now
        status = refused_by_import(event, debit, credit)
    if status == TransferStatus.CREATED:
        status = _refused_by_what_is_shut(book, watch, step.debit, step.credit)
    if status != TransferStatus.CREATED:
        return status, now
    low, high = balanced(event, debit, credit)
    status = _refused_by_what_there_is(event, debit, credit, timestamp, low, high)
    if watch is not None and status == TransferStatus.CREATED:
        status = refused_by_guard(watch, step.debit, low, high, now)
    if status != TransferStatus.CREATED:
        return status, now
    if undone >= 0:
        remember(undo, undone, book, watch, step.debit, step.credit)
    if watch is not None:
        count_debit(watch, step.debit, low, high)
    state = PLAIN
    if event.flags & PENDING_FLAG != 0:
        reserve(debit, credit, low, high)
        close(event, debit, credit)
        state = HELD if holds else PENDING
    else:
        post(debit, credit, low, high)
    keep_transfer(hot, event, step, book, step.debit, step.credit, state, timestamp, low, high)
    return TransferStatus.CREATED, timestamp


@inlined
def _refused_by_what_there_is(
    event: Row, debit: Row, credit: Row, timestamp: Word, low: Word, high: Word
) -> TransferStatus:
    """What does not fit, and then what is not there."""
    status = refused_by_balances(event, debit, credit, low, high)
    if status == TransferStatus.CREATED and timestamp + np.uint64(event.timeout) * SECOND_NS > TIMESTAMP_MAX:
        status = TransferStatus.OVERFLOWS_TIMEOUT
    if status == TransferStatus.CREATED:
        status = refused_by_limits(debit, credit, low, high)
    return status


@inlined
def _refused_by_what_is_shut(book: Book, watch: Watch | None, debit: Index, credit: Index) -> TransferStatus:
    """Closed accounts, and then frozen ones."""
    status = refused_by_closing(book.rows[debit], book.rows[credit])
    if watch is not None and status == TransferStatus.CREATED:
        status = refused_by_freeze(watch, debit, credit)
    return status


@inlined
def _resolve(
    event: Row,
    step: Row,
    pending_entry: Index,
    pending_value: Word,
    fetched: Rows,
    book: Book,
    hot: Hot,
    watch: Watch | None,
    undo: Undo,
    undone: Index,
    holds: bool,
    now: Word,
) -> tuple[TransferStatus, Word]:
    """Create a transfer that posts or voids a pending one."""
    status = refused_as_resolution(event)
    if status == TransferStatus.CREATED:
        status = _refused_by_value(pending_value, holds)
    if status != TransferStatus.CREATED:
        return status, now
    pending = _row(pending_value, step.pending_known_at, hot, fetched)
    low, high = resolved_amount(event, pending)
    status = refused_by_pending(event, pending, low, high)
    if status == TransferStatus.CREATED:
        status = refused_by_state(pending, pending_value >> STATE_SHIFT, now)
    timestamp = event.timestamp if event.flags & IMPORTED != 0 else now
    if status == TransferStatus.CREATED and event.flags & IMPORTED != 0 and _regresses(timestamp, book, hot):
        status = TransferStatus.IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS
    if status != TransferStatus.CREATED:
        return status, now
    debit_slot, credit_slot = _slots_of(pending, step, book, holds)
    debit, credit = book.rows[debit_slot], book.rows[credit_slot]
    # Who holds a transfer has promised it to others: an account that was closed or frozen meanwhile takes it.
    if event.flags & VOID == 0 and not holds:
        status = _refused_by_what_is_shut(book, watch, debit_slot, credit_slot)
        if status != TransferStatus.CREATED:
            return status, now
    if undone >= 0:
        remember(undo, undone, book, watch, debit_slot, credit_slot)
        undo.entries[undone] = pending_entry
        undo.values[undone] = pending_value
    if watch is not None:
        _uncount(event, watch, debit_slot, pending, low, high)
    resolve(event, debit, credit, pending, low, high)
    row = keep_transfer(hot, event, step, book, debit_slot, credit_slot, PLAIN, timestamp, low, high)
    inherit(row, pending)
    _note_resolved(event, step, pending_entry, pending_value, hot)
    return TransferStatus.CREATED, timestamp


@inlined
def _regresses(timestamp: Word, book: Book, hot: Hot) -> bool:
    """Whether the time of an import is not behind that of every transfer, or is an account's."""
    return bool(timestamp <= hot.counts[LAST_TIMESTAMP] or has_account_at(book, timestamp))


@inlined
def _refused_by_value(pending_value: Word, holds: bool) -> TransferStatus:
    """Nothing that can be posted or voided, or not by whoever asks: what is held is pending for its holder only."""
    if pending_value == ABSENT or pending_value >> STATE_SHIFT == FAILED:
        return TransferStatus.PENDING_TRANSFER_NOT_FOUND
    if pending_value >> STATE_SHIFT == HELD and not holds:
        return TransferStatus.PENDING_TRANSFER_NOT_PENDING
    return TransferStatus.CREATED


@inlined
def _slots_of(pending: Row, step: Row, book: Book, holds: bool) -> tuple[Index, Index]:
    """Where the accounts of a pending transfer are; if it is held, that may be what stands for one."""
    debit = find_account(book, pending.debit_account_id_low, pending.debit_account_id_high)
    credit = find_account(book, pending.credit_account_id_low, pending.credit_account_id_high)
    if holds:
        debit = step.debit if debit < 0 else debit
        credit = step.credit if credit < 0 else credit
    return debit, credit


@inlined
def _uncount(event: Row, watch: Watch, debit: Index, pending: Row, low: Word, high: Word) -> None:
    """Give back to a guard what a pending debit does not take: all of it, or what is not posted."""
    is_void = event.flags & VOID != 0
    left_low, left_high = low, high
    if not is_void:
        left_low, left_high = subtract(pending.amount_low, pending.amount_high, low, high)
    uncount_debit(watch, debit, pending, left_low, left_high, is_void)


@inlined
def _note_resolved(event: Row, step: Row, pending_entry: Index, pending_value: Word, hot: Hot) -> None:
    """Say in the pending transfer's entry what became of it."""
    state = POSTED if event.flags & POST != 0 else VOIDED
    value = (pending_value & ROW_MASK) | state << STATE_SHIFT
    if pending_entry >= 0:
        hot.entries[pending_entry].value = value
    else:
        add_entry(hot, step.pending_key_low, step.pending_key_high, value)
        widen(hot, event.pending_id_low, event.pending_id_high)
