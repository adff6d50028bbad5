"""Reading a file: every rule of the standard is checked, and each problem says where it is.

    bytes ─► lines ─► structure ─► fields ─► columns ─► rules of entries, addenda, batches, file
             94 each  in order     by layout            only if the records are in order

Promise:    a file with a wrong count, hash or total, on any control, is not valid: not by a cent.
            Any bytes give a `Reading`, never an exception.
Not given:  that accounts exist or dates are banking days: processing decides that.
Checked by: tests/payments/ach/test_manifest.py, test_properties.py
"""

import numpy as np

from ropewalk.systems.payments.ach import codes, columns
from ropewalk.systems.payments.ach.addenda import check_addenda, read_addenda, set_categories
from ropewalk.systems.payments.ach.batches import (
    HASH_MODULUS,
    check_batch_controls,
    check_batch_headers,
    sum_batches,
    unbalanced,
)
from ropewalk.systems.payments.ach.codes import UNKNOWN_CLASS, Side
from ropewalk.systems.payments.ach.columns import Cells
from ropewalk.systems.payments.ach.decode import read_batches, read_entries
from ropewalk.systems.payments.ach.entries import check_entries, judge
from ropewalk.systems.payments.ach.fields import check_fields
from ropewalk.systems.payments.ach.layouts import FILE_HEADER
from ropewalk.systems.payments.ach.lines import Form, join, split
from ropewalk.systems.payments.ach.model import ENTRY, File, Reading, Record, Rows, sum_cents
from ropewalk.systems.payments.ach.problems import Code, Problem, Problems
from ropewalk.systems.payments.ach.records import (
    ADV_CLASS,
    batch_control_layout,
    batch_header_layout,
    file_control_layout,
)
from ropewalk.systems.payments.ach.structure import Structure, is_foreign, locate


def read(content: bytes) -> Reading:
    """Read a file and name everything that is wrong, or odd, about it."""
    problems = Problems()
    rows, form = split(content, problems)
    if not len(rows):
        return _reading(None, np.zeros(0, ENTRY), problems=problems, batches=0)
    if is_foreign(rows):
        return _foreign(rows)
    structure = locate(rows, problems)
    batches = read_batches(rows, structure)
    _check_header(rows, problems)
    _check_batch_fields(rows, structure, batches, problems=problems)
    check_batch_headers(rows, batches, problems)
    entries = read_entries(rows, structure, batches, problems=problems)
    addenda = read_addenda(rows, structure, problems)
    file = None
    if structure.is_sound and structure.control is not None:
        file = File(rows, form=form, entries=entries, batch_columns=batches, control_line=structure.control + 1)
        set_categories(entries, addenda)
        judged = judge(file)
        check_entries(judged, problems)
        check_addenda(judged, addenda, problems)
        sum_batches(judged)
        check_batch_controls(judged, problems)
        _check_file_control(file, problems)
    return _reading(file, entries, problems=problems, batches=len(batches))


def _foreign(rows: Cells) -> Reading:
    """One problem for the whole file: it has no records that more could be said of."""
    start = rows[0, :10].tobytes().decode("latin-1")
    message = f"this is no ACH file: it begins with {start!r}, and an ACH file with 101"
    problems = Problems()
    problems.error(Problem(1, "record", "record_type", Code.RECORD_TYPE, message))
    return _reading(None, np.zeros(0, ENTRY), problems=problems, batches=0)


def write(file: File) -> bytes:
    """The bytes of a file, in the form in which it was read or built."""
    return join(file.rows, file.form)


def file_of(rows: Cells, *, form: Form) -> File:
    """A file of records that are known to be in order, its columns decoded."""
    problems = Problems()
    structure = locate(rows, problems)
    batches = read_batches(rows, structure)
    entries = read_entries(rows, structure, batches, problems=problems)
    set_categories(entries, read_addenda(rows, structure, problems))
    file = File(rows, form=form, entries=entries, batch_columns=batches, control_line=(structure.control or 0) + 1)
    sum_batches(judge(file))
    return file


def _reading(file: File | None, entries: Rows, *, problems: Problems, batches: int) -> Reading:
    problems.sort()
    sides = codes.SIDES[entries["transaction_code"]] if len(entries) else np.zeros(0, np.uint8)
    return Reading(
        file=file,
        errors=problems.errors,
        warnings=problems.warnings,
        batches=batches,
        entries=len(entries),
        debit_cents=sum_cents(entries, sides, Side.DEBIT) if len(entries) else 0,
        credit_cents=sum_cents(entries, sides, Side.CREDIT) if len(entries) else 0,
    )


def _check_header(rows: Cells, problems: Problems) -> None:
    """The file header, and the routing numbers of who sends and who receives."""
    if rows[0, 0] != ord("1"):
        return
    check_fields(FILE_HEADER, rows[:1], places=np.zeros(1, np.int64), problems=problems)
    header = Record(1, FILE_HEADER, rows[0].tobytes())

    def text(name: str) -> str:
        return header[name].strip()

    def error(name: str, code: Code, message: str) -> None:
        problems.error(Problem(1, FILE_HEADER.name, name, code, message))

    destination = text("immediate_destination")
    digits = destination[1:] if len(destination) == 10 and destination[0] in "01" else destination
    if not (digits.isascii() and digits.isdigit() and len(digits) == 9):
        error("immediate_destination", Code.DIGITS, f"{destination!r} is not a routing number of nine digits")
    elif columns.check_digit(digits) != int(digits[8]):
        due = columns.check_digit(digits)
        error("immediate_destination", Code.CHECK_DIGIT, f"routing number {digits} should end in {due}")
    origin = text("immediate_origin")
    # Nine digits, or ten characters of which the first may be a letter: the code of the kind of company number.
    if origin and not (origin.isascii() and origin.isalnum() and origin[-9:].isdigit() and len(origin) in (9, 10)):
        message = f"{origin!r} is neither a routing number of nine digits nor a company number of ten"
        error("immediate_origin", Code.ORIGIN, message)
    modifier = text("file_id_modifier")
    if not (modifier.isascii() and modifier.isalnum() and modifier == modifier.upper()):
        error("file_id_modifier", Code.FILE_ID_MODIFIER, f"{modifier!r} is not A to Z or 0 to 9")


def _check_batch_fields(rows: Cells, structure: Structure, batches: Rows, *, problems: Problems) -> None:
    for is_iat in (False, True):
        places = structure.batch_headers[batches["is_iat"] == is_iat]
        check_fields(batch_header_layout(is_iat=is_iat), rows[places], places=places, problems=problems)
    before = np.searchsorted(structure.batch_headers, structure.batch_controls) - 1
    is_adv = (before >= 0) & (np.append(batches["entry_class"], UNKNOWN_CLASS)[before] == ADV_CLASS)
    for chosen, entry_class in ((~is_adv, UNKNOWN_CLASS), (is_adv, ADV_CLASS)):
        places = structure.batch_controls[chosen]
        check_fields(batch_control_layout(entry_class), rows[places], places=places, problems=problems)


def _check_file_control(file: File, problems: Problems) -> None:
    """The counts and totals of the whole file, computed from its records and not from its batch controls."""
    batches = file.batch_columns
    is_adv = batches["entry_class"] == ADV_CLASS
    layout = file_control_layout(is_adv=bool(is_adv.all()))
    line = file.control_line
    control = file.record_as(line, layout)
    places = np.array([line - 1])
    check_fields(layout, file.rows[places], places=places, problems=problems)
    if is_adv.any() and not is_adv.all():
        mixed = int(batches["header_line"][np.flatnonzero(is_adv)[0]])
        message = "the file holds batches of ADV and of other classes"
        problems.error(Problem(mixed, "batch_header", "standard_entry_class_code", Code.ADV_MIXED, message))
    due = {
        "batch_count": (len(batches), Code.BATCH_COUNT, "the batches"),
        "block_count": (-(-len(file.rows) // 10), Code.BLOCK_COUNT, "the blocks of ten records"),
        "entry_addenda_count": (
            int(batches["entry_addenda_count"].sum()),
            Code.ENTRY_COUNT,
            "the entries and addenda",
        ),
        "entry_hash": (int(batches["entry_hash"].sum()) % HASH_MODULUS, Code.ENTRY_HASH, "the batches' hashes"),
        "total_debit_amount": (int(batches["debit_cents"].sum()), Code.DEBIT_TOTAL, "the file's debits"),
        "total_credit_amount": (int(batches["credit_cents"].sum()), Code.CREDIT_TOTAL, "the file's credits"),
    }
    for name, (computed, code, of) in due.items():
        declared = control.number(name)
        if declared != computed:
            message = unbalanced(declared, computed, code=code, of=of)
            problems.error(Problem(line, layout.name, name, code, message))
