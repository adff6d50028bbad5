"""Everything of a ledger that is compiled, called once before anybody waits for it.

The first call of a compiled function loads its machine code, and the very first on a machine compiles it: twenty
seconds for all of them. Requests that meet that would pass their deadlines.

Checked by: tests/payments/ledger/test_warming.py
"""

import numpy as np

from ropewalk.systems.payments.ledger.guards import Limit
from ropewalk.systems.payments.ledger.layout import (
    ACCOUNT,
    ACCOUNT_FILTER,
    ID,
    TRANSFER,
    AccountFilterFlags,
    AccountFlags,
    TransferFlags,
)
from ropewalk.systems.payments.ledger.ledger import Ledger

_SECOND_NS = 1_000_000_000
_TIMEOUT_S = 1


def warm_up(ledger: Ledger) -> None:
    """Use a ledger that nobody needs: open accounts, reserve, post, let expire, look up; the same with a guard."""
    accounts = np.zeros(2, ACCOUNT)
    accounts["id_low"], accounts["ledger"], accounts["code"] = (1, 2), 1, 1
    accounts["flags"] = AccountFlags.HISTORY
    ledger.create_accounts(accounts, time_ns=_SECOND_NS)
    _move(ledger, first_id=1, time_ns=2 * _SECOND_NS)
    ledger.guards.set_limit(0, Limit(window_s=_TIMEOUT_S, count_max=9), since=ledger.last_timestamp)
    _move(ledger, first_id=5, time_ns=5 * _SECOND_NS)
    ids = np.zeros(1, ID)
    ids["id_low"] = 1
    ledger.lookup_accounts(ids)
    ledger.lookup_transfers(ids)
    chosen = np.zeros(1, ACCOUNT_FILTER)
    chosen["account_id_low"], chosen["limit"] = 1, 1
    chosen["flags"] = AccountFilterFlags.DEBITS | AccountFilterFlags.CREDITS
    ledger.account_transfers(chosen[0])
    ledger.account_balances(chosen[0])


def _move(ledger: Ledger, *, first_id: int, time_ns: int) -> None:
    transfers = np.zeros(4, TRANSFER)
    transfers["id_low"] = first_id + np.arange(4)
    transfers["debit_account_id_low"], transfers["credit_account_id_low"] = (1, 1, 1, 0), (2, 2, 2, 0)
    transfers["amount_low"] = 1
    transfers["ledger"], transfers["code"] = (1, 1, 1, 0), (1, 1, 1, 0)
    transfers["flags"] = (0, TransferFlags.PENDING, TransferFlags.PENDING, TransferFlags.POST_PENDING_TRANSFER)
    transfers["pending_id_low"] = (0, 0, 0, first_id + 1)
    transfers["timeout"] = (0, 0, _TIMEOUT_S, 0)
    ledger.create_transfers(transfers, time_ns=time_ns)
    ledger.expire(time_ns + (1 + _TIMEOUT_S) * _SECOND_NS)
