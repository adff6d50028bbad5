"""What is found out about the events of a batch before they are applied: compiled.

A plan changes nothing. It holds the accounts of each event and the keys of its ids, so that what is not in memory can
be fetched for the whole batch at once.

Checked by: tests/payments/ledger/test_properties.py, test_segments.py
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ropewalk.systems.payments.ledger.accounts import Book, find_account
from ropewalk.systems.payments.ledger.hot import ABSENT
from ropewalk.systems.payments.ledger.layout import Rows
from ropewalk.systems.payments.ledger.rules import POST_OR_VOID
from ropewalk.systems.payments.ledger.words import Index, Word, compiled, inlined, less, spread

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
