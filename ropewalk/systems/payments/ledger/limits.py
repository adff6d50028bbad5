"""The ledger's bounds, each with its reason; the relations between them are checked on import.

Checked by: tests/payments/ledger/test_limits.py
"""

from typing import Final

from ropewalk.core.limits import BATCH_BYTES_MAX, COMMAND_BYTES_MAX
from ropewalk.errors import invariant

ROWS_MAX: Final = 8_190
"""Events of one request, and rows of one reply, as at TigerBeetle: 1 MiB of 128-byte rows."""

RECORD_ROWS_MAX: Final = BATCH_BYTES_MAX // 128
"""Rows of 128 bytes in one record of the log, so that no table has to grow while one is applied."""

SEGMENT_ROWS: Final = 65_536
"""Transfers kept in memory before they are sealed: 8 MiB, written in some milliseconds."""

PIECE_ENTRIES: Final = 131_072
"""Entries of one blob of an index, and so of one step of a merge: a few milliseconds."""

RUNS_MERGED: Final = 8
"""Runs of an index that are merged into one of the next level."""

EXPIRED_MAX: Final = 8_190
"""Pending transfers that one batch lets expire; the rest expire with the next, so that no batch is without bound."""

SLOT_BITS: Final = 28
"""Of the 64 bits of an entry in the index by account: 268 million accounts, 69 billion transfers."""

ACCOUNTS_MAX: Final = 2**SLOT_BITS
"""Accounts that an entry of that index can name."""

TRANSFERS_MAX: Final = 2 ** (64 - SLOT_BITS)
"""Transfers that it can name."""

GUARDS_MAX: Final = 65_536
"""Accounts of a partition that are guarded: 700 bytes each, 45 MB."""

invariant(1 + ROWS_MAX * 128 <= COMMAND_BYTES_MAX, "a command holds the largest request")
invariant(PIECE_ENTRIES >= RUNS_MERGED, "a step of a merge advances")
