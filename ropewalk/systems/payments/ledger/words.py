"""Arithmetic on 128-bit integers as pairs of 64-bit words, and the key that an id is filed under: compiled.

A key is the id with its bits spread by three rounds of a Feistel network, which is a bijection: two ids have the same
key if and only if they are equal, and whatever order ids arrive in, the high words of their keys are uniform. So the
high word serves as a hash, and tables sorted by it have no crowded places.

Not given:  resistance to someone who picks ids to collide on purpose; it would cost speed, never correctness.
Checked by: tests/payments/ledger/test_words.py
"""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeAlias, TypeVar

import numpy as np
from numba import njit

P = ParamSpec("P")
R = TypeVar("R")

Word: TypeAlias = Any
"""An unsigned 64-bit integer in compiled code, which Numba's own type inference checks."""

Index: TypeAlias = Any
"""A signed 64-bit integer in compiled code."""

Array: TypeAlias = Any
"""An array in compiled code."""

Row: TypeAlias = Any
"""One row of a structured array in compiled code, its fields read and written as attributes."""

U0 = np.uint64(0)
U1 = np.uint64(1)
U2 = np.uint64(2)


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile with Numba on first use, and keep the machine code beside the module, or in the user's cache.

    Where neither place can be written the function is compiled again in each process. After a change to a function
    that others call, remove `__pycache__`: Numba looks only at the file of the caller.
    """
    try:
        made: Callable[P, R] = njit(cache=True, nogil=True)(function)
    except RuntimeError:
        made = njit(nogil=True)(function)
    return made


def inlined(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function part of the compiled ones that call it.

    For functions that take arrays: Numba counts references to each of them at each call, which took most of the time.
    """
    made: Callable[P, R] = njit(inline="always")(function)
    return made


@compiled
def add(a_low: Word, a_high: Word, b_low: Word, b_high: Word) -> tuple[Word, Word, bool]:
    """The sum modulo 2^128, and whether it overflowed."""
    low = a_low + b_low
    carry = U1 if low < a_low else U0
    high = a_high + b_high
    overflowed = high < a_high
    total = high + carry
    return low, total, overflowed or total < high


@compiled
def subtract(a_low: Word, a_high: Word, b_low: Word, b_high: Word) -> tuple[Word, Word]:
    """The difference of two numbers of which the first is not the smaller."""
    borrow = U1 if a_low < b_low else U0
    return a_low - b_low, a_high - b_high - borrow


@compiled
def less(a_low: Word, a_high: Word, b_low: Word, b_high: Word) -> bool:
    """Whether the first is smaller."""
    return bool(a_high < b_high or (a_high == b_high and a_low < b_low))


@compiled
def spread(low: Word, high: Word) -> tuple[Word, Word]:
    """The key of an id: low and high word."""
    high = high ^ _mixed(low)
    low = low ^ _mixed(high)
    high = high ^ _mixed(low)
    return low, high


@compiled
def _mixed(word: Word) -> Word:
    """The output function of splitmix64 (Steele, Lea, Flood 2014)."""
    word = word + np.uint64(0x9E3779B97F4A7C15)
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))
