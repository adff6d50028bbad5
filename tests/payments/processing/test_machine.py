"""A file from submission to settlement, and what anyone can ask about it on the way."""

import asyncio
from typing import Any

import msgspec
import pytest

from ropewalk.engines.memory import MemoryShelf
from ropewalk.errors import Rejected
from ropewalk.proving.conformance import check_machine
from ropewalk.systems.payments.ach.reading import read
from ropewalk.systems.payments.ledger.commands import Operation, encode
from ropewalk.systems.payments.ledger.layout import ACCOUNT, TRANSFER, rows_of
from ropewalk.systems.payments.machine import PaymentsMachine
from ropewalk.systems.payments.processing.books import USD, Holder, account_id
from ropewalk.systems.payments.processing.messages import (
    AnyQuery,
    FileAccepted,
    GetAccount,
    GetFile,
    GetProgress,
    GetReturnFile,
    GetStatement,
    GetTrialBalance,
    GetWindow,
    ListAccounts,
    ListEntries,
    ListFiles,
    ListInstitutions,
    ListNotices,
    ListOriginators,
    ListReturnFiles,
    ListWindows,
    NewAccount,
    OpenAccounts,
    OpenInstitution,
    OpenOriginator,
    SubmitFile,
)
from tests.payments.processing.town import CAPSTAN, HARBOR, MEADOW, Town, batch_of, file_of


def asked(town: Town, query: AnyQuery) -> Any:
    return msgspec.msgpack.decode(town.ask(query))


@pytest.fixture
def town() -> Town:
    """Two banks, a company with $1,000, and a payroll of five entries, submitted on a Tuesday for Wednesday."""
    town = Town()
    town.do(OpenInstitution(HARBOR, "HARBOR NATIONAL BANK"))
    town.do(OpenInstitution(MEADOW, "HEMP MEADOW"))
    accounts = [NewAccount(HARBOR, "1000", is_corporate=True), NewAccount(MEADOW, "2001"), NewAccount(MEADOW, "2002")]
    town.do(OpenAccounts(accounts))
    town.do(OpenOriginator(HARBOR, "1990000001", "ROPE WORKS INC", "1000"))
    town.fund(0, 1_000_00)
    payroll = batch_of("PPD")
    for bank, account, cents in (
        (MEADOW, "2001", 250_00), (MEADOW, "2009", 200_00), (CAPSTAN, "2009", 200_00), (MEADOW, "2002", 900_00),
    ):  # fmt: skip
        payroll.add(
            transaction_code=22, routing_number=bank, account=account, amount_cents=cents, individual_name="ADA"
        )
    payroll.add(transaction_code=23, routing_number=MEADOW, account="2002", amount_cents=0, individual_name="BOB")
    assert isinstance(town.do(SubmitFile(file_of(payroll))), FileAccepted)
    return town


def test_what_a_file_needs_is_reserved_at_once(town: Town) -> None:
    town.settle()
    account = asked(town, GetAccount(HARBOR, "1000"))
    assert (account["balance_cents"], account["available_cents"]) == (1_000_00, 350_00)
    assert asked(town, GetProgress())["entries_pending"] == 4


def test_each_entry_ends_posted_returned_or_rejected(town: Town) -> None:
    town.at("2026-11-25 08:30")
    states = {name: count["entries"] for name, count in asked(town, GetFile(0))["states"].items()}
    assert states == {"accepted": 0, "pending": 0, "posted": 2, "returned": 2, "rejected": 1}
    entries = asked(town, ListEntries(0))
    assert [(entry["state"], entry["reason"]) for entry in entries] == [
        ("posted", ""),
        ("returned", "R03"),
        ("returned", "R13"),
        ("rejected", "originator_has_insufficient_funds"),
        ("posted", ""),
    ]
    assert [entry["return_by"] for entry in entries] == ["2026-11-30", "2026-11-30", "2026-11-30", "", "2026-11-30"]
    assert asked(town, GetAccount(HARBOR, "1000"))["balance_cents"] == 750_00
    assert asked(town, GetAccount(MEADOW, "2001"))["balance_cents"] == 250_00


def test_a_window_settles_net_positions_between_settlement_accounts(town: Town) -> None:
    town.at("2026-11-25 08:30")
    positions = asked(town, GetWindow(0))["positions"]
    assert [(each["routing"], each["net_cents"]) for each in positions] == [(HARBOR, 250_00), (MEADOW, -250_00)]
    harbor, meadow = asked(town, ListInstitutions())
    assert harbor["settlement_cents"] == 1_000_00 - 250_00
    assert meadow["settlement_cents"] == 250_00
    assert harbor["clearing_cents"] == meadow["clearing_cents"] == 0


def test_returns_go_back_in_a_valid_file(town: Town) -> None:
    town.at("2026-11-25 08:30")
    assert asked(town, ListReturnFiles(0)) == [{"window": 0, "routing": HARBOR, "part": 0, "entries": 2}]
    content = asked(town, GetReturnFile(0, HARBOR))
    reading = read(content)
    assert reading.is_valid
    assert not reading.warnings
    assert reading.credit_cents == 400_00
    assert [line[3:6] for line in content.splitlines() if line.startswith(b"799")] == [b"R03", b"R13"]
    assert asked(town, GetReturnFile(0, HARBOR)) == content


def test_a_statement_names_the_entry_behind_each_line(town: Town) -> None:
    town.at("2026-11-25 08:30")
    lines = asked(town, GetStatement(MEADOW, "2001"))["lines"]
    assert [(line["amount_cents"], line["what"], line["file"], line["row"]) for line in lines] == [
        (250_00, "receiver_leg", 0, 0)
    ]


def test_debits_equal_credits(town: Town) -> None:
    town.at("2026-11-25 08:30")
    balance = asked(town, GetTrialBalance())
    assert balance["debit_cents"] == balance["credit_cents"] > 0


@pytest.mark.parametrize(
    "query", [ListInstitutions, ListAccounts, ListOriginators, ListFiles, ListWindows, ListNotices]
)
def test_a_list_is_read_in_pages(town: Town, query: Any) -> None:
    whole = asked(town, query())
    paged = []
    while page := asked(town, query(after=len(paged) - 1, limit=1)):
        paged += page
    assert paged == whole
    with pytest.raises(Rejected, match="1 to 1000"):
        town.ask(query(limit=0))


def test_entries_are_listed_by_state(town: Town) -> None:
    town.at("2026-11-25 08:30")
    assert [entry["row"] for entry in asked(town, ListEntries(0, state="returned"))] == [1, 2]
    assert [entry["row"] for entry in asked(town, ListEntries(0, after=1, state="returned"))] == [2]
    with pytest.raises(Rejected, match="none of accepted"):
        town.ask(ListEntries(0, state="lost"))


@pytest.mark.parametrize(
    "query",
    [
        GetFile(9),
        GetWindow(9),
        ListReturnFiles(9),
        GetAccount(HARBOR, "9"),
        GetStatement(HARBOR, "9"),
        ListEntries(9),
    ],
)
def test_a_query_that_names_nothing_is_rejected(town: Town, query: AnyQuery) -> None:
    with pytest.raises(Rejected):
        town.ask(query)


def test_it_is_a_machine_like_any_other(town: Town) -> None:
    """Equal in every process, and the same after a restart between any two batches."""
    town.at("2026-11-25 08:30")
    shelf = MemoryShelf()
    requests = [batch.requests for batch in town.batches]
    asyncio.run(check_machine(lambda: PaymentsMachine(shelf), requests))


def test_nobody_else_uses_the_ids_of_ach_or_moves_a_clearing_account(town: Town) -> None:
    deposit, clearing = account_id(Holder.DEPOSIT, 0), account_id(Holder.CLEARING, 0)
    account = {"id": account_id(Holder.DEPOSIT, 99), "ledger": USD, "code": 1}
    plain = {"debit_account_id": deposit, "credit_account_id": 7, "amount": 1, "ledger": USD, "code": 1}
    closing = {"debit_account_id": account_id(Holder.SUSPENSE, 0), "flags": 2 | 64, "amount": 0}
    for refused in (
        encode(Operation.CREATE_ACCOUNTS, rows_of(ACCOUNT, [account])),
        encode(Operation.CREATE_TRANSFERS, rows_of(TRANSFER, [{**plain, "id": account_id(Holder.DEPOSIT, 5)}])),
        encode(Operation.CREATE_TRANSFERS, rows_of(TRANSFER, [{**plain, "id": 5, "pending_id": 0xAC << 120}])),
        encode(Operation.CREATE_TRANSFERS, rows_of(TRANSFER, [{**plain, "id": 5, "credit_account_id": clearing}])),
        encode(Operation.CREATE_TRANSFERS, rows_of(TRANSFER, [{**plain, "id": 5, **closing}])),
    ):
        with pytest.raises(Rejected):
            town.machine.vet(refused)


def test_bytes_that_are_no_command_are_rejected_before_they_are_written(town: Town) -> None:
    for nonsense in (b"", b"\xac", b"\xac\x01", b"\x01"):
        with pytest.raises(Rejected):
            town.machine.vet(nonsense)
