"""How accounts, transfers and filters lie in memory: little-endian, 128 bytes each.

The layouts are TigerBeetle's (docs/reference of tigerbeetle/tigerbeetle, release 0.17), so rows can be carried from
one to the other unchanged. An unsigned 128-bit integer is two 64-bit words, low word first: `id` is the fields
`id_low` and `id_high`. Python code that wants integers uses `get` and `put`.

Promise:    the sizes, offsets and flag bits are those of TigerBeetle's structs.
Checked by: tests/payments/ledger/test_layout.py
"""

from collections.abc import Iterable, Mapping
from enum import IntFlag
from typing import Final

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.void]
"""An array of one of the structures below."""

_Field = tuple[str, str] | tuple[str, str, tuple[int, ...]]


def _wide(*names: str) -> list[_Field]:
    """The two words of each 128-bit field."""
    return [(f"{name}_{half}", "<u8") for name in names for half in ("low", "high")]


_BALANCES: Final = _wide("debits_pending", "debits_posted", "credits_pending", "credits_posted")
_USER_DATA: Final[list[_Field]] = [*_wide("user_data_128"), ("user_data_64", "<u8"), ("user_data_32", "<u4")]
_KIND: Final[list[_Field]] = [("ledger", "<u4"), ("code", "<u2"), ("flags", "<u2"), ("timestamp", "<u8")]

ACCOUNT: Final = np.dtype([*_wide("id"), *_BALANCES, *_USER_DATA, ("reserved", "<u4"), *_KIND])
"""An account and its four balances."""

TRANSFER: Final = np.dtype(
    [
        *_wide("id", "debit_account_id", "credit_account_id", "amount", "pending_id"),
        *_USER_DATA,
        ("timeout", "<u4"),
        *_KIND,
    ]
)
"""A transfer from a debit account to a credit account."""

BALANCE: Final = np.dtype([*_BALANCES, ("timestamp", "<u8"), ("reserved", "u1", (56,))])
"""The balances of an account right after the transfer with that timestamp."""

RESULT: Final = np.dtype([("timestamp", "<u8"), ("status", "<u4"), ("reserved", "<u4")])
"""What became of one event: when it was judged (or, if it exists, was created) and how."""

ID: Final = np.dtype(_wide("id"))
"""An id to look up."""

_FILTER_TAIL: Final[list[_Field]] = [
    ("timestamp_min", "<u8"),
    ("timestamp_max", "<u8"),
    ("limit", "<u4"),
    ("flags", "<u4"),
]

ACCOUNT_FILTER: Final = np.dtype(
    [*_wide("account_id"), *_USER_DATA, ("code", "<u2"), ("reserved", "u1", (58,)), *_FILTER_TAIL]
)
"""Which transfers, or balances, of one account."""

QUERY_FILTER: Final = np.dtype(
    [*_USER_DATA, ("ledger", "<u4"), ("code", "<u2"), ("reserved", "u1", (6,)), *_FILTER_TAIL]
)
"""Which accounts, or transfers, of the whole ledger."""

WIDE_MAX: Final = 2**128 - 1
"""The largest 128-bit integer: never an id, and "all of it" as the amount of a post."""

TIMESTAMP_MAX: Final = 2**63 - 1
"""The last nanosecond that a timestamp may name."""

_WORD: Final = 2**64 - 1


class AccountFlags(IntFlag):
    """What an account allows."""

    LINKED = 1
    DEBITS_MUST_NOT_EXCEED_CREDITS = 2
    CREDITS_MUST_NOT_EXCEED_DEBITS = 4
    HISTORY = 8
    IMPORTED = 16
    CLOSED = 32


class TransferFlags(IntFlag):
    """What a transfer does beside moving its amount."""

    LINKED = 1
    PENDING = 2
    POST_PENDING_TRANSFER = 4
    VOID_PENDING_TRANSFER = 8
    BALANCING_DEBIT = 16
    BALANCING_CREDIT = 32
    CLOSING_DEBIT = 64
    CLOSING_CREDIT = 128
    IMPORTED = 256


class AccountFilterFlags(IntFlag):
    """Which side of the transfers, and in which order."""

    DEBITS = 1
    CREDITS = 2
    REVERSED = 4


class QueryFilterFlags(IntFlag):
    """In which order."""

    REVERSED = 1


def split(value: int) -> tuple[int, int]:
    """The low and the high word of a 128-bit integer."""
    return value & _WORD, value >> 64


def join(low: int, high: int) -> int:
    """The 128-bit integer of two words."""
    return int(high) << 64 | int(low)


def get(row: np.void, field: str) -> int:
    """A field of one row as an integer, of 128 bits if it is that wide."""
    if field in (row.dtype.names or ()):
        return int(row[field])
    return join(row[f"{field}_low"], row[f"{field}_high"])


def put(row: np.void, field: str, value: int) -> None:
    """Write an integer into a field of one row, of 128 bits if it is that wide."""
    if field in (row.dtype.names or ()):
        row[field] = value
    else:
        row[f"{field}_low"], row[f"{field}_high"] = split(value)


def rows_of(dtype: np.dtype[np.void], records: Iterable[Mapping[str, int]]) -> Rows:
    """Rows from mappings of field names to integers; fields left out are zero."""
    given = list(records)
    rows = np.zeros(len(given), dtype)
    for row, record in zip(rows, given, strict=True):
        for field, value in record.items():
            put(row, field, value)
    return rows


def record_of(row: np.void) -> dict[str, int]:
    """The fields of a row as integers, those that are two words joined, reserved bytes left out."""
    fields: Mapping[str, tuple[np.dtype[np.void], *tuple[object, ...]]] = row.dtype.fields or {}
    single = (name for name, (kind, *_) in fields.items() if not kind.shape and not name.endswith("_high"))
    return {name.removesuffix("_low"): get(row, name.removesuffix("_low")) for name in single}


def ids_of(values: Iterable[int]) -> Rows:
    """Rows of ids to look up."""
    return np.frombuffer(b"".join([value.to_bytes(ID.itemsize, "little") for value in values]), ID)
