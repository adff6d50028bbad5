"""ACH files over HTTP: the body is the file, of any size that processing takes.

A file that fits one part is one command. A larger one is kept in a temporary file while it comes, because its parts
are named by the checksum of the whole; then each part is sent, and last the command that submits them. It goes to the
shard of its first batch; if others keep some of it too, the answer waits for them, and holds up no other file.

Promise:    memory is bounded by a part, whatever the size of the file; an answer that nothing was taken is true.
Checked by: tests/payments/rest/test_files.py, tests/payments/rest/test_ach_shards.py
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import IO, Final, NamedTuple

import msgspec
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from ropewalk.core.clock import VectorClock
from ropewalk.core.codec import Checksum
from ropewalk.core.machine import NO_ID
from ropewalk.data.reads import STRONG
from ropewalk.errors import NotAccepted, OutcomeUnknown, Rejected
from ropewalk.runtime.node import Node
from ropewalk.runtime.operations import BYTES, COMMAND_PARAMETERS, JSON, Operation
from ropewalk.runtime.problems import Problem
from ropewalk.runtime.requests import deadline_s_of, json_response, priority_of, request_id_of, stream_of
from ropewalk.systems.payments.ach.columns import check_digit
from ropewalk.systems.payments.ach.layout import RECORD_LENGTH
from ropewalk.systems.payments.ach.layouts import BATCH_HEADER
from ropewalk.systems.payments.ach.lines import split
from ropewalk.systems.payments.ach.problems import Problems
from ropewalk.systems.payments.processing.limits import FILE_BYTES_MAX, PART_BYTES_MAX, UPLOADS_MAX
from ropewalk.systems.payments.processing.messages import (
    AnyReply,
    FileAccepted,
    FileUndecided,
    GetSubmission,
    SendPart,
    SubmitFile,
    decode_reply,
    encode_query,
)
from ropewalk.systems.payments.rest.across import Caller, waits
from ropewalk.systems.payments.rest.asking import checked, do
from ropewalk.systems.payments.rest.reading import Sight, place_of, read

_BEGINNING_BYTES: Final = 100 * RECORD_LENGTH
"""Enough for the first two records, however lines end; whole records, if they do not end."""

_PASSING: Final = ("undecided", "parts_missing")
"""Why a file is refused for now: there is no room, or it has to be sent again."""


class _Intake:
    """How many files this process is taking in: processing keeps the parts of `UPLOADS_MAX` of them, and no more."""

    def __init__(self) -> None:
        self._files = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place while the block runs. Raises NotAccepted if there is none."""
        if self._files >= UPLOADS_MAX:
            raise NotAccepted(f"{self._files} files are being taken in already, as many as may be", retry_after_s=1.0)
        self._files += 1
        try:
            yield
        finally:
            self._files -= 1


_INTAKE: Final = _Intake()


class _Answered(NamedTuple):
    """What a shard said to a file, and to whom."""

    reply: AnyReply
    token: VectorClock
    shard: int
    caller: Caller


async def _submit(node: Node, http: HttpRequest) -> Response:
    with _INTAKE.place():
        answered = await _take(node, http)
    if isinstance(answered.reply, FileUndecided):
        reply, token = await _decided(node, answered.reply, shard=answered.shard, caller=answered.caller)
        return json_response(reply, token=token)
    return json_response(answered.reply, token=answered.token)


async def _take(node: Node, http: HttpRequest) -> _Answered:
    state = Checksum()
    size = 0
    with tempfile.SpooledTemporaryFile(PART_BYTES_MAX) as kept:
        async for piece in stream_of(http, bytes_max=FILE_BYTES_MAX):
            state.update(piece)
            size += len(piece)
            kept.write(piece)
        kept.seek(0)
        shard = _shard_of(node, kept.read(_BEGINNING_BYTES))
        kept.seek(0)
        if size <= PART_BYTES_MAX:
            command = SubmitFile(kept.read())
        else:
            command = await _send_parts(node, http, kept, upload=state.digest(), shard=shard)
    caller = waits(request_id_of(http), deadline_s=deadline_s_of(http), priority=priority_of(http))
    return _Answered(*await _send(node, command, shard=shard, caller=caller), shard, caller)


async def _send(node: Node, command: SubmitFile, *, shard: int, caller: Caller) -> tuple[AnyReply, VectorClock]:
    """What a shard says to a file. To a request that is repeated it says what it said first: that may have passed."""
    send = partial(do, node, command, shard=shard, priority=caller.priority)
    try:
        reply, token = await send(request_id=caller.request_id, deadline_s=caller.left_s)
        if not (isinstance(reply, FileUndecided) and await _is_forgotten(node, reply, shard=shard, caller=caller)):
            return reply, token
    except Problem as refused:
        if caller.request_id == NO_ID or refused.name not in _PASSING:
            raise
    return await send(deadline_s=caller.left_s)


async def _is_forgotten(node: Node, undecided: FileUndecided, *, shard: int, caller: Caller) -> bool:
    """Whether a file was refused so long ago that nobody knows why: one that was taken is known for ever."""
    try:
        await _submission(node, undecided, shard=shard, caller=caller)
    except (Problem, NotAccepted):
        return False
    except Rejected:
        return True
    return False


async def _decided(
    node: Node, undecided: FileUndecided, *, shard: int, caller: Caller
) -> tuple[AnyReply, VectorClock]:
    """What other shards make of a file. Raises OutcomeUnknown if that is not told in time."""
    with node.leaders[shard].waiting_for(undecided.checksum.hex()) as heard:
        try:
            told = await _submission(node, undecided, shard=shard, caller=caller)
            while isinstance(told[0], FileUndecided):
                await heard.event(deadline_s=caller.left_s)
                told = await _submission(node, undecided, shard=shard, caller=caller)
        except NotAccepted as error:
            raise OutcomeUnknown(f"shards that keep batches of the file have not all answered ({error})") from error
    return told


async def _submission(
    node: Node, undecided: FileUndecided, *, shard: int, caller: Caller
) -> tuple[AnyReply, VectorClock]:
    """What became of a file by now. Raises Problem if it was refused."""
    asked = encode_query(GetSubmission(undecided.checksum))
    answer, token = await read(node, shard, asked, sight=Sight(STRONG, caller.until_s))
    reply = checked(decode_reply(answer))
    if isinstance(reply, FileAccepted):
        reply = msgspec.structs.replace(reply, repeated=undecided.repeated)
    return reply, token


def _shard_of(node: Node, beginning: bytes) -> int:
    """The shard of whoever originated a file: its first batch says it. Any, if it doesn't: it will be refused."""
    place, field = place_of(node), BATCH_HEADER["originating_dfi_identification"]
    rows, _ = split(beginning, Problems())
    digits = rows[1:2, field.start : field.stop].tobytes().decode("latin-1")
    if place.partitions == 1 or not (digits.isascii() and digits.isdigit()):
        return 0
    return place.partition_of(f"{digits}{check_digit(digits)}")


async def _send_parts(node: Node, http: HttpRequest, kept: IO[bytes], *, upload: bytes, shard: int) -> SubmitFile:
    """Send each part; return the command that submits them."""
    parts = 0
    while content := kept.read(PART_BYTES_MAX):
        part = SendPart(upload, parts, content)
        await do(node, part, shard=shard, deadline_s=deadline_s_of(http), priority=priority_of(http))
        parts += 1
    return SubmitFile(upload=upload, parts=parts)


FILE_OPERATIONS: Final = (
    Operation(
        method="POST",
        path="/files",
        summary="Submit an ACH file: every entry of it is taken, or none and each error is told",
        handler=_submit,
        body={BYTES: bytes},
        answer={JSON: FileAccepted},
        parameters=COMMAND_PARAMETERS,
        group="ACH",
    ),
)
