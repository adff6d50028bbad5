"""Merging and splitting files: operators take at most 10,000 lines in one.

Batches stay whole where they fit. One that is longer than a file is cut between entries into batches with the same
header. Batches are numbered anew in each file, and files of one origin differ in their file id modifier.

Promise:    every entry and addenda record of the input is in the output, once; valid files give valid files.
Not given:  the limit, for a single entry with more addenda than a file has room for: it gets a file of its own.
Checked by: tests/payments/ach/test_combine.py
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from ropewalk.systems.payments.ach import columns
from ropewalk.systems.payments.ach.balance import assemble
from ropewalk.systems.payments.ach.columns import Cells
from ropewalk.systems.payments.ach.layouts import FILE_HEADER
from ropewalk.systems.payments.ach.limits import LINES_MAX
from ropewalk.systems.payments.ach.model import Batch, File

_MODIFIERS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_MINUTES_A_DAY: Final = 24 * 60


class _Destination(NamedTuple):
    """What files must have in common to be merged."""

    sender_and_receiver: bytes
    is_adv: bool


def split(file: File, *, lines_max: int = LINES_MAX) -> list[File]:
    """The file in pieces of at most `lines_max` lines, or itself if it is one already."""
    return [file] if len(file.rows) <= lines_max else merge([file], lines_max=lines_max)


def merge(files: Sequence[File], *, lines_max: int = LINES_MAX) -> list[File]:
    """As few files as keeping order and `lines_max` allows: one or more for each pair of sender and receiver."""
    groups: dict[_Destination, list[File]] = {}
    for file in files:
        groups.setdefault(_Destination(file.data(1)[3:23], file.is_adv), []).append(file)
    merged = []
    for destination, group in groups.items():
        header = group[0].data(1)
        batches = (batch for file in group for batch in file.batches)
        for number, chosen in enumerate(_packed(batches, lines_max=lines_max)):
            merged.append(assemble(_renamed(header, number), chosen, is_adv=destination.is_adv))
    return merged


def _packed(batches: Iterable[Batch], *, lines_max: int) -> Iterator[list[Cells]]:
    """Batches by the file that they go to. One that no file could hold is cut, and fills what room is left."""
    room_max = lines_max - 2
    chosen: list[Cells] = []
    room = room_max
    for batch in batches:
        after = 0
        while after < len(batch.entries):
            part, stop = _part(
                batch, after, records_max=(room if after or _length(batch) > room_max else room_max) - 2
            )
            if chosen and len(part) > room:
                yield chosen
                chosen, room = [], room_max
                continue
            chosen.append(part)
            room -= len(part)
            after = stop
    if chosen:
        yield chosen


def _length(batch: Batch) -> int:
    return int(batch.columns["control_line"] - batch.columns["header_line"]) + 1


def _part(batch: Batch, after: int, *, records_max: int) -> tuple[Cells, int]:
    """As many entries of a batch as `records_max` allows, at least one, with header and control; where it stops."""
    rows = batch.file.rows
    header, control = int(batch.columns["header_line"]) - 1, int(batch.columns["control_line"]) - 1
    starts = np.append(batch.entries["line"].astype(np.int64) - 1, control)
    stop = int(np.searchsorted(starts, starts[after] + records_max, side="right")) - 1
    stop = max(stop, after + 1)
    part = np.concatenate(
        (rows[header : header + 1], rows[starts[after] : starts[stop]], rows[control : control + 1])
    )
    return part, stop


def _renamed(header: bytes, number: int) -> bytes:
    """The header of the file that is `number` in a group: the next modifier, and a minute later after each 36."""
    row = np.frombuffer(header, np.uint8).reshape(1, -1).copy()
    modifier = FILE_HEADER["file_id_modifier"].start
    place = max(_MODIFIERS.find(header[modifier : modifier + 1]), 0) + number
    row[0, modifier] = _MODIFIERS[place % len(_MODIFIERS)]
    minutes = place // len(_MODIFIERS)
    if minutes:
        clock = columns.cells(row, FILE_HEADER["file_creation_time"])
        hours, minute = columns.numbers(clock[:, :2]), columns.numbers(clock[:, 2:])
        total = (int(hours[0]) * 60 + int(minute[0]) + minutes) % _MINUTES_A_DAY
        columns.put_numbers(clock, np.array([total // 60 * 100 + total % 60], np.uint64))
    return row.tobytes()
