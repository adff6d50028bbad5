"""Records as bytes: what is read is what was written, or an error that says where."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk.core.chain import Head, Position
from ropewalk.core.codec import (
    HEADER_BYTES,
    Checksum,
    Kind,
    Record,
    checksum,
    decode_record,
    encode_record,
    encode_value,
)
from ropewalk.core.machine import Request
from ropewalk.errors import Damaged

ids = st.binary(min_size=16, max_size=16)
records = st.builds(
    Record,
    kind=st.sampled_from(Kind),
    machine_version=st.integers(0, 3),
    term=st.integers(0, 2**64 - 1),
    time_ns=st.integers(0, 2**64 - 1),
    follows=st.builds(Head, st.integers(0, 2**64 - 1).map(Position), ids),
    writer=ids,
    requests=st.lists(st.builds(Request, ids, st.binary(max_size=40)), max_size=4),
)
RECORD = Record(Kind.BATCH, 1, 2, 3, Head(Position(4), b"f" * 16), b"w" * 16, [Request(b"r" * 16, b"command")])


@given(records)
def test_a_record_is_read_back(record: Record) -> None:
    payload, digest = encode_record(record)
    stored = decode_record(Position(9), payload, machine_version_max=3)
    assert stored.record == record
    assert stored.link == (9, digest, record.follows)


@given(st.integers(0, 8 * len(encode_record(RECORD)[0]) - 1))
def test_every_changed_bit_is_found(bit: int) -> None:
    payload = bytearray(encode_record(RECORD)[0])
    payload[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Damaged, match="record at position 9"):
        decode_record(Position(9), bytes(payload), machine_version_max=3)


@given(st.integers(0, len(encode_record(RECORD)[0]) - 1))
def test_a_record_that_was_cut_off_is_found(length: int) -> None:
    with pytest.raises(Damaged, match="record at position 9"):
        decode_record(Position(9), encode_record(RECORD)[0][:length], machine_version_max=3)


def test_a_newer_version_is_refused_with_what_to_do() -> None:
    payload, _ = encode_record(msgspec.structs.replace(RECORD, machine_version=4))
    with pytest.raises(Damaged, match=r"machine version 4.*start the newer program"):
        decode_record(Position(9), payload, machine_version_max=3)


def test_an_unknown_kind_or_format_is_refused_and_not_guessed() -> None:
    payload, _ = encode_record(RECORD)
    for place, what in ((4, "format 77"), (5, "kind 77")):
        changed = bytearray(payload)
        changed[place] = 77
        fields = HEADER_BYTES - 16
        changed[fields:HEADER_BYTES] = checksum(bytes(changed[:fields]), bytes(changed[HEADER_BYTES:]))
        with pytest.raises(Damaged, match=what):
            decode_record(Position(9), bytes(changed), machine_version_max=3)


@given(st.dictionaries(st.text(max_size=4), st.integers(-(2**63), 2**63), max_size=6))
def test_equal_values_have_equal_bytes(value: dict[str, int]) -> None:
    backwards = dict(reversed(value.items()))
    assert encode_value(value) == encode_value(backwards)


@given(st.lists(st.binary(max_size=20)))
def test_a_checksum_in_pieces_is_that_of_the_whole(pieces: list[bytes]) -> None:
    state = Checksum()
    for piece in pieces:
        state.update(piece)
    assert state.digest() == checksum(*pieces) == checksum(b"".join(pieces))
