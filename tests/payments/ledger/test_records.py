"""Rows become JSON and JSON becomes rows, and nothing is lost between them."""

import msgspec
import pytest

from ropewalk.errors import Rejected
from ropewalk.systems.payments.ledger.layout import ACCOUNT, BALANCE, RESULT, TRANSFER, rows_of
from ropewalk.systems.payments.ledger.records import (
    Account,
    Transfer,
    account_rows,
    accounts_of,
    balances_of,
    results_of,
    transfer_rows,
    transfers_of,
)
from ropewalk.systems.payments.ledger.statuses import TransferStatus

TRANSFER_FIELDS = {
    "id": 2**128 - 2, "debit_account_id": 2**64, "credit_account_id": 3, "amount": 2**100, "pending_id": 5,
    "user_data_128": 6, "user_data_64": 2**64 - 1, "user_data_32": 8, "timeout": 9, "ledger": 10, "code": 11,
    "flags": 2 | 64, "timestamp": 2**63 - 1,
}  # fmt: skip


def test_a_transfer_goes_to_json_and_back():
    rows = rows_of(TRANSFER, [TRANSFER_FIELDS])
    told = msgspec.json.encode(transfers_of(rows))
    assert msgspec.json.decode(told)[0]["amount"] == str(2**100)
    assert msgspec.json.decode(told)[0]["flags"] == ["pending", "closing_debit"]
    assert transfer_rows(msgspec.json.decode(told, type=list[Transfer])).tobytes() == rows.tobytes()


def test_an_account_goes_to_json_and_back():
    rows = rows_of(
        ACCOUNT, [{"id": 1, "ledger": 2, "code": 3, "flags": 8 | 2, "credits_posted": 2**127, "timestamp": 5}]
    )
    told = msgspec.json.encode(accounts_of(rows))
    assert account_rows(msgspec.json.decode(told, type=list[Account])).tobytes() == rows.tobytes()


def test_balances_and_results_are_told():
    (balance,) = balances_of(rows_of(BALANCE, [{"debits_posted": 2**64, "timestamp": 7}]))
    assert (balance.debits_posted, balance.timestamp) == (str(2**64), "7")
    (result,) = results_of(rows_of(RESULT, [{"timestamp": 7, "status": TransferStatus.EXISTS}]), [TransferStatus])
    assert (result.status, result.timestamp) == ("exists", "7")
    assert result.meaning == TransferStatus.EXISTS.meaning


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"amount": str(2**128)}, "128 bits"), ({"timeout": 2**32}, "32 bits"), ({"ledger": -1}, "32 bits"),
     ({"flags": ["pendng"]}, "closing_debit")],
    ids=["amount", "timeout", "negative", "flag"],
)  # fmt: skip
def test_what_does_not_fit_is_refused(wrong, said):
    with pytest.raises(Rejected, match=said):
        transfer_rows([Transfer(**({"id": "1"} | wrong))])


@pytest.mark.parametrize("wrong", ["-1", "1.5", "", "0x1", "1" * 40])
def test_a_number_is_decimal(wrong):
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(msgspec.json.encode([{"id": wrong}]), type=list[Transfer])
