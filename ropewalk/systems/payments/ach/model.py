"""An ACH file in memory: its records as one matrix of bytes, and columns of what they say.

    rows      (lines, 94) bytes: the records themselves, never changed; all text is read from here on demand
    ENTRY     one row an entry detail: what settling it needs, decoded
    BATCH     one row a batch: where it lies, and what its header says

There is no object for an entry: a million of them are about 110 MB of columns beside the file's own bytes.
`File.batches` and `File.record` make objects when they are asked for.

Checked by: tests/payments/ach/test_model.py
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple, overload

import msgspec
import numpy as np
from numpy.typing import NDArray

from ropewalk.systems.payments.ach.codes import CLASS_CODES, UNKNOWN_CLASS, Side
from ropewalk.systems.payments.ach.columns import Cells
from ropewalk.systems.payments.ach.layout import Layout
from ropewalk.systems.payments.ach.layouts import FILE_HEADER
from ropewalk.systems.payments.ach.lines import PLAIN, Form
from ropewalk.systems.payments.ach.problems import Problem
from ropewalk.systems.payments.ach.records import batch_control_layout, batch_header_layout, layout_at

Rows = NDArray[np.void]
"""An array of one of the structures below."""

ENTRY: Final = np.dtype(
    [
        ("batch", "<u4"),
        ("line", "<u4"),
        ("transaction_code", "u1"),
        ("rdfi", "<u4"),
        ("check_digit", "u1"),
        ("account", "S17"),
        ("amount_cents", "<u8"),
        ("individual_id", "S22"),
        ("name", "S22"),
        ("discretionary", "S2"),
        ("addenda_indicator", "u1"),
        ("trace", "<u8"),
        ("addenda_first", "<u4"),
        ("addenda_count", "<u4"),
        ("category", "u1"),
    ]
)
"""An entry detail. `batch` is its place in BATCH; `line` counts from 1, as `addenda_first`, the line of its first
addenda record. Text has no trailing blanks. An IAT account may have 35 characters: `File.record` has them all."""

BATCH: Final = np.dtype(
    [
        ("header_line", "<u4"),
        ("control_line", "<u4"),
        ("entry_first", "<u4"),
        ("entry_count", "<u4"),
        ("entry_class", "u1"),
        ("is_iat", "?"),
        ("service_class", "<u2"),
        ("odfi", "<u4"),
        ("number", "<u4"),
        ("company_id", "S10"),
        ("effective_date", "S6"),
        ("entry_addenda_count", "<u4"),
        ("entry_hash", "<u8"),
        ("debit_cents", "<u8"),
        ("credit_cents", "<u8"),
    ]
)
"""A batch. `entry_class` is a place in `codes.CLASS_CODES`; `effective_date` is YYMMDD or empty; the last four are
computed from its entries, and equal to its control in a valid file."""


class Category(IntEnum):
    """What an entry is, by its addenda."""

    FORWARD = 0
    NOTIFICATION = 1
    RETURN = 2
    DISHONORED = 3
    CONTESTED = 4
    REFUSED_NOTIFICATION = 5


@dataclass(frozen=True)
class Record:
    """One record, read by its layout."""

    line: int
    layout: Layout
    data: bytes

    def __getitem__(self, field_name: str) -> str:
        """The text of a field, without its trailing blanks."""
        field = self.layout[field_name]
        return self.data[field.start : field.stop].decode("latin-1").rstrip(" ")

    def number(self, field_name: str) -> int:
        """The value of a field of digits; blanks are 0."""
        text = self[field_name].strip()
        return int(text) if text.isascii() and text.isdigit() else 0

    def values(self) -> dict[str, str]:
        """Every field's text, by its name."""
        return {field.name: self[field.name] for field in self.layout.fields}


class Batch(NamedTuple):
    """One batch of a file."""

    file: "File"
    place: int

    @property
    def columns(self) -> np.void:
        """Its row of BATCH."""
        row: np.void = self.file.batch_columns[self.place]
        return row

    @property
    def entry_class(self) -> str:
        """Its standard entry class code."""
        return entry_class_code(int(self.columns["entry_class"]))

    @property
    def header(self) -> Record:
        return self.file.record_as(
            int(self.columns["header_line"]), batch_header_layout(is_iat=bool(self.columns["is_iat"]))
        )

    @property
    def control(self) -> Record:
        return self.file.record_as(
            int(self.columns["control_line"]), batch_control_layout(int(self.columns["entry_class"]))
        )

    @property
    def entries(self) -> Rows:
        """Its entries: a view of the file's."""
        first = int(self.columns["entry_first"])
        return self.file.entries[first : first + int(self.columns["entry_count"])]


class Batches(Sequence[Batch]):
    """The batches of a file, made on demand."""

    def __init__(self, file: "File") -> None:
        self._file = file

    def __len__(self) -> int:
        return len(self._file.batch_columns)

    @overload
    def __getitem__(self, place: int) -> Batch: ...
    @overload
    def __getitem__(self, place: slice) -> list[Batch]: ...
    def __getitem__(self, place: int | slice) -> Batch | list[Batch]:
        if isinstance(place, slice):
            return [Batch(self._file, each) for each in range(len(self))[place]]
        return Batch(self._file, range(len(self))[place])


class File:
    """A file whose records are in order. It is not thereby valid: `Reading` says whether it is."""

    def __init__(
        self, rows: Cells, *, form: Form = PLAIN, entries: Rows, batch_columns: Rows, control_line: int
    ) -> None:
        self.rows = rows
        self.form = form
        self.entries = entries
        self.batch_columns = batch_columns
        self.control_line = control_line

    @property
    def header(self) -> Record:
        return self.record_as(1, FILE_HEADER)

    @property
    def control(self) -> Record:
        return self.record(self.control_line)

    @property
    def batches(self) -> Batches:
        return Batches(self)

    @property
    def is_adv(self) -> bool:
        """Whether it is a file of accounting advices."""
        return bool(len(self.batch_columns)) and self.batches[0].entry_class == "ADV"

    def data(self, line: int) -> bytes:
        """The 94 characters of a line, the first being 1."""
        return bytes(self.rows[line - 1].tobytes())

    def record_as(self, line: int, layout: Layout) -> Record:
        return Record(line, layout, self.data(line))

    def record(self, line: int) -> Record:
        """The record at a line, the first being 1, read by the layout that its place in the file gives it."""
        place = int(np.searchsorted(self.batch_columns["header_line"], line, side="right")) - 1
        batch = self.batch_columns[max(place, 0)] if len(self.batch_columns) else None
        entry_class = UNKNOWN_CLASS if batch is None else int(batch["entry_class"])
        is_iat = batch is not None and bool(batch["is_iat"])
        return self.record_as(line, layout_at(self.data(line), entry_class=entry_class, is_iat=is_iat))

    def addenda(self, entry: np.void) -> Iterator[Record]:
        """The addenda records of an entry."""
        first = int(entry["addenda_first"])
        for line in range(first, first + int(entry["addenda_count"])):
            yield self.record(line)


class Reading(msgspec.Struct, frozen=True):
    """What reading a file found. `file` is None if its records are not in order, or not of the right length."""

    file: File | None
    errors: list[Problem]
    warnings: list[Problem]
    batches: int
    entries: int
    debit_cents: int
    credit_cents: int

    @property
    def is_valid(self) -> bool:
        return not self.errors


def entry_class_code(place: int) -> str:
    """The code of the entry class at `place` in `CLASS_CODES`; empty if it is unknown."""
    return CLASS_CODES[place] if place < UNKNOWN_CLASS else ""


def sum_cents(entries: Rows, sides: NDArray[np.uint8], side: Side) -> int:
    """The cents on one side."""
    return int(entries["amount_cents"][sides == side].sum(dtype=np.uint64))
