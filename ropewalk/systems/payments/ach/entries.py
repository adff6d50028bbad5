"""Entries against the rules of their class: transaction codes, amounts, trace numbers, sides, addenda indicators.

Every rule is one comparison of columns; what it flags is named afterwards.

Checked by: tests/payments/ach/test_manifest.py, test_stories.py
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ropewalk.systems.payments.ach import codes
from ropewalk.systems.payments.ach.codes import CLASS_CODES, ENTRY_CLASSES, Purpose, Side
from ropewalk.systems.payments.ach.columns import Cells, Lines, Mask, cells, equals, numbers
from ropewalk.systems.payments.ach.layouts import BATCH_HEADER
from ropewalk.systems.payments.ach.model import Category, File, Rows, entry_class_code
from ropewalk.systems.payments.ach.problems import Code, Problem, Problems, Where, report
from ropewalk.systems.payments.ach.records import ADV_CLASS, COR_CLASS

TRACE_SEQUENCE: Final = 10_000_000
"""A trace number is the eight digits of the originating institution and seven of a sequence."""

_LOAN_DEBIT: Final = 55
_ZERO_DOLLAR_CLASSES: Final = ("CCD", "CTX")


class Judged(NamedTuple):
    """Entries with what their codes mean, one row each."""

    file: File
    entries: Rows
    entry_class: NDArray[np.uint8]
    side: NDArray[np.uint8]
    purpose: NDArray[np.uint8]
    is_forward: Mask
    is_reversal: Mask


def judge(file: File) -> Judged:
    """Look up what the codes of all entries mean."""
    entries = file.entries
    batch = entries["batch"]
    code = entries["transaction_code"]
    headers = file.rows[file.batch_columns["header_line"].astype(np.int64) - 1]
    return Judged(
        file,
        entries,
        entry_class=file.batch_columns["entry_class"][batch],
        side=codes.SIDES[code],
        purpose=codes.PURPOSES[code],
        is_forward=entries["category"] == Category.FORWARD,
        is_reversal=is_reversal(headers)[batch],
    )


def is_reversal(headers: Cells) -> Mask:
    """Which batches reverse entries that were sent in error."""
    return equals(cells(headers, BATCH_HEADER["company_entry_description"])[:, :8], b"REVERSAL")


def check_entries(judged: Judged, problems: Problems) -> None:
    """Name every entry that breaks a rule of its class or of its batch."""
    _check_codes(judged, problems)
    _check_amounts(judged, problems)
    _check_traces(judged, problems)
    _check_sides(judged, problems)
    _check_indicators(judged, problems)
    _check_payment_types(judged, problems)
    _check_cards(judged, problems)


def name_entries(
    judged: Judged,
    wrong: Mask,
    *,
    code: Code,
    field: str,
    message: Callable[[int], str],
    add: Callable[[Problem], None],
) -> None:
    """Add a problem for each entry in `wrong`; `message` is given its place among the entries."""
    if not wrong.any():
        return
    is_iat = judged.file.batch_columns["is_iat"][judged.entries["batch"]]
    is_adv = judged.entry_class == ADV_CLASS
    for kind, record in (
        (is_iat, "iat_entry_detail"),
        (is_adv, "adv_entry_detail"),
        (~is_iat & ~is_adv, "entry_detail"),
    ):
        chosen = np.flatnonzero(wrong & kind)
        places = judged.entries["line"][chosen].astype(np.int64) - 1
        report(add, code, Where(record, field), places=places, message=_of(chosen, message))


def _of(chosen: Lines, message: Callable[[int], str]) -> Callable[[int], str]:
    return lambda number: message(int(chosen[number]))


def _class_of(judged: Judged, place: int) -> str:
    return entry_class_code(int(judged.entry_class[place]))


def _check_codes(judged: Judged, problems: Problems) -> None:
    code = judged.entries["transaction_code"]
    known = judged.side != Side.NONE

    def unknown(place: int) -> str:
        return f"{code[place]:02} is not a transaction code of the standard"

    def unsuited(place: int) -> str:
        return f"class {_class_of(judged, place)} does not allow transaction code {code[place]}"

    def forward(place: int) -> str:
        return (
            f"a return carries {codes.return_code_of(int(code[place]))}, the entry it returns carried {code[place]}"
        )

    name_entries(
        judged, ~known, code=Code.TRANSACTION_CODE, field="transaction_code", message=unknown, add=problems.error
    )
    # A reversal goes to the other side of what it reverses, whatever the class allows; loans are debited only so.
    suits = codes.ALLOWED[judged.entry_class, code] & ((code != _LOAN_DEBIT) | judged.is_reversal)
    suits |= judged.is_reversal & (judged.purpose == Purpose.LIVE)
    is_return = judged.purpose == Purpose.RETURN
    is_correction = judged.entry_class == COR_CLASS
    wrong = known & judged.is_forward & ~suits & ~is_return
    wrong |= known & is_correction & ~is_return
    name_entries(
        judged,
        wrong,
        code=Code.TRANSACTION_CODE_CLASS,
        field="transaction_code",
        message=unsuited,
        add=problems.error,
    )
    odd = known & ~judged.is_forward & ~is_return & ~is_correction & (judged.purpose != Purpose.ADVICE)
    name_entries(
        judged, odd, code=Code.RETURN_CODE_FORWARD, field="transaction_code", message=forward, add=problems.warning
    )


def _check_amounts(judged: Judged, problems: Problems) -> None:
    amount = judged.entries["amount_cents"]
    limit = codes.AMOUNT_MAX_CENTS[judged.entry_class]
    moves = codes.ALLOWS_AMOUNT[judged.entry_class]
    is_live = judged.purpose == Purpose.LIVE
    is_iat = judged.file.batch_columns["is_iat"][judged.entries["batch"]]

    def zero(_place: int) -> str:
        return "the transaction code moves money, and the amount is zero"

    def not_zero(place: int) -> str:
        return f"this entry moves no money, and its amount is {dollars(int(amount[place]))}"

    def above(place: int) -> str:
        most = dollars(int(limit[place]))
        return (
            f"class {_class_of(judged, place)} allows at most {most}, and the amount is {dollars(int(amount[place]))}"
        )

    missing = (amount == 0) & is_live & judged.is_forward & moves
    name_entries(judged, missing, code=Code.AMOUNT_ZERO, field="amount", message=zero, add=problems.error)
    silent = (judged.purpose == Purpose.PRENOTE) | (judged.purpose == Purpose.ZERO_DOLLAR) | ~moves
    extra = (amount != 0) & silent
    # A notification of change about an IAT entry repeats its amount in files in use, so there it is only odd.
    is_odd = is_iat & ~moves
    for wrong, add in ((extra & ~is_odd, problems.error), (extra & is_odd, problems.warning)):
        name_entries(judged, wrong, code=Code.AMOUNT_NOT_ZERO, field="amount", message=not_zero, add=add)
    over = (amount > limit) & judged.is_forward
    name_entries(judged, over, code=Code.AMOUNT_LIMIT, field="amount", message=above, add=problems.error)


def dollars(cents: int) -> str:
    """Cents as people write them."""
    return f"${cents // 100:,}.{cents % 100:02}"


def _check_traces(judged: Judged, problems: Problems) -> None:
    trace = judged.entries["trace"]
    batch = judged.entries["batch"]
    odfi = judged.file.batch_columns["odfi"][batch]

    def order(place: int) -> str:
        return f"trace number {trace[place]:015} does not come after {trace[place - 1]:015}"

    def foreign(place: int) -> str:
        start = trace[place] // TRACE_SEQUENCE
        return f"the trace number starts with {start:08}, but the batch is of {odfi[place]:08}"

    unordered = np.zeros(len(trace), np.bool_)
    unordered[1:] = (trace[1:] <= trace[:-1]) & (batch[1:] == batch[:-1])
    name_entries(judged, unordered, code=Code.TRACE_ORDER, field="trace_number", message=order, add=problems.error)
    other = (trace // np.uint64(TRACE_SEQUENCE) != odfi) & (judged.entry_class != ADV_CLASS)
    name_entries(judged, other, code=Code.TRACE_ODFI, field="trace_number", message=foreign, add=problems.error)


def _check_sides(judged: Judged, problems: Problems) -> None:
    service = judged.file.batch_columns["service_class"][judged.entries["batch"]]
    code = judged.entries["transaction_code"]

    def message(place: int) -> str:
        only = "credits" if service[place] == codes.CREDITS_ONLY else "debits"
        return f"transaction code {code[place]} is in a batch of {only} only ({service[place]})"

    wrong = (service == codes.CREDITS_ONLY) & (judged.side == Side.DEBIT)
    wrong |= (service == codes.DEBITS_ONLY) & (judged.side == Side.CREDIT)
    name_entries(
        judged, wrong, code=Code.SERVICE_CLASS_SIDE, field="transaction_code", message=message, add=problems.error
    )


def _check_indicators(judged: Judged, problems: Problems) -> None:
    indicator = judged.entries["addenda_indicator"]
    count = judged.entries["addenda_count"]

    def message(place: int) -> str:
        follow = f"{count[place]} addenda records follow" if count[place] else "no addenda record follows"
        return f"the indicator is {indicator[place]}, and {follow}"

    wrong = (indicator > 1) | ((indicator == 1) != (count > 0))
    name_entries(
        judged,
        wrong,
        code=Code.ADDENDA_INDICATOR,
        field="addenda_record_indicator",
        message=message,
        add=problems.error,
    )


def _check_payment_types(judged: Judged, problems: Problems) -> None:
    spoken = [CLASS_CODES.index(code) for code in ("TEL", "WEB")]
    chosen = np.isin(judged.entry_class, spoken) & judged.is_forward
    if not chosen.any():
        return
    given = np.char.strip(judged.entries["discretionary"])
    wrong = chosen & ~np.isin(given, [b"R", b"S"])

    def message(place: int) -> str:
        return f"the payment type is {given[place].decode('latin-1')!r}; R is recurring, S is single"

    name_entries(
        judged, wrong, code=Code.PAYMENT_TYPE, field="discretionary_data", message=message, add=problems.warning
    )


def _check_cards(judged: Judged, problems: Problems) -> None:
    """SHR: the month in which the card expires, and what it was used for."""
    chosen = (judged.entry_class == CLASS_CODES.index("SHR")) & judged.is_forward
    if not chosen.any():
        return
    layout = ENTRY_CLASSES["SHR"].layout
    field = layout["card_expiration_date"]
    expiry = judged.file.rows[judged.entries["line"].astype(np.int64) - 1, field.start : field.stop]
    month = numbers(expiry[:, :2])
    wrong = chosen & ((month < 1) | (month > 12))
    name_entries(
        judged,
        wrong,
        code=Code.VALUE,
        field="card_expiration_date",
        message=lambda place: f"a card expires in month 01 to 12 (MMYY), not {month[place]:02}",
        add=problems.error,
    )
    kinds = [kind.encode() for kind in codes.CARD_TRANSACTION_TYPES]
    given = judged.entries["discretionary"]
    name_entries(
        judged,
        chosen & ~np.isin(given, kinds),
        code=Code.VALUE,
        field="card_transaction_type_code",
        message=lambda place: f"{given[place].decode('latin-1')!r} is not a card transaction type",
        add=problems.error,
    )
