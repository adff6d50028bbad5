"""Fields of many records at once: a field of n records is an (n, length) matrix of bytes, its *cells*.

Records are judged and decoded column by column, so a million entries cost a few hundred NumPy calls and no objects.

Checked by: tests/payments/ach/test_columns.py
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ropewalk.systems.payments.ach.layout import Field

Cells = NDArray[np.uint8]
Numbers = NDArray[np.uint64]
Mask = NDArray[np.bool_]
Lines = NDArray[np.int64]
"""Places of records in the file, counted from 0."""

BLANK: Final = 32
ZERO: Final = 48
NINE: Final = 57
_CHUNK_ROWS: Final = 16_384
"""Records handled at a time: 1.5 MB of them stay in a core's cache, and bound what is held beside the file."""


def chunks(lines: Lines) -> Iterator[Lines]:
    """`lines` in pieces that are worked on one after the other."""
    for start in range(0, len(lines), _CHUNK_ROWS):
        yield lines[start : start + _CHUNK_ROWS]


def take(rows: Cells, lines: Lines) -> Cells:
    """The records at `lines`: a view where they lie together, else a copy."""
    if len(lines) and int(lines[-1]) - int(lines[0]) + 1 == len(lines):
        return rows[int(lines[0]) : int(lines[-1]) + 1]
    return rows[lines]


def cells(rows: Cells, field: Field) -> Cells:
    """The cells of `field`."""
    return rows[:, field.start : field.stop]


def numbers(digits: Cells) -> Numbers:
    """Fields of digits as integers. What is not a digit counts as something: check `is_digits` first.

    Nineteen digits fit; a longer field saturates, so that it never equals a smaller number.
    """
    value = np.zeros(len(digits), np.uint64)
    for column in range(max(0, digits.shape[1] - 19), digits.shape[1]):
        value *= np.uint64(10)
        value += digits[:, column] & np.uint8(15)
    if digits.shape[1] > 19:
        value[(digits[:, : digits.shape[1] - 19] != ZERO).any(axis=1)] = np.iinfo(np.uint64).max
    return value


def put_numbers(digits: Cells, values: Numbers) -> None:
    """Write `values` into fields of digits, in place. The highest digits of one that does not fit are lost."""
    rest = values.astype(np.uint64)
    for column in reversed(range(digits.shape[1])):
        digits[:, column] = rest % np.uint64(10) + np.uint64(ZERO)
        rest //= np.uint64(10)


def texts(text: Cells) -> NDArray[np.bytes_]:
    """Text fields without their trailing blanks."""
    out = np.ascontiguousarray(text).copy()
    trailing = np.ones(len(out), np.bool_)
    for column in reversed(range(out.shape[1])):
        trailing &= out[:, column] == BLANK
        if not trailing.any():
            break
        out[trailing, column] = 0
    return out.view(f"S{out.shape[1]}").reshape(len(out))


def is_digits(text: Cells) -> Mask:
    """Which fields hold digits only."""
    ok: Mask = np.ones(len(text), np.bool_)
    for column in range(text.shape[1]):
        np.logical_and(ok, text[:, column] - np.uint8(ZERO) <= 9, out=ok)
    return ok


def is_blank(text: Cells) -> Mask:
    """Which fields hold blanks only."""
    return is_one_of(text, BLANK, BLANK)


def is_empty(text: Cells) -> Mask:
    """Which fields are blank, or zeros: what a mandatory field may not be."""
    return is_one_of(text, BLANK, ZERO)


def is_one_of(text: Cells, first: int, second: int) -> Mask:
    """Which fields hold only these two characters. Few pass the first column, so only those are read further."""
    only: Mask = np.logical_or(text[:, 0] == first, text[:, 0] == second)
    rest = np.flatnonzero(only)
    if len(rest):
        further = text[rest]
        only[rest] = np.logical_and.reduce((further == first) | (further == second), axis=1)
    return only


def is_printable(text: Cells) -> Mask:
    """Which fields hold only the characters from blank to tilde."""
    printable: Mask = np.logical_and.reduce((text >= BLANK) & (text <= 126), axis=1)
    return printable


def equals(text: Cells, literal: bytes) -> Mask:
    """Which fields hold exactly `literal`."""
    equal: Mask = (text == np.frombuffer(literal, np.uint8)).all(axis=1)
    return equal


def is_date(text: Cells) -> Mask:
    """Which fields of six digits are a day of the calendar, YYMMDD, in the years 2000 to 2099."""
    year, month, day = (numbers(text[:, start : start + 2]).astype(np.int64) for start in (0, 2, 4))
    days = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])[np.where(month <= 12, month, 0)]
    days = days + ((month == 2) & (year % 4 == 0))
    return np.asarray(is_digits(text) & (day >= 1) & (day <= days))


def is_time(text: Cells) -> Mask:
    """Which fields of four digits are a time of day, HHMM."""
    return np.asarray(is_digits(text) & (numbers(text[:, :2]) < 24) & (numbers(text[:, 2:]) < 60))


_WEIGHTS: Final = (3, 7, 1, 3, 7, 1, 3, 7)


def check_digits(routing: Cells) -> NDArray[np.uint8]:
    """The ninth digit that belongs to each eight digits of a routing number: weights 3-7-1, to the next ten."""
    total = np.zeros(len(routing), np.uint16)
    for column, weight in enumerate(_WEIGHTS):
        total += (routing[:, column] & np.uint8(15)).astype(np.uint16) * np.uint16(weight)
    return ((10 - total % 10) % 10).astype(np.uint8)


def check_digit(routing: str) -> int:
    """The ninth digit of a routing number, of its first eight."""
    return -sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, routing[:8], strict=True)) % 10
