"""A file with batches of institutions of several shards: all of these take their batches in, or none does.

It is submitted to the shard of its first batch, its home, which sends it on as it came, a part at a time:

    home ──TakePart──► each other shard          keep this part; behind the last: what have you against the file?
    home ◄──PartTaken── each                     this much is kept; behind the last: nothing, or that
    home ──FileDecided──► each                   all take it in, or all forget it
    home ◄──FilePlaced── each                    the number that it has there; then the caller is answered

It is two-phase commit without a deadline: nothing is held up by a file that waits, but its name; what a shard found
nothing against it can take in whenever it is told to; and messages arrive, once. A shard that is away is waited for.

Promise:    all batches of a file are accepted, or none is, whatever is killed; an error names the line of the file as
            it was submitted.
Not given:  one window for all batches: each shard settles its own from when it took them in.
Checked by: tests/payments/processing/test_files_elsewhere.py, ropewalk.proving.workloads.banks_files
"""

from typing import Final, cast

import msgspec

from ropewalk.core.codec import encode_value
from ropewalk.core.machine import Event
from ropewalk.errors import Rejected, invariant
from ropewalk.systems.payments.processing.divided import Asked
from ropewalk.systems.payments.processing.elsewhere import FileDecided, FilePlaced, PartTaken, TakePart
from ropewalk.systems.payments.processing.intake import Judged, accepted, judge, key_of, take_in
from ropewalk.systems.payments.processing.limits import ASKED_BYTES_MAX, ERRORS_TOLD_MAX, PART_BYTES_MAX, UPLOADS_MAX
from ropewalk.systems.payments.processing.messages import (
    FileAccepted,
    FileError,
    FileRefused,
    FileUndecided,
    Refused,
)
from ropewalk.systems.payments.processing.state import State

SUBMITTED: Final = "ach.file"
"""The kind of the event that tells what was answered to a file of several shards; its subject is the checksum."""


def ask_others(state: State, content: bytes, name: bytes, *, judged: Judged) -> FileUndecided | Refused:
    """Ask the other shards that a file has batches for."""
    divided = state.divided
    if len(divided.asked) >= UPLOADS_MAX:
        return Refused("undecided", f"{UPLOADS_MAX} files wait for other shards: send this one again when they come")
    others = [shard for shard in judged.shards if shard != state.place.partition]
    part_bytes = min(len(content), PART_BYTES_MAX)
    on_their_way = sum(each.bytes_on_their_way for each in divided.asked.values())
    if divided.asked and on_their_way + part_bytes * len(others) > ASKED_BYTES_MAX:
        detail = f"{len(divided.asked)} files wait for other shards, with parts of {on_their_way} bytes"
        return Refused("undecided", f"{detail}, and {ASKED_BYTES_MAX} may: send this one again when they come")
    divided.refused.pop(name, None)
    pieces = [content[first : first + PART_BYTES_MAX] for first in range(0, len(content), PART_BYTES_MAX)]
    for part, piece in enumerate(pieces):
        divided.contents.add(name, part, piece)
    divided.asked[name] = Asked(
        key_of(content), len(pieces), others, waiting=[*others], errors=judged.errors[:ERRORS_TOLD_MAX],
        errors_total=len(judged.errors), part_bytes=part_bytes,
    )  # fmt: skip
    for shard in others:
        state.caller.tell(shard, TakePart(name, 0, len(pieces), pieces[0]))
    return FileUndecided(name)


def submission(state: State, name: bytes, *, repeated: bool) -> FileAccepted | FileRefused | FileUndecided:
    """What became of the last file of that checksum. Raises Rejected if nothing is known of any."""
    divided = state.divided
    if name in divided:
        return FileUndecided(name, repeated)
    file = state.files.with_checksum(name)
    if file is not None:
        return accepted(state, file.record, repeated=repeated)
    if name in divided.refused:
        return divided.refused[name]
    raise Rejected(f"no file with the checksum {name.hex()} was taken: submit it again, with another key")


def hear_part(state: State, home: int, message: TakePart) -> None:
    """Keep a part; behind the last say what is against the file."""
    name, contents = message.checksum, state.divided.contents
    contents.add(name, message.part, message.content)
    errors, total = _against(state, home, message) if message.part + 1 == message.parts else ([], 0)
    state.caller.tell(home, PartTaken(name, message.part + 1, errors, total))


def hear_taken(state: State, shard: int, message: PartTaken, *, time_ns: int) -> None:
    """Send the next part, or, when all shards have said what they have against the file, decide."""
    name = message.checksum
    asked = state.divided.asked[name]
    if message.parts < asked.parts:
        piece = state.divided.contents.part(name, message.parts)
        state.caller.tell(shard, TakePart(name, message.parts, asked.parts, piece))
        return
    asked.errors += message.errors
    asked.errors_total += message.errors_total
    asked.waiting.remove(shard)
    if not asked.waiting:
        _decide(state, name, asked, time_ns=time_ns)


def hear_decided(state: State, home: int, message: FileDecided, *, time_ns: int) -> None:
    """Take the batches of a file in that are kept here, or forget it."""
    name = message.checksum
    if message.file is not None:
        number = _take_in(state, name, home=home, parts=message.parts, others=(message.file,), time_ns=time_ns)
        state.caller.tell(home, FilePlaced(name, state.number_of(number)))
    state.divided.forget(name)


def hear_placed(state: State, shard: int, message: FilePlaced) -> None:
    """Take note of the number of a file in another shard; with the last of them it is accepted."""
    name = message.checksum
    asked = state.divided.asked[name]
    asked.waiting.remove(shard)
    file = state.files[asked.file]
    parts = tuple(sorted((*file.record.parts, message.file)))
    file.record = msgspec.structs.replace(file.record, parts=parts)
    if not asked.waiting:
        _end(state, name)


def _against(state: State, home: int, message: TakePart) -> tuple[list[FileError], int]:
    """What is against a file that has come whole, and how many errors that is; if nothing is, it is held."""
    content = state.divided.contents.content(message.checksum, message.parts)
    key = key_of(content)
    if state.files.named(key) is not None or state.divided.has_named(key):
        detail = f"shard {state.place.partition} has another file of the same name: give it another file id modifier"
        return [FileError(1, "file_header", "file_id_modifier", "other_bytes", detail)], 1
    judged = judge(state, content, home=home)
    if isinstance(judged, FileRefused):
        return list(judged.errors), judged.errors_total
    if not judged.errors:
        state.divided.held[message.checksum] = key
    return judged.errors[:ERRORS_TOLD_MAX], len(judged.errors)


def _decide(state: State, name: bytes, asked: Asked, *, time_ns: int) -> None:
    if asked.errors:
        errors = sorted(asked.errors, key=lambda error: error.line)[:ERRORS_TOLD_MAX]
        reason = "other_bytes" if any(error.code == "other_bytes" for error in errors) else "unknown_party"
        state.divided.refuse(name, FileRefused(reason, errors, asked.errors_total))
    else:
        here = state.place.partition
        asked.file = _take_in(state, name, home=here, parts=asked.parts, others=(), time_ns=time_ns)
        asked.waiting = [*asked.others]
    number = None if asked.errors else state.number_of(asked.file)
    for shard in asked.others:
        state.caller.tell(shard, FileDecided(name, asked.parts, number))
    if asked.errors:
        _end(state, name)


def _take_in(state: State, name: bytes, *, home: int, parts: int, others: tuple[int, ...], time_ns: int) -> int:
    content = state.divided.contents.content(name, parts)
    judged = judge(state, content, home=home)
    can = isinstance(judged, Judged) and not judged.errors
    invariant(can, "what nothing was against can be taken in", against=judged)
    return take_in(state, content, cast(Judged, judged), time_ns=time_ns, parts=others).record.number


def _end(state: State, name: bytes) -> None:
    """Tell the caller, and let go of it."""
    state.divided.forget(name)
    answer = submission(state, name, repeated=False)
    state.caller.publish(Event(SUBMITTED, name.hex(), encode_value(answer)))
