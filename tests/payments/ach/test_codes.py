"""The codes of the standard: classes, transaction codes, reasons, countries."""

import pytest

from ropewalk.systems.payments.ach import codes, iso
from ropewalk.systems.payments.ach.codes import ENTRY_CLASSES, TRANSACTION_CODES, Purpose, Side
from ropewalk.systems.payments.ach.reasons import (
    CHANGE_CODES,
    REFUSED_CHANGE_CODES,
    RETURN_REASONS,
    Correction,
    Stage,
    correction,
)

CLASSES = "ACK ADV ARC ATX BOC CCD CIE COR CTX DNE ENR IAT MTE POP POS PPD RCK SHR TEL TRC TRX WEB XCK"


def test_every_entry_class_is_there() -> None:
    assert " ".join(ENTRY_CLASSES) == CLASSES


def test_the_second_digit_says_what_is_done_and_the_first_to_which_account() -> None:
    assert TRANSACTION_CODES[22] == TRANSACTION_CODES[32] == (Side.CREDIT, Purpose.LIVE)
    assert TRANSACTION_CODES[28] == (Side.DEBIT, Purpose.PRENOTE)
    assert TRANSACTION_CODES[44] == (Side.CREDIT, Purpose.ZERO_DOLLAR)
    assert TRANSACTION_CODES[55] == (Side.DEBIT, Purpose.LIVE)
    assert TRANSACTION_CODES[88] == (Side.DEBIT, Purpose.ADVICE)
    assert len(TRANSACTION_CODES) == 3 * 8 + 6 + 8
    assert not {20, 25, 30, 57, 58, 59, 80, 89} & set(TRANSACTION_CODES)


@pytest.mark.parametrize(("forward", "back"), [(22, 21), (23, 21), (27, 26), (38, 36), (49, 46), (52, 51), (55, 56)])
def test_a_return_keeps_the_account_and_the_side(forward: int, back: int) -> None:
    assert codes.return_code_of(forward) == back
    assert TRANSACTION_CODES[back] == (TRANSACTION_CODES[forward][0], Purpose.RETURN)


def test_every_return_reason_has_its_stage_and_at_most_one_time_limit() -> None:
    numbers = [int(code[1:]) for code in RETURN_REASONS]
    missing = [48, 49, *range(54, 61), 63, 64, 65, 66, 78, 79]
    assert numbers == [number for number in range(1, 86) if number not in missing]
    for reason in RETURN_REASONS.values():
        assert reason.banking_days is None or reason.calendar_days is None
    assert RETURN_REASONS["R01"].banking_days == 2
    assert RETURN_REASONS["R10"].calendar_days == 60
    assert {code for code, reason in RETURN_REASONS.items() if reason.stage is Stage.DISHONORED} == {
        "R61", "R62", "R67", "R68", "R69", "R70",
    }  # fmt: skip


def test_the_change_codes_and_their_refusals_are_there() -> None:
    assert list(CHANGE_CODES)[:13] == [f"C{number:02}" for number in range(1, 14)]
    assert list(REFUSED_CHANGE_CODES) == [f"C{number}" for number in range(61, 70)]


@pytest.mark.parametrize(
    ("code", "data", "expected"),
    [
        ("C01", "1918171614", Correction(account="1918171614")),
        ("C02", "992000231", Correction(routing_number="992000231")),
        ("C03", "992000231   1918171614", Correction(routing_number="992000231", account="1918171614")),
        ("C04", "ADA TESTER", Correction(name="ADA TESTER")),
        ("C05", "32", Correction(transaction_code=32)),
        ("C06", "1918171614          32", Correction(account="1918171614", transaction_code=32)),
        (
            "C07",
            "99200023119181716147654321 37",
            Correction(routing_number="992000231", account="19181716147654321", transaction_code=None),
        ),
        ("C07", "9920002311918171614       37", Correction("992000231", "1918171614", 37)),
        ("C09", "ID 7", Correction(individual_id="ID 7")),
        ("C13", "", Correction()),
    ],
)
def test_corrected_data_is_read_by_its_columns(code: str, data: str, expected: Correction) -> None:
    assert correction(code, data) == expected


def test_countries_and_currencies_have_two_and_three_letters() -> None:
    assert {len(code) for code in iso.COUNTRIES} == {2}
    assert {len(code) for code in iso.CURRENCIES} == {3}
    assert len(iso.COUNTRIES) == 250
    assert {"US", "CA", "GB"} <= iso.COUNTRIES
    assert {"USD", "CAD", "EUR"} <= iso.CURRENCIES
