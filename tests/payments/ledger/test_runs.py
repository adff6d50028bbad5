"""Runs are merged in pieces, in order, with the newest entry of an id, and never many are left."""

import numpy as np
import pytest

from ropewalk.engines.memory import MemoryShelf
from ropewalk.systems.payments.ledger.runs import SortedRuns


def entries(runs: SortedRuns) -> list[list[int]]:
    return [row for run in runs.oldest_first() for part in run.slices(0, run.count) for row in part.T.tolist()]


@pytest.mark.parametrize("keys", ["uniform", "one account has half"])
def test_merged_runs_hold_what_was_added_in_order(keys):
    random = np.random.default_rng(3)
    runs = SortedRuns(MemoryShelf(), "sides", words=1, piece_entries=64)
    added = []
    for number in range(200):
        new = (
            random.integers(0, 2**40, 20, dtype="u8") * np.uint64(2**20)
            + np.uint64(number * 32)
            + np.arange(20, dtype="u8")
        )
        if keys != "uniform":
            new[::2] = 2**59 + number * 32 + np.arange(10)
        added += new.tolist()
        runs.add(new.reshape(1, -1))
        runs.work(20)
        assert sum(1 for _ in runs.newest_first()) <= 4 * 12
    assert sorted(key for (key,) in entries(runs)) == sorted(added)
    for run in runs.newest_first():
        keys_of_run = np.concatenate([part[0] for part in run.slices(0, run.count)])
        assert np.all(keys_of_run[1:] > keys_of_run[:-1])
        assert all(piece.shape[1] <= 64 for piece in run.pieces)
        assert run.rank(int(keys_of_run[7])) == 8


def test_of_two_entries_of_one_id_the_newer_stands_after_a_merge():
    runs = SortedRuns(MemoryShelf(), "ids", words=3, piece_entries=16)
    for number in range(64):
        # Ids 0 to 7 are entered again and again; some share their first word.
        ids = np.arange(8, dtype="u8")
        runs.add(np.stack((ids // np.uint64(3), ids, np.full(8, number, "u8"))))
        runs.work(8)
    newest: dict[int, int] = {}
    for _, second, value in entries(runs):
        newest[second] = max(value, newest.get(second, 0))
    assert newest == dict.fromkeys(range(8), 63)
    assert len(entries(runs)) < 64 * 8 / 3


def test_a_step_copies_no_more_than_a_piece():
    shelf = MemoryShelf()
    runs = SortedRuns(shelf, "sides", words=1, piece_entries=64)
    for number in range(64):
        runs.add(np.arange(number, 3_200, 64, dtype="u8").reshape(1, -1))
        before = len(shelf.names())
        runs.work(32)
        assert len(shelf.names()) - before <= 2
