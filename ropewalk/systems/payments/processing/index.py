"""Where an account is, by institution and number: a hash table that is asked for a million at once.

A key is 24 bytes as three words: the number, padded with zeros, and the institution. Two keys are compared whole, so
a collision costs time and never sends money to another account.

Checked by: tests/payments/processing/test_directory.py
"""

import numpy as np
from numpy.typing import NDArray

from ropewalk.systems.payments.ledger.words import Array, Index, Word, compiled

Keys = NDArray[np.uint64]
"""Rows of three words."""

_CAPACITY_MIN = 1_024
_NUMBER_BYTES = 17


def keys_of(institutions: NDArray[np.int32], numbers: NDArray[np.bytes_]) -> Keys:
    """The keys of accounts."""
    padded = np.zeros((numbers.size, 24), "u1")
    padded[:, :_NUMBER_BYTES] = np.ascontiguousarray(numbers, "S17").view("u1").reshape(-1, _NUMBER_BYTES)
    padded[:, 20:] = np.ascontiguousarray(institutions, "<i4").view("u1").reshape(-1, 4)
    return padded.view("<u8")


class AccountIndex:
    """Keys in the order in which they were added: the place in that order is the account's slot."""

    def __init__(self) -> None:
        self._keys = np.zeros((_CAPACITY_MIN, 3), "u8")
        self._table = np.full(2 * _CAPACITY_MIN, -1, "i4")
        self.count = 0

    def add(self, keys: Keys) -> None:
        """File keys that are not there yet, and are different from each other."""
        needed = self.count + len(keys)
        if needed > len(self._keys):
            capacity = 1 << (needed - 1).bit_length()
            grown = np.zeros((capacity, 3), "u8")
            grown[: self.count] = self._keys[: self.count]
            self._keys, self._table = grown, np.full(2 * capacity, -1, "i4")
            _file_all(self._keys, self._table, 0, self.count)
        self._keys[self.count : needed] = keys
        _file_all(self._keys, self._table, self.count, needed)
        self.count = needed

    def find(self, keys: Keys) -> NDArray[np.int32]:
        """The slot of each key, or -1."""
        slots = np.empty(len(keys), "i4")
        _find_all(self._keys, self._table, np.ascontiguousarray(keys), slots)
        return slots


@compiled
def _place(a: Word, b: Word, c: Word) -> Word:
    """A hash of three words: each is multiplied into the state, and high bits are folded into low ones."""
    state = np.uint64(0)
    for word in (a, b, c):
        state = (state ^ word) * np.uint64(0x9E3779B97F4A7C15)
        state ^= state >> np.uint64(32)
    return state * np.uint64(0xBF58476D1CE4E5B9) >> np.uint64(20)


@compiled
def _file_all(keys: Array, table: Array, first: Index, end: Index) -> None:
    mask = np.uint64(table.size - 1)
    for slot in range(first, end):
        place = _place(keys[slot, 0], keys[slot, 1], keys[slot, 2]) & mask
        while table[place] >= 0:
            place = (place + np.uint64(1)) & mask
        table[place] = slot


@compiled
def _find_all(keys: Array, table: Array, wanted: Array, slots: Array) -> None:
    mask = np.uint64(table.size - 1)
    for index in range(len(wanted)):
        a, b, c = wanted[index, 0], wanted[index, 1], wanted[index, 2]
        place = _place(a, b, c) & mask
        slot = table[place]
        while slot >= 0 and (keys[slot, 0] != a or keys[slot, 1] != b or keys[slot, 2] != c):
            place = (place + np.uint64(1)) & mask
            slot = table[place]
        slots[index] = slot
