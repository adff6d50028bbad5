"""Rows in the order of their timestamps: sealed on the shelf, a segment at a time, with the newest ones in memory.

Rows are numbered from 0 without a gap, and a row never changes once it is sealed.

    number      0 ......... 65,535   65,536 ......... 131,071   131,072 ...
                segment on shelf     segment on shelf           the tail: in memory

Checked by: tests/payments/ledger/test_segments.py
"""

from bisect import bisect_right
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ropewalk.data.shelf import Shelf
from ropewalk.systems.payments.ledger.layout import Rows


class Segments:
    """The sealed rows of one kind, and what is common to them and to the tail."""

    def __init__(self, shelf: Shelf, kind: str, dtype: np.dtype[np.void]) -> None:
        self._shelf = shelf
        self._kind = kind
        self._dtype = dtype
        self._firsts: list[int] = []
        self._started_at: list[int] = []
        self._segments: list[Rows] = []
        self.count = 0

    @property
    def names(self) -> list[str]:
        """The blobs on the shelf."""
        return [self._name(first) for first in self._firsts]

    def seal(self, rows: Rows) -> None:
        """Move rows to the shelf; they follow those sealed before."""
        if not rows.size:
            return
        self._shelf.put(self._name(self.count), rows.view("u1").data)
        self._attach(self.count)

    def save(self) -> list[int]:
        """The numbers of the first row of each segment."""
        return self._firsts

    def load(self, firsts: list[int]) -> None:
        """Become what was saved; the blobs are on the shelf."""
        self._firsts, self._started_at, self._segments, self.count = [], [], [], 0
        for first in firsts:
            self._attach(first)

    def take(self, numbers: NDArray[np.int64], tail: Rows) -> Rows:
        """The rows with these numbers, in their order."""
        taken = np.empty(numbers.size, self._dtype)
        places = np.searchsorted(np.array([*self._firsts, self.count]), numbers, side="right") - 1
        for place in np.unique(places):
            of_segment = places == place
            segment, first = self._at(int(place), tail)
            taken[of_segment] = segment[numbers[of_segment] - first]
        return taken

    def number_at(self, timestamp: int, tail: Rows) -> int:
        """The number of the first row whose timestamp is not smaller."""
        place = len(self._firsts)
        if not tail.size or timestamp <= int(tail["timestamp"][0]):
            place = max(bisect_right(self._started_at, timestamp) - 1, 0)
        segment, first = self._at(place, tail)
        # A field of a memory map is not contiguous, and NumPy would read all of it to search it.
        low, high = 0, segment.size
        while low < high:
            middle = (low + high) // 2
            if int(segment["timestamp"][middle]) < timestamp:
                low = middle + 1
            else:
                high = middle
        return first + low

    def between(self, start: int, stop: int, *, tail: Rows, is_reversed: bool) -> Iterator[Rows]:
        """The rows numbered from `start` until before `stop`, some at a time; the last ones first if reversed."""
        places = range(len(self._firsts) + 1)
        for place in reversed(places) if is_reversed else places:
            segment, first = self._at(place, tail)
            rows = segment[max(start - first, 0) : max(stop - first, 0)]
            if rows.size:
                yield rows[::-1] if is_reversed else rows

    def _at(self, place: int, tail: Rows) -> tuple[Rows, int]:
        """A segment and the number of its first row; the tail stands behind the last."""
        if place < len(self._firsts):
            return self._segments[place], self._firsts[place]
        return tail, self.count

    def _attach(self, first: int) -> None:
        segment = np.frombuffer(self._shelf.get(self._name(first)), self._dtype)
        self._firsts.append(first)
        self._started_at.append(int(segment["timestamp"][0]))
        self._segments.append(segment)
        self.count = first + segment.size

    def _name(self, first: int) -> str:
        return f"{self._kind}-{first:012}"
