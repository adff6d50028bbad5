"""What every id of a sealed segment stands for, found by its key.

Checked by: tests/payments/ledger/test_segments.py, test_properties.py (with segments of a few rows)
"""

import numpy as np
from numpy.typing import NDArray

from ropewalk.data.shelf import Shelf
from ropewalk.systems.payments.ledger.hot import ABSENT, ENTRIES, ID_MAX, ID_MIN, Hot
from ropewalk.systems.payments.ledger.runs import Entries, SortedRuns
from ropewalk.systems.payments.ledger.words import compiled

Words = NDArray[np.uint64]


class Ids:
    """The sealed entries, and between which ids they lie."""

    def __init__(self, shelf: Shelf, *, piece_entries: int) -> None:
        self.runs = SortedRuns(shelf, "ids", words=3, piece_entries=piece_entries)
        self.range = np.array([2**64 - 1, 2**64 - 1, 0, 0], "u8")
        """The smallest and the largest id, low word first."""

    def seal(self, hot: Hot) -> None:
        """Take over the entries of what is being sealed."""
        entries = hot.entries[: int(hot.counts[ENTRIES])]
        self.runs.add(np.stack((entries["key_high"], entries["key_low"], entries["value"])))
        smallest, largest = hot.counts[ID_MIN : ID_MIN + 2], hot.counts[ID_MAX : ID_MAX + 2]
        self.range[:2] = min(self.range[:2], smallest, key=_as_integer)
        self.range[2:] = max(self.range[2:], largest, key=_as_integer)

    def find(self, key_low: Words, key_high: Words) -> Words:
        """The value of each key; ABSENT where there is none."""
        order = np.argsort(key_high)
        lows, highs = key_low[order], key_high[order]
        values = np.full(highs.size, ABSENT)
        for run in self.runs.newest_first():
            bounds = np.array([0, *np.searchsorted(highs, np.array(run.firsts[1:], "u8")), highs.size])
            for place in np.flatnonzero(bounds[1:] > bounds[:-1]):
                part = slice(bounds[place], bounds[place + 1])
                _search(run.pieces[place], lows[part], highs[part], values[part])
        found = np.empty_like(values)
        found[order] = values
        return found


def _as_integer(words: Words) -> int:
    return int(words[1]) << 64 | int(words[0])


@compiled
def _search(piece: Entries, lows: Words, highs: Words, values: Words) -> None:
    """Fill in the values of keys that have none yet."""
    for index in range(lows.size):
        if values[index] != ABSENT:
            continue
        low, high = 0, piece.shape[1]
        while low < high:
            middle = (low + high) // 2
            if piece[0, middle] < highs[index]:
                low = middle + 1
            else:
                high = middle
        while low < piece.shape[1] and piece[0, low] == highs[index]:
            if piece[1, low] == lows[index]:
                values[index] = piece[2, low]
                break
            low += 1
