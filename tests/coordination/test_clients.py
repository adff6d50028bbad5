"""What clients see of the coordination service, in worlds full of faults, could have happened one thing at a time."""

import pytest

from ropewalk.proving.history import Broken
from ropewalk.proving.verdict import Breach
from tests.coordination.worlds import seen_by_clients


@pytest.mark.parametrize("first", range(0, 40, 10))
def test_histories_of_locks_counters_and_keys_are_linearizable(first: int) -> None:
    for seed in range(first, first + 10):
        try:
            verdict = seen_by_clients(seed)
        except Broken as broken:
            pytest.fail(f"seed {seed}: {broken}")
        assert not isinstance(verdict, Breach), verdict.claim
