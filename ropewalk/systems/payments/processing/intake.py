"""What processing makes of a file that somebody sends: who its parties are, when it settles, what is against it.

    valid by every rule of the standard, its institutions and originators known ─► it can be taken in
    anything else ─► refused, with each error at its line

A file may have batches of institutions that other shards keep. Each shard reads the whole file, and judges and takes
in the batches that are its own; the others are the business of theirs (`files_elsewhere`).

Promise:    what could be taken in once can be taken in ever after: institutions and originators are for ever.
Checked by: tests/payments/processing/test_submission.py, test_files_elsewhere.py
"""

from datetime import date
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ropewalk.core.codec import checksum
from ropewalk.systems.payments.ach.layouts import BATCH_HEADER, FILE_HEADER
from ropewalk.systems.payments.ach.model import Category, Reading, entry_class_code
from ropewalk.systems.payments.ach.model import File as Contents
from ropewalk.systems.payments.ach.reading import read
from ropewalk.systems.payments.processing.calendar import MINUTE_NS
from ropewalk.systems.payments.processing.files import File, FileKey, FileRecord, Totals
from ropewalk.systems.payments.processing.layouts import BATCH, Rows
from ropewalk.systems.payments.processing.limits import ERRORS_TOLD_MAX
from ropewalk.systems.payments.processing.messages import FileAccepted, FileError, FileRefused
from ropewalk.systems.payments.processing.schedule import SAME_DAY_CENTS_MAX, due, return_due
from ropewalk.systems.payments.processing.state import State

_REVERSAL: Final = np.frombuffer(b"REVERSAL  ", "u1")
"""The company entry description of a batch that reverses entries."""


class Judged(NamedTuple):
    """A valid file: what of it is kept here, whose that is, and which of them is unknown; the shards that keep some.

    Without `errors` it can be taken in here.
    """

    contents: Contents
    batches: Rows
    errors: list[FileError]
    whole: Totals
    shards: list[int]


def judge(state: State, content: bytes, *, home: int) -> Judged | FileRefused:
    """Read a file that was submitted to a shard; say what is against it, and what there is to take in here."""
    reading = read(content)
    contents = reading.file
    if contents is None or not reading.is_valid:
        return _invalid(reading)
    if contents.is_adv:
        line = int(contents.batch_columns["header_line"][0])
        detail = "accounting advices come from an ACH operator and move no money: they are not submitted"
        return refused("advices", [_batch_error(line, "standard_entry_class_code", code="advices", message=detail)])
    shards = state.shards_of(contents.batch_columns["odfi"])
    if shards[0] != home:
        return refused("other_shard", [_other_shard(contents.batch_columns[0], int(shards[0]))])
    own = _part_of(contents, shards == state.place.partition)
    batches, errors = _parties(state, own)
    whole = Totals(reading.batches, reading.entries, reading.debit_cents, reading.credit_cents)
    return Judged(own, batches, errors, whole, np.unique(shards).tolist())


def take_in(state: State, content: bytes, judged: Judged, *, time_ns: int, parts: tuple[int, ...] = ()) -> File:
    """Keep what a file has for this shard, under the next number."""
    contents, batches = judged.contents, judged.batches
    _set_due(contents, batches, time_ns=time_ns)
    columns = contents.batch_columns
    record = FileRecord(
        number=len(state.files),
        key=key_of(content),
        checksum=checksum(content),
        time_ns=time_ns,
        batches=columns.size,
        entries=contents.entries.size,
        debit_cents=int(columns["debit_cents"].sum()),
        credit_cents=int(columns["credit_cents"].sum()),
        control_line=contents.control_line,
        whole=judged.whole,
        parts=parts,
    )
    file = state.files.add(record, contents, batches)
    entries, parties = file.entries, file.batches[file.entries["batch"]]
    on_same_day = entries["amount_cents"] <= SAME_DAY_CENTS_MAX
    minutes = np.where(on_same_day, parties["same_day_minute"], parties["next_day_minute"])
    file.state["due_minute"] = minutes
    return file


def accepted(state: State, record: FileRecord, *, repeated: bool) -> FileAccepted:
    """What is answered for an accepted file."""
    whole = record.whole
    return FileAccepted(
        state.number_of(record.number),
        whole.batches,
        whole.entries,
        whole.debit_cents,
        whole.credit_cents,
        repeated,
        record.parts,
    )


def key_of(content: bytes) -> FileKey:
    """What makes a file the same one when it is submitted again: from its first record."""

    def field(name: str) -> str:
        at = FILE_HEADER[name]
        return content[at.start : at.stop].decode("latin-1").strip()

    return FileKey(
        origin=field("immediate_origin"),
        destination=field("immediate_destination"),
        created=field("file_creation_date") + field("file_creation_time"),
        modifier=field("file_id_modifier"),
    )


def _part_of(contents: Contents, chosen: NDArray[np.bool_]) -> Contents:
    """Some batches of a file, with the lines of all of it."""
    if chosen.all():
        return contents
    columns = contents.batch_columns[chosen]
    entries = contents.entries[chosen[contents.entries["batch"]]]
    entries["batch"] = (np.cumsum(chosen) - 1)[entries["batch"]]
    columns["entry_first"] = np.cumsum(columns["entry_count"]) - columns["entry_count"]
    return Contents(
        contents.rows, form=contents.form, entries=entries, batch_columns=columns, control_line=contents.control_line
    )


def _parties(state: State, contents: Contents) -> tuple[Rows, list[FileError]]:
    """Who sent each batch and for whom; and what is unknown of it."""
    columns = contents.batch_columns
    batches = np.zeros(columns.size, BATCH)
    batches["odfi"] = state.directory.find_institutions(columns["odfi"])
    forward = _is_forward(contents)
    companies, which = np.unique(columns["company_id"], return_inverse=True)
    pairs, of_pair = np.unique(np.stack([which, batches["odfi"]], axis=1), axis=0, return_inverse=True)
    found = [state.directory.find_originator(odfi, _text(companies[company])) for company, odfi in pairs.tolist()]
    batches["originator"] = np.where(forward, np.array(found)[of_pair.reshape(-1)], -1)
    description = BATCH_HEADER["company_entry_description"]
    shown = contents.rows[columns["header_line"] - 1, description.start : description.stop]
    batches["is_reversal"] = forward & (shown == _REVERSAL).all(axis=1)
    unknown = np.flatnonzero((batches["odfi"] < 0) | (forward & (batches["originator"] < 0)))
    return batches, [_unknown_party(columns[place], odfi=int(batches["odfi"][place])) for place in unknown.tolist()]


def _is_forward(contents: Contents) -> NDArray[np.bool_]:
    """Which batches hold forward entries: all entries of a batch are of one kind."""
    firsts = contents.entries[contents.batch_columns["entry_first"]]
    return np.asarray(firsts["category"] == Category.FORWARD)


def _other_shard(batch: np.void, shard: int) -> FileError:
    message = (
        f"institution {batch['odfi']:08} is kept in shard {shard}: submit the file where its first batch is kept"
    )
    line = int(batch["header_line"])
    return _batch_error(line, "originating_dfi_identification", code="other_shard", message=message)


def _unknown_party(batch: np.void, *, odfi: int) -> FileError:
    line = int(batch["header_line"])
    if odfi < 0:
        message = f"no institution has the routing number {batch['odfi']:08}: open it first"
        return _batch_error(line, "originating_dfi_identification", code="unknown_institution", message=message)
    message = f"{_text(batch['company_id'])!r} is no originator of that institution: open it first"
    return _batch_error(line, "company_identification", code="unknown_originator", message=message)


def _set_due(contents: Contents, batches: Rows, *, time_ns: int) -> None:
    """When the entries of each batch settle."""
    columns = contents.batch_columns
    dates, which = np.unique(columns["effective_date"], return_inverse=True)
    kinds, of_kind = np.unique(np.stack([which, columns["entry_class"]], axis=1), axis=0, return_inverse=True)
    times = [
        due(time_ns, effective=_date(dates[day]), standard_entry_class=entry_class_code(entry_class))
        for day, entry_class in kinds.tolist()
    ]
    minutes = np.array(times)[of_kind.reshape(-1)] // MINUTE_NS
    forward, answered = _is_forward(contents), return_due(time_ns) // MINUTE_NS
    batches["same_day_minute"] = np.where(forward, minutes[:, 0], answered)
    batches["next_day_minute"] = np.where(forward, minutes[:, 1], answered)


def _text(value: bytes) -> str:
    return value.decode("latin-1").strip()


def _date(text: bytes) -> date | None:
    """A date as YYMMDD; None if it is none."""
    digits = text.decode("latin-1")
    try:
        return date(2000 + int(digits[:2]), int(digits[2:4]), int(digits[4:6]))
    except ValueError:
        return None


def _invalid(reading: Reading) -> FileRefused:
    errors = [
        FileError(problem.line, problem.record, problem.field, str(problem.code), problem.message)
        for problem in reading.errors
    ]
    return refused("invalid", errors)


def refused(reason: str, errors: list[FileError]) -> FileRefused:
    """That a file is not taken, with the first of its errors."""
    return FileRefused(reason, errors[:ERRORS_TOLD_MAX], len(errors))


def _batch_error(line: int, field: str, *, code: str, message: str) -> FileError:
    return FileError(line, "batch_header", field, code, message)
