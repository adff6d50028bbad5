"""Filters pass what they say, within their limits, in order; unsound ones pass nothing."""

import pytest

from ropewalk.engines.memory import MemoryShelf
from ropewalk.systems.payments.ledger.layout import (
    ACCOUNT,
    ACCOUNT_FILTER,
    QUERY_FILTER,
    TRANSFER,
    WIDE_MAX,
    get,
    rows_of,
)
from ropewalk.systems.payments.ledger.ledger import Ledger

COUNT = 40


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    """Transfer n has timestamp 100 + n, code 1 or 2, and user data by its last digits; account 3 keeps balances."""
    made = Ledger(MemoryShelf(), segment_rows=4, piece_entries=8)
    accounts = [
        {"id": n, "ledger": n % 2 + 1, "code": n, "flags": 8 * (n == 3), "user_data_32": n} for n in range(1, 6)
    ]
    made.create_accounts(rows_of(ACCOUNT, accounts), time_ns=5)
    for n in range(COUNT):
        row = {"id": 1_000 - n, "debit_account_id": 1, "credit_account_id": 3, "amount": n, "ledger": 2,
               "code": 1 + n % 2, "user_data_128": n % 5 << 70, "user_data_64": n % 4,
               "user_data_32": n % 3}  # fmt: skip
        if n % 10 == 9:
            row["debit_account_id"], row["credit_account_id"] = 3, 5
        made.create_transfers(rows_of(TRANSFER, [row]), time_ns=100 + n)
    return made


def of_account(asked: Ledger, **fields: int) -> list[int]:
    chosen = rows_of(ACCOUNT_FILTER, [{"account_id": 3, "limit": 100, "flags": 3} | fields])[0]
    return [int(row["timestamp"]) - 100 for row in asked.account_transfers(chosen)]


def of_all(asked: Ledger, **fields: int) -> list[int]:
    chosen = rows_of(QUERY_FILTER, [{"limit": 100} | fields])[0]
    return [int(row["timestamp"]) - 100 for row in asked.query_transfers(chosen)]


def test_an_account_filter_passes_sides_times_and_fields(ledger):
    everything = list(range(COUNT))
    assert of_account(ledger) == everything
    assert of_account(ledger, flags=1) == [9, 19, 29, 39]
    assert of_account(ledger, flags=2) == [n for n in everything if n % 10 != 9]
    assert of_account(ledger, flags=7, limit=5) == everything[::-1][:5]
    assert of_account(ledger, timestamp_min=110, timestamp_max=115) == everything[10:16]
    assert of_account(ledger, timestamp_min=110, timestamp_max=115, flags=7) == everything[15:9:-1]
    assert of_account(ledger, code=2, limit=3) == [1, 3, 5]
    assert of_account(ledger, user_data_128=4 << 70, user_data_64=3) == [n for n in everything if n % 20 == 19]
    assert of_account(ledger, account_id=5, limit=2) == [9, 19]


def test_a_query_filter_passes_times_and_fields(ledger):
    everything = list(range(COUNT))
    assert of_all(ledger) == everything
    assert of_all(ledger, flags=1, limit=3) == [39, 38, 37]
    assert of_all(ledger, user_data_32=2, code=1) == [n for n in everything if n % 6 == 2]
    assert of_all(ledger, ledger=1) == []
    assert of_all(ledger, timestamp_min=139) == [39]
    assert of_all(ledger, timestamp_max=99) == []


def test_accounts_are_queried_alike(ledger):
    def ids(**fields: int) -> list[int]:
        return [get(row, "id") for row in ledger.query_accounts(rows_of(QUERY_FILTER, [{"limit": 9} | fields])[0])]

    assert ids() == [1, 2, 3, 4, 5]
    assert ids(ledger=2, flags=1) == [5, 3, 1]
    assert ids(code=4) == ids(user_data_32=4) == [4]
    assert ids(timestamp_min=2, timestamp_max=3) == [2, 3]
    assert ids(limit=2) == [1, 2]
    assert ids(limit=0) == []


def test_balances_are_kept_for_accounts_with_history_only(ledger):
    def balances(account_id: int, **fields: int) -> list[int]:
        chosen = rows_of(ACCOUNT_FILTER, [{"account_id": account_id, "limit": 100, "flags": 3} | fields])[0]
        return [get(row, "credits_posted") for row in ledger.account_balances(chosen)]

    received = [n if n % 10 != 9 else 0 for n in range(COUNT)]
    assert balances(3) == [sum(received[: n + 1]) for n in range(COUNT)]
    assert balances(3, code=2, limit=2) == [1, 1 + 2 + 3]
    assert balances(1) == []


@pytest.mark.parametrize(
    "unsound",
    [{"account_id": 0}, {"account_id": WIDE_MAX}, {"account_id": 99}, {"limit": 0}, {"flags": 0}, {"flags": 4},
     {"flags": 11}, {"timestamp_min": 9, "timestamp_max": 8}, {"timestamp_min": 2**63}, {"timestamp_max": 2**64 - 1}],
    ids=str,
)  # fmt: skip
def test_an_unsound_account_filter_passes_nothing(ledger, unsound):
    assert of_account(ledger, **unsound) == []


@pytest.mark.parametrize("unsound", [{"limit": 0}, {"flags": 2}, {"timestamp_min": 9, "timestamp_max": 8}], ids=str)
def test_an_unsound_query_filter_passes_nothing(ledger, unsound):
    assert of_all(ledger, **unsound) == []


def test_what_is_reserved_must_be_zero(ledger):
    for dtype, ask, fields in (
        (ACCOUNT_FILTER, ledger.account_transfers, {"account_id": 3, "limit": 9, "flags": 3}),
        (QUERY_FILTER, ledger.query_transfers, {"limit": 9}),
    ):
        chosen = rows_of(dtype, [fields])[0]
        assert ask(chosen).size == 9
        chosen["reserved"][3] = 1
        assert ask(chosen).size == 0
