"""Batches: what their headers may say, that their controls repeat it, and that every count and total is right.

Checked by: tests/payments/ach/test_manifest.py, test_stories.py, test_properties.py
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from ropewalk.systems.payments.ach import codes, columns, iso, layouts
from ropewalk.systems.payments.ach.codes import CLASS_CODES, ENTRY_CLASSES, UNKNOWN_CLASS, Side
from ropewalk.systems.payments.ach.columns import Cells, Lines, Mask, Numbers
from ropewalk.systems.payments.ach.entries import Judged, dollars, is_reversal
from ropewalk.systems.payments.ach.layout import Layout
from ropewalk.systems.payments.ach.layouts import BATCH_HEADER, IAT_BATCH_HEADER
from ropewalk.systems.payments.ach.model import Category, Rows
from ropewalk.systems.payments.ach.problems import Code, Problems, Where, report
from ropewalk.systems.payments.ach.records import ADV_CLASS, batch_control_layout, batch_header_layout

HASH_MODULUS: Final = 10_000_000_000
"""Of the sum of routing numbers a control keeps the last ten digits."""

_DNE_CLASS: Final = CLASS_CODES.index("DNE")
_GOVERNMENT: Final = 2


def check_batch_headers(rows: Cells, batches: Rows, problems: Problems) -> None:
    """Name the header fields that hold none of their values."""
    places = batches["header_line"].astype(np.int64) - 1
    headers = rows[places]
    _check_classes(headers, batches, problems)
    _check_status(headers, batches, problems)
    _check_descriptions(headers, batches, problems)
    is_iat = batches["is_iat"]
    _check_same_day(headers[~is_iat], places[~is_iat], problems)
    _check_international(headers[is_iat], places[is_iat], problems)


def _name(
    batches: Rows, wrong: Mask, *, code: Code, field: str, message: Callable[[int], str], problems: Problems
) -> None:
    """Add an error for each batch in `wrong`; `message` is given its place among the batches."""
    for is_iat in (False, True):
        chosen = np.flatnonzero(wrong & (batches["is_iat"] == is_iat))
        places = batches["header_line"][chosen].astype(np.int64) - 1
        where = Where(batch_header_layout(is_iat=is_iat).name, field)
        report(problems.error, code, where, places=places, message=_of(chosen, message))


def _check_classes(headers: Cells, batches: Rows, problems: Problems) -> None:
    classes = columns.texts(columns.cells(headers, BATCH_HEADER["standard_entry_class_code"]))
    services = batches["service_class"]
    suits = np.isin(services, codes.SERVICE_CLASSES)
    suits &= (services == codes.ADVICES) == (batches["entry_class"] == ADV_CLASS)
    _name(
        batches,
        batches["entry_class"] == UNKNOWN_CLASS,
        code=Code.ENTRY_CLASS,
        field="standard_entry_class_code",
        message=lambda place: f"{classes[place].decode('latin-1')!r} is not a standard entry class",
        problems=problems,
    )
    _name(
        batches,
        ~suits,
        code=Code.SERVICE_CLASS,
        field="service_class_code",
        message=lambda place: (
            f"{services[place]} is not 200 (mixed), 220 (credits) or 225 (debits); 280 is for ADV, and only that"
        ),
        problems=problems,
    )


def _check_status(headers: Cells, batches: Rows, problems: Problems) -> None:
    status = columns.numbers(columns.cells(headers, BATCH_HEADER["originator_status_code"]))
    is_wrong_notice = (batches["entry_class"] == _DNE_CLASS) & (status != _GOVERNMENT)

    def message(place: int) -> str:
        if is_wrong_notice[place]:
            return f"only a federal agency (2) sends DNE, and the status is {status[place]}"
        return f"{status[place]} is not 0 (operator), 1 (institution) or 2 (federal agency)"

    _name(
        batches,
        (status > _GOVERNMENT) | is_wrong_notice,
        code=Code.ORIGINATOR_STATUS,
        field="originator_status_code",
        message=message,
        problems=problems,
    )


def _check_descriptions(headers: Cells, batches: Rows, problems: Problems) -> None:
    given = columns.cells(headers, BATCH_HEADER["company_entry_description"])
    for code, entry_class in ENTRY_CLASSES.items():
        chosen = batches["entry_class"] == CLASS_CODES.index(code)
        if entry_class.description and chosen.any():
            described = columns.equals(given, entry_class.description.encode())
            # A reversal says REVERSAL there instead, whatever its class.
            _name(
                batches,
                chosen & ~described & ~is_reversal(headers),
                code=Code.DESCRIPTION,
                field="company_entry_description",
                message=_described(code, entry_class.description),
                problems=problems,
            )


def _of(chosen: Lines, message: Callable[[int], str]) -> Callable[[int], str]:
    return lambda number: message(int(chosen[number]))


def _described(code: str, description: str) -> Callable[[int], str]:
    return lambda _place: f"class {code} must have the description {description!r}"


def _check_same_day(headers: Cells, places: Lines, problems: Problems) -> None:
    """SDHHMM in the descriptive date asks for same-day settlement; it is a convention, so only a warning."""
    cells = columns.cells(headers, BATCH_HEADER["company_descriptive_date"])
    asks = columns.equals(cells[:, :2], b"SD")
    wrong = np.flatnonzero(asks & ~columns.is_time(cells[:, 2:]))
    report(
        problems.warning,
        Code.SAME_DAY_INDICATOR,
        Where(BATCH_HEADER.name, "company_descriptive_date"),
        places=places[wrong],
        message=lambda number: f"{cells[wrong[number]].tobytes().decode('latin-1')!r} is not SD and a time HHMM",
    )


def _check_international(headers: Cells, places: Lines, problems: Problems) -> None:
    if not len(headers):
        return
    references = {"1", "2", "3"}
    for field_name, values, what in (
        ("foreign_exchange_indicator", codes.FOREIGN_EXCHANGE_INDICATORS, "FV, VF or FF"),
        ("foreign_exchange_reference_indicator", references, "1, 2 or 3"),
        ("iso_destination_country_code", iso.COUNTRIES, "an ISO 3166 country"),
        ("iso_originating_currency_code", iso.CURRENCIES, "an ISO 4217 currency"),
        ("iso_destination_currency_code", iso.CURRENCIES, "an ISO 4217 currency"),
    ):
        found = columns.texts(columns.cells(headers, IAT_BATCH_HEADER[field_name]))
        wrong = np.flatnonzero(~np.isin(found, [value.encode() for value in values]) & (found != b""))
        report(
            problems.error,
            Code.VALUE,
            Where(IAT_BATCH_HEADER.name, field_name),
            places=places[wrong],
            message=_unlisted(found[wrong], what),
        )


def _unlisted(found: np.ndarray[tuple[int], np.dtype[np.bytes_]], what: str) -> Callable[[int], str]:
    return lambda number: f"{found[number].decode('latin-1')!r} is not {what}"


def sum_batches(judged: Judged) -> None:
    """Compute what the controls should say, into the columns of the batches."""
    batches = judged.file.batch_columns
    amount = judged.entries["amount_cents"]
    firsts = batches["entry_first"].astype(np.int64)
    for column, side in (("debit_cents", Side.DEBIT), ("credit_cents", Side.CREDIT)):
        batches[column] = np.add.reduceat(np.where(judged.side == side, amount, 0), firsts)
    batches["entry_hash"] = np.add.reduceat(judged.entries["rdfi"].astype(np.uint64), firsts) % HASH_MODULUS
    batches["entry_addenda_count"] = batches["control_line"] - batches["header_line"] - 1


def check_batch_controls(judged: Judged, problems: Problems) -> None:
    """Name every control that repeats its header wrongly or does not balance, and what else is odd about a batch."""
    batches = judged.file.batch_columns
    is_adv = batches["entry_class"] == ADV_CLASS
    for chosen, layout in (
        (~is_adv, batch_control_layout(UNKNOWN_CLASS)),
        (is_adv, batch_control_layout(ADV_CLASS)),
    ):
        if chosen.any():
            _check_repeated(judged.file.rows, batches[chosen], layout=layout, problems=problems)
            _check_totals(judged.file.rows, batches[chosen], layout=layout, problems=problems)
    _check_numbers(batches, problems)
    _check_categories(judged, problems)


def _check_repeated(rows: Cells, batches: Rows, *, layout: Layout, problems: Problems) -> None:
    headers = rows[batches["header_line"].astype(np.int64) - 1]
    places = batches["control_line"].astype(np.int64) - 1
    controls = rows[places]
    for field_name in (
        "service_class_code",
        "company_identification",
        "originating_dfi_identification",
        "batch_number",
    ):
        if field_name not in layout:
            continue
        said = columns.cells(headers, BATCH_HEADER[field_name])
        repeated = columns.cells(controls, layout[field_name])
        differs = (said != repeated).any(axis=1)
        if field_name == "company_identification":
            # An IAT control is often left blank here, since the header's field is the originator's.
            differs &= ~(batches["is_iat"] & columns.is_blank(repeated))
            # Nor do all banks put a number of nine digits at the same end of its ten columns.
            differs &= np.char.strip(columns.texts(said)) != np.char.strip(columns.texts(repeated))
        wrong = np.flatnonzero(differs)
        report(
            problems.error,
            Code.HEADER_CONTROL,
            Where(layout.name, field_name),
            places=places[wrong],
            message=_differs(said[wrong], repeated[wrong], batches["header_line"][wrong]),
        )


def _differs(said: Cells, repeated: Cells, lines: Numbers) -> Callable[[int], str]:
    def message(number: int) -> str:
        header = said[number].tobytes().decode("latin-1")
        control = repeated[number].tobytes().decode("latin-1")
        return f"the header on line {lines[number]} says {header!r}, the control {control!r}"

    return message


def _check_totals(rows: Cells, batches: Rows, *, layout: Layout, problems: Problems) -> None:
    places = batches["control_line"].astype(np.int64) - 1
    controls = rows[places]
    for field_name, column, code in TOTALS:
        declared = columns.numbers(columns.cells(controls, layout[field_name]))
        wrong = np.flatnonzero(declared != batches[column])
        report(
            problems.error,
            code,
            Where(layout.name, field_name),
            places=places[wrong],
            message=_unbalanced(declared[wrong], batches[column][wrong], code=code),
        )


TOTALS: Final = (
    ("entry_addenda_count", "entry_addenda_count", Code.ENTRY_COUNT),
    ("entry_hash", "entry_hash", Code.ENTRY_HASH),
    ("total_debit_amount", "debit_cents", Code.DEBIT_TOTAL),
    ("total_credit_amount", "credit_cents", Code.CREDIT_TOTAL),
)
"""What a control sums up: its field, the column it must equal, and the code if it does not."""


def _unbalanced(declared: Numbers, computed: Numbers, *, code: Code) -> Callable[[int], str]:
    return lambda number: unbalanced(
        int(declared[number]), int(computed[number]), code=code, of="the batch's entries"
    )


def unbalanced(declared: int, computed: int, *, code: Code, of: str) -> str:
    """What to say of a control that declares another number than was computed."""
    if code in (Code.DEBIT_TOTAL, Code.CREDIT_TOTAL):
        difference = declared - computed
        sign = "more" if difference > 0 else "less"
        return (
            f"the control says {dollars(declared)}, and {of} come to {dollars(computed)}:"
            f" {dollars(abs(difference))} {sign}"
        )
    return f"the control says {declared}, and {of} come to {computed}"


def _check_numbers(batches: Rows, problems: Problems) -> None:
    number = batches["number"]
    wrong = np.flatnonzero(number[1:] <= number[:-1]) + 1
    report(
        problems.warning,
        Code.BATCH_NUMBER_ORDER,
        Where(layouts.BATCH_HEADER.name, "batch_number"),
        places=batches["header_line"][wrong].astype(np.int64) - 1,
        message=lambda place: f"batch {number[wrong[place]]} comes after batch {number[wrong[place] - 1]}",
    )


_RETURNED: Final = (Category.RETURN, Category.DISHONORED, Category.CONTESTED)


def _check_categories(judged: Judged, problems: Problems) -> None:
    """A batch is all forward or all returned: the two settle in opposite directions."""
    batches = judged.file.batch_columns
    returned = np.isin(judged.entries["category"], _RETURNED)
    counts = np.add.reduceat(returned.astype(np.int64), batches["entry_first"].astype(np.int64))
    wrong = np.flatnonzero((counts > 0) & (counts < batches["entry_count"]))
    report(
        problems.error,
        Code.CATEGORIES_MIXED,
        Where(layouts.BATCH_HEADER.name, ""),
        places=batches["header_line"][wrong].astype(np.int64) - 1,
        message=lambda number: (
            f"{counts[wrong[number]]} of {batches['entry_count'][wrong[number]]} entries are returns:"
            " give them a batch of their own"
        ),
    )
