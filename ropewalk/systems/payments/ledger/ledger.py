"""The ledger: accounts, transfers, and what became of both.

Promise:    the rules are TigerBeetle's (`statuses`, `layout`); a transfer id is used at most once, for ever; the same
            calls give the same results and the same digest in any process.
Not given:  durability: the partition's log and snapshots give that.
Checked by: tests/payments/ledger/
"""

import numpy as np
from numpy.typing import NDArray

from ropewalk.data.shelf import Shelf
from ropewalk.systems.payments.ledger.accounts import Accounts
from ropewalk.systems.payments.ledger.create import PLAN, create_all, new_undo, plan_all
from ropewalk.systems.payments.ledger.hot import new_hot, with_room
from ropewalk.systems.payments.ledger.layout import ACCOUNT, RESULT, TRANSFER, Rows, TransferFlags
from ropewalk.systems.payments.ledger.limits import SEGMENT_ROWS

_NOTHING_SEALED = np.array([2**64 - 1, 2**64 - 1, 0, 0], "u8")


class Ledger:
    """One partition's accounts and transfers; what is settled lies on the shelf."""

    def __init__(self, shelf: Shelf, *, segment_rows: int = SEGMENT_ROWS) -> None:
        self._shelf = shelf
        self._segment_rows = segment_rows
        self._accounts = Accounts()
        self._hot = new_hot(segment_rows, first_row=0, last_timestamp=0)
        self.last_timestamp = 0

    def create_accounts(self, rows: Rows, *, time_ns: int, ends: NDArray[np.int64] | None = None) -> Rows:
        """Create accounts; return one RESULT each.

        `ends` are where each request's rows end, if these are the rows of several.
        """
        events = _events(rows, ACCOUNT)
        first = self._take_timestamps(events.size, time_ns)
        taken = np.zeros(events.size, "?")
        return self._accounts.create(events, _ends(events, ends), first_timestamp=first, taken=taken)

    def create_transfers(self, rows: Rows, *, time_ns: int, ends: NDArray[np.int64] | None = None) -> Rows:
        """Create transfers; return one RESULT each. `ends` as for accounts."""
        events = _events(rows, TRANSFER)
        first = self._take_timestamps(events.size, time_ns)
        self._hot = with_room(self._hot, events.size)
        plan = np.empty(events.size, PLAN)
        plan_all(events, self._accounts.book, _NOTHING_SEALED, plan)
        linked = bool(np.any(events["flags"] & TransferFlags.LINKED))
        undo = new_undo(events.size if linked else 0)
        results = np.zeros(events.size, RESULT)
        fetched = np.zeros(0, TRANSFER)
        book = self._accounts.book
        create_all(events, plan, fetched, book, self._hot, undo, _ends(events, ends), np.uint64(first), results)
        return results

    def lookup_accounts(self, ids: Rows) -> Rows:
        """The accounts with these ids, in the order asked; ids of none are left out."""
        slots = self._accounts.find(_events(ids, ids.dtype))
        return self._accounts.rows[slots[slots >= 0]]

    def _take_timestamps(self, count: int, time_ns: int) -> int:
        """Timestamps for so many events, behind all that were given before; return the first."""
        self.last_timestamp = max(time_ns, self.last_timestamp + count)
        return self.last_timestamp - count + 1


def _events(rows: Rows, dtype: np.dtype[np.void]) -> Rows:
    """Rows as compiled code takes them: one kind of array, so that it is compiled once."""
    events = np.ascontiguousarray(rows, dtype).view()
    events.flags.writeable = False
    return events


def _ends(events: Rows, ends: NDArray[np.int64] | None) -> NDArray[np.int64]:
    return np.array([events.size], "i8") if ends is None else ends
