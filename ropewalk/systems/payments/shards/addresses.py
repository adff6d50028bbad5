"""Where an account is kept, by its id alone, so that every edge and every shard finds the same place.

    given out by payments   0xAC │ what for, 8 │ shard + 1, 16 │ 32 │ number, 64      the shard that its id names
    chosen by a caller      upper 64 bits, hashed                                     equal upper halves go together

Inside its own shard an id that payments gave out names no shard: what a part of payments does to the accounts of its
partition is the same whichever that is. So ids are changed on the way in and on the way out, and the ledger holds of
its own accounts the short form, of those of other shards the full one. With one shard both are the same.

Transfers that payments makes are named the same way, but for those that are named by a hash: it fills the id.

Promise:    the shard of an id never changes while the number of shards does not.
Checked by: tests/payments/shards/test_addresses.py
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ropewalk.core.place import Place
from ropewalk.systems.payments.ledger.layout import Rows
from ropewalk.systems.payments.processing.books import RESERVED_BYTE, Move

Words = NDArray[np.uint64]
Shards = NDArray[np.int64]

ACCOUNT_FIELDS: Final = ("debit_account_id", "credit_account_id")
TRANSFER_FIELDS: Final = ("id", "pending_id")

_BYTE: Final = np.uint64(56)
_PURPOSE: Final = np.uint64(48)
_SHARD: Final = np.uint64(32)
_SHARD_MASK: Final = np.uint64(0xFFFF)
_WITHOUT_SHARD: Final = np.uint64(2**64 - 1 - (0xFFFF << 32))


def shards_of(high: Words, place: Place) -> Shards:
    """The shard of each account, by the upper half of its id; -1 if payments gave it out and it names none."""
    if place.partitions == 1:
        return np.zeros(high.size, "i8")
    named = (high >> _SHARD & _SHARD_MASK).astype("i8") - 1
    hashed = (_mixed(high) % np.uint64(place.partitions)).astype("i8")
    known = np.where(named < place.partitions, named, -1)
    return np.where(is_reserved(high), known, hashed)


def shard_of(account_id: int, place: Place) -> int:
    """The shard of one account."""
    return int(shards_of(np.array([account_id >> 64], "u8"), place)[0])


def to_full(high: Words, place: Place) -> Words:
    """The upper halves of ids as all shards know them, from those of this one."""
    if place.partitions == 1:
        return high
    is_short = _has_room(high) & (high >> _SHARD & _SHARD_MASK == 0)
    return np.where(is_short, high | np.uint64(place.partition + 1) << _SHARD, high)


def to_short(high: Words, place: Place) -> Words:
    """The upper halves of ids as this shard knows its own."""
    if place.partitions == 1:
        return high
    is_own = _has_room(high) & (high >> _SHARD & _SHARD_MASK == np.uint64(place.partition + 1))
    return np.where(is_own, high & _WITHOUT_SHARD, high)


def full_id(account_id: int, place: Place) -> int:
    """One account's id as all shards know it."""
    high = int(to_full(np.array([account_id >> 64], "u8"), place)[0])
    return high << 64 | account_id & 2**64 - 1


def name_accounts(rows: Rows, place: Place) -> Rows:
    """A copy of TRANSFER rows of this shard, with ids as all shards know them."""
    named = rows.copy()
    for field in (*ACCOUNT_FIELDS, *TRANSFER_FIELDS):
        named[f"{field}_high"] = to_full(named[f"{field}_high"], place)
    return named


def own_accounts(rows: Rows, place: Place) -> Rows:
    """A copy of TRANSFER rows, with the ids of this shard's accounts as it knows them."""
    own = rows.copy()
    for field in ACCOUNT_FIELDS:
        own[f"{field}_high"] = to_short(own[f"{field}_high"], place)
    return own


def _has_room(high: Words) -> NDArray[np.bool_]:
    """Which ids payments gave out, but for those that are named by a hash."""
    purpose = high >> _PURPOSE & np.uint64(0xFF)
    is_hashed = (purpose >= Move.INSTANT_OUT) & (purpose < Move.SHARD_POST)
    return np.asarray(is_reserved(high) & ~is_hashed)


def is_reserved(high: Words) -> NDArray[np.bool_]:
    """Which ids payments gave out."""
    return np.asarray(high >> _BYTE == RESERVED_BYTE)


def _mixed(word: Words) -> Words:
    """The output function of splitmix64 (Steele, Lea, Flood 2014): neighbours are far apart."""
    word = word + np.uint64(0x9E3779B97F4A7C15)
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))
