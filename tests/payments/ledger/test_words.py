"""Arithmetic on pairs of words is arithmetic on 128-bit integers, and no two ids have the same key."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ropewalk.systems.payments.ledger.layout import join, split
from ropewalk.systems.payments.ledger.words import add, less, spread, subtract

WIDE = 2**128
numbers = st.one_of(st.integers(0, WIDE - 1), st.sampled_from((0, 1, 2**64 - 1, 2**64, WIDE - 1)))


def words(value: int) -> tuple[np.uint64, np.uint64]:
    low, high = split(value)
    return np.uint64(low), np.uint64(high)


@given(numbers, numbers)
def test_sums_differences_and_order(a, b):
    low, high, overflows = add(*words(a), *words(b))
    assert (join(low, high), overflows) == ((a + b) % WIDE, a + b >= WIDE)
    assert less(*words(a), *words(b)) == (a < b)
    larger, smaller = max(a, b), min(a, b)
    assert join(*subtract(*words(larger), *words(smaller))) == larger - smaller


@given(numbers, numbers)
def test_keys_differ_where_ids_do(a, b):
    assert (spread(*words(a)) == spread(*words(b))) == (a == b)


def test_keys_are_spread_evenly_whatever_the_ids():
    for step in (1, 2**32, 2**64, 2**100):
        places = [int(spread(*words(n * step))[1]) >> 60 for n in range(1_600)]
        assert min(np.bincount(places, minlength=16)) > 50
