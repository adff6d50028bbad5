"""Creating transfers, a batch at a time: compiled.

Two passes. `plan_all` changes nothing: it finds the accounts of each event and computes the keys of its ids, so that
what is not in memory can be fetched for the whole batch at once. `create_all` then applies the events one after the
other, exactly as if each had come alone.

Checked by: tests/payments/ledger/test_properties.py (against the oracle), test_statuses.py
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ropewalk.systems.payments.ledger.accounts import Book, find_account
from ropewalk.systems.payments.ledger.effects import inherit, keep_balances, post, release, reopen, reserve
from ropewalk.systems.payments.ledger.hot import (
    ABSENT,
    BALANCES,
    ENTRIES,
    EXPIRED,
    FAILED,
    FIRST_ROW,
    LAST_TIMESTAMP,
    PENDING,
    PLAIN,
    POSTED,
    ROW_MASK,
    ROWS,
    SIDE_SHIFT,
    STATE_SHIFT,
    VOIDED,
    Hot,
    add_entry,
    find_entry,
    remove_last_entry,
    widen,
)
from ropewalk.systems.payments.ledger.layout import ACCOUNT, Rows, TransferFlags
from ropewalk.systems.payments.ledger.repeats import compared
from ropewalk.systems.payments.ledger.rules import (
    CLOSED,
    CLOSING_CREDIT,
    CLOSING_DEBIT,
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
    resolved_amount,
)
from ropewalk.systems.payments.ledger.statuses import TransferStatus
from ropewalk.systems.payments.ledger.words import (
    U1,
    U2,
    Array,
    Index,
    Row,
    Word,
    compiled,
    inlined,
    less,
    spread,
)

PLAN: Final = np.dtype(
    [
        ("key_low", "u8"),
        ("key_high", "u8"),
        ("pending_key_low", "u8"),
        ("pending_key_high", "u8"),
        ("known", "u8"),
        ("pending_known", "u8"),
        ("known_at", "i4"),
        ("pending_known_at", "i4"),
        ("debit", "i4"),
        ("credit", "i4"),
        ("asks", "u1"),
        ("asks_pending", "u1"),
    ]
)
"""What is found out about an event before it is applied.

The keys of its id and of its pending_id; whether these may be in sealed segments, and if so the values found there
and where among the fetched rows the transfers are; the slots of its accounts.
"""

_LINKED = np.uint16(TransferFlags.LINKED)


class Undo(NamedTuple):
    """What a chain changed, event by event, so that it can be taken back: two accounts and one entry each."""

    slots: Array
    accounts: Array
    entries: Array
    values: Array


def new_undo(events: int) -> Undo:
    """Room for so many events."""
    return Undo(
        np.empty(2 * events, "i8"), np.empty(2 * events, ACCOUNT), np.empty(events, "i8"), np.empty(events, "u8")
    )


@compiled
def plan_all(events: Rows, book: Book, sealed: NDArray[np.uint64], plan: NDArray[np.void]) -> Index:
    """Plan each event; return how many ids may be in sealed segments (`sealed`: their smallest and largest id)."""
    asked: Index = 0
    for index in range(events.size):
        event = events[index]
        step = plan[index]
        step.key_low, step.key_high = spread(event.id_low, event.id_high)
        step.known = ABSENT
        step.pending_known = ABSENT
        step.asks = _within(sealed, event.id_low, event.id_high)
        step.asks_pending = False
        if event.flags & POST_OR_VOID != 0:
            step.pending_key_low, step.pending_key_high = spread(event.pending_id_low, event.pending_id_high)
            step.asks_pending = _within(sealed, event.pending_id_low, event.pending_id_high)
        else:
            step.debit = find_account(book, event.debit_account_id_low, event.debit_account_id_high)
            step.credit = find_account(book, event.credit_account_id_low, event.credit_account_id_high)
        asked += np.int64(step.asks) + np.int64(step.asks_pending)
    return asked


@inlined
def _within(sealed: NDArray[np.uint64], low: Word, high: Word) -> bool:
    return not less(low, high, sealed[0], sealed[1]) and not less(sealed[2], sealed[3], low, high)


@compiled
def create_all(
    events: Rows,
    plan: NDArray[np.void],
    fetched: Rows,
    book: Book,
    hot: Hot,
    undo: Undo,
    ends: NDArray[np.int64],
    first: Word,
    results: Rows,
) -> None:
    """Apply the events; `ends` are where each request's events end, `first` is the first one's timestamp."""
    begin = 0
    for end in ends:
        chain, broken = -1, False
        rows, entries, balances, last = _marks(hot)
        for index in range(begin, end):
            event = events[index]
            linked = event.flags & _LINKED != 0
            if linked and chain < 0:
                chain = index
                rows, entries, balances, last = _marks(hot)
            now = first + np.uint64(index)
            timestamp = now
            if linked and index == end - 1:
                status = TransferStatus.LINKED_EVENT_CHAIN_OPEN
            elif broken:
                status = TransferStatus.LINKED_EVENT_FAILED
            else:
                imports = events[begin].flags & IMPORTED
                status = refused_by_request(event, imports, first + np.uint64(end - 1))
            if status == TransferStatus.CREATED:
                undone = index - chain if chain >= 0 else -1
                status, timestamp = _create(event, plan[index], fetched, book, hot, undo, undone, now)
            results[index].status = status
            results[index].timestamp = timestamp
            if status != TransferStatus.CREATED:
                if chain >= 0 and not broken:
                    broken = True
                    _take_back(book, hot, undo, index - chain, rows, entries, balances, last)
                    for earlier in range(chain, index):
                        results[earlier].status = TransferStatus.LINKED_EVENT_FAILED
                        results[earlier].timestamp = first + np.uint64(earlier)
                if _is_transient(status):
                    step = plan[index]
                    add_entry(hot, step.key_low, step.key_high, FAILED << STATE_SHIFT)
                    widen(hot, event.id_low, event.id_high)
            if not linked:
                chain, broken = -1, False
        begin = end


@inlined
def _marks(hot: Hot) -> tuple[Word, Word, Word, Word]:
    """How far the arrays are filled, and the last timestamp."""
    return hot.counts[ROWS], hot.counts[ENTRIES], hot.counts[BALANCES], hot.counts[LAST_TIMESTAMP]


@inlined
def _take_back(
    book: Book, hot: Hot, undo: Undo, events: Index, rows: Word, entries: Word, balances: Word, last: Word
) -> None:
    """Undo the first `events` events of a chain, newest first."""
    for event in range(events - 1, -1, -1):
        book.rows[undo.slots[2 * event + 1]] = undo.accounts[2 * event + 1]
        book.rows[undo.slots[2 * event]] = undo.accounts[2 * event]
        if undo.entries[event] >= 0:
            hot.entries[undo.entries[event]].value = undo.values[event]
    while hot.counts[ENTRIES] > entries:
        remove_last_entry(hot)
    hot.counts[ROWS] = rows
    hot.counts[BALANCES] = balances
    hot.counts[LAST_TIMESTAMP] = last


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
    )


@inlined
def _create(
    event: Row, step: Row, fetched: Rows, book: Book, hot: Hot, undo: Undo, undone: Index, now: Word
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
        return _resolve(event, step, pending_entry, pending_value, fetched, book, hot, undo, undone, now)
    return _move(event, step, book, hot, undo, undone, now)


@inlined
def _row(value: Word, fetched_at: Index, hot: Hot, fetched: Rows) -> Row:
    """The transfer that a value stands for: here, or among those that were fetched."""
    row = value & ROW_MASK
    if row >= hot.counts[FIRST_ROW]:
        return hot.rows[row - hot.counts[FIRST_ROW]]
    return fetched[fetched_at]


@inlined
def _move(
    event: Row, step: Row, book: Book, hot: Hot, undo: Undo, undone: Index, now: Word
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
        status = refused_by_closing(debit, credit)
    if status != TransferStatus.CREATED:
        return status, now
    low, high = balanced(event, debit, credit)
    status = refused_by_balances(event, debit, credit, low, high)
    if status == TransferStatus.CREATED and timestamp + np.uint64(event.timeout) * SECOND_NS > TIMESTAMP_MAX:
        status = TransferStatus.OVERFLOWS_TIMEOUT
    if status == TransferStatus.CREATED:
        status = refused_by_limits(debit, credit, low, high)
    if status != TransferStatus.CREATED:
        return status, now
    if undone >= 0:
        _remember(undo, undone, book, step.debit, step.credit)
    if event.flags & PENDING_FLAG != 0:
        reserve(debit, credit, low, high)
        if event.flags & CLOSING_DEBIT != 0:
            debit.flags |= CLOSED
        if event.flags & CLOSING_CREDIT != 0:
            credit.flags |= CLOSED
    else:
        post(debit, credit, low, high)
    row = _append(hot, event, step, timestamp, PENDING if event.flags & PENDING_FLAG != 0 else PLAIN)
    _file_sides(hot, step.debit, step.credit)
    row.amount_low, row.amount_high = low, high
    keep_balances(hot, debit, step.debit, timestamp)
    keep_balances(hot, credit, step.credit, timestamp)
    return TransferStatus.CREATED, timestamp


@inlined
def _resolve(
    event: Row,
    step: Row,
    pending_entry: Index,
    pending_value: Word,
    fetched: Rows,
    book: Book,
    hot: Hot,
    undo: Undo,
    undone: Index,
    now: Word,
) -> tuple[TransferStatus, Word]:
    """Create a transfer that posts or voids a pending one."""
    status = refused_as_resolution(event)
    if status != TransferStatus.CREATED:
        return status, now
    if pending_value == ABSENT or pending_value >> STATE_SHIFT == FAILED:
        return TransferStatus.PENDING_TRANSFER_NOT_FOUND, now
    pending = _row(pending_value, step.pending_known_at, hot, fetched)
    if pending.flags & PENDING_FLAG == 0:
        return TransferStatus.PENDING_TRANSFER_NOT_PENDING, now
    low, high = resolved_amount(event, pending)
    status = refused_by_pending(event, pending, low, high)
    if status == TransferStatus.CREATED:
        status = _refused_by_state(pending, pending_value >> STATE_SHIFT, now)
    if status != TransferStatus.CREATED:
        return status, now
    timestamp = now
    if event.flags & IMPORTED != 0:
        timestamp = event.timestamp
        if _regresses(timestamp, book, hot):
            return TransferStatus.IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS, now
    debit_slot = find_account(book, pending.debit_account_id_low, pending.debit_account_id_high)
    credit_slot = find_account(book, pending.credit_account_id_low, pending.credit_account_id_high)
    debit, credit = book.rows[debit_slot], book.rows[credit_slot]
    if event.flags & VOID == 0:
        status = refused_by_closing(debit, credit)
        if status != TransferStatus.CREATED:
            return status, now
    if undone >= 0:
        _remember(undo, undone, book, debit_slot, credit_slot)
        undo.entries[undone] = pending_entry
        undo.values[undone] = pending_value
    release(debit, credit, pending)
    if event.flags & POST != 0:
        post(debit, credit, low, high)
    else:
        reopen(debit, credit, pending)
    row = _append(hot, event, step, timestamp, PLAIN)
    _file_sides(hot, debit_slot, credit_slot)
    inherit(row, pending)
    row.amount_low, row.amount_high = low, high
    state = POSTED if event.flags & POST != 0 else VOIDED
    value = (pending_value & ROW_MASK) | state << STATE_SHIFT
    if pending_entry >= 0:
        hot.entries[pending_entry].value = value
    else:
        add_entry(hot, step.pending_key_low, step.pending_key_high, value)
        widen(hot, event.pending_id_low, event.pending_id_high)
    keep_balances(hot, debit, debit_slot, timestamp)
    keep_balances(hot, credit, credit_slot, timestamp)
    return TransferStatus.CREATED, timestamp


@compiled
def _refused_by_state(pending: Row, state: Word, now: Word) -> TransferStatus:
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


@inlined
def _regresses(timestamp: Word, book: Book, hot: Hot) -> bool:
    """Whether an imported timestamp is not later than every transfer's, or is that of an account."""
    if timestamp <= hot.counts[LAST_TIMESTAMP]:
        return True
    low: Index = 0
    high: Index = np.int64(book.counts[0])
    while low < high:
        middle: Index = (low + high) // 2
        row: Row = book.rows[middle]
        if row.timestamp < timestamp:
            low = middle + 1
        else:
            high = middle
    return bool(low < np.int64(book.counts[0]) and book.rows[np.int64(low)].timestamp == timestamp)


@inlined
def _remember(undo: Undo, undone: Index, book: Book, debit: Index, credit: Index) -> None:
    undo.slots[2 * undone] = debit
    undo.slots[2 * undone + 1] = credit
    undo.accounts[2 * undone] = book.rows[debit]
    undo.accounts[2 * undone + 1] = book.rows[credit]
    undo.entries[undone] = -1


@inlined
def _append(hot: Hot, event: Row, step: Row, timestamp: Word, state: Word) -> Row:
    """Add the row and its entry, and return the row."""
    place = hot.counts[ROWS]
    hot.rows[place] = event
    row = hot.rows[place]
    row.timestamp = timestamp
    add_entry(hot, step.key_low, step.key_high, (hot.counts[FIRST_ROW] + place) | state << STATE_SHIFT)
    widen(hot, event.id_low, event.id_high)
    hot.counts[ROWS] += U1
    hot.counts[LAST_TIMESTAMP] = timestamp
    return row


@inlined
def _file_sides(hot: Hot, debit: Index, credit: Index) -> None:
    """Note whose row the newest one is."""
    place = hot.counts[ROWS] - U1
    number = hot.counts[FIRST_ROW] + place
    hot.sides[U2 * place] = np.uint64(debit) << SIDE_SHIFT | number
    hot.sides[U2 * place + U1] = np.uint64(credit) << SIDE_SHIFT | number
