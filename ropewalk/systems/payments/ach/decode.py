"""Records to columns: the rows of `model.ENTRY` and `model.BATCH` from the records of a file.

Fields are checked in the same pass, while a chunk of records is in the processor's cache.

Checked by: tests/payments/ach/test_manifest.py, test_properties.py
"""

from typing import Final

import numpy as np

from ropewalk.systems.payments.ach import columns, layouts
from ropewalk.systems.payments.ach.codes import CLASS_CODES, UNKNOWN_CLASS
from ropewalk.systems.payments.ach.columns import Cells, Lines
from ropewalk.systems.payments.ach.fields import check_fields
from ropewalk.systems.payments.ach.layout import Layout
from ropewalk.systems.payments.ach.layouts import BATCH_HEADER
from ropewalk.systems.payments.ach.model import BATCH, ENTRY, Rows
from ropewalk.systems.payments.ach.problems import Code, Problems, Where, report
from ropewalk.systems.payments.ach.records import COR_CLASS, IAT_CLASS, entry_layout
from ropewalk.systems.payments.ach.structure import Structure

_TEXTS: Final = {
    "account": ("dfi_account_number",),
    "individual_id": ("identification_number", "check_serial_number", "document_reference_number"),
    "name": ("individual_name", "receiving_company_name"),
    "discretionary": ("discretionary_data", "card_transaction_type_code"),
}
"""Where the text of ENTRY comes from: the first of these fields that the layout has."""


def read_batches(rows: Cells, structure: Structure) -> Rows:
    """What the batch headers say, whether or not it is right."""
    headers = rows[structure.batch_headers]
    batches = np.zeros(len(headers), BATCH)
    batches["header_line"] = structure.batch_headers + 1
    if structure.is_sound:
        batches["control_line"] = structure.batch_controls + 1
        firsts = np.searchsorted(structure.entries, structure.batch_headers)
        batches["entry_first"] = firsts
        batches["entry_count"] = np.diff(np.append(firsts, len(structure.entries)))
    batches["entry_class"] = _entry_classes(headers)
    is_correction = columns.equals(headers[:, 4:10], b"IATCOR") & (batches["entry_class"] == COR_CLASS)
    batches["is_iat"] = (batches["entry_class"] == IAT_CLASS) | is_correction
    for column, name in (
        ("service_class", "service_class_code"),
        ("odfi", "originating_dfi_identification"),
        ("number", "batch_number"),
    ):
        batches[column] = columns.numbers(columns.cells(headers, BATCH_HEADER[name]))
    batches["company_id"] = columns.texts(columns.cells(headers, BATCH_HEADER["company_identification"]))
    batches["effective_date"] = columns.texts(columns.cells(headers, BATCH_HEADER["effective_entry_date"]))
    return batches


def _entry_classes(headers: Cells) -> columns.Mask:
    found = columns.texts(columns.cells(headers, BATCH_HEADER["standard_entry_class_code"]))
    codes = np.array([code.encode() for code in CLASS_CODES])
    places = np.minimum(np.searchsorted(codes, found), len(codes) - 1)
    return np.where(codes[places] == found, places, UNKNOWN_CLASS).astype(np.uint8)


def read_entries(rows: Cells, structure: Structure, batches: Rows, *, problems: Problems) -> Rows:
    """The entries of a file, their fields checked. Entries outside a batch are left out: their order is wrong."""
    batch_of = np.searchsorted(structure.batch_headers, structure.entries, side="right") - 1
    places = structure.entries[batch_of >= 0]
    batch_of = batch_of[batch_of >= 0]
    entries = np.zeros(len(places), ENTRY)
    entries["batch"] = batch_of
    entries["line"] = places + 1
    entries["addenda_first"] = places + 2
    follows = (
        np.flatnonzero(structure.kinds != structure.kinds[structure.addenda[0]]) if len(structure.addenda) else None
    )
    if follows is not None:
        # What follows an entry and its addenda is the next record that is not an addenda record.
        after = np.append(follows, len(structure.kinds))
        entries["addenda_count"] = after[np.searchsorted(follows, places) + 1] - places - 1
    kinds = batches["entry_class"].astype(np.int64) * 2 + batches["is_iat"]
    for kind in np.unique(kinds).tolist():
        layout = entry_layout(kind // 2, is_iat=bool(kind % 2))
        chosen = np.flatnonzero(kinds[batch_of] == kind)
        for chunk in columns.chunks(chosen):
            _read_chunk(columns.take(rows, places[chunk]), layout, entries=entries, chunk=chunk, problems=problems)
    return entries


def _read_chunk(rows: Cells, layout: Layout, *, entries: Rows, chunk: Lines, problems: Problems) -> None:
    places = entries["line"][chunk].astype(np.int64) - 1
    check_fields(layout, rows, places=places, problems=problems)
    routing = columns.cells(rows, layout["receiving_dfi_identification"])
    _check_routing(rows, routing, layout=layout, places=places, problems=problems)
    part = np.zeros(len(chunk), ENTRY)
    part["transaction_code"] = columns.numbers(columns.cells(rows, layout["transaction_code"]))
    part["rdfi"] = columns.numbers(routing)
    part["check_digit"] = columns.numbers(columns.cells(rows, layout["check_digit"]))
    part["amount_cents"] = columns.numbers(columns.cells(rows, layout["amount"]))
    part["addenda_indicator"] = columns.numbers(columns.cells(rows, layout["addenda_record_indicator"]))
    # An advice has the operator's number, the day and a sequence in these columns: together they ascend too.
    part["trace"] = columns.numbers(columns.cells(rows, layouts.ENTRY["trace_number"]))
    for column, names in _TEXTS.items():
        name = next((name for name in names if name in layout), None)
        if name is not None:
            part[column] = columns.texts(columns.cells(rows, layout[name]))
    for column in ("batch", "line", "addenda_first", "addenda_count"):
        part[column] = entries[column][chunk]
    entries[chunk] = part


def _check_routing(rows: Cells, routing: Cells, *, layout: Layout, places: Lines, problems: Problems) -> None:
    expected = columns.check_digits(routing)
    found = columns.numbers(columns.cells(rows, layout["check_digit"]))
    wrong = np.flatnonzero((expected != found) & columns.is_digits(routing))
    report(
        problems.error,
        Code.CHECK_DIGIT,
        Where(layout.name, "check_digit"),
        places=places[wrong],
        message=lambda number: (
            f"routing number {routing[wrong[number]].tobytes().decode('latin-1')} has check digit"
            f" {expected[wrong[number]]}, not {found[wrong[number]]}"
        ),
    )
