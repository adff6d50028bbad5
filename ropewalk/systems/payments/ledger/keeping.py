"""How a transfer that was made is kept: its row, what its id stands for, whose it is: compiled.

Checked by: tests/payments/ledger/test_properties.py (against the oracle)
"""

import numpy as np

from ropewalk.systems.payments.ledger.accounts import Book
from ropewalk.systems.payments.ledger.effects import keep_balances
from ropewalk.systems.payments.ledger.hot import (
    FIRST_ROW,
    LAST_TIMESTAMP,
    ROWS,
    SIDE_SHIFT,
    STATE_SHIFT,
    Hot,
    add_entry,
    widen,
)
from ropewalk.systems.payments.ledger.words import U1, U2, Index, Row, Word, inlined


@inlined
def keep_transfer(
    hot: Hot,
    event: Row,
    step: Row,
    book: Book,
    debit: Index,
    credit: Index,
    state: Word,
    timestamp: Word,
    low: Word,
    high: Word,
) -> Row:
    """Add the row of a transfer that was made between two accounts, and return it; keep their balances."""
    row = _append(hot, event, step, timestamp, state)
    _file_sides(hot, debit, credit)
    row.amount_low, row.amount_high = low, high
    keep_balances(hot, book.rows[debit], debit, timestamp)
    keep_balances(hot, book.rows[credit], credit, timestamp)
    return row


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
