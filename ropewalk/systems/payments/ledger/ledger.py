"""The ledger: accounts, transfers, and what became of both.

Accounts are in memory. Transfers are in memory until there are enough of them for a segment, which then goes to the
shelf with an index by id and one by account; the indexes are merged a little with each batch. So memory does not grow
with the number of transfers, and no call takes long.

Promise:    the rules are TigerBeetle's (`statuses`, `layout`); a transfer id is used at most once, for ever; the same
            calls give the same results, the same digest and the same blobs in any process.
Not given:  durability: the partition's log and snapshots give that.
Checked by: tests/payments/ledger/test_properties.py, test_segments.py, test_expiry.py
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ropewalk.core.codec import checksum, encode_value
from ropewalk.core.machine import Saved
from ropewalk.data.shelf import Shelf
from ropewalk.errors import invariant
from ropewalk.systems.payments.ledger import queries
from ropewalk.systems.payments.ledger.accounts import Accounts
from ropewalk.systems.payments.ledger.audit import check_accounts
from ropewalk.systems.payments.ledger.create import create_all
from ropewalk.systems.payments.ledger.expiry import Expiries, expire_all
from ropewalk.systems.payments.ledger.guards import Guards
from ropewalk.systems.payments.ledger.hot import ENTRIES, FIRST_ROW, ROWS, STATE_SHIFT
from ropewalk.systems.payments.ledger.layout import ACCOUNT, ID, RESULT, TRANSFER, AccountFlags, Rows, TransferFlags
from ropewalk.systems.payments.ledger.limits import EXPIRED_MAX, PIECE_ENTRIES, SEGMENT_ROWS
from ropewalk.systems.payments.ledger.plan import PLAN, plan_all
from ropewalk.systems.payments.ledger.transfers import Transfers, rows_in
from ropewalk.systems.payments.ledger.undo import new_undo
from ropewalk.systems.payments.ledger.words import Array

Slots = NDArray[np.int64]
"""Rows of two: where a debit and a credit account are."""

Ends = NDArray[np.int64] | None
"""Where the rows of each request end, if they are the rows of several; no chain of linked events crosses an end."""


class Ledger:
    """One partition's accounts and transfers."""

    def __init__(self, shelf: Shelf, *, segment_rows: int = SEGMENT_ROWS, piece_entries: int = PIECE_ENTRIES) -> None:
        self._shelf = shelf
        self._accounts = Accounts()
        self._transfers = Transfers(shelf, segment_rows=segment_rows, piece_entries=piece_entries)
        self._expiries = Expiries()
        self.guards = Guards()
        self._blob_checksums: dict[str, bytes] = {}
        self.last_timestamp = 0

    @property
    def wakes_at_ns(self) -> int | None:
        """When the next pending transfer expires; None if none will."""
        return self._expiries.wakes_at_ns

    def create_accounts(self, rows: Rows, *, time_ns: int, ends: Ends = None) -> Rows:
        """Create ACCOUNT rows, any number of them; return one RESULT each."""
        events = _events(rows, ACCOUNT)
        first = self._take_timestamps(events.size, time_ns)
        taken = np.zeros(events.size, "?")
        for place in np.flatnonzero(events["flags"] & AccountFlags.IMPORTED):
            taken[place] = self._has_transfer_at(int(events["timestamp"][place]))
        return self._accounts.create(events, _ends(events, ends), first_timestamp=first, taken=taken)

    def create_transfers(self, rows: Rows, *, time_ns: int, ends: Ends = None) -> Rows:
        """Create TRANSFER rows, any number of them; return one RESULT each."""
        return self._create(_events(rows, TRANSFER), None, time_ns=time_ns, ends=ends)

    def hold(self, rows: Rows, instead: Slots, *, time_ns: int) -> Rows:
        """Create TRANSFER rows that are pending, or that post or void such, and that nobody else can post or void.

        `instead`: for each row the slots of accounts that stand here for its debit and for its credit account, which
        are kept elsewhere; -1 for one that is kept here.
        """
        return self._create(_events(rows, TRANSFER), instead, time_ns=time_ns, ends=None)

    def slots_of(self, ids: Rows) -> NDArray[np.int64]:
        """Where the accounts with these ids (rows of ID) are, for ever; -1 for ids of none."""
        return self._accounts.find(_events(ids, ID))

    def states_of(self, ids: Rows) -> NDArray[np.uint64]:
        """The states (`hot`) of the transfers with these ids (rows of ID); that of ABSENT for ids of none."""
        return self._transfers.values(self._asked(ids)) >> STATE_SHIFT

    def _create(self, events: Rows, instead: Slots | None, *, time_ns: int, ends: Ends) -> Rows:
        first = self._take_timestamps(events.size, time_ns)
        self._transfers.make_room(events.size)
        plan, fetched = self._plan(events)
        if instead is not None:
            plan["debit"] = np.where(instead[:, 0] < 0, plan["debit"], instead[:, 0])
            plan["credit"] = np.where(instead[:, 1] < 0, plan["credit"], instead[:, 1])
        linked = bool(np.any(events["flags"] & TransferFlags.LINKED))
        watch = self.guards.concerned(events, plan)
        undo = new_undo(events.size if linked else 0, guarded=watch is not None)
        results = np.zeros(events.size, RESULT)
        hot = self._transfers.hot
        rows_before, entries_before = int(hot.counts[ROWS]), int(hot.counts[ENTRIES])
        create_all(
            events, plan, fetched, self._accounts.book, hot, watch, undo, _ends(events, ends),
            np.uint64(first), instead is not None, results,
        )  # fmt: skip
        created = hot.rows[rows_before : int(hot.counts[ROWS])]
        self._expiries.add(created, first_row=int(hot.counts[FIRST_ROW]) + rows_before)
        self._transfers.settle(rows_before=rows_before, entries_before=entries_before)
        return results

    def expire(self, time_ns: int, *, count_max: int = EXPIRED_MAX) -> int:
        """Give back what pending transfers reserved whose timeout has passed; return how many were looked at.

        No more than `count_max` of them: `wakes_at_ns` tells whether more are due.
        """
        numbers = self._expiries.due(time_ns, count_max=count_max)
        if numbers.size:
            events = _events(self._transfers.take(numbers), TRANSFER)
            self._transfers.make_room(events.size)
            plan, _ = self._plan(events)
            hot = self._transfers.hot
            rows, entries = int(hot.counts[ROWS]), int(hot.counts[ENTRIES])
            expire_all(events, plan, self._accounts.book, hot, self.guards.in_use)
            self._transfers.settle(rows_before=rows, entries_before=entries)
        return int(numbers.size)

    def lookup_accounts(self, ids: Rows) -> Rows:
        """The accounts with these ids (rows of ID), in the order asked; ids of none are left out."""
        slots = self._accounts.find(_events(ids, ID))
        return self._accounts.rows[slots[slots >= 0]]

    def lookup_transfers(self, ids: Rows) -> Rows:
        """The transfers with these ids (rows of ID), in the order asked; ids of none are left out."""
        return self._transfers.take(rows_in(self._transfers.values(self._asked(ids))))

    def account_transfers(self, chosen: np.void) -> Rows:
        """The transfers of one account that pass an ACCOUNT_FILTER, by timestamp."""
        return queries.account_transfers(self._accounts, self._transfers, chosen)

    def account_balances(self, chosen: np.void) -> Rows:
        """The balances of one account after those transfers, if it has flags.history."""
        return queries.account_balances(self._accounts, self._transfers, chosen)

    def query_accounts(self, chosen: np.void) -> Rows:
        """The accounts that pass a QUERY_FILTER, by timestamp."""
        return queries.query_accounts(self._accounts, chosen)

    def query_transfers(self, chosen: np.void) -> Rows:
        """The transfers that pass a QUERY_FILTER, by timestamp."""
        return queries.query_transfers(self._transfers, chosen)

    def save(self) -> Saved:
        """The state, in parts that later calls do not change."""
        transfers = self._transfers.save()
        parts = {
            **transfers.parts,
            "accounts": self._accounts.rows.tobytes(),
            "expiries": self._expiries.save(),
            "guards": self.guards.save(),
            "last_timestamp": self.last_timestamp.to_bytes(8, "little"),
        }
        return Saved(parts, transfers.blobs)

    def load(self, parts: Mapping[str, bytes | memoryview]) -> None:
        """Become what was saved; the blobs are on the shelf again."""
        self._accounts.load(np.frombuffer(parts["accounts"], ACCOUNT))
        self._transfers.load(parts)
        self._expiries.load(parts["expiries"])
        # A snapshot from before there were guards holds none.
        self.guards.load(parts.get("guards", b""))
        self.last_timestamp = int.from_bytes(parts["last_timestamp"], "little")
        self._blob_checksums = {}

    def digest(self) -> bytes:
        """16 bytes that are equal if and only if the states are, blobs included."""
        saved = self.save()
        known = self._blob_checksums
        self._blob_checksums = {
            name: known[name] if name in known else checksum(self._shelf.get(name)) for name in saved.blobs
        }
        named = [(name, checksum(part)) for name, part in sorted(saved.parts.items())]
        return checksum(encode_value((named, sorted(self._blob_checksums.items()))))

    def check(self) -> None:
        """Raise Bug if debits do not equal credits, or a limit does not hold."""
        check_accounts(self._accounts.rows)
        self.guards.check()
        invariant(
            self._accounts.last_timestamp <= self.last_timestamp,
            "time does not fall",
            account=self._accounts.last_timestamp,
            last=self.last_timestamp,
        )

    def _plan(self, events: Rows) -> tuple[Array, Rows]:
        """A plan of the events, and the sealed transfers that it refers to."""
        plan = np.empty(events.size, PLAN)
        asked = plan_all(events, self._accounts.book, self._transfers.ids.range, plan)
        return plan, self._transfers.fetch(plan) if asked else np.empty(0, TRANSFER)

    def _asked(self, ids: Rows) -> Array:
        """A plan that finds transfers."""
        asked = np.zeros(ids.size, TRANSFER)
        asked["id_low"], asked["id_high"] = ids["id_low"], ids["id_high"]
        plan, _ = self._plan(_events(asked, TRANSFER))
        return plan

    def _has_transfer_at(self, timestamp: int) -> bool:
        first, beyond = self._transfers.number_at(timestamp), self._transfers.number_at(timestamp + 1)
        return first < beyond

    def _take_timestamps(self, count: int, time_ns: int) -> int:
        """Timestamps for so many events, behind all that were given before; return the first."""
        self.last_timestamp = max(time_ns, self.last_timestamp + count)
        return self.last_timestamp - count + 1


def _events(rows: Rows, dtype: np.dtype[np.void]) -> Rows:
    """Rows as compiled code takes them: one kind of array, so that it is compiled once."""
    events = np.ascontiguousarray(rows, dtype).view()
    events.flags.writeable = False
    return events


def _ends(events: Rows, ends: Ends) -> NDArray[np.int64]:
    return np.array([events.size], "i8") if ends is None else ends
