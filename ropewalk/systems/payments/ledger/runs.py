"""A sorted index on the shelf that grows by whole runs, which are merged a little at a time.

A run is a sorted sequence of entries, cut into pieces of bounded size: one blob each. New runs are of level 0. When a
level has eight runs they are merged into one of the next level, one piece at a time; until that is done, the eight
still serve. So an entry is copied once a level, no step takes long, and there are never many runs to search.

    level 0   ▪ ▪ ▪            newest
    level 1   ▪▪▪▪▪▪▪▪ ▪▪▪▪▪▪▪▪
    level 2   ▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪     oldest

An entry is a column of 64-bit words, of which the first is the one that is sorted by. If the first two words of two
entries are equal, as they are when an id gets another state, the newer one stands.

Promise:    how runs are merged depends on what was added and on the work asked for, and on nothing else.
Not given:  removal of blobs that are not needed any more: a snapshot may still need them.
Checked by: tests/payments/ledger/test_runs.py
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from ropewalk.data.shelf import Shelf
from ropewalk.systems.payments.ledger.limits import RUNS_MERGED
from ropewalk.systems.payments.ledger.words import Array, compiled

Entries = NDArray[np.uint64]
"""Words by entries: `entries[0]` are the keys, rising."""

_DIGIT: Final = np.uint64(2**11 - 1)
_WORK_PER_ENTRY: Final = 2
"""Entries that each level merges for each one that is added: with one it would only just keep up."""


class _SavedRun(msgspec.Struct, frozen=True):
    number: int
    pieces: int


class _SavedMerge(msgspec.Struct, frozen=True):
    number: int
    pieces: int
    cursor: int
    credit: int


class SavedRuns(msgspec.Struct, frozen=True):
    """What a snapshot keeps of an index: its runs and its merges, by level."""

    made: int
    levels: list[list[_SavedRun]]
    merges: list[_SavedMerge | None]


class Run:
    """One sorted sequence."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.pieces: list[Entries] = []
        self._firsts: list[int] = []
        self._starts: list[int] = [0]

    @property
    def count(self) -> int:
        """How many entries it has."""
        return self._starts[-1]

    @property
    def firsts(self) -> list[int]:
        """The first key of each piece."""
        return self._firsts

    def append(self, piece: Entries) -> None:
        """Add the next piece."""
        self.pieces.append(piece)
        self._firsts.append(int(piece[0, 0]))
        self._starts.append(self.count + piece.shape[1])

    def rank(self, key: int) -> int:
        """How many entries have at most this key."""
        place = bisect_right(self._firsts, key) - 1
        if place < 0:
            return 0
        return self._starts[place] + int(np.searchsorted(self.pieces[place][0], np.uint64(key), side="right"))

    def key_at(self, rank: int) -> int:
        """The key of the entry that so many stand before."""
        place = bisect_right(self._starts, rank) - 1
        return int(self.pieces[place][0, rank - self._starts[place]])

    def slices(self, start: int, stop: int) -> Iterator[Entries]:
        """The entries from rank `start` until before rank `stop`."""
        for place in range(max(bisect_right(self._starts, start) - 1, 0), len(self.pieces)):
            begin = self._starts[place]
            if begin >= stop:
                return
            part = self.pieces[place][:, max(start - begin, 0) : stop - begin]
            if part.shape[1]:
                yield part


class _Merge:
    """The merging of some runs of one level, newest first, into one of the next."""

    def __init__(self, inputs: Sequence[Run], output: Run) -> None:
        self.inputs = inputs
        self.output = output
        self.cursor = -1
        self.credit = 0

    def save(self) -> _SavedMerge:
        """What a snapshot keeps."""
        return _SavedMerge(self.output.number, len(self.output.pieces), self.cursor, self.credit)

    def next_piece(self, entries_max: int) -> Entries | None:
        """Merge some more entries; None if there are none left."""
        taken = [run.rank(self.cursor) for run in self.inputs]
        if sum(taken) == sum(run.count for run in self.inputs):
            return None
        self.cursor = self._pivot(taken, entries_max)
        slices = [
            part
            for run, start in zip(self.inputs, taken, strict=True)
            for part in run.slices(start, run.rank(self.cursor))
        ]
        return _merged(slices)

    def _pivot(self, taken: list[int], entries_max: int) -> int:
        """The key up to which to merge, so that nearly `entries_max` entries are."""
        target = sum(taken) + entries_max
        low = min(run.key_at(rank) for run, rank in zip(self.inputs, taken, strict=True) if rank < run.count)
        high = max(run.key_at(run.count - 1) for run in self.inputs)
        if sum(run.count for run in self.inputs) <= target:
            return high
        while low < high:
            middle = (low + high + 1) // 2
            rank = sum(run.rank(middle) for run in self.inputs)
            if rank > target:
                high = middle - 1
            else:
                low = middle
                if rank > target - entries_max // 8:
                    break
        return low


class SortedRuns:
    """The index: its runs by level, the oldest of each level first."""

    def __init__(self, shelf: Shelf, kind: str, *, words: int, piece_entries: int) -> None:
        self._shelf = shelf
        self._kind = kind
        self._words = words
        self._piece_entries = piece_entries
        self._made = 0
        self._levels: list[list[Run]] = []
        self._merges: list[_Merge | None] = []

    @property
    def names(self) -> list[str]:
        """The blobs on the shelf, those of unfinished merges too."""
        runs = [run for level in self._levels for run in level]
        runs += [merge.output for merge in self._merges if merge]
        return [self._name(run.number, piece) for run in runs for piece in range(len(run.pieces))]

    def newest_first(self) -> Iterator[Run]:
        """All runs that serve."""
        for level in self._levels:
            yield from reversed(level)

    def oldest_first(self) -> Iterator[Run]:
        """All runs that serve."""
        for level in reversed(self._levels):
            yield from level

    def add(self, entries: Entries) -> None:
        """Add a run of level 0."""
        if not entries.shape[1]:
            return
        run = self._new_run()
        ordered = _newest(_sorted(entries))
        start = 0
        while start < ordered.shape[1]:
            # Entries with the same key stay in one piece, so that a search looks into one only.
            last = ordered[0, min(start + self._piece_entries, ordered.shape[1]) - 1]
            stop = int(np.searchsorted(ordered[0], last, side="right"))
            self._put(run, ordered[:, start:stop])
            start = stop
        self._append(0, run)

    def work(self, entries_added: int) -> None:
        """Go on with the merges in proportion to what was added."""
        for level, merge in enumerate(self._merges):
            if merge:
                merge.credit += _WORK_PER_ENTRY * entries_added
                while merge.credit >= self._piece_entries and self._advance(level, merge):
                    merge.credit -= self._piece_entries

    def save(self) -> SavedRuns:
        """What a snapshot keeps."""
        return SavedRuns(
            self._made,
            [[_SavedRun(run.number, len(run.pieces)) for run in level] for level in self._levels],
            [merge.save() if merge else None for merge in self._merges],
        )

    def load(self, saved: SavedRuns) -> None:
        """Become what was saved; the blobs are on the shelf."""
        self._made = saved.made
        self._levels = [[self._load_run(run.number, run.pieces) for run in level] for level in saved.levels]
        self._merges = [None] * len(saved.merges)
        for level, kept in enumerate(saved.merges):
            if kept:
                merge = self._merges[level] = self._new_merge(level, self._load_run(kept.number, kept.pieces))
                merge.cursor, merge.credit = kept.cursor, kept.credit

    def _append(self, level: int, run: Run) -> None:
        """Add a run to a level, and begin to merge the level if it has enough."""
        if level == len(self._levels):
            self._levels.append([])
            self._merges.append(None)
        self._levels[level].append(run)
        if self._merges[level] is None and len(self._levels[level]) >= RUNS_MERGED:
            self._merges[level] = self._new_merge(level, self._new_run())

    def _advance(self, level: int, merge: _Merge) -> bool:
        """Merge one piece; False if the merge has ended."""
        piece = merge.next_piece(self._piece_entries)
        if piece is not None:
            self._put(merge.output, piece)
            return True
        del self._levels[level][:RUNS_MERGED]
        self._merges[level] = None
        self._append(level + 1, merge.output)
        if len(self._levels[level]) >= RUNS_MERGED:
            self._merges[level] = self._new_merge(level, self._new_run())
        return False

    def _new_merge(self, level: int, output: Run) -> _Merge:
        return _Merge(self._levels[level][:RUNS_MERGED][::-1], output)

    def _new_run(self) -> Run:
        self._made += 1
        return Run(self._made)

    def _load_run(self, number: int, pieces: int) -> Run:
        run = Run(number)
        for _ in range(pieces):
            self._attach(run)
        return run

    def _put(self, run: Run, piece: Entries) -> None:
        self._shelf.put(self._name(run.number, len(run.pieces)), np.ascontiguousarray(piece).data.cast("B"))
        self._attach(run)

    def _attach(self, run: Run) -> None:
        view = self._shelf.get(self._name(run.number, len(run.pieces)))
        run.append(np.frombuffer(view, "u8").reshape(self._words, -1))

    def _name(self, run: int, piece: int) -> str:
        return f"{self._kind}-{run:08}-{piece:06}"


def _merged(slices: list[Entries]) -> Entries:
    """The entries of some sorted slices by key; NumPy's stable sort is quick where much is in order already."""
    entries = np.concatenate(slices, axis=1)
    if len(entries) == 1:
        return np.sort(entries, axis=1, kind="stable")
    return _newest(np.take(entries, np.argsort(entries[0], kind="stable"), axis=1))


def _newest(entries: Entries) -> Entries:
    """Of entries by key those that stand: the first of each two whose first two words are equal."""
    keys = entries[0]
    if len(entries) == 1 or not np.any(keys[1:] == keys[:-1]):
        return entries
    by_both = entries[:, np.lexsort((entries[1], keys))]
    repeats = np.all(by_both[:2, 1:] == by_both[:2, :-1], axis=0)
    return by_both[:, np.concatenate(([True], ~repeats))]


def _sorted(entries: Entries) -> Entries:
    """Entries in any order by key, equal ones as they stand."""
    order = _order_by_upper_bits(entries[0])
    keys = entries[0][order]
    if np.any(keys[1:] < keys[:-1]):
        order = order[np.argsort(keys, kind="stable")]
    ordered: Entries = np.take(entries, order, axis=1)
    return ordered


@compiled
def _order_by_upper_bits(keys: Array) -> Array:
    """The places of the keys in the order of their upper 33 bits, equal ones as they stand: a radix sort.

    It takes a third of the time of NumPy's, and is nearly always all there is to do: keys of ids hardly ever share
    these bits, and sides that do come in the order of their rows.
    """
    order, spare = np.arange(keys.size), np.empty(keys.size, np.int64)
    for shift in (np.uint64(31), np.uint64(42), np.uint64(53)):
        starts = np.zeros(2_049, np.int64)
        for key in keys:
            starts[np.int64(key >> shift & _DIGIT) + 1] += 1
        starts = np.cumsum(starts)
        for place in order:
            digit = np.int64(keys[place] >> shift & _DIGIT)
            spare[starts[digit]] = place
            starts[digit] += 1
        order, spare = spare, order
    return order
