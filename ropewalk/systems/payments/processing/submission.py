"""Taking a file in: whole or not at all, once.

    named like one before? same bytes ─► what was answered then          other bytes ─► refused
    valid by every rule of the standard, its institutions and originators known ─► accepted
    anything else ─► refused, and nothing of it is kept

An edge may read the file first and spare the log a bad one; it is read again here, because what the log holds must
mean the same whoever wrote it.

Promise:    a file is accepted with all of its entries or not at all; origin, destination, creation date and time and
            file id modifier name at most one.
Checked by: tests/payments/processing/test_submission.py
"""

from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ropewalk.core.codec import checksum
from ropewalk.systems.payments.ach.layouts import BATCH_HEADER, FILE_HEADER
from ropewalk.systems.payments.ach.model import Category, Reading, entry_class_code
from ropewalk.systems.payments.ach.model import File as Contents
from ropewalk.systems.payments.ach.reading import read
from ropewalk.systems.payments.processing.calendar import MINUTE_NS
from ropewalk.systems.payments.processing.files import FileKey, FileRecord
from ropewalk.systems.payments.processing.layouts import BATCH, Rows
from ropewalk.systems.payments.processing.limits import ERRORS_TOLD_MAX, FILE_BYTES_MAX
from ropewalk.systems.payments.processing.messages import FileAccepted, FileError, FileRefused, Refused, SubmitFile
from ropewalk.systems.payments.processing.schedule import SAME_DAY_CENTS_MAX, due, return_due
from ropewalk.systems.payments.processing.state import State

Answer = FileAccepted | FileRefused | Refused

_REVERSAL: Final = np.frombuffer(b"REVERSAL  ", "u1")
"""The company entry description of a batch that reverses entries."""


def submit(state: State, command: SubmitFile, *, time_ns: int) -> Answer:
    """Accept a file, or say what is against it."""
    content = state.uploads.content(command.upload, command.parts) if command.parts else command.content
    if not 0 < len(content) <= FILE_BYTES_MAX:
        return Refused(
            "size", f"a file has 1 to {FILE_BYTES_MAX} bytes, not {len(content)}: send it whole, or split it"
        )
    digest = checksum(content)
    if command.parts and digest != command.upload:
        return Refused("parts_missing", "not all parts have come, or they are not that file: send them again")
    answer = _repeated(state, content, digest) or _judged(state, content, digest, time_ns=time_ns)
    if not isinstance(answer, Refused):
        state.uploads.forget(command.upload)
    return answer


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


def _repeated(state: State, content: bytes, digest: bytes) -> Answer | None:
    """The first answer, if there is a file of that name."""
    file = state.files.named(key_of(content))
    if file is None:
        return None
    if file.record.checksum != digest:
        return Refused(
            "other_bytes",
            f"file {file.record.number} has the same origin, destination, creation time and id modifier, and other "
            "content: if this is another file, give it another file id modifier",
        )
    return accepted(state, file.record, repeated=True)


def _judged(state: State, content: bytes, digest: bytes, *, time_ns: int) -> Answer:
    reading = read(content)
    contents = reading.file
    if contents is None or not reading.is_valid:
        return _invalid(reading)
    if contents.is_adv:
        line = int(contents.batch_columns["header_line"][0])
        detail = "accounting advices come from an ACH operator and move no money: they are not submitted"
        return _refused("advices", [_batch_error(line, "standard_entry_class_code", code="advices", message=detail)])
    batches, errors = _parties(state, contents)
    if errors:
        return _refused("unknown_party", errors)
    _set_due(contents, batches, time_ns=time_ns)
    record = FileRecord(
        number=len(state.files),
        key=key_of(content),
        checksum=digest,
        time_ns=time_ns,
        batches=reading.batches,
        entries=reading.entries,
        debit_cents=reading.debit_cents,
        credit_cents=reading.credit_cents,
        control_line=contents.control_line,
    )
    file = state.files.add(record, contents, batches)
    entries, parties = file.entries, file.batches[file.entries["batch"]]
    on_same_day = entries["amount_cents"] <= SAME_DAY_CENTS_MAX
    minutes = np.where(on_same_day, parties["same_day_minute"], parties["next_day_minute"])
    file.state["due_minute"] = minutes
    return accepted(state, record, repeated=False)


def accepted(state: State, record: FileRecord, *, repeated: bool) -> FileAccepted:
    """What is answered for an accepted file."""
    return FileAccepted(
        state.number_of(record.number),
        record.batches,
        record.entries,
        record.debit_cents,
        record.credit_cents,
        repeated,
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
    homes = state.shards_of(columns["odfi"])
    errors = [
        _unknown_party(columns[place], odfi=int(batches["odfi"][place]))
        if homes[place] == state.place.partition
        else _other_shard(columns[place], int(homes[place]))
        for place in unknown.tolist()
    ]
    return batches, errors


def _is_forward(contents: Contents) -> NDArray[np.bool_]:
    """Which batches hold forward entries: all entries of a batch are of one kind."""
    firsts = contents.entries[contents.batch_columns["entry_first"]]
    return np.asarray(firsts["category"] == Category.FORWARD)


def _other_shard(batch: np.void, shard: int) -> FileError:
    message = (
        f"institution {batch['odfi']:08} is kept in shard {shard}: a file holds batches of institutions of one "
        "shard, and is submitted there"
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
    return _refused("invalid", errors)


def _refused(reason: str, errors: list[FileError]) -> FileRefused:
    return FileRefused(reason, errors[:ERRORS_TOLD_MAX], len(errors))


def _batch_error(line: int, field: str, *, code: str, message: str) -> FileError:
    return FileError(line, "batch_header", field, code, message)
