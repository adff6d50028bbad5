"""How things become bytes: one value, one sequence of bytes, on every machine and under every hash seed.

A record in the log is a fixed header and a body, all little-endian:

    magic 4 | format 1 | kind 1 | machine version 2 | body bytes 4 | of them notes 4 | term 8 | time ns 8
    follows: position 8, checksum 16 | writer 16 | checksum 16 (of all the rest) | body

The body is MessagePack: an array of [request id, command], and behind it, if there are any, an array of notes
(`ropewalk.core.mailbox`). Values are MessagePack too, with maps in key order, so equal values have equal bytes.

Promise:    `decode_record(encode_record(r)) == r`; a changed bit is found (`Damaged`); an unknown format, kind or
            version is refused (`Damaged`), never guessed.
Checked by: tests/core/test_codec.py
"""

import hashlib
import struct
from collections.abc import Sequence
from enum import IntEnum
from typing import Final

import msgspec

from ropewalk.core.chain import Head, Link, Position
from ropewalk.core.machine import Request
from ropewalk.core.mailbox import Note
from ropewalk.errors import Damaged

MAGIC: Final = b"RPWK"
FORMAT: Final = 1
VERSION_MAX: Final = 0xFFFF
"""The largest machine version that a record can have."""
_FIELDS: Final = struct.Struct("<4sBBHIIQQQ16s16s")
_CHECKSUM_BYTES: Final = 16
HEADER_BYTES: Final = _FIELDS.size + _CHECKSUM_BYTES

_VALUE_ENCODER: Final = msgspec.msgpack.Encoder(order="deterministic")
encode_value: Final = _VALUE_ENCODER.encode
"""The canonical bytes of a value: equal values give equal bytes. No function of ours: every write goes through it."""

_REQUESTS_DECODER: Final = msgspec.msgpack.Decoder(list[Request])
_NOTES_DECODER: Final = msgspec.msgpack.Decoder(list[Note])


class Kind(IntEnum):
    """What a record is: the opening of a leader's term, or a batch of requests."""

    TERM = 1
    BATCH = 2


class Record(msgspec.Struct, frozen=True, gc=False):
    """One record of a log before it has a position. `writer` is 16 bytes that name the process."""

    kind: Kind
    machine_version: int
    term: int
    time_ns: int
    follows: Head
    writer: bytes
    requests: Sequence[Request] = ()
    notes: Sequence[Note] = ()


class Stored(msgspec.Struct, frozen=True, gc=False):
    """A record that was read, with its place in the chain."""

    link: Link
    record: Record


class Checksum:
    """The first 16 bytes of SHA-256 (FIPS 180-4), in pieces. Processors compute it: twice as fast as BLAKE2b."""

    def __init__(self) -> None:
        self._state = hashlib.sha256()

    def update(self, piece: bytes | memoryview) -> None:
        """Add a piece."""
        self._state.update(piece)

    def digest(self) -> bytes:
        """The 16 bytes for all pieces so far."""
        return self._state.digest()[:_CHECKSUM_BYTES]


def checksum(first: bytes | memoryview = b"", *others: bytes | memoryview) -> bytes:
    """The 16-byte checksum of the parts joined."""
    # Every request has one, of one part: begun with that, it takes two thirds of the time.
    state = hashlib.sha256(first)
    for part in others:
        state.update(part)
    return state.digest()[:_CHECKSUM_BYTES]


def encode_record(record: Record) -> tuple[bytes, bytes]:
    """Return the record's bytes and its checksum."""
    notes = _VALUE_ENCODER.encode(record.notes) if record.notes else b""
    body = _VALUE_ENCODER.encode(record.requests) + notes
    head = _FIELDS.pack(
        MAGIC,
        FORMAT,
        record.kind,
        record.machine_version,
        len(body),
        len(notes),
        record.term,
        record.time_ns,
        record.follows.position,
        record.follows.checksum,
        record.writer,
    )
    digest = checksum(head, body)
    return b"".join((head, digest, body)), digest


def decode_record(position: Position, payload: bytes, *, machine_version_max: int) -> Stored:
    """Read the record at `position`.

    Raises Damaged if the bytes are not what was written, or are of a kind or version that this program does not
    know: the message says where and what to do.
    """
    where = f"the record at position {position}"
    if len(payload) < HEADER_BYTES or payload[:4] != MAGIC:
        raise Damaged(f"{where} is not a Ropewalk record ({len(payload)} bytes); {_RESTORE}")
    (_, format_, kind, machine_version, body_bytes, notes_bytes, term, time_ns, follows, followed, writer) = (
        _FIELDS.unpack_from(payload)
    )
    if format_ != FORMAT:
        raise Damaged(f"{where} is of format {format_}, and this program knows {FORMAT}; {_UPGRADE}")
    body = memoryview(payload)[HEADER_BYTES:]
    stored_checksum = payload[_FIELDS.size : HEADER_BYTES]
    computed = checksum(memoryview(payload)[: _FIELDS.size], body)
    if len(body) != body_bytes or computed != stored_checksum:
        raise Damaged(
            f"{where} is damaged: {len(body)} of {body_bytes} body bytes, checksum {computed.hex()} "
            f"instead of {stored_checksum.hex()}; {_RESTORE}"
        )
    if kind not in _KINDS or machine_version > machine_version_max:
        raise Damaged(
            f"{where} has kind {kind} and machine version {machine_version}, and this program knows kinds "
            f"{sorted(_KINDS)} and versions up to {machine_version_max}; {_UPGRADE}"
        )
    requests, notes = _body(where, body, notes_bytes)
    record = Record(
        kind=_KINDS[kind],
        machine_version=machine_version,
        term=term,
        time_ns=time_ns,
        follows=Head(Position(follows), followed),
        writer=writer,
        requests=requests,
        notes=notes,
    )
    return Stored(Link(position, computed, record.follows), record)


_KINDS: Final = {int(kind): kind for kind in Kind}
_RESTORE: Final = "nothing was skipped: restore this log from a replica or a backup"
_UPGRADE: Final = "nothing was skipped: start the newer program that wrote it"


def _body(where: str, body: memoryview, notes_bytes: int) -> tuple[list[Request], Sequence[Note]]:
    end = len(body) - notes_bytes
    try:
        return _REQUESTS_DECODER.decode(body[:end]), _NOTES_DECODER.decode(body[end:]) if notes_bytes else ()
    except msgspec.DecodeError as error:
        raise Damaged(f"{where} has a sound checksum and an unreadable body ({error}); {_UPGRADE}") from error
