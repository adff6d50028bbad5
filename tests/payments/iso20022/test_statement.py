"""Statements add up, in camt.053 and in CSV."""

import csv
from io import StringIO

from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from ropewalk.systems.payments.iso20022.statement import COLUMNS, Entry, Statement, write_camt053, write_csv

UETR = "5f0a7c52-3f0e-4d0c-9c7c-0d4f1f6b2a01"
NAMES = {"s": "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"}


def statement(*amounts: int, opening: int = 0) -> Statement:
    return Statement(
        statement_id="S1",
        created="2026-11-25T10:00:00.000000Z",
        begins="2026-11-24T00:00:00.000000Z",
        ends="2026-11-25T10:00:00.000000Z",
        routing="991000122",
        account="20000000",
        name='ADA, "TESTER" <A&B>\x01',
        currency="USD",
        opening_minor=opening,
        available_minor=opening + sum(amounts) - 1,
        entries=[
            Entry("2026-11-24T10:00:00.000000Z", minor, "instant_out", f"{number:x}", UETR if number else "")
            for number, minor in enumerate(amounts)
        ],
    )


def texts(content: bytes, path: str) -> list[str]:
    return [each.text or "" for each in etree.fromstring(content).findall(path, NAMES)]


def test_camt_053_has_balances_and_each_entry() -> None:
    content = write_camt053(statement(100_00, -51_74, opening=-10_00))
    assert texts(content, ".//s:Bal/s:Tp/s:CdOrPrtry/s:Cd") == ["OPBD", "CLBD", "CLAV"]
    assert texts(content, ".//s:Bal/s:Amt") == ["10.00", "38.26", "38.25"]
    assert texts(content, ".//s:Bal/s:CdtDbtInd") == ["DBIT", "CRDT", "CRDT"]
    assert texts(content, ".//s:Ntry/s:Amt") == ["100.00", "51.74"]
    assert texts(content, ".//s:Ntry/s:CdtDbtInd") == ["CRDT", "DBIT"]
    assert texts(content, ".//s:Ntry//s:UETR") == [UETR]
    assert texts(content, ".//s:Acct/s:Nm") == ['ADA, "TESTER" <A&B>?']
    assert texts(content, ".//s:Acct/s:Svcr//s:MmbId") == ["991000122"]


def test_csv_has_the_balance_after_each_entry() -> None:
    rows = list(csv.reader(StringIO(write_csv(statement(100_00, -51_74, opening=-10_00)).decode())))
    assert tuple(rows[0]) == COLUMNS
    assert [row[2:4] for row in rows[1:]] == [["100.00", "90.00"], ["-51.74", "38.26"]]


def test_a_statement_without_entries_has_its_balances() -> None:
    assert texts(write_camt053(statement(opening=5)), ".//s:Bal/s:Amt") == ["0.05", "0.05", "0.04"]
    assert write_csv(statement()) == b"time,what,amount,balance,currency,reference,uetr\r\n"


@given(st.lists(st.integers(-(10**9), 10**9), max_size=20), st.integers(-(10**9), 10**9))
def test_the_closing_balance_is_the_opening_balance_and_all_entries(amounts: list[int], opening: int) -> None:
    made = statement(*amounts, opening=opening)
    rows = list(csv.DictReader(StringIO(write_csv(made).decode())))
    cents = [round(float(row["amount"]) * 100) for row in rows]
    assert cents == amounts
    assert made.closing_minor == opening + sum(cents)
    assert [round(float(row["balance"]) * 100) for row in rows][-1:] == [made.closing_minor][: len(rows)]
