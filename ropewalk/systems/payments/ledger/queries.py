"""Questions about accounts and transfers: which rows pass a filter, in the order of their timestamps.

A filter that contradicts itself, or sets what is reserved, passes nothing.

Not given:  an index by user data, ledger or code: such a query reads all rows of its time span until it has enough.
Checked by: tests/payments/ledger/test_queries.py, test_properties.py (against the oracle)
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ropewalk.systems.payments.ledger.accounts import Accounts
from ropewalk.systems.payments.ledger.layout import (
    ACCOUNT,
    BALANCE,
    ID,
    TIMESTAMP_MAX,
    TRANSFER,
    WIDE_MAX,
    AccountFilterFlags,
    AccountFlags,
    QueryFilterFlags,
    Rows,
    get,
)
from ropewalk.systems.payments.ledger.limits import ROWS_MAX
from ropewalk.systems.payments.ledger.transfers import Transfers

_BOTH_SIDES = AccountFilterFlags.DEBITS | AccountFilterFlags.CREDITS
_ACCOUNT_FLAGS = int(_BOTH_SIDES | AccountFilterFlags.REVERSED)
_QUERY_FLAGS = int(QueryFilterFlags.REVERSED)
_ACCOUNTS_AT_ONCE = 65_536


def account_transfers(accounts: Accounts, transfers: Transfers, chosen: np.void) -> Rows:
    """The transfers of one account that pass an ACCOUNT_FILTER."""
    flags = int(chosen["flags"])
    slot = _slot(accounts, chosen)
    if slot < 0 or not flags & _BOTH_SIDES or flags & ~_ACCOUNT_FLAGS:
        return np.empty(0, TRANSFER)
    if not _is_sound(chosen):
        return np.empty(0, TRANSFER)
    is_reversed = bool(flags & AccountFilterFlags.REVERSED)
    first, last = _span(chosen)
    span = range(transfers.number_at(first), transfers.number_at(last + 1))
    limit = min(int(chosen["limit"]), ROWS_MAX)
    parts = transfers.of_account(slot, span, at_once=limit, is_reversed=is_reversed)
    return _gathered((_of_side(transfers.take(numbers), chosen) for numbers in parts), chosen, TRANSFER)


def account_balances(accounts: Accounts, transfers: Transfers, chosen: np.void) -> Rows:
    """The balances of one account after those transfers, if it has flags.history."""
    slot = _slot(accounts, chosen)
    if slot < 0 or not int(accounts.rows["flags"][slot]) & AccountFlags.HISTORY:
        return np.empty(0, BALANCE)
    timestamps = account_transfers(accounts, transfers, chosen)["timestamp"]
    balances = transfers.balances_at(timestamps, slot).view(BALANCE)
    balances["reserved"] = 0
    return balances


def query_accounts(accounts: Accounts, chosen: np.void) -> Rows:
    """The accounts that pass a QUERY_FILTER."""
    if not _is_sound(chosen) or int(chosen["flags"]) & ~_QUERY_FLAGS:
        return np.empty(0, ACCOUNT)
    rows = accounts.rows[::-1] if int(chosen["flags"]) & QueryFilterFlags.REVERSED else accounts.rows
    first, last = _span(chosen)
    parts = (rows[start : start + _ACCOUNTS_AT_ONCE] for start in range(0, rows.size, _ACCOUNTS_AT_ONCE))
    timely = (part[(part["timestamp"] >= first) & (part["timestamp"] <= last)] for part in parts)
    return _gathered(timely, chosen, ACCOUNT)


def query_transfers(transfers: Transfers, chosen: np.void) -> Rows:
    """The transfers that pass a QUERY_FILTER."""
    if not _is_sound(chosen) or int(chosen["flags"]) & ~_QUERY_FLAGS:
        return np.empty(0, TRANSFER)
    first, last = _span(chosen)
    is_reversed = bool(int(chosen["flags"]) & QueryFilterFlags.REVERSED)
    start, stop = transfers.number_at(first), transfers.number_at(last + 1)
    return _gathered(transfers.between(start, stop, is_reversed=is_reversed), chosen, TRANSFER)


def _slot(accounts: Accounts, chosen: np.void) -> int:
    account_id = get(chosen, "account_id")
    if account_id in (0, WIDE_MAX):
        return -1
    ids = np.array([(chosen["account_id_low"], chosen["account_id_high"])], ID)
    return int(accounts.find(ids)[0])


def _span(chosen: np.void) -> tuple[int, int]:
    """The first and the last timestamp that pass."""
    return int(chosen["timestamp_min"]), int(chosen["timestamp_max"]) or TIMESTAMP_MAX


def _is_sound(chosen: np.void) -> bool:
    first, last = _span(chosen)
    return first <= last <= TIMESTAMP_MAX and int(chosen["limit"]) > 0 and not chosen["reserved"].any()


def _of_side(rows: Rows, chosen: np.void) -> Rows:
    """Those that debit the account, or credit it, or both, as the filter's flags say."""
    passes = np.zeros(rows.size, "?")
    for flag, side in ((AccountFilterFlags.DEBITS, "debit"), (AccountFilterFlags.CREDITS, "credit")):
        if int(chosen["flags"]) & flag:
            low, high = rows[f"{side}_account_id_low"], rows[f"{side}_account_id_high"]
            passes |= (low == chosen["account_id_low"]) & (high == chosen["account_id_high"])
    return rows[passes]


def _gathered(parts: Iterable[Rows], chosen: np.void, dtype: np.dtype[np.void]) -> Rows:
    """As many rows that pass the filter's fields as it wants."""
    limit = min(int(chosen["limit"]), ROWS_MAX)
    gathered = [np.empty(0, dtype)]
    count = 0
    for part in parts:
        passing = part[_passes(part, chosen)][: limit - count]
        gathered.append(passing)
        count += passing.size
        if count == limit:
            break
    return np.concatenate(gathered)


def _passes(rows: Rows, chosen: np.void) -> NDArray[np.bool_]:
    """Which rows have what the filter asks for; zero asks for nothing."""
    passes = np.ones(rows.size, "?")
    if get(chosen, "user_data_128"):
        passes &= rows["user_data_128_low"] == chosen["user_data_128_low"]
        passes &= rows["user_data_128_high"] == chosen["user_data_128_high"]
    for field in ("user_data_64", "user_data_32", "ledger", "code"):
        if field in (chosen.dtype.names or ()) and chosen[field]:
            passes &= rows[field] == chosen[field]
    return passes
