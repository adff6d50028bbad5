"""Where everything lies: the order of the records, the batches, the entries and their addenda.

    1  file header
       5  batch header
          6  entry detail
          7  its addenda, none or more
       8  batch control
    9  file control
    9… records of nines to the end of the block

Checked by: tests/payments/ach/test_stories.py, test_manifest.py
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ropewalk.systems.payments.ach.columns import Cells, Lines, is_one_of
from ropewalk.systems.payments.ach.limits import PROBLEMS_MAX
from ropewalk.systems.payments.ach.problems import Code, Problem, Problems, Where, report

_KINDS: Final = b"156789"
_FILE_HEADER, _BATCH_HEADER, _ENTRY, _ADDENDA, _BATCH_CONTROL, _CONTROL, _UNKNOWN = range(7)
RECORD_NAMES: Final = (
    "file_header",
    "batch_header",
    "entry_detail",
    "addenda",
    "batch_control",
    "file_control",
    "record",
)

_OUTSIDE: Final = (Code.BATCH_HEADER_MISSING, "no batch is open here: a batch header must come first")
_UNCLOSED: Final = (Code.BATCH_CONTROL_MISSING, "the batch before has no batch control")
_INNER: Final = (_ENTRY, _ADDENDA, _BATCH_CONTROL)

_WRONG_PAIRS: Final = {
    **{(before, after): _OUTSIDE for before in (_FILE_HEADER, _BATCH_CONTROL) for after in _INNER},
    **{(before, _BATCH_HEADER): _UNCLOSED for before in (_BATCH_HEADER, _ENTRY, _ADDENDA)},
    **{(before, _CONTROL): _UNCLOSED for before in (_BATCH_HEADER, _ENTRY, _ADDENDA)},
    (_FILE_HEADER, _CONTROL): (Code.BATCHES_MISSING, "the file has no batch"),
    (_BATCH_HEADER, _ADDENDA): (Code.ENTRY_MISSING, "an addenda record needs an entry before it"),
    (_BATCH_HEADER, _BATCH_CONTROL): (Code.BATCH_EMPTY, "the batch holds no entries"),
    **{(before, _FILE_HEADER): (Code.FILE_HEADER_REPEATED, "the file has a header already") for before in range(7)},
    **{(before, _UNKNOWN): (Code.RECORD_TYPE, "a record starts with 1, 5, 6, 7, 8 or 9") for before in range(7)},
}  # fmt: skip
"""What is wrong with a record, by the kind of the one before it and its own. Other pairs are in order."""


class Structure(NamedTuple):
    """The places of records, counted from 0."""

    kinds: NDArray[np.uint8]
    """The kind of each record up to the file control."""
    control: int | None
    batch_headers: Lines
    batch_controls: Lines
    entries: Lines
    addenda: Lines
    is_sound: bool
    """Whether the records are in order."""


def locate(rows: Cells, problems: Problems) -> Structure:
    """Find the records and name those that are out of order."""
    # Counted apart: a list of problems that is full already would hide that something is out of order.
    found = Problems()
    kinds = _kinds(rows)
    control = _find_control(rows, kinds, found)
    if kinds[0] == _UNKNOWN:
        message = "a record starts with 1, 5, 6, 7, 8 or 9, and a file with 1"
        found.error(Problem(1, "record", "record_type", Code.RECORD_TYPE, message))
    elif kinds[0] != _FILE_HEADER:
        message = "the first record must be a file header, which starts with 101"
        found.error(Problem(1, "file_header", "record_type", Code.FILE_HEADER_MISSING, message))
    kinds = kinds[: len(rows) if control is None else control + 1]
    _check_order(kinds, found)
    problems.extend(found)
    headers, controls, entries, addenda = (
        np.flatnonzero(kinds == kind) for kind in (_BATCH_HEADER, _BATCH_CONTROL, _ENTRY, _ADDENDA)
    )
    return Structure(kinds, control, headers, controls, entries, addenda, is_sound=not found.errors)


def is_foreign(rows: Cells) -> bool:
    """Whether this is no ACH file at all: its first line begins as no record does, and so do most of the others."""
    kinds = _kinds(rows)
    return bool(kinds[0] == _UNKNOWN and 2 * np.count_nonzero(kinds == _UNKNOWN) > len(kinds))


def _kinds(rows: Cells) -> NDArray[np.uint8]:
    table = np.full(256, _UNKNOWN, np.uint8)
    table[np.frombuffer(_KINDS, np.uint8)] = np.arange(len(_KINDS))
    return table[rows[:, 0]]


def _find_control(rows: Cells, kinds: NDArray[np.uint8], problems: Problems) -> int | None:
    """The place of the file control: the first record that starts with 9, and it is not all nines."""
    nines = np.flatnonzero(kinds == _CONTROL)
    if not len(nines) or bool(is_one_of(rows[nines[:1]], 57, 57)[0]):
        line = int(nines[0]) if len(nines) else len(rows) - 1
        message = "the file has no file control; it may have been cut off"
        problems.error(Problem(line + 1, "file_control", "", Code.FILE_CONTROL_MISSING, message))
        return None
    control = int(nines[0])
    after = np.arange(control + 1, len(rows))
    strange = after[~is_one_of(rows[control + 1 :], 57, 57)] if len(after) else after
    report(
        problems.error,
        Code.AFTER_FILE_CONTROL,
        Where("record", ""),
        places=strange,
        message=lambda _: f"the file control is on line {control + 1}; only records of nines may follow it",
    )
    if len(rows) % 10:
        message = f"the file has {len(rows):,} records; {-len(rows) % 10} records of nines would fill its last block"
        problems.warning(Problem(len(rows), "file", "", Code.BLOCK_NOT_FILLED, message))
    return control


def _check_order(kinds: NDArray[np.uint8], problems: Problems) -> None:
    wrong = np.zeros((7, 7), np.bool_)
    for pair in _WRONG_PAIRS:
        wrong[pair] = True
    for place in np.flatnonzero(wrong[kinds[:-1], kinds[1:]])[: PROBLEMS_MAX + 1].tolist():
        code, message = _WRONG_PAIRS[int(kinds[place]), int(kinds[place + 1])]
        record = RECORD_NAMES[int(kinds[place + 1])]
        problems.error(Problem(place + 2, record, "record_type", code, message))
    if len(kinds) and kinds[-1] not in (_CONTROL, _BATCH_CONTROL, _FILE_HEADER):
        message = "the file ends inside a batch: its batch control is missing"
        problems.error(Problem(len(kinds), "batch_control", "", Code.BATCH_CONTROL_MISSING, message))
