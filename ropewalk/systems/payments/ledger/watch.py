"""What an account that is guarded refuses, and how its debits are counted: compiled.

A guard is a row of 64-bit words. The debits that it counts are kept in a ring of pieces, each a 24th of its window,
by the time at which they were made or reserved. What counts against the limit is the piece that is now and the 24
before it: all of any window that ends now, and what is older than that for up to a piece longer.

    limits │ the piece that is now │ sums │ piece 0: amount, count │ piece 1 │ … │ piece 24

A debit counts when it is reserved, and not again when it is posted. What is voided, expires or is posted for less is
given back to the piece in which it was counted, if that is still there.

Promise:    no window of that length, whenever it begins, has more debits than the limit allows.
Checked by: tests/payments/ledger/test_guards.py, test_properties.py (against the oracle)
"""

from typing import Final, NamedTuple

import numpy as np

from ropewalk.systems.payments.ledger.layout import TransferFlags
from ropewalk.systems.payments.ledger.statuses import TransferStatus
from ropewalk.systems.payments.ledger.words import (
    U0,
    U1,
    Array,
    Index,
    Row,
    Word,
    add,
    compiled,
    inlined,
    less,
    subtract,
)

FROZEN: Final = 0
TRANSFER_MAX: Final = 1
AMOUNT_MAX: Final = 3
COUNT_MAX: Final = 5
PIECE_NS: Final = 6
PIECE: Final = 7
SINCE: Final = 8
AMOUNT: Final = 9
COUNT: Final = 11
RING: Final = 12
"""Where in a guard each thing is; amounts are two words, low word first."""

PIECES: Final = 24
"""Pieces of a window. One more is kept: the one that is now has only begun."""

PIECE_WORDS: Final = 3
GUARD_WORDS: Final = RING + PIECE_WORDS * (PIECES + 1)

DEBITS_FROZEN: Final = np.uint64(1)
CREDITS_FROZEN: Final = np.uint64(2)

_KEPT = np.uint64(PIECES + 1)
_IMPORTED = np.uint16(TransferFlags.IMPORTED)


class Watch(NamedTuple):
    """The guards: `of` has the number of each account's, counted from 1, and a 0 behind the last of them."""

    of: Array
    words: Array


@inlined
def guard_of(watch: Watch, slot: Index) -> Index:
    """The row of an account's guard, or -1."""
    return np.int64(watch.of[slot]) - 1 if slot < watch.of.size else np.int64(-1)


@inlined
def refused_by_freeze(watch: Watch, debit: Index, credit: Index) -> TransferStatus:
    """Frozen accounts."""
    guard, status = guard_of(watch, debit), TransferStatus.CREATED
    if guard >= 0 and watch.words[guard, FROZEN] & DEBITS_FROZEN != U0:
        status = TransferStatus.DEBIT_ACCOUNT_FROZEN
    guard = guard_of(watch, credit)
    if status == TransferStatus.CREATED and guard >= 0 and watch.words[guard, FROZEN] & CREDITS_FROZEN != U0:
        status = TransferStatus.CREDIT_ACCOUNT_FROZEN
    return status


@inlined
def refused_by_guard(watch: Watch, debit: Index, low: Word, high: Word, now: Word) -> TransferStatus:
    """What the limits of a debit account have against an amount."""
    guard = guard_of(watch, debit)
    return _refused(watch.words[guard], low, high, now) if guard >= 0 else TransferStatus.CREATED


@inlined
def count_debit(watch: Watch, debit: Index, low: Word, high: Word) -> None:
    """Count a debit that was not refused."""
    guard = guard_of(watch, debit)
    if guard >= 0:
        _count(watch.words[guard], low, high)


@inlined
def uncount_debit(watch: Watch, debit: Index, pending: Row, low: Word, high: Word, is_whole: bool) -> None:
    """Give back an amount of a pending debit; all of it, if `is_whole`, is one debit less."""
    guard = guard_of(watch, debit)
    if guard >= 0:
        _uncount(watch.words[guard], pending, low, high, is_whole)


@compiled
def _refused(words: Array, low: Word, high: Word, now: Word) -> TransferStatus:
    if less(words[TRANSFER_MAX], words[TRANSFER_MAX + 1], low, high):
        return TransferStatus.EXCEEDS_TRANSFER_LIMIT
    if words[PIECE_NS] == U0:
        return TransferStatus.CREATED
    _advance(words, now // words[PIECE_NS])
    total_low, total_high, overflows = add(words[AMOUNT], words[AMOUNT + 1], low, high)
    if overflows or less(words[AMOUNT_MAX], words[AMOUNT_MAX + 1], total_low, total_high):
        return TransferStatus.EXCEEDS_WINDOW_LIMIT
    return TransferStatus.CREATED if words[COUNT] < words[COUNT_MAX] else TransferStatus.EXCEEDS_WINDOW_COUNT


@compiled
def _count(words: Array, low: Word, high: Word) -> None:
    if words[PIECE_NS] != U0:
        _add(words, AMOUNT, low, high)
        _add(words, _place(words[PIECE]), low, high)


@compiled
def _uncount(words: Array, pending: Row, low: Word, high: Word, is_whole: bool) -> None:
    if words[PIECE_NS] == U0 or pending.timestamp <= words[SINCE] or pending.flags & _IMPORTED != 0:
        return
    piece = pending.timestamp // words[PIECE_NS]
    if piece + _KEPT > words[PIECE]:
        count = U1 if is_whole else U0
        _take(words, AMOUNT, low, high, count)
        _take(words, _place(piece), low, high, count)


@compiled
def _advance(words: Array, piece: Word) -> None:
    """Let go of what is older than a window."""
    while words[PIECE] < piece:
        if words[COUNT] == U0 and words[AMOUNT] == U0 and words[AMOUNT + 1] == U0:
            words[PIECE] = piece
        else:
            words[PIECE] += U1
            place = _place(words[PIECE])
            _take(words, AMOUNT, words[place], words[place + 1], words[place + 2])
            words[place : place + PIECE_WORDS] = U0


@compiled
def _place(piece: Word) -> Index:
    """Where in a guard a piece is."""
    return RING + PIECE_WORDS * np.int64(piece % _KEPT)


@compiled
def _add(words: Array, place: Index, low: Word, high: Word) -> None:
    words[place], words[place + 1], _ = add(words[place], words[place + 1], low, high)
    words[place + 2] += U1


@compiled
def _take(words: Array, place: Index, low: Word, high: Word, count: Word) -> None:
    words[place], words[place + 1] = subtract(words[place], words[place + 1], low, high)
    words[place + 2] -= count
