"""Taking a file in: whole or not at all, once.

    the bytes of one before ─► what was answered then
    named like one before   ─► refused
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
from ropewalk.systems.payments.processing.files import FileKey
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
    name = command.upload if command.parts else checksum(command.content)
    if name in state.divided or state.files.with_checksum(name) is not None:
        answer: Answer = submission(state, name, repeated=True)
    else:
        answer = _new(state, command, name, time_ns=time_ns)
    if not isinstance(answer, Refused):
        state.uploads.forget(command.upload)
    return answer


def _new(state: State, command: SubmitFile, name: bytes, *, time_ns: int) -> Answer:
    content = state.uploads.content(name, command.parts) if command.parts else command.content
    if command.parts and checksum(content) != name:
        return Refused("parts_missing", "not all parts have come, or they are not that file: send them again")
    if not 0 < len(content) <= FILE_BYTES_MAX:
        return Refused(
            "size", f"a file has 1 to {FILE_BYTES_MAX} bytes, not {len(content)}: send it whole, or split it"
        )
    namesake = _namesake(state, key_of(content))
    if namesake:
        return Refused(
            "other_bytes",
            f"{namesake} has the same origin, destination, creation time and id modifier, and other content: if this "
            "is another file, give it another file id modifier",
        )
    judged = judge(state, content, home=state.place.partition)
    if isinstance(judged, FileRefused):
        return judged
    if len(judged.shards) > 1:
        return ask_others(state, content, name, judged=judged)
    if judged.errors:
        return refused("unknown_party", judged.errors)
    return accepted(state, take_in(state, content, judged, time_ns=time_ns).record, repeated=False)


def _namesake(state: State, key: FileKey) -> str:
    """The file that has a name, in words; nothing if none has it."""
    file = state.files.named(key)
    if file is not None:
        return f"file {state.number_of(file.record.number)}"
    return "one that is being taken in" if state.divided.has_named(key) else ""
