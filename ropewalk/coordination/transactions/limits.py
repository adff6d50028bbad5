"""The bounds of transactions, each with its reason.

Checked by: tests/coordination/test_transactions.py
"""

from typing import Final

from ropewalk.errors import invariant

PARTS_MAX: Final = 64
"""Parts of one transaction: each is a message there and one back, twice."""

TRANSACTION_ID_CHARS_MAX: Final = 128
"""The id of a transaction: a UUID in any spelling, or an order's number with what it belongs to."""

TRANSACTIONS_MAX: Final = 500_000
"""Transactions that one partition knows, with those that ended lately: 1,600 a second, for as long as ids are kept.
Past it new ones are refused."""

TRANSACTIONS_KEPT_S: Final = 300
"""How long the id of a transaction that has ended is remembered: as long as a caller may wait who asks again."""

TRANSACTION_TIMEOUT_S: Final = 10
"""How long votes are waited for if the service does not say: a takeover passes meanwhile."""

TRANSACTION_WHY_CHARS_MAX: Final = 512
"""What is kept of why a transaction was aborted."""

TRANSACTIONS_PAGE_MAX: Final = 1_000
"""Transactions in one page of a list."""

invariant(TRANSACTION_TIMEOUT_S < TRANSACTIONS_KEPT_S, "an id outlasts what it is asked for")
