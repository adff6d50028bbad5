"""Addenda fields that hold one of a list: reasons, change codes, countries, dates and places of a terminal.

Checked by: tests/payments/ach/test_manifest.py, test_stories.py
"""

from collections.abc import Callable, Collection
from typing import Final, NamedTuple

import numpy as np

from ropewalk.systems.payments.ach import codes, columns, iso
from ropewalk.systems.payments.ach.columns import Cells, Lines, Mask
from ropewalk.systems.payments.ach.layout import Layout
from ropewalk.systems.payments.ach.problems import Code, Problem, Problems, Where, report
from ropewalk.systems.payments.ach.reasons import CHANGE_CODES, REFUSED_CHANGE_CODES, RETURN_REASONS, Stage


class _Listed(NamedTuple):
    """A field that holds one of some values."""

    field: str
    values: Collection[str]
    code: Code
    what: str
    is_warning: bool = False


_RETURN_CODES: Final = [code for code, reason in RETURN_REASONS.items() if reason.stage is Stage.RETURN]
_QUALIFIERS: Final = codes.IDENTIFICATION_QUALIFIERS

_LISTED: Final = {
    "addenda_02": [_Listed("terminal_state", codes.US_STATES, Code.VALUE, "a US state or territory", True)],
    "addenda_10": [
        _Listed("transaction_type_code", codes.IAT_TRANSACTION_TYPES, Code.VALUE, "an IAT transaction type")
    ],
    "addenda_13": [
        _Listed("originating_dfi_id_qualifier", _QUALIFIERS, Code.VALUE, "a qualifier 01, 02 or 03"),
        _Listed("originating_dfi_branch_country_code", iso.COUNTRIES, Code.VALUE, "an ISO 3166 country"),
    ],
    "addenda_14": [
        _Listed("receiving_dfi_id_qualifier", _QUALIFIERS, Code.VALUE, "a qualifier 01, 02 or 03"),
        _Listed("receiving_dfi_branch_country_code", iso.COUNTRIES, Code.VALUE, "an ISO 3166 country"),
    ],
    "addenda_18": [
        _Listed("foreign_correspondent_bank_qualifier", _QUALIFIERS, Code.VALUE, "a qualifier 01, 02 or 03"),
        _Listed("foreign_correspondent_bank_country", iso.COUNTRIES, Code.VALUE, "an ISO 3166 country"),
    ],
    "addenda_98": [_Listed("change_code", CHANGE_CODES, Code.CHANGE_CODE, "a change code")],
    "addenda_98_refused": [
        _Listed("refused_change_code", REFUSED_CHANGE_CODES, Code.CHANGE_CODE, "a refused change code"),
        _Listed("change_code", CHANGE_CODES, Code.CHANGE_CODE, "a change code"),
    ],
    "addenda_99": [_Listed("return_reason_code", _RETURN_CODES, Code.RETURN_REASON, "a return reason")],
    "addenda_99_dishonored": [
        _Listed(
            "dishonored_return_reason_code",
            [code[1:] for code in _RETURN_CODES],
            Code.RETURN_REASON,
            "the digits of a return reason",
        )
    ],
}


def check_values(layout: Layout, rows: Cells, *, places: Lines, problems: Problems) -> None:
    """Name the fields of these addenda records that hold none of their values. Blank ones are another rule's."""
    for listed in _LISTED.get(layout.name, []):
        field = layout[listed.field]
        found = columns.texts(columns.cells(rows, field))
        known = np.isin(found, [value.encode() for value in listed.values])
        wrong = np.flatnonzero(~known & (found != b""))
        add: Callable[[Problem], None] = problems.warning if listed.is_warning else problems.error
        report(
            add,
            listed.code,
            Where(layout.name, field.name),
            places=places[wrong],
            message=_not_listed(found[wrong], listed.what),
        )
    if layout.name == "addenda_02":
        _check_terminal_date(layout, rows, places=places, problems=problems)


def _not_listed(found: np.ndarray[tuple[int], np.dtype[np.bytes_]], what: str) -> Callable[[int], str]:
    return lambda number: f"{found[number].decode('latin-1')!r} is not {what}"


def _check_terminal_date(layout: Layout, rows: Cells, *, places: Lines, problems: Problems) -> None:
    cells = columns.cells(rows, layout["transaction_date"])
    # The year is not given; in 2000 every day of a leap year exists.
    dated = np.hstack((np.full((len(cells), 2), columns.ZERO, np.uint8), cells))
    wrong: Lines = np.flatnonzero(_is_wrong(dated, cells))
    report(
        problems.error,
        Code.DATE,
        Where(layout.name, "transaction_date"),
        places=places[wrong],
        message=lambda number: f"{cells[wrong[number]].tobytes().decode('latin-1')!r} is not a day MMDD",
    )


def _is_wrong(dated: Cells, cells: Cells) -> Mask:
    return ~columns.is_date(dated) & columns.is_digits(cells) & ~columns.is_empty(cells)
