"""What happened since the last segment was sealed: rows in order, and an entry for each id that was used.

An entry says what an id stands for. Its value is the number of a transfer's row (the first of the ledger is 0) and,
above it, the state of that transfer:

    failed, or plain, or pending ──► posted | voided | expired
                         held    ──► posted | voided

One that is held is pending too, and only whoever holds it can post or void it (`Ledger.hold`).

Entries lie in the order in which they were made, and a hash table leads to them. The last one can be taken back: that
is how a broken chain is undone.

Checked by: tests/payments/ledger/test_properties.py, test_segments.py
"""

from typing import Final, NamedTuple

import numpy as np

from ropewalk.systems.payments.ledger.layout import BALANCE, TRANSFER
from ropewalk.systems.payments.ledger.limits import SLOT_BITS
from ropewalk.systems.payments.ledger.words import U1, Array, Index, Word, compiled, inlined, less

HISTORY: Final = np.dtype([*BALANCE.descr[:-1], ("slot", "<u8"), ("unused", "u1", (48,))])
"""A kept balance: as `BALANCE`, with the account's slot where that one has nothing."""

ENTRY: Final = np.dtype([("key_low", "<u8"), ("key_high", "<u8"), ("value", "<u8")])
"""What an id, filed under its key, stands for."""

PLAIN: Final = np.uint64(0)
PENDING: Final = np.uint64(1)
POSTED: Final = np.uint64(2)
VOIDED: Final = np.uint64(3)
EXPIRED: Final = np.uint64(4)
FAILED: Final = np.uint64(5)
HELD: Final = np.uint64(6)
ABSENT: Final = np.uint64(2**64 - 1)
"""The value of an id that was never used."""

STATE_SHIFT: Final = np.uint64(56)
ROW_MASK: Final = np.uint64(2**56 - 1)

SIDE_SHIFT: Final = np.uint64(64 - SLOT_BITS)
"""A side's slot lies above its row number."""

ROWS: Final = 0
ENTRIES: Final = 1
BALANCES: Final = 2
LAST_TIMESTAMP: Final = 3
FIRST_ROW: Final = 4
ID_MIN: Final = 5
ID_MAX: Final = 7
COUNTERS: Final = 9

_WORD_MAX = np.uint64(2**64 - 1)


class Hot(NamedTuple):
    """Arrays with room to grow.

    `sides` are two for each row: its debit and its credit account's slot, above the row's number.
    `counts`: rows, entries, balances, the last transfer's timestamp, the number of the first row here, and the
    smallest and largest id of an entry, two words each.
    """

    rows: Array
    sides: Array
    balances: Array
    entries: Array
    table: Array
    counts: Array


def new_hot(events_max: int, *, first_row: int, last_timestamp: int) -> Hot:
    """An empty one that has room for so many events: each adds a row, two entries and two balances at most."""
    counts = np.zeros(COUNTERS, "u8")
    counts[LAST_TIMESTAMP] = last_timestamp
    counts[FIRST_ROW] = first_row
    counts[ID_MIN : ID_MIN + 2] = _WORD_MAX
    return Hot(
        rows=np.empty(events_max, TRANSFER),
        sides=np.empty(2 * events_max, "u8"),
        balances=np.empty(2 * events_max, HISTORY),
        entries=np.empty(2 * events_max, ENTRY),
        table=np.zeros(_table_size(events_max), "u4"),
        counts=counts,
    )


def _table_size(events_max: int) -> int:
    """A power of two by which the table is never more than three quarters full."""
    return 1 << (3 * events_max).bit_length()


def with_room(hot: Hot, events: int) -> Hot:
    """The same with room for more events."""
    rows, entries, balances = (int(count) for count in hot.counts[:3])
    needed = max(rows + events, (entries + 2 * events + 1) // 2, (balances + 2 * events + 1) // 2)
    if needed <= hot.rows.size:
        return hot
    roomier = new_hot(max(needed, hot.rows.size * 3 // 2), first_row=0, last_timestamp=0)
    roomier.counts[:] = hot.counts
    roomier.rows[:rows] = hot.rows[:rows]
    roomier.sides[: 2 * rows] = hot.sides[: 2 * rows]
    roomier.balances[:balances] = hot.balances[:balances]
    roomier.entries[:entries] = hot.entries[:entries]
    fill_table(roomier)
    return roomier


def emptied(hot: Hot, events_max: int, *, first_row: int, last_timestamp: int) -> Hot:
    """A new one; the memory of the old one, which is not needed any more, is used again unless it has grown."""
    if hot.rows.size > events_max:
        return new_hot(events_max, first_row=first_row, last_timestamp=last_timestamp)
    hot.table[:] = 0
    hot.counts[:] = 0
    hot.counts[LAST_TIMESTAMP] = last_timestamp
    hot.counts[FIRST_ROW] = first_row
    hot.counts[ID_MIN : ID_MIN + 2] = _WORD_MAX
    return hot


@inlined
def find_entry(hot: Hot, key_low: Word, key_high: Word) -> Index:
    """The place of an id's entry, or -1."""
    mask = np.uint64(hot.table.size - 1)
    place = key_high & mask
    while hot.table[place] != 0:
        entry = np.int64(hot.table[place]) - 1
        if hot.entries[entry].key_high == key_high and hot.entries[entry].key_low == key_low:
            return entry
        place = (place + U1) & mask
    return -1


@inlined
def add_entry(hot: Hot, key_low: Word, key_high: Word, value: Word) -> None:
    """Enter an id that has no entry here."""
    entry = np.int64(hot.counts[ENTRIES])
    hot.entries[entry].key_low = key_low
    hot.entries[entry].key_high = key_high
    hot.entries[entry].value = value
    hot.counts[ENTRIES] += U1
    _place(hot, entry)


@inlined
def _place(hot: Hot, entry: Index) -> None:
    mask = np.uint64(hot.table.size - 1)
    place = hot.entries[entry].key_high & mask
    while hot.table[place] != 0:
        place = (place + U1) & mask
    hot.table[place] = np.uint32(entry + 1)


@inlined
def remove_last_entry(hot: Hot) -> None:
    """Take back the newest entry. Its place was the last to be filled, so no search leads past it."""
    entry = np.int64(hot.counts[ENTRIES]) - 1
    mask = np.uint64(hot.table.size - 1)
    place = hot.entries[entry].key_high & mask
    while np.int64(hot.table[place]) - 1 != entry:
        place = (place + U1) & mask
    hot.table[place] = 0
    hot.counts[ENTRIES] -= U1


@inlined
def widen(hot: Hot, low: Word, high: Word) -> None:
    """Note that an id lies within the range of those entered."""
    if less(low, high, hot.counts[ID_MIN], hot.counts[ID_MIN + 1]):
        hot.counts[ID_MIN], hot.counts[ID_MIN + 1] = low, high
    if less(hot.counts[ID_MAX], hot.counts[ID_MAX + 1], low, high):
        hot.counts[ID_MAX], hot.counts[ID_MAX + 1] = low, high


@compiled
def fill_table(hot: Hot) -> None:
    """Lead to every entry."""
    hot.table[:] = 0
    for entry in range(np.int64(hot.counts[ENTRIES])):
        _place(hot, entry)


@compiled
def recall(plan: Array, hot: Hot) -> None:
    """Put what is known here about each planned id in the place of what is known of it elsewhere."""
    for index in range(plan.size):
        entry = find_entry(hot, plan[index].key_low, plan[index].key_high)
        if entry >= 0:
            plan[index].known = hot.entries[entry].value
