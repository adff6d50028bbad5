"""What can be wrong with an ACH file: one code for each kind, and where it was found.

A code never changes its meaning. Its sentence is the reference; a problem's message adds the values found.

Checked by: tests/payments/ach/test_problems.py, test_stories.py
"""

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from ropewalk.systems.payments.ach.limits import PROBLEMS_MAX


class Code(StrEnum):
    """Why a file is refused, or what is odd about it."""

    sentence: str

    def __new__(cls, value: str, sentence: str) -> "Code":
        member = str.__new__(cls, value)
        member._value_ = value
        member.sentence = sentence
        return member

    # The lines of the file.
    UNREADABLE = "unreadable", "The file can't be read: it is missing, a folder, too large, or access is denied."
    FILE_EMPTY = "file_empty", "The file holds no records."
    RECORD_LENGTH = "record_length", "A record is not 94 characters, and not merely stripped of trailing blanks."
    RECORD_STRIPPED = "record_stripped", "A record lacks its trailing blanks and was read as if it had them."
    RECORD_OVERLONG = "record_overlong", "Blanks follow the 94 characters of a record; they were ignored."
    LINES_BLANK_AT_END = "lines_blank_at_end", "Blank lines follow the last record; they were ignored."
    RECORD_TYPE = "record_type", "A record starts with none of 1, 5, 6, 7, 8 and 9."
    CHARACTER = "character", "A field holds a character that is not printable ASCII."

    # Their order.
    FILE_HEADER_MISSING = "file_header_missing", "The first record is not a file header."
    FILE_HEADER_REPEATED = "file_header_repeated", "A file has one header, as its first record."
    FILE_CONTROL_MISSING = "file_control_missing", "The file ends without a file control."
    AFTER_FILE_CONTROL = "after_file_control", "Only records of nines may follow the file control."
    BATCHES_MISSING = "batches_missing", "The file holds no batch."
    BATCH_HEADER_MISSING = "batch_header_missing", "A record stands outside a batch."
    BATCH_CONTROL_MISSING = "batch_control_missing", "A batch ends without a batch control."
    BATCH_EMPTY = "batch_empty", "A batch holds no entries."
    ENTRY_MISSING = "entry_missing", "An addenda record does not follow an entry."
    BLOCK_NOT_FILLED = "block_not_filled", "The last block of ten is not filled with records of nines."
    ADV_MIXED = "adv_mixed", "ADV batches share a file with others; they have a file control of their own."

    # Single fields.
    LITERAL = "literal", "A field does not hold the one value that the standard gives it."
    DIGITS = "digits", "A field of digits holds something else."
    MANDATORY = "mandatory", "A mandatory field is blank, or all zeros."
    DATE = "date", "A date is not a day of the calendar (YYMMDD)."
    TIME = "time", "A time is not a time of day (HHMM)."
    NOT_BLANK = "not_blank", "A reserved field is not blank."
    VALUE = "value", "A field holds none of the values that the standard lists for it."
    CHECK_DIGIT = "check_digit", "The last digit of a routing number does not follow from the others (3-7-1)."
    FILE_ID_MODIFIER = "file_id_modifier", "The file id modifier is not a letter A to Z or a digit."
    ORIGIN = "origin", "The immediate origin is neither a routing number nor a company number of ten characters."
    SAME_DAY_INDICATOR = "same_day_indicator", "The company descriptive date starts with SD but not with SDHHMM."

    # A batch.
    ENTRY_CLASS = "entry_class", "The standard entry class is not one of the standard's."
    SERVICE_CLASS = "service_class", "The service class code is not 200, 220, 225 or, for ADV, 280."
    SERVICE_CLASS_SIDE = "service_class_side", "A batch of credits only holds a debit, or the reverse."
    HEADER_CONTROL = "header_control", "A batch control repeats a field of its header with another value."
    BATCH_NUMBER_ORDER = "batch_number_order", "Batch numbers do not ascend."
    CATEGORIES_MIXED = "categories_mixed", "Forward entries and returns share a batch."
    DESCRIPTION = "description", "The entry class asks for another company entry description."
    ORIGINATOR_STATUS = "originator_status", "The originator status code does not suit the entry class."

    # An entry.
    TRANSACTION_CODE = "transaction_code", "The transaction code is not one of the standard's."
    TRANSACTION_CODE_CLASS = "transaction_code_class", "The entry class does not allow this transaction code."
    AMOUNT_ZERO = "amount_zero", "An entry that moves money has no amount."
    AMOUNT_NOT_ZERO = "amount_not_zero", "An entry that moves no money has an amount."
    AMOUNT_LIMIT = "amount_limit", "The amount is above what the entry class allows."
    TRACE_ORDER = "trace_order", "Trace numbers do not ascend within the batch."
    TRACE_ODFI = "trace_odfi", "A trace number does not start with the originating institution of its batch."
    ADDENDA_INDICATOR = "addenda_indicator", "The addenda record indicator does not agree with what follows."
    PAYMENT_TYPE = "payment_type", "A TEL or WEB entry says neither R (recurring) nor S (single)."
    RETURN_CODE_FORWARD = "return_code_forward", "A return carries the transaction code of a forward entry."

    # Addenda.
    ADDENDA_TYPE = "addenda_type", "The entry class does not allow addenda of this type."
    ADDENDA_MISSING = "addenda_missing", "The entry class asks for addenda that are not there."
    ADDENDA_TOO_MANY = "addenda_too_many", "An entry has more addenda than its class allows."
    ADDENDA_COUNT = "addenda_count", "An entry says that it has another number of addenda."
    ADDENDA_ORDER = "addenda_order", "Addenda are not numbered 1, 2, 3 in order."
    ADDENDA_TRACE = "addenda_trace", "An addenda record names another entry than the one it follows."
    RETURN_REASON = "return_reason", "The return reason code is not one of the standard's."
    CHANGE_CODE = "change_code", "The change code is not one of the standard's."

    # Counts and totals.
    ENTRY_COUNT = "entry_count", "A control counts another number of entries and addenda."
    ENTRY_HASH = "entry_hash", "A control's entry hash is not the sum of the receiving institutions."
    DEBIT_TOTAL = "debit_total", "A control's debits are not the sum of the debits."
    CREDIT_TOTAL = "credit_total", "A control's credits are not the sum of the credits."
    BATCH_COUNT = "batch_count", "The file control counts another number of batches."
    BLOCK_COUNT = "block_count", "The file control counts another number of blocks of ten."
    TOO_MANY_PROBLEMS = "too_many_problems", "There are more problems than are named here."


class Problem(msgspec.Struct, frozen=True):
    """One thing wrong, or odd: the line (the first is 1), record type, field and code, and what was found."""

    line: int
    record: str
    field: str
    code: Code
    message: str


class Problems:
    """The problems of one reading, up to `PROBLEMS_MAX` of each severity."""

    def __init__(self) -> None:
        self.errors: list[Problem] = []
        self.warnings: list[Problem] = []

    def error(self, problem: Problem) -> None:
        _add(self.errors, problem)

    def warning(self, problem: Problem) -> None:
        _add(self.warnings, problem)

    def extend(self, others: "Problems") -> None:
        """Add all of these."""
        for problem in others.errors:
            self.error(problem)
        for problem in others.warnings:
            self.warning(problem)

    def sort(self) -> None:
        """Bring both lists into the order of the file."""
        self.errors.sort(key=_place)
        self.warnings.sort(key=_place)


class Where(NamedTuple):
    """What a check looks at: the record type and the field."""

    record: str
    field: str


def report(
    add: Callable[[Problem], None],
    code: Code,
    where: Where,
    *,
    places: NDArray[np.int64],
    message: Callable[[int], str],
) -> None:
    """Add a problem for each of `places`, counted from 0; `message` is given the number in this list."""
    for number, place in enumerate(places[: PROBLEMS_MAX + 1].tolist()):
        add(Problem(place + 1, where.record, where.field, code, message(number)))


def _place(problem: Problem) -> tuple[bool, int]:
    return (problem.code is Code.TOO_MANY_PROBLEMS, problem.line)


def _add(problems: list[Problem], problem: Problem) -> None:
    if len(problems) < PROBLEMS_MAX:
        problems.append(problem)
    elif len(problems) == PROBLEMS_MAX:
        message = f"more than {PROBLEMS_MAX:,} problems: the first are named, correct those and validate again"
        problems.append(Problem(problem.line, "file", "", Code.TOO_MANY_PROBLEMS, message))
