"""Which entry a reversal reverses.

A batch described as REVERSAL undoes entries of the same company that settled at most five banking days before (Nacha
Operating Rules, Article Two, Reversing Entries). A reversal carries no reference: it has the receiver, the amount,
the company and the class of the entry that it undoes, and the other direction. Each entry is undone at most once; a
reversal that fits none is improper, and its receiver's bank returns it (R17).

Checked by: tests/payments/processing/test_stories.py (reversals)
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ropewalk.systems.payments.processing.calendar import day_number, day_of, next_banking_day
from ropewalk.systems.payments.processing.files import File, credit_side
from ropewalk.systems.payments.processing.index import keys_of
from ropewalk.systems.payments.processing.layouts import EntryState, Marks, Places
from ropewalk.systems.payments.processing.state import State

REVERSAL_BANKING_DAYS: Final = 5

_MULTIPLIER: Final = np.uint64(0x9E3779B97F4A7C15)
_HALF: Final = np.uint64(32)

_Exact = tuple[int, int, int, int, bytes, bool]
"""Originator, entry class, institution, amount, account, is it a credit."""


def find_reversed(state: State, file: File, *, rows: Places, day: int) -> NDArray[np.int64]:
    """The file and row of the entry that each of these entries reverses; -1 if it is no reversal, or names none."""
    found = np.full((rows.size, 2), -1, "i8")
    reversing = np.flatnonzero(file.batches["is_reversal"][file.entries["batch"][rows]])
    if not reversing.size:
        return found
    wanted = _Sought.of(file, rows[reversing], opposite=True)
    waiting: defaultdict[_Exact, list[tuple[int, int]]] = defaultdict(list)
    for number, row, exact in _candidates(state, wanted, settled_from=_earliest_day(day)):
        waiting[exact].append((number, row))
    for place, exact in zip(reversing.tolist(), wanted.exact(), strict=True):
        if waiting.get(exact):
            found[place] = waiting[exact].pop(0)
    return found


class _Sought(NamedTuple):
    """What entries are compared by, as columns."""

    originators: NDArray[np.int32]
    classes: NDArray[np.uint8]
    rdfis: NDArray[np.uint32]
    amounts: NDArray[np.uint64]
    accounts: NDArray[np.bytes_]
    is_credit: NDArray[np.bool_]

    @classmethod
    def of(cls, file: File, rows: Places, *, opposite: bool) -> "_Sought":
        entries = file.entries[rows]
        return cls(
            file.batches["originator"][entries["batch"]],
            file.contents.batch_columns["entry_class"][entries["batch"]],
            entries["rdfi"],
            entries["amount_cents"],
            entries["account"],
            credit_side(entries) ^ opposite,
        )

    def hashes(self) -> NDArray[np.uint64]:
        """Equal for equal entries, and nearly always different for different ones."""
        words = keys_of(self.rdfis.astype("i4"), self.accounts)
        state = np.zeros(self.rdfis.size, "u8")
        side = self.originators.astype("u8") << np.uint64(1) | self.is_credit
        for word in (words[:, 0], words[:, 1], words[:, 2], self.amounts, side, self.classes):
            state = (state ^ word) * _MULTIPLIER
            state ^= state >> _HALF
        return state

    def exact(self) -> Iterator[_Exact]:
        """The values themselves."""
        return zip(*(column.tolist() for column in self), strict=True)


def _candidates(state: State, wanted: _Sought, *, settled_from: int) -> Iterator[tuple[int, int, _Exact]]:
    """Entries that may be reversed, oldest first: cut down by hash, so that few are looked at one by one."""
    sought = np.unique(wanted.hashes())
    companies = np.unique(wanted.originators)
    for file in state.files:
        of_company = np.isin(file.batches["originator"], companies) & ~file.batches["is_reversal"]
        if file.last_settled_day < settled_from or not of_company.any():
            continue
        reversible = (
            (file.state["state"] == EntryState.POSTED)
            & (file.state["settled_day"] >= settled_from)
            & (file.state["marks"] & Marks.REVERSED == 0)
            & of_company[file.entries["batch"]]
        )
        rows = np.flatnonzero(reversible)
        if rows.size:
            own = _Sought.of(file, rows, opposite=False).hashes()
            places = np.minimum(np.searchsorted(sought, own), sought.size - 1)
            rows = rows[sought[places] == own]
            for row, exact in zip(rows.tolist(), _Sought.of(file, rows, opposite=False).exact(), strict=True):
                yield file.record.number, row, exact


def _earliest_day(day: int) -> int:
    """The first day on which an entry may have settled that is reversed on `day`."""
    last = day_of(day)
    earliest = last
    while next_banking_day(earliest - timedelta(days=1), count=REVERSAL_BANKING_DAYS) >= last:
        earliest -= timedelta(days=1)
    return day_number(earliest)
