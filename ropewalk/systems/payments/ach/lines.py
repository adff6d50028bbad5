"""The lines of a file: bytes to records of 94 characters and back, without losing a byte.

A file may end its lines with LF, CRLF or nothing at all (one stream of records); lines may have lost their trailing
blanks. `Form` keeps what the records themselves do not show, so that `join` gives the bytes that `split` was given.

Promise:    join(*split(content)) == content, whatever the bytes are, if no record is of a wrong length.
Checked by: tests/payments/ach/test_lines.py, test_manifest.py
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np

from ropewalk.systems.payments.ach.columns import BLANK, Cells, Lines, Mask
from ropewalk.systems.payments.ach.layout import RECORD_LENGTH
from ropewalk.systems.payments.ach.problems import Code, Problem, Problems

_NEWLINE: Final = 10
_CHUNK_LINES: Final = 16_384


class Form(NamedTuple):
    """How the records were written down: the line ending, the lines that differ, and what follows the last one."""

    newline: bytes = b"\n"
    irregular: Mapping[int, bytes] = MappingProxyType({})
    """Lines that are not 94 characters and `newline`, by their place, with their own ending."""
    tail: bytes = b""


PLAIN: Final = Form()
"""Every line is 94 characters and LF."""


def split(content: bytes, problems: Problems) -> tuple[Cells, Form]:
    """The records of `content`, and the form they were in."""
    buffer = np.frombuffer(content, np.uint8)
    body = content.rstrip(b" \t\r\n\x1a") if content[-1:] in b" \t\r\n\x1a" else content
    if not body:
        problems.error(Problem(1, "file", "", Code.FILE_EMPTY, "there are no records: is this the right file?"))
        return np.empty((0, RECORD_LENGTH), np.uint8), Form(tail=content)
    width = content.find(b"\n") + 1 or len(content)
    if width == len(content) and len(content) % RECORD_LENGTH == 0:
        return buffer.reshape(-1, RECORD_LENGTH), Form(newline=b"")
    newline = b"\r\n" if content[width - 2 : width] == b"\r\n" else b"\n"
    if _is_regular(buffer, newline):
        return buffer.reshape(-1, RECORD_LENGTH + len(newline))[:, :RECORD_LENGTH], Form(newline)
    return _split_irregular(buffer, newline, problems)


def _is_regular(buffer: Cells, newline: bytes) -> bool:
    """Whether every line is 94 characters and `newline`."""
    width = RECORD_LENGTH + len(newline)
    if len(buffer) % width:
        return False
    lines = buffer.reshape(-1, width)
    return bool((lines[:, RECORD_LENGTH:] == np.frombuffer(newline, np.uint8)).all()) and bool(
        np.count_nonzero(buffer == _NEWLINE) == len(lines)
    )


def _split_irregular(buffer: Cells, newline: bytes, problems: Problems) -> tuple[Cells, Form]:
    """As `split`, for a file with a line that is shorter, longer or ends otherwise than the rest."""
    stops = np.flatnonzero(buffer == _NEWLINE) + 1
    if not len(stops) or stops[-1] != len(buffer):
        stops = np.append(stops, len(buffer))
    starts = np.concatenate(([0], stops[:-1]))
    count = _last_record(buffer, starts, stops) + 1
    regular = _regular_lines(buffer, starts, stops, newline=newline)[:count]
    rows = np.full((count, RECORD_LENGTH), BLANK, np.uint8)
    where = np.flatnonzero(regular)
    for first in range(0, len(where), _CHUNK_LINES):
        piece = where[first : first + _CHUNK_LINES]
        rows[piece] = buffer[starts[piece, None] + np.arange(RECORD_LENGTH)]
    irregular = {}
    for line in np.flatnonzero(~regular).tolist():
        raw = buffer[starts[line] : stops[line]].tobytes()
        irregular[line] = raw
        _pad(rows, line, raw.rstrip(b"\r\n"), problems=problems)
    tail = buffer[stops[count - 1] :].tobytes()
    if tail:
        problems.warning(
            Problem(
                count + 1, "file", "", Code.LINES_BLANK_AT_END, f"{len(tail)} blank characters follow the records"
            )
        )
    return rows, Form(newline, irregular, tail)


def _last_record(buffer: Cells, starts: Lines, stops: Lines) -> int:
    """The last line that holds more than blanks."""
    line = len(starts) - 1
    while line and not buffer[starts[line] : stops[line]].tobytes().strip(b" \t\r\n\x1a"):
        line -= 1
    return line


def _regular_lines(buffer: Cells, starts: Lines, stops: Lines, *, newline: bytes) -> Mask:
    regular: Mask = stops - starts == RECORD_LENGTH + len(newline)
    regular &= buffer[stops - 1] == _NEWLINE
    if newline == b"\r\n":
        regular &= buffer[np.maximum(stops - 2, 0)] == 13
    else:
        # A carriage return as the 94th character is the ending of a line of 93.
        regular &= buffer[np.maximum(stops - 2, 0)] != 13
    return regular


def _pad(rows: Cells, line: int, text: bytes, *, problems: Problems) -> None:
    """Put `text` into its row. A stripper takes all trailing blanks: a short line that has some left was cut off."""
    kept = text[:RECORD_LENGTH]
    rows[line, : len(kept)] = np.frombuffer(kept, np.uint8)
    length = len(text)
    if length == RECORD_LENGTH:
        return
    if length < RECORD_LENGTH and text and not text.endswith(b" "):
        message = f"the line has {length} characters; {RECORD_LENGTH - length} trailing blanks were added"
        problems.warning(Problem(line + 1, "record", "", Code.RECORD_STRIPPED, message))
    elif length > RECORD_LENGTH and not text[RECORD_LENGTH:].strip(b" "):
        message = f"the line has {length} characters; the blanks after the 94th were ignored"
        problems.warning(Problem(line + 1, "record", "", Code.RECORD_OVERLONG, message))
    else:
        message = f"the line has {length} characters, not {RECORD_LENGTH}"
        problems.error(Problem(line + 1, "record", "", Code.RECORD_LENGTH, message))


def join(rows: Cells, form: Form) -> bytes:
    """The bytes of a file of these records in this form."""
    newline = np.frombuffer(form.newline, np.uint8)
    lines = np.empty((len(rows), RECORD_LENGTH + len(newline)), np.uint8)
    lines[:, :RECORD_LENGTH] = rows
    lines[:, RECORD_LENGTH:] = newline
    if not form.irregular:
        return lines.tobytes() + form.tail
    pieces = []
    after = 0
    for line, raw in sorted(form.irregular.items()):
        pieces += [lines[after:line].tobytes(), raw]
        after = line + 1
    return b"".join([*pieces, lines[after:].tobytes(), form.tail])
