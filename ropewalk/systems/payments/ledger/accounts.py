"""Accounts: all of them in memory, in the order of their creation, found by id through a hash table.

An account's place in that order is its *slot*, which never changes. The table's entries hold the upper half of the
key's hash beside the slot, so a look at the account itself is needed only for the right one.

Checked by: tests/payments/ledger/test_properties.py (against the oracle), test_statuses.py
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ropewalk.errors import NotAccepted
from ropewalk.systems.payments.ledger.layout import ACCOUNT, RESULT, AccountFlags, Rows
from ropewalk.systems.payments.ledger.limits import ACCOUNTS_MAX
from ropewalk.systems.payments.ledger.statuses import AccountStatus
from ropewalk.systems.payments.ledger.words import U0, U1, Array, Index, Row, Word, compiled, inlined, spread

COUNT = 0
LAST_TIMESTAMP = 1

_CAPACITY_MIN = 1_024
_LINKED = np.uint16(AccountFlags.LINKED)
_IMPORTED = np.uint16(AccountFlags.IMPORTED)
_LIMITS = np.uint16(AccountFlags.DEBITS_MUST_NOT_EXCEED_CREDITS | AccountFlags.CREDITS_MUST_NOT_EXCEED_DEBITS)
_KNOWN = np.uint16(63)
_TAG = np.uint64(32)
_SLOT = np.uint64(0xFFFFFFFF)
_MAX = np.uint64(2**64 - 1)
_TIMESTAMP_MAX = np.uint64(2**63 - 1)


class Book(NamedTuple):
    """What compiled code sees of the accounts: `counts` are the number of them and the last timestamp."""

    rows: Array
    table: Array
    counts: Array


def _new_book(capacity: int) -> Book:
    """An empty one; the table is never more than half full."""
    return Book(np.zeros(capacity, ACCOUNT), np.zeros(2 * capacity, "u8"), np.zeros(2, "u8"))


class Accounts:
    """The accounts of one ledger."""

    def __init__(self) -> None:
        self.book = _new_book(_CAPACITY_MIN)

    @property
    def rows(self) -> Rows:
        """All accounts, by slot: a view that later batches change."""
        rows: Rows = self.book.rows[: int(self.book.counts[COUNT])]
        return rows

    @property
    def last_timestamp(self) -> int:
        """The timestamp of the youngest account; 0 if there is none."""
        return int(self.book.counts[LAST_TIMESTAMP])

    def create(
        self, events: Rows, ends: NDArray[np.int64], *, first_timestamp: int, taken: NDArray[np.bool_]
    ) -> Rows:
        """Create accounts and return one result each.

        `ends` are where each request's events end; `taken` marks events whose timestamp is that of a transfer.
        """
        self._make_room(events.size)
        results = np.zeros(events.size, RESULT)
        _create_all(self.book, events, ends, np.uint64(first_timestamp), taken, results)
        return results

    def load(self, rows: Rows) -> None:
        """Become the accounts that were saved."""
        self.book = _new_book(_CAPACITY_MIN)
        self._make_room(rows.size)
        self.book.rows[: rows.size] = rows
        self.book.counts[COUNT] = rows.size
        self.book.counts[LAST_TIMESTAMP] = rows["timestamp"][-1] if rows.size else 0
        _fill(self.book)

    def find(self, ids: Rows) -> NDArray[np.int64]:
        """The slot of each id, or -1."""
        slots = np.empty(ids.size, "i8")
        _find_all(self.book, ids, slots)
        return slots

    def _make_room(self, more: int) -> None:
        needed = self.rows.size + more
        if needed > ACCOUNTS_MAX:
            raise NotAccepted(f"{needed} accounts would be more than {ACCOUNTS_MAX}: open them in another partition")
        if needed <= self.book.rows.size:
            return
        capacity = 1 << (needed - 1).bit_length()
        roomier = _new_book(capacity)
        roomier.rows[: self.rows.size] = self.rows
        roomier.counts[:] = self.book.counts
        self.book = roomier
        _fill(roomier)


@inlined
def find_account(book: Book, low: Word, high: Word) -> Index:
    """The slot of an account, or -1."""
    _, key = spread(low, high)
    mask = np.uint64(book.table.size - 1)
    place = key & mask
    while book.table[place] != U0:
        entry = book.table[place]
        if entry >> _TAG == key >> _TAG:
            slot = np.int64(entry & _SLOT) - 1
            row = book.rows[slot]
            if row.id_low == low and row.id_high == high:
                return slot
        place = (place + U1) & mask
    return -1


@inlined
def first_look(book: Book, low: Word, high: Word) -> Word:
    """What the table has where the search for an account begins: nothing depends on it, so looks overlap."""
    _, key = spread(low, high)
    return book.table[key & np.uint64(book.table.size - 1)]


@inlined
def warm(book: Book, entry: Word) -> Word:
    """Touch both halves of the account that an entry of the table leads to, so that the cache has them."""
    row = book.rows[np.int64(entry & _SLOT) - np.int64(entry != U0)]
    return row.id_low ^ np.uint64(row.flags)


@inlined
def has_account_at(book: Book, timestamp: Word) -> bool:
    """Whether an account has this timestamp."""
    low: Index = 0
    high: Index = np.int64(book.counts[COUNT])
    while low < high:
        middle: Index = (low + high) // 2
        row: Row = book.rows[middle]
        if row.timestamp < timestamp:
            low = middle + 1
        else:
            high = middle
    return bool(low < np.int64(book.counts[COUNT]) and book.rows[np.int64(low)].timestamp == timestamp)


@compiled
def _file(book: Book, slot: Index) -> None:
    """Enter an account into the table."""
    row: Row = book.rows[slot]
    _, key = spread(row.id_low, row.id_high)
    mask = np.uint64(book.table.size - 1)
    place = key & mask
    while book.table[place] != U0:
        place = (place + U1) & mask
    book.table[place] = (key >> _TAG) << _TAG | np.uint64(slot + 1)


@compiled
def _unfile_last(book: Book) -> None:
    """Take the youngest account out of the table. Its place was the last to be filled, so no search leads past it."""
    slot = np.int64(book.counts[COUNT]) - 1
    row = book.rows[slot]
    _, key = spread(row.id_low, row.id_high)
    mask = np.uint64(book.table.size - 1)
    place = key & mask
    while np.int64(book.table[place] & _SLOT) - 1 != slot:
        place = (place + U1) & mask
    book.table[place] = U0
    book.counts[COUNT] -= U1


@compiled
def _fill(book: Book) -> None:
    for slot in range(np.int64(book.counts[COUNT])):
        _file(book, slot)


@compiled
def _find_all(book: Book, ids: Rows, slots: NDArray[np.int64]) -> None:
    for index in range(ids.size):
        slots[index] = find_account(book, ids[index].id_low, ids[index].id_high)


@compiled
def _create_all(
    book: Book, events: Rows, ends: NDArray[np.int64], first: Word, taken: NDArray[np.bool_], results: Rows
) -> None:
    """Create the accounts one after the other; the accounts of a broken chain are taken back."""
    request, begin = 0, 0
    chain, broken = -1, False
    count, last = book.counts[COUNT], book.counts[LAST_TIMESTAMP]
    for index in range(events.size):
        while index >= ends[request]:
            begin = ends[request]
            request += 1
        is_last = index == ends[request] - 1
        event = events[index]
        linked = event.flags & _LINKED != 0
        if linked and chain < 0:
            chain = index
            count, last = book.counts[COUNT], book.counts[LAST_TIMESTAMP]
        timestamp = first + np.uint64(index)
        if linked and is_last:
            status = AccountStatus.LINKED_EVENT_CHAIN_OPEN
        elif broken:
            status = AccountStatus.LINKED_EVENT_FAILED
        else:
            request_timestamp = first + np.uint64(ends[request] - 1)
            status = _refused_by_request(event, events[begin].flags & _IMPORTED, request_timestamp)
        if status == AccountStatus.CREATED:
            status, timestamp = _create(book, event, timestamp, taken[index])
        results[index].status = status
        results[index].timestamp = timestamp
        if status != AccountStatus.CREATED and chain >= 0 and not broken:
            broken = True
            while book.counts[COUNT] > count:
                _unfile_last(book)
            book.counts[LAST_TIMESTAMP] = last
            fail_earlier(results, chain, index, first)
        if not linked or is_last:
            chain, broken = -1, False


@inlined
def fail_earlier(results: Rows, chain: Index, index: Index, first: Word) -> None:
    """Give the events of a chain that came before the one that broke it the result that goes with that."""
    for earlier in range(chain, index):
        results[earlier].status = AccountStatus.LINKED_EVENT_FAILED
        results[earlier].timestamp = first + np.uint64(earlier)


@compiled
def _refused_by_request(event: Row, imports: Index, request_timestamp: Word) -> AccountStatus:
    """What the request as a whole has against an event; CREATED if nothing."""
    if event.flags & _IMPORTED != imports:
        return AccountStatus.IMPORTED_EVENT_EXPECTED if imports else AccountStatus.IMPORTED_EVENT_NOT_EXPECTED
    if not imports:
        return AccountStatus.TIMESTAMP_MUST_BE_ZERO if event.timestamp != U0 else AccountStatus.CREATED
    if event.timestamp == U0 or event.timestamp > _TIMESTAMP_MAX:
        return AccountStatus.IMPORTED_EVENT_TIMESTAMP_OUT_OF_RANGE
    if event.timestamp >= request_timestamp:
        return AccountStatus.IMPORTED_EVENT_TIMESTAMP_MUST_NOT_ADVANCE
    return AccountStatus.CREATED


@compiled
def _create(book: Book, event: Row, now: Word, is_taken: bool) -> tuple[AccountStatus, Word]:
    """Create an account unless something is against it; return the status and the timestamp that goes with it."""
    status = _refused_by_id(event)
    if status != AccountStatus.CREATED:
        return status, now
    slot = find_account(book, event.id_low, event.id_high)
    if slot >= 0:
        status = _compared(event, book.rows[slot])
        return status, book.rows[slot].timestamp if status == AccountStatus.EXISTS else now
    status = _refused_by_fields(event)
    if status != AccountStatus.CREATED:
        return status, now
    timestamp = now
    if event.flags & _IMPORTED:
        if event.timestamp <= book.counts[LAST_TIMESTAMP] or is_taken:
            return AccountStatus.IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS, now
        timestamp = event.timestamp
    slot = np.int64(book.counts[COUNT])
    book.rows[slot] = event
    book.rows[slot].timestamp = timestamp
    book.counts[COUNT] += U1
    book.counts[LAST_TIMESTAMP] = timestamp
    _file(book, slot)
    return AccountStatus.CREATED, timestamp


@compiled
def _refused_by_id(event: Row) -> AccountStatus:
    if event.reserved != 0:
        return AccountStatus.RESERVED_FIELD
    if event.flags & ~_KNOWN != 0:
        return AccountStatus.RESERVED_FLAG
    if event.id_low == U0 and event.id_high == U0:
        return AccountStatus.ID_MUST_NOT_BE_ZERO
    if event.id_low == _MAX and event.id_high == _MAX:
        return AccountStatus.ID_MUST_NOT_BE_INT_MAX
    return AccountStatus.CREATED


@compiled
def _compared(event: Row, existing: Row) -> AccountStatus:
    """How an event differs from the account that has its id."""
    if event.flags != existing.flags:
        return AccountStatus.EXISTS_WITH_DIFFERENT_FLAGS
    if (
        event.user_data_128_low != existing.user_data_128_low
        or event.user_data_128_high != existing.user_data_128_high
    ):
        return AccountStatus.EXISTS_WITH_DIFFERENT_USER_DATA_128
    if event.user_data_64 != existing.user_data_64:
        return AccountStatus.EXISTS_WITH_DIFFERENT_USER_DATA_64
    if event.user_data_32 != existing.user_data_32:
        return AccountStatus.EXISTS_WITH_DIFFERENT_USER_DATA_32
    if event.ledger != existing.ledger:
        return AccountStatus.EXISTS_WITH_DIFFERENT_LEDGER
    if event.code != existing.code:
        return AccountStatus.EXISTS_WITH_DIFFERENT_CODE
    return AccountStatus.EXISTS


@compiled
def _refused_by_fields(event: Row) -> AccountStatus:
    if event.flags & _LIMITS == _LIMITS:
        return AccountStatus.FLAGS_ARE_MUTUALLY_EXCLUSIVE
    if event.debits_pending_low != U0 or event.debits_pending_high != U0:
        return AccountStatus.DEBITS_PENDING_MUST_BE_ZERO
    if event.debits_posted_low != U0 or event.debits_posted_high != U0:
        return AccountStatus.DEBITS_POSTED_MUST_BE_ZERO
    if event.credits_pending_low != U0 or event.credits_pending_high != U0:
        return AccountStatus.CREDITS_PENDING_MUST_BE_ZERO
    if event.credits_posted_low != U0 or event.credits_posted_high != U0:
        return AccountStatus.CREDITS_POSTED_MUST_BE_ZERO
    if event.ledger == 0:
        return AccountStatus.LEDGER_MUST_NOT_BE_ZERO
    if event.code == 0:
        return AccountStatus.CODE_MUST_NOT_BE_ZERO
    return AccountStatus.CREATED
