"""Rows in a terminal of any width: what is copied is in one piece, and no word is broken."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from ropewalk.cli.ach_service import _FILE_TITLES, _POSITION_TITLES
from ropewalk.cli.instant import _PAYMENT_TITLES
from ropewalk.cli.ledger import _ACCOUNT_TITLES, _TRANSFER_TITLES
from ropewalk.cli.saga import _SAGA_TITLES
from ropewalk.cli.tables import layout

TIME = "2026-11-25T13:10:08Z"
UETR = "6b1dd1b0-4d3c-4b5e-9c1f-1f8a0a3d5a11"
NUMBER = str(2**127 + 1)
REASON = (
    "file 0 has the same origin, destination, creation time and modifier: change one of them, or send the same bytes"
)

TABLES: Mapping[str, tuple[Mapping[str, str], Mapping[str, Any]]] = {
    "files": (_FILE_TITLES, {"name": "examples/ach/payroll.ach", "verdict": "refused", "detail": REASON}),
    "positions": (
        _POSITION_TITLES,
        {
            "routing": "991000122", "name": "HARBOR NATIONAL BANK", "owed_cents": 423711, "due_cents": 210000,
            "net_cents": 213711,
        },
    ),
    "payments": (
        _PAYMENT_TITLES,
        {
            "uetr": UETR, "status": "ACCC", "reason": "", "amount_cents": 1_234_500, "returned_cents": 0,
            "debtor_account": "991000122 1000", "creditor_account": "992000231 2000", "end_to_end_id": "INVOICE-1",
        },
    ),
    "accounts": (_ACCOUNT_TITLES, {"id": NUMBER, "ledger": 1, "flags": ["history", "linked"], "debits_posted": "1"}),
    "transfers": (_TRANSFER_TITLES, {"id": NUMBER, "debit_account_id": NUMBER, "amount": "25", "time": TIME}),
    "sagas": (_SAGA_TITLES, {"id": UETR, "saga": "trip", "state": "stuck", "since": TIME, "because": REASON}),
}  # fmt: skip


def lines(titles: Mapping[str, str], rows: Sequence[Mapping[str, Any]], width: int) -> list[str]:
    return [line.plain for line in layout(titles, rows, width=width)]


@pytest.mark.parametrize("width", [20, 60, 80, 120])
@pytest.mark.parametrize("name", TABLES)
def test_no_word_is_broken_and_no_line_is_too_wide_that_could_be_narrower(name: str, width: int) -> None:
    titles, row = TABLES[name]
    shown = lines(titles, [row, row], width)
    words = {word for value in row.values() if isinstance(value, str) for word in value.split()}
    assert words <= {word for line in shown for word in line.split()}
    assert all(len(line) <= width or len(line.split()) <= 4 for line in shown)


def test_what_fits_is_a_table() -> None:
    titles = {"name": "file", "count": "entries", "detail": ""}
    rows = [{"name": "a.ach", "count": 1200, "detail": "well done"}, {"name": "long.ach", "count": 3}]
    assert lines(titles, rows, 40) == ["file      entries", "a.ach       1,200  well done", "long.ach        3"]


def test_headings_take_more_lines_before_anything_moves() -> None:
    titles = {"id": "id", "debits": "debits pending", "credits": "credits pending"}
    rows = [{"id": "7", "debits": "1", "credits": "2"}]
    assert lines(titles, rows, 20) == ["     debits  credits", "id  pending  pending", " 7        1        2"]


def test_a_long_reason_is_below_its_row() -> None:
    titles = {"name": "file", "verdict": "verdict", "why": "why"}
    rows = [
        {"name": "a.ach", "verdict": "refused", "why": "one two three four"},
        {"name": "b", "verdict": "accepted"},
    ]
    assert lines(titles, rows, 20) == [
        "file   verdict",
        "a.ach  refused",
        "  why: one two three",
        "  four",
        "b      accepted",
    ]


def test_what_does_not_fit_is_a_block_of_lines_for_each_row() -> None:
    titles = {"uetr": "UETR", "amount_cents": "amount", "why": "", "file": "file"}
    rows = [{"uetr": UETR, "amount_cents": 100, "why": "as agreed"}, {"uetr": UETR, "file": "a"}]
    assert lines(titles, rows, 30) == [
        f"UETR    {UETR}",
        "amount  1.00",
        "        as agreed",
        "",
        f"UETR    {UETR}",
        "file    a",
    ]


def test_what_a_stranger_wrote_can_not_drive_the_terminal() -> None:
    assert lines({"name": "name"}, [{"name": "a\x1b[2J\n[red]b"}], 80) == ["name", "a [2J [red]b"]


def test_numbers_that_name_something_are_shown_as_they_are_given() -> None:
    assert lines({"file": "number", "entries": "entries"}, [{"file": 1234, "entries": 1234}], 80) == [
        "number  entries",
        "  1234    1,234",
    ]


def test_nothing_is_told_so() -> None:
    assert lines({"name": "name"}, [], 80) == ["none"]
