"""What is found out about the events of a batch before they are applied: compiled.

A plan changes nothing. It holds the accounts of each event and the keys of its ids, so that what is not in memory can
be fetched for the whole batch at once.

Checked by: tests/payments/ledger/test_properties.py, test_segments.py
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ropewalk.systems.payments.ledger.accounts import Book, find_account, first_look, warm
from ropewalk.systems.payments.ledger.hot import ABSENT
from ropewalk.systems.payments.ledger.layout import Rows
from ropewalk.systems.payments.ledger.rules import POST_OR_VOID
from ropewalk.systems.payments.ledger.words import Index, Row, Word, compiled, inlined, less, spread

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

_TOGETHER = 64
"""Events whose accounts are looked at together: what these touch still fits the nearest cache."""

Words = NDArray[np.uint64]


@compiled
def plan_all(events: Rows, book: Book, sealed: NDArray[np.uint64], plan: NDArray[np.void]) -> Index:
    """Plan each event; return how many ids may be in sealed segments (`sealed`: their smallest and largest id).

    A million accounts do not fit into a cache, and waiting for memory account by account took most of the time. So
    some events' accounts are looked at together before they are searched for one by one.
    """
    asked: Index = 0
    looks = np.empty(2 * _TOGETHER, np.uint64)
    for start in range(0, events.size, _TOGETHER):
        stop = min(start + _TOGETHER, events.size)
        _warm_accounts(events, start, stop, book, looks)
        for index in range(start, stop):
            asked += _plan(events[index], plan[index], book, sealed)
    return asked


@inlined
def _warm_accounts(events: Rows, start: Index, stop: Index, book: Book, looks: Words) -> None:
    """Bring the accounts of some events into the cache, all at the same time."""
    for index in range(start, stop):
        event = events[index]
        place = 2 * (index - start)
        looks[place] = first_look(book, event.debit_account_id_low, event.debit_account_id_high)
        looks[place + 1] = first_look(book, event.credit_account_id_low, event.credit_account_id_high)
    for place in range(2 * (stop - start)):
        looks[place] = warm(book, looks[place])


@inlined
def _plan(event: Row, step: Row, book: Book, sealed: Words) -> Index:
    """Plan one event; return how many of its ids may be in sealed segments."""
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
    return np.int64(step.asks) + np.int64(step.asks_pending)


@inlined
def _within(sealed: NDArray[np.uint64], low: Word, high: Word) -> bool:
    return not less(low, high, sealed[0], sealed[1]) and not less(sealed[2], sealed[3], low, high)
