"""What is kept beside a file as it was read: columns, so that a million entries are a few arrays and no objects.

    the file   its records, and the columns that `ropewalk.systems.payments.ach.model` has of them   on the shelf
    BATCH      who the parties of a batch are                                                        on the shelf
    STATE      what has become of an entry: twelve bytes each                          in memory, in snapshots
    ANSWER     a return, or an answer to one, that goes out with a window                            on the shelf

Row n of STATE is the n-th entry of the file. Amounts are cents; an institution in a file has eight digits.

Checked by: tests/payments/processing/test_properties.py
"""

from enum import IntEnum, IntFlag
from typing import Final

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.void]
"""An array of one of the structures below, or of the ledger's or the ACH library's."""

Places = NDArray[np.int64]
"""Which rows."""


class EntryState(IntEnum):
    """Where an entry is. The last three are ends; a return, and an answer to it, leads from one end to another."""

    ACCEPTED = 0
    PENDING = 1
    POSTED = 2
    RETURNED = 3
    REJECTED = 4


class Marks(IntFlag):
    """What else is known of an entry."""

    REVERSED = 1
    CORRECTED = 2
    CORRECTION_REFUSED = 4
    DISHONORED = 8
    CONTESTED = 16


class Reason(IntEnum):
    """Why an entry was rejected, beside the numbers 1 to 85 of R01 to R85, with which it was answered."""

    ORIGINATOR_HAS_INSUFFICIENT_FUNDS = 101
    ORIGINATOR_ACCOUNT_IS_CLOSED = 102
    ORIGINATOR_ACCOUNT_REFUSES = 103
    NAMES_NO_ENTRY = 110
    NAMES_ENTRY_IN_ANOTHER_STATE = 111
    NAMES_ENTRY_OF_ANOTHER_INSTITUTION = 112
    TOO_LATE = 113


BATCH: Final = np.dtype(
    [
        ("originator", "<i4"),
        ("odfi", "<i4"),
        ("same_day_minute", "<u4"),
        ("next_day_minute", "<u4"),
        ("is_reversal", "?"),
    ]
)
"""`odfi` sent the batch; `originator` is -1 in a batch of returns, answers or notifications."""

STATE: Final = np.dtype(
    [
        ("due_minute", "<u4"),
        ("settled_day", "<u2"),
        ("answered_day", "<u2"),
        ("state", "u1"),
        ("code", "u1"),
        ("moves", "u1"),
        ("marks", "u1"),
    ]
)
"""Minutes since 1970, UTC; days since 1970 in New York. `moves`: how often its money went, either way."""

ACCOUNT_BYTES: Final = 17
"""The longest account number that a domestic entry can name."""

ANSWER: Final = np.dtype(
    [
        ("recipient", "<i4"),
        ("sender", "<u4"),
        ("file", "<u4"),
        ("row", "<u4"),
        ("trace", "<u8"),
        ("code", "u1"),
        ("information", "S2"),
    ]
)
"""Entry `row` of `file` goes back to institution `recipient`, from the eight digits `sender`, for `code`."""


def reason_name(code: int) -> str:
    """Why an entry is returned or rejected: `R03`, or a word."""
    if code == 0:
        return ""
    return f"R{code:02}" if code < 100 else Reason(code).name.lower()
