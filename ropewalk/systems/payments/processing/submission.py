"""Taking a file in: whole or not at all, once.

    named like one before? same bytes ─► what was answered then          other bytes ─► refused
    it can be taken in (`intake`), and all of it is kept here ─► accepted
    it can be taken in, and other shards keep some of it ─► they are asked (`files_elsewhere`)
    anything else ─► refused, and nothing of it is kept

An edge may read the file first and spare the log a bad one; it is read again here, because what the log holds must
mean the same whoever wrote it.

Promise:    a file is accepted with all of its entries or not at all; origin, destination, creation date and time and
            file id modifier name at most one in a shard.
Checked by: tests/payments/processing/test_submission.py
"""

from ropewalk.core.codec import checksum
from ropewalk.systems.payments.processing.files_elsewhere import ask_others, submission
from ropewalk.systems.payments.processing.intake import accepted, judge, key_of, refused, take_in
from ropewalk.systems.payments.processing.limits import FILE_BYTES_MAX
from ropewalk.systems.payments.processing.messages import (
    FileAccepted,
    FileRefused,
    FileUndecided,
    Refused,
    SubmitFile,
)
from ropewalk.systems.payments.processing.state import State

Answer = FileAccepted | FileRefused | FileUndecided | Refused


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
    answer = _repeated(state, content, digest) or _new(state, content, digest, time_ns=time_ns)
    if not isinstance(answer, Refused):
        state.uploads.forget(command.upload)
    return answer


def _repeated(state: State, content: bytes, digest: bytes) -> Answer | None:
    """The first answer, if there is a file of that name."""
    key = key_of(content)
    file = state.files.named(key)
    known = state.divided.named(key) if file is None else file.record.checksum
    if known is None:
        return None
    if known != digest:
        which = "one that is being taken in" if file is None else f"file {state.number_of(file.record.number)}"
        return Refused(
            "other_bytes",
            f"{which} has the same origin, destination, creation time and id modifier, and other content: if this is "
            "another file, give it another file id modifier",
        )
    return submission(state, digest, repeated=True)


def _new(state: State, content: bytes, digest: bytes, *, time_ns: int) -> Answer:
    judged = judge(state, content, home=state.place.partition)
    if isinstance(judged, FileRefused):
        return judged
    if len(judged.shards) > 1:
        return ask_others(state, content, digest, judged=judged)
    if judged.errors:
        return refused("unknown_party", judged.errors)
    return accepted(state, take_in(state, content, judged, time_ns=time_ns).record, repeated=False)
