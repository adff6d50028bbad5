"""The audit finds books that do not balance."""

import numpy as np
import pytest

from ropewalk.errors import Bug
from ropewalk.systems.payments.ledger.audit import check_accounts
from ropewalk.systems.payments.ledger.layout import ACCOUNT, rows_of

SOUND = [
    {"id": 1, "ledger": 1, "debits_posted": 2**127, "debits_pending": 3},
    {"id": 2, "ledger": 1, "credits_posted": 2**127, "credits_pending": 3, "flags": 2},
    {"id": 3, "ledger": 2, "debits_posted": 2**127, "credits_posted": 2**127},
    {"id": 4, "ledger": 2, "debits_posted": 2**127, "credits_posted": 2**127},
]


def test_sound_books_pass():
    check_accounts(rows_of(ACCOUNT, SOUND))
    check_accounts(np.empty(0, ACCOUNT))


@pytest.mark.parametrize(
    ("place", "field", "claim"),
    [
        (0, "debits_posted_low", "posted debits"),
        (1, "credits_pending_high", "pending debits"),
        (2, "debits_posted_high", "posted debits"),
    ],
)
def test_a_changed_balance_is_found(place, field, claim):
    rows = rows_of(ACCOUNT, SOUND)
    rows[place][field] += np.uint64(1)
    with pytest.raises(Bug, match=claim):
        check_accounts(rows)


@pytest.mark.parametrize(("flag", "side"), [(2, "debits"), (4, "credits")])
def test_a_broken_limit_is_found(flag, side):
    other = "credits" if side == "debits" else "debits"
    rows = rows_of(
        ACCOUNT,
        [
            {"id": 1, "ledger": 1, f"{side}_posted": 2**64, f"{other}_posted": 2**64 - 1, "flags": flag},
            {"id": 2, "ledger": 1, f"{other}_posted": 2**64, f"{side}_posted": 2**64 - 1},
        ],
    )
    with pytest.raises(Bug, match=f"the {side} of an account"):
        check_accounts(rows)
