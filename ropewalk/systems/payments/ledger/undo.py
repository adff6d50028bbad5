"""How a linked chain that breaks is taken back: compiled.

Checked by: tests/payments/ledger/test_properties.py (against the oracle)
"""

from typing import NamedTuple

import numpy as np

from ropewalk.systems.payments.ledger.accounts import Book
from ropewalk.systems.payments.ledger.hot import BALANCES, ENTRIES, LAST_TIMESTAMP, ROWS, Hot, remove_last_entry
from ropewalk.systems.payments.ledger.layout import ACCOUNT
from ropewalk.systems.payments.ledger.watch import GUARD_WORDS, Watch, guard_of
from ropewalk.systems.payments.ledger.words import Array, Index, inlined


class Undo(NamedTuple):
    """What a chain changes: two accounts, a guard and an entry an event, and how far arrays were filled before it."""

    slots: Array
    accounts: Array
    entries: Array
    values: Array
    guards: Array
    words: Array
    marks: Array


def new_undo(events: int, *, guarded: bool) -> Undo:
    """Room for so many events, of accounts of which some are guarded or none is."""
    counted = events if guarded else 0
    return Undo(
        slots=np.empty(2 * events, "i8"),
        accounts=np.empty(2 * events, ACCOUNT),
        entries=np.empty(events, "i8"),
        values=np.empty(events, "u8"),
        guards=np.empty(counted, "i8"),
        words=np.empty((counted, GUARD_WORDS), "u8"),
        marks=np.empty(LAST_TIMESTAMP + 1, "u8"),
    )


@inlined
def begin_chain(undo: Undo, hot: Hot) -> None:
    """Note how far the arrays are filled."""
    for count in range(LAST_TIMESTAMP + 1):
        undo.marks[count] = hot.counts[count]


@inlined
def remember(undo: Undo, event: Index, book: Book, watch: Watch | None, debit: Index, credit: Index) -> None:
    """Keep the accounts, and the guard, that an event of the chain is about to change."""
    undo.slots[2 * event] = debit
    undo.slots[2 * event + 1] = credit
    undo.accounts[2 * event] = book.rows[debit]
    undo.accounts[2 * event + 1] = book.rows[credit]
    undo.entries[event] = -1
    if watch is not None:
        guard = guard_of(watch, debit)
        undo.guards[event] = guard
        if guard >= 0:
            undo.words[event] = watch.words[guard]


@inlined
def take_back(book: Book, hot: Hot, watch: Watch | None, undo: Undo, events: Index) -> None:
    """Undo the first `events` events of the chain, newest first."""
    for event in range(events - 1, -1, -1):
        book.rows[undo.slots[2 * event + 1]] = undo.accounts[2 * event + 1]
        book.rows[undo.slots[2 * event]] = undo.accounts[2 * event]
        if watch is not None and undo.guards[event] >= 0:
            watch.words[undo.guards[event]] = undo.words[event]
        if undo.entries[event] >= 0:
            hot.entries[undo.entries[event]].value = undo.values[event]
    while hot.counts[ENTRIES] > undo.marks[ENTRIES]:
        remove_last_entry(hot)
    for count in (ROWS, BALANCES, LAST_TIMESTAMP):
        hot.counts[count] = undo.marks[count]
