"""What must be true of all accounts at any moment.

Promise:    raises Bug unless debits equal credits, posted and pending, in each ledger, and every limit holds.
Checked by: tests/payments/ledger/test_properties.py, test_audit.py
"""

import numpy as np
from numpy.typing import NDArray

from ropewalk.errors import invariant
from ropewalk.systems.payments.ledger.layout import AccountFlags, Rows, get

_HALF = np.uint64(32)
_LOW_HALF = np.uint64(2**32 - 1)


def check_accounts(accounts: Rows) -> None:
    """Raise Bug if the books do not balance."""
    for ledger in np.unique(accounts["ledger"]):
        of_ledger = accounts[accounts["ledger"] == ledger]
        for kind in ("posted", "pending"):
            debits, credits = _total(of_ledger, f"debits_{kind}"), _total(of_ledger, f"credits_{kind}")
            invariant(
                debits == credits,
                f"the {kind} debits of a ledger equal its {kind} credits",
                ledger=int(ledger),
                debits=debits,
                credits=credits,
            )
    for flag, spent, earned in (
        (AccountFlags.DEBITS_MUST_NOT_EXCEED_CREDITS, "debits", "credits"),
        (AccountFlags.CREDITS_MUST_NOT_EXCEED_DEBITS, "credits", "debits"),
    ):
        for place in np.flatnonzero(_exceeds(accounts, spent, earned) & (accounts["flags"] & flag != 0)):
            account = accounts[place]
            invariant(False, f"the {spent} of an account do not exceed its {earned}", account=get(account, "id"))


def _total(rows: Rows, field: str) -> int:
    """The sum of a 128-bit field, by halves of words so that no partial sum overflows."""
    low, high = rows[f"{field}_low"], rows[f"{field}_high"]
    parts = (low & _LOW_HALF, low >> _HALF, high & _LOW_HALF, high >> _HALF)
    return sum(int(part.sum(dtype="u8")) << 32 * place for place, part in enumerate(parts))


def _exceeds(rows: Rows, spent: str, earned: str) -> NDArray[np.bool_]:
    """Where what is spent, posted and pending, is more than what is posted as earned."""
    low = rows[f"{spent}_posted_low"] + rows[f"{spent}_pending_low"]
    carry = low < rows[f"{spent}_posted_low"]
    high = rows[f"{spent}_posted_high"] + rows[f"{spent}_pending_high"] + carry
    earned_low, earned_high = rows[f"{earned}_posted_low"], rows[f"{earned}_posted_high"]
    exceeds: NDArray[np.bool_] = (high > earned_high) | ((high == earned_high) & (low > earned_low))
    return exceeds
