"""The files that were accepted, and what has become of their entries.

What a file says lies on the shelf and is read through memory maps; what has become of its entries is an array in
memory. Entries change state here and nowhere else, so the tally of each file is always the sum of its entries.

Promise:    a file's entries and cents are conserved: each entry is in one state, and the tally agrees (`check`).
Not given:  memory that stays flat: twelve bytes an entry remain, 12 MB a million.
Checked by: tests/payments/processing/test_properties.py
"""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from ropewalk.core.codec import encode_value
from ropewalk.data.shelf import Shelf
from ropewalk.errors import invariant
from ropewalk.systems.payments.ach import model
from ropewalk.systems.payments.ach.codes import SIDES, Side
from ropewalk.systems.payments.ach.layout import RECORD_LENGTH
from ropewalk.systems.payments.processing.layouts import BATCH, STATE, EntryState, Places, Rows

_CAPACITY_MIN: Final = 256

_FIRST_BATCH_LINE: Final = 2
"""Behind the header of the file."""

NO_MINUTE: Final = 2**32 - 1
"""Later than every minute."""


class FileKey(msgspec.Struct, frozen=True):
    """What makes a file the same one when it is submitted again."""

    origin: str
    destination: str
    created: str
    modifier: str


class Totals(msgspec.Struct, frozen=True):
    """How much is in a file."""

    batches: int
    entries: int
    debit_cents: int
    credit_cents: int


class FileRecord(msgspec.Struct, frozen=True):
    """What is known of a file as a whole.

    The counts are of the batches that are kept here, `whole` is all of it. If other shards keep some of it, `parts`
    are the numbers that it has there, as callers know them.
    """

    number: int
    key: FileKey
    checksum: bytes
    time_ns: int
    batches: int
    entries: int
    debit_cents: int
    credit_cents: int
    control_line: int
    whole: Totals
    parts: tuple[int, ...] = ()


class Place(NamedTuple):
    """One entry among all."""

    file: int
    row: int


class File:
    """One accepted file. `tally` counts entries, debits and credits by state."""

    def __init__(self, record: FileRecord, contents: model.File, batches: Rows, *, state: Rows) -> None:
        self.record = record
        self.contents = contents
        self.batches = batches
        self.state = state
        self.entries = contents.entries
        self.next_due_minute = NO_MINUTE
        self.last_settled_day = int(state["settled_day"].max())
        self.reserved = int(np.count_nonzero(state["state"] != EntryState.ACCEPTED))
        self.tally = np.zeros((len(EntryState), 3), "i8")
        self._by_trace: tuple[NDArray[np.uint64], Places] | None = None
        self._count_all()

    @property
    def is_at_home(self) -> bool:
        """Whether this shard has its first batch: a file of several shards is counted where that is."""
        return int(self.contents.batch_columns["header_line"][0]) == _FIRST_BATCH_LINE

    def change(self, rows: Places, state: EntryState) -> None:
        """Bring entries, which are all in one state, into another."""
        if not rows.size:
            return
        before = int(self.state["state"][rows[0]])
        amounts = _amounts(self.entries[rows])
        self.tally[before] -= amounts
        self.tally[state] += amounts
        self.state["state"][rows] = state

    def find_due(self) -> None:
        """Look up when the next of its entries is due."""
        pending = self.state["state"] == EntryState.PENDING
        self.next_due_minute = int(self.state["due_minute"][pending].min()) if pending.any() else NO_MINUTE

    @property
    def earliest_due(self) -> int:
        """When the next of its entries is due, reserved or not yet."""
        is_reserved = self.reserved == self.record.entries
        return self.next_due_minute if is_reserved else int(self.state["due_minute"].min())

    def find_trace(self, trace: int) -> int:
        """The row of the last forward entry with a trace number, or -1."""
        if self._by_trace is None:
            forward = np.flatnonzero(self.entries["category"] == model.Category.FORWARD)
            traces = self.entries["trace"][forward]
            order = np.argsort(traces, kind="stable")
            self._by_trace = traces[order], forward[order]
        traces, rows = self._by_trace
        place = int(np.searchsorted(traces, np.uint64(trace), side="right")) - 1
        return int(rows[place]) if place >= 0 and traces[place] == trace else -1

    def check(self) -> None:
        """Raise Bug if an entry or a cent is missing."""
        tally = self.tally.copy()
        self._count_all()
        record = self.record
        invariant(np.array_equal(tally, self.tally), "a file's tally is that of its entries", file=record.number)
        invariant(
            self.tally.sum(axis=0).tolist() == [record.entries, record.debit_cents, record.credit_cents],
            "every entry of a file is in exactly one state",
            file=record.number,
            tally=self.tally.tolist(),
        )

    def _count_all(self) -> None:
        for state in EntryState:
            self.tally[state] = _amounts(self.entries[self.state["state"] == state])


class Files:
    """All of them, in the order in which they came."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._all: list[File] = []
        self._by_key: dict[FileKey, int] = {}
        self._by_checksum: dict[bytes, int] = {}
        self._reserved = 0
        self._bounds = np.zeros((_CAPACITY_MIN, 2), "u8")
        self.next_due_minute = NO_MINUTE

    def __iter__(self) -> Iterator[File]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def __getitem__(self, number: int) -> File:
        return self._all[number]

    def named(self, key: FileKey) -> File | None:
        """The file with that key."""
        number = self._by_key.get(key)
        return None if number is None else self._all[number]

    def with_checksum(self, checksum: bytes) -> File | None:
        """The file with those bytes."""
        number = self._by_checksum.get(checksum)
        return None if number is None else self._all[number]

    def add(self, record: FileRecord, contents: model.File, batches: Rows) -> File:
        """Keep a file whose entries are all accepted and have no due minute yet."""
        for name, rows in zip(
            _blobs(record.number), (contents.rows, contents.entries, contents.batch_columns, batches), strict=True
        ):
            self._shelf.put(name, np.ascontiguousarray(rows).view("u1").data)
        return self._keep(record, np.zeros(contents.entries.size, STATE))

    def unreserved(self) -> File | None:
        """The first file of which some entries are only accepted."""
        while self._reserved < len(self._all):
            file = self._all[self._reserved]
            if file.reserved < file.record.entries:
                return file
            self._reserved += 1
        return None

    def find_trace(self, trace: int) -> Place | None:
        """The newest forward entry with a trace number: of those that have settled, if any has."""
        newest: Place | None = None
        bounds = self._bounds[: len(self._all)]
        for number in np.flatnonzero((bounds[:, 0] <= trace) & (trace <= bounds[:, 1]))[::-1].tolist():
            file = self._all[number]
            row = file.find_trace(trace)
            if row < 0:
                continue
            if file.state["state"][row] in (EntryState.POSTED, EntryState.RETURNED):
                return Place(file.record.number, row)
            newest = newest or Place(file.record.number, row)
        return newest

    def note_due(self, file: File) -> None:
        """Take account of when the next entry of a file is due."""
        self.next_due_minute = min(self.next_due_minute, file.next_due_minute)

    def find_due(self, *, through_minute: int) -> None:
        """Look up when the next entry is due, now that what was due by that minute is done."""
        self.next_due_minute = NO_MINUTE
        for file in self._all:
            if file.next_due_minute <= through_minute:
                file.find_due()
            self.note_due(file)

    def earliest_due(self, *, first: int = 0) -> int:
        """When the next entry of the files from that number on is due, reserved or not yet; NO_MINUTE if none is."""
        return min((file.earliest_due for file in self._all[first:]), default=NO_MINUTE)

    def blobs(self) -> list[str]:
        """The names of what lies on the shelf."""
        return [name for file in self._all for name in _blobs(file.record.number)]

    def save(self) -> dict[str, bytes]:
        """The whole of it, but for what lies on the shelf."""
        return {
            "files": encode_value([file.record for file in self._all]),
            # Not to be found in the states alone: while a window is open, files are due that it has done already.
            "due": encode_value((self.next_due_minute, [file.next_due_minute for file in self._all])),
            "states": b"".join(file.state.tobytes() for file in self._all),
        }

    def load(self, parts: Mapping[str, bytes | memoryview]) -> None:
        """Become what was saved; the blobs are on the shelf again."""
        self._all, self._by_key, self._by_checksum, self._reserved = [], {}, {}, 0
        states = np.frombuffer(parts["states"], STATE)
        self.next_due_minute, due = msgspec.msgpack.decode(parts["due"], type=tuple[int, list[int]])
        first = 0
        for record, due_minute in zip(
            msgspec.msgpack.decode(parts["files"], type=list[FileRecord]), due, strict=True
        ):
            end = first + record.entries
            file = self._keep(record, states[first:end].copy())
            file.next_due_minute = due_minute
            first = end

    def _keep(self, record: FileRecord, state: Rows) -> File:
        rows, entries, batch_columns, batches = (self._shelf.get(name) for name in _blobs(record.number))
        contents = model.File(
            np.frombuffer(rows, "u1").reshape(-1, RECORD_LENGTH),
            entries=np.frombuffer(entries, model.ENTRY),
            batch_columns=np.frombuffer(batch_columns, model.BATCH),
            control_line=record.control_line,
        )
        file = File(record, contents, np.frombuffer(batches, BATCH), state=state)
        if record.number >= len(self._bounds):
            self._bounds = np.concatenate([self._bounds, np.zeros_like(self._bounds)])
        self._bounds[record.number] = file.entries["trace"].min(), file.entries["trace"].max()
        self._all.append(file)
        self._by_key[record.key] = self._by_checksum[record.checksum] = record.number
        return file


def is_reserved(entries: Rows) -> NDArray[np.bool_]:
    """Which entries have money that is set aside while they wait: forward ones with an amount."""
    return np.asarray((entries["category"] == model.Category.FORWARD) & (entries["amount_cents"] > 0))


def credit_side(entries: Rows) -> NDArray[np.bool_]:
    """Which entries credit their receiver."""
    return np.asarray(SIDES[entries["transaction_code"]] == Side.CREDIT)


def _blobs(number: int) -> list[str]:
    return [f"ach-{number:08}.{what}" for what in ("records", "entries", "batches", "parties")]


def _amounts(entries: Rows) -> NDArray[np.int64]:
    """How many entries there are, and the cents of their debits and credits."""
    is_credit = credit_side(entries)
    amounts = entries["amount_cents"]
    return np.array([entries.size, amounts[~is_credit].sum(), amounts[is_credit].sum()], "i8")
