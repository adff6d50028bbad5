"""Transfers, where they are: the newest in memory, the others on the shelf, with an index by id and one by account.

Checked by: tests/payments/ledger/test_segments.py
"""

from collections.abc import Iterator, Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from ropewalk.core.machine import Saved
from ropewalk.data.shelf import Shelf
from ropewalk.errors import NotAccepted
from ropewalk.systems.payments.ledger.hot import (
    ABSENT,
    BALANCES,
    COUNTERS,
    ENTRIES,
    ENTRY,
    FAILED,
    FIRST_ROW,
    HISTORY,
    LAST_TIMESTAMP,
    ROW_MASK,
    ROWS,
    STATE_SHIFT,
    emptied,
    fill_table,
    new_hot,
    recall,
    with_room,
)
from ropewalk.systems.payments.ledger.ids import Ids
from ropewalk.systems.payments.ledger.layout import TRANSFER, Rows
from ropewalk.systems.payments.ledger.limits import RECORD_ROWS_MAX, SLOT_BITS, TRANSFERS_MAX
from ropewalk.systems.payments.ledger.runs import SavedRuns, SortedRuns
from ropewalk.systems.payments.ledger.segments import Segments
from ropewalk.systems.payments.ledger.words import Array

Numbers = NDArray[np.int64]

_ROW_BITS = 64 - SLOT_BITS


class _Saved(msgspec.Struct, frozen=True):
    """What a snapshot keeps beside the rows and entries in memory."""

    rows: list[int]
    balances: list[int]
    ids: SavedRuns
    sides: SavedRuns


class Transfers:
    """All transfers of a ledger, and the balances that were kept with them."""

    def __init__(self, shelf: Shelf, *, segment_rows: int, piece_entries: int) -> None:
        self._segment_rows = segment_rows
        self._rows = Segments(shelf, "transfers", TRANSFER)
        self._balances = Segments(shelf, "balances", HISTORY)
        self._sides = SortedRuns(shelf, "sides", words=1, piece_entries=piece_entries)
        self.ids = Ids(shelf, piece_entries=piece_entries)
        self._capacity = segment_rows + RECORD_ROWS_MAX
        self.hot = new_hot(self._capacity, first_row=0, last_timestamp=0)

    @property
    def count(self) -> int:
        """How many there are."""
        return self._rows.count + self._tail.size

    @property
    def _tail(self) -> Rows:
        rows: Rows = self.hot.rows[: int(self.hot.counts[ROWS])]
        return rows

    @property
    def _balances_tail(self) -> Rows:
        rows: Rows = self.hot.balances[: int(self.hot.counts[BALANCES])]
        return rows

    def make_room(self, events: int) -> None:
        """Let so many events be applied without a pause for more memory."""
        if self.count + events > TRANSFERS_MAX:
            raise NotAccepted(
                f"{self.count + events} transfers would be more than {TRANSFERS_MAX}: use another partition"
            )
        self.hot = with_room(self.hot, events)

    def fetch(self, plan: Array) -> Rows:
        """Find in sealed segments what a plan asks for; return the transfers that it will need."""
        asked = np.flatnonzero(plan["asks"])
        asked_pending = np.flatnonzero(plan["asks_pending"])
        lows = np.concatenate((plan["key_low"][asked], plan["pending_key_low"][asked_pending]))
        highs = np.concatenate((plan["key_high"][asked], plan["pending_key_high"][asked_pending]))
        values = self.ids.find(lows, highs)
        plan["known"][asked] = values[: asked.size]
        plan["pending_known"][asked_pending] = values[asked.size :]
        has_row = (values != ABSENT) & (values >> STATE_SHIFT != FAILED)
        places = np.cumsum(has_row) - 1
        plan["known_at"][asked] = places[: asked.size]
        plan["pending_known_at"][asked_pending] = places[asked.size :]
        return self.take(rows_in(values))

    def settle(self, *, rows_before: int, entries_before: int) -> None:
        """After events were applied: seal what has become a segment, and go on with the merges."""
        rows, entries = int(self.hot.counts[ROWS]), int(self.hot.counts[ENTRIES])
        if max(rows, entries) >= self._segment_rows:
            self._seal(rows)
        self.ids.runs.work(entries - entries_before)
        self._sides.work(2 * (rows - rows_before))

    def values(self, plan: Array) -> NDArray[np.uint64]:
        """What each planned id stands for: its state and its row number (`hot`), or ABSENT."""
        self.fetch(plan)
        recall(plan, self.hot)
        return np.asarray(plan["known"])

    def take(self, numbers: Numbers) -> Rows:
        """The transfers with these numbers, in their order."""
        return self._rows.take(numbers, self._tail)

    def number_at(self, timestamp: int) -> int:
        """The number of the first transfer whose timestamp is not smaller."""
        return self._rows.number_at(timestamp, self._tail)

    def between(self, start: int, stop: int, *, is_reversed: bool) -> Iterator[Rows]:
        """The transfers numbered from `start` until before `stop`, some at a time."""
        return self._rows.between(start, stop, tail=self._tail, is_reversed=is_reversed)

    def of_account(self, slot: int, span: range, *, at_once: int, is_reversed: bool) -> Iterator[Numbers]:
        """The numbers within `span` of an account's transfers, in order, up to `at_once` at a time."""
        if not span:
            return
        low, high = slot << _ROW_BITS | span[0], slot << _ROW_BITS | span[-1]
        if is_reversed:
            yield from self._hot_of_account(low, high, at_once=at_once, is_reversed=is_reversed)
        for run in self._sides.newest_first() if is_reversed else self._sides.oldest_first():
            first, last = run.rank(low - 1), run.rank(high)
            starts = range(first, last, at_once)
            for start in reversed(starts) if is_reversed else starts:
                parts = [part[0] for part in run.slices(start, min(start + at_once, last))]
                yield _numbers(np.concatenate(parts), is_reversed)
        if not is_reversed:
            yield from self._hot_of_account(low, high, at_once=at_once, is_reversed=is_reversed)

    def balances_at(self, timestamps: Rows, slot: int) -> Rows:
        """The balances that were kept of an account at these timestamps."""
        numbers = []
        for timestamp in timestamps.tolist():
            number = self._balances.number_at(timestamp, self._balances_tail)
            # A transfer keeps up to two balances, of its debit account and then of its credit account.
            kept = self._balances.take(np.array([number], "i8"), self._balances_tail)
            numbers.append(number if int(kept["slot"][0]) == slot else number + 1)
        return self._balances.take(np.array(numbers, "i8"), self._balances_tail)

    def save(self) -> Saved:
        """What a snapshot keeps."""
        hot = self.hot
        saved = _Saved(self._rows.save(), self._balances.save(), self.ids.runs.save(), self._sides.save())
        parts: dict[str, bytes | memoryview] = {
            "transfers": self._tail.tobytes(),
            "balances": self._balances_tail.tobytes(),
            "entries": hot.entries[: int(hot.counts[ENTRIES])].tobytes(),
            "sides": hot.sides[: 2 * int(hot.counts[ROWS])].tobytes(),
            "counts": hot.counts.tobytes(),
            "id_range": self.ids.range.tobytes(),
            "segments": msgspec.msgpack.encode(saved),
        }
        names = [*self._rows.names, *self._balances.names, *self.ids.runs.names, *self._sides.names]
        return Saved(parts, names)

    def load(self, parts: Mapping[str, bytes | memoryview]) -> None:
        """Become what was saved; the blobs are on the shelf."""
        saved = msgspec.msgpack.decode(parts["segments"], type=_Saved)
        self._rows.load(saved.rows)
        self._balances.load(saved.balances)
        self.ids.runs.load(saved.ids)
        self.ids.range[:] = np.frombuffer(parts["id_range"], "u8")
        self._sides.load(saved.sides)
        rows = np.frombuffer(parts["transfers"], TRANSFER)
        entries = np.frombuffer(parts["entries"], ENTRY)
        balances = np.frombuffer(parts["balances"], HISTORY)
        hot = self.hot = new_hot(
            max(self._capacity, rows.size, entries.size, balances.size), first_row=0, last_timestamp=0
        )
        hot.counts[:] = np.frombuffer(parts["counts"], "u8", COUNTERS)
        hot.rows[: rows.size] = rows
        hot.entries[: entries.size] = entries
        hot.balances[: balances.size] = balances
        hot.sides[: 2 * rows.size] = np.frombuffer(parts["sides"], "u8")
        fill_table(hot)

    def _seal(self, rows: int) -> None:
        """Move what is in memory to the shelf."""
        hot = self.hot
        self._rows.seal(self._tail)
        self._balances.seal(self._balances_tail)
        self.ids.seal(hot)
        self._sides.add(hot.sides[: 2 * rows].reshape(1, -1))
        first_row, last_timestamp = int(hot.counts[FIRST_ROW]) + rows, int(hot.counts[LAST_TIMESTAMP])
        self.hot = emptied(hot, self._capacity, first_row=first_row, last_timestamp=last_timestamp)

    def _hot_of_account(self, low: int, high: int, *, at_once: int, is_reversed: bool) -> Iterator[Numbers]:
        sides = self.hot.sides[: 2 * int(self.hot.counts[ROWS])]
        of_account = sides[(sides >= np.uint64(low)) & (sides <= np.uint64(high))]
        starts = range(0, of_account.size, at_once)
        for start in reversed(starts) if is_reversed else starts:
            yield _numbers(of_account[start : start + at_once], is_reversed)


def rows_in(values: NDArray[np.uint64]) -> Numbers:
    """The row numbers in values, of those that have one."""
    has_row = (values != ABSENT) & (values >> STATE_SHIFT != FAILED)
    return np.asarray(values[has_row] & ROW_MASK, "i8")


def _numbers(sides: NDArray[np.uint64], is_reversed: bool) -> Numbers:
    numbers = (sides & np.uint64(2**_ROW_BITS - 1)).astype("i8")
    return numbers[::-1] if is_reversed else numbers
