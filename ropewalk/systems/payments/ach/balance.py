"""Files made, not read: records are laid out with empty controls, and `balance` fills in every count and total.

Building, merging and splitting all end here, so they cannot disagree with reading about what a control must say.

Promise:    the controls of a balanced file are those that reading it computes.
Checked by: tests/payments/ach/test_building.py, test_properties.py
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from ropewalk.systems.payments.ach import columns
from ropewalk.systems.payments.ach.batches import HASH_MODULUS, TOTALS
from ropewalk.systems.payments.ach.codes import UNKNOWN_CLASS
from ropewalk.systems.payments.ach.columns import Cells
from ropewalk.systems.payments.ach.layout import PADDING, RECORD_LENGTH, Field
from ropewalk.systems.payments.ach.layouts import BATCH_HEADER
from ropewalk.systems.payments.ach.lines import PLAIN
from ropewalk.systems.payments.ach.model import File
from ropewalk.systems.payments.ach.reading import file_of
from ropewalk.systems.payments.ach.records import ADV_CLASS, batch_control_layout, file_control_layout

EMPTY_BATCH_CONTROL: Final = b"8" + b"0" * 43 + b" " * 35 + b"0" * 15
EMPTY_ADV_BATCH_CONTROL: Final = b"8" + b"0" * 59 + b" " * 19 + b"0" * 15
_REPEATED: Final = ("service_class_code", "company_identification", "originating_dfi_identification", "batch_number")


def assemble(header: bytes, batches: Sequence[Cells], *, is_adv: bool) -> File:
    """A file of this header and these batches, each from its header to its (empty) control; numbered from 1."""
    control = file_control_layout(is_adv=is_adv).write({})
    count = 2 + sum(len(batch) for batch in batches)
    pieces = [_rows(header), *batches, _rows(control), _rows(PADDING * (-count % 10))]
    return balance(np.concatenate(pieces))


def balance(rows: Cells) -> File:
    """The file of these records, with its batches numbered from 1 and all controls filled in, in place."""
    headers = np.flatnonzero(rows[:, 0] == ord("5"))
    numbers = columns.cells(rows, BATCH_HEADER["batch_number"])
    _put(rows, headers, BATCH_HEADER["batch_number"], values=np.arange(1, len(headers) + 1, dtype=np.uint64))
    file = file_of(rows, form=PLAIN)
    batches = file.batch_columns
    batches["number"] = columns.numbers(numbers[headers])
    is_adv = batches["entry_class"] == ADV_CLASS
    for chosen, entry_class in ((~is_adv, UNKNOWN_CLASS), (is_adv, ADV_CLASS)):
        layout = batch_control_layout(entry_class)
        controls = batches["control_line"][chosen].astype(np.int64) - 1
        for name, column, _code in TOTALS:
            _put(rows, controls, layout[name], values=batches[column][chosen])
        for name in _REPEATED:
            if name in layout:
                source, target = BATCH_HEADER[name], layout[name]
                rows[controls, target.start : target.stop] = rows[headers[chosen], source.start : source.stop]
    _fill_file_control(file)
    return file


def _fill_file_control(file: File) -> None:
    batches = file.batch_columns
    layout = file_control_layout(is_adv=file.is_adv)
    place = np.array([file.control_line - 1])
    for name, value in (
        ("batch_count", len(batches)),
        ("block_count", -(-len(file.rows) // 10)),
        ("entry_addenda_count", int(batches["entry_addenda_count"].sum())),
        ("entry_hash", int(batches["entry_hash"].sum()) % HASH_MODULUS),
        ("total_debit_amount", int(batches["debit_cents"].sum())),
        ("total_credit_amount", int(batches["credit_cents"].sum())),
    ):
        _put(file.rows, place, layout[name], values=np.array([value], np.uint64))


def _put(rows: Cells, places: columns.Lines, field: Field, *, values: columns.Numbers) -> None:
    digits = rows[places, field.start : field.stop]
    columns.put_numbers(digits, values)
    rows[places, field.start : field.stop] = digits


def _rows(records: bytes) -> Cells:
    return np.frombuffer(records, np.uint8).reshape(-1, RECORD_LENGTH)
