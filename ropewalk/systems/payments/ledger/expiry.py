"""Pending transfers that have a timeout, by the time at which they expire.

One that was posted or voided stays until its time has come, and is then passed over.

Checked by: tests/payments/ledger/test_properties.py (against the oracle), test_expiry.py
"""

import heapq

import numpy as np
from numpy.typing import NDArray

from ropewalk.systems.payments.ledger.accounts import Book
from ropewalk.systems.payments.ledger.effects import release, reopen
from ropewalk.systems.payments.ledger.hot import (
    EXPIRED,
    PENDING,
    ROW_MASK,
    STATE_SHIFT,
    Hot,
    add_entry,
    find_entry,
    widen,
)
from ropewalk.systems.payments.ledger.layout import Rows
from ropewalk.systems.payments.ledger.watch import Watch, uncount_debit
from ropewalk.systems.payments.ledger.words import compiled

SECOND_NS = 1_000_000_000


class Expiries:
    """A heap of integers, each a time and below it a row number: a tuple would take twice the memory."""

    def __init__(self) -> None:
        self._heap: list[int] = []

    @property
    def wakes_at_ns(self) -> int | None:
        """When the next one expires."""
        return self._heap[0] >> 64 if self._heap else None

    def add(self, rows: Rows, *, first_row: int) -> None:
        """Take note of those of the new rows that have a timeout; the first is numbered `first_row`."""
        places = np.flatnonzero(rows["timeout"])
        for place in places.tolist():
            row = rows[place]
            expires_at_ns = int(row["timestamp"]) + int(row["timeout"]) * SECOND_NS
            heapq.heappush(self._heap, expires_at_ns << 64 | first_row + place)

    def due(self, time_ns: int, *, count_max: int) -> NDArray[np.int64]:
        """Take out the row numbers of those that expire until `time_ns`, in the order of their time."""
        numbers: list[int] = []
        while self._heap and self._heap[0] >> 64 <= time_ns and len(numbers) < count_max:
            numbers.append(heapq.heappop(self._heap) & (2**64 - 1))
        return np.array(numbers, "i8")

    def save(self) -> bytes:
        """All of them, in the order in which they lie in memory."""
        return b"".join(item.to_bytes(16, "little") for item in self._heap)

    def load(self, saved: bytes | memoryview) -> None:
        """Become what was saved."""
        self._heap = [int.from_bytes(saved[at : at + 16], "little") for at in range(0, len(saved), 16)]


@compiled
def expire_all(rows: Rows, plan: Rows, book: Book, hot: Hot, watch: Watch | None) -> None:
    """Give back what these transfers reserved, if they still are pending."""
    for index in range(rows.size):
        row = rows[index]
        step = plan[index]
        entry = find_entry(hot, step.key_low, step.key_high)
        value = hot.entries[entry].value if entry >= 0 else step.known
        if value >> STATE_SHIFT != PENDING:
            continue
        debit, credit = book.rows[step.debit], book.rows[step.credit]
        release(debit, credit, row)
        reopen(debit, credit, row)
        if watch is not None:
            uncount_debit(watch, step.debit, row, row.amount_low, row.amount_high, True)
        value = (value & ROW_MASK) | EXPIRED << STATE_SHIFT
        if entry >= 0:
            hot.entries[entry].value = value
        else:
            add_entry(hot, step.key_low, step.key_high, value)
            widen(hot, row.id_low, row.id_high)
