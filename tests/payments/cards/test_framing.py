"""Frames come out as they went in, however they are cut, and a length that can't be is refused."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk.errors import Rejected
from ropewalk.systems.payments.cards.framing import Frames, framed
from ropewalk.systems.payments.cards.limits import MESSAGE_BYTES_MAX
from ropewalk.systems.payments.cards.specification import Encoding, Framing

FRAMINGS = [
    Framing(Encoding.BINARY, 2),
    Framing(Encoding.BINARY, 4, counts_itself=True),
    Framing(Encoding.ASCII, 4),
    Framing(Encoding.EBCDIC_500, 4, counts_itself=True),
]

framings = st.sampled_from(FRAMINGS)


@given(framings, st.lists(st.binary(min_size=4, max_size=600), max_size=8), st.lists(st.integers(0, 5_000)))
def test_messages_come_out_as_they_went_in_however_they_are_cut(
    framing: Framing, messages: list[bytes], cuts: list[int]
) -> None:
    stream = b"".join(framed(message, framing) for message in messages)
    places = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    frames = Frames(framing)
    pieces = [stream[start:end] for start, end in pairwise(places)]
    assert [message for piece in pieces for message in frames.feed(piece)] == messages
    assert not frames.is_cut


@given(framings, st.binary(max_size=400))
def test_random_bytes_are_messages_or_refused(framing: Framing, stream: bytes) -> None:
    frames = Frames(framing)
    try:
        messages = list(frames.feed(stream))
    except Rejected:
        return
    assert b"".join(framed(message, framing) for message in messages) == stream[: _read(messages, framing)]


def _read(messages: list[bytes], framing: Framing) -> int:
    return sum(len(message) + framing.bytes for message in messages)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_message_that_is_too_long_is_refused_before_it_has_come(framing: Framing) -> None:
    head = framed(bytes(MESSAGE_BYTES_MAX + 1), framing)[: framing.bytes]
    with pytest.raises(Rejected, match=f"4 to {MESSAGE_BYTES_MAX} bytes, not {MESSAGE_BYTES_MAX + 1}"):
        list(Frames(framing).feed(head))


def test_a_length_that_is_not_digits_is_refused() -> None:
    with pytest.raises(Rejected, match="4 digits"):
        list(Frames(Framing(Encoding.ASCII, 4)).feed(b"01 4"))
    with pytest.raises(Rejected, match="4 digits"):
        list(Frames(Framing(Encoding.EBCDIC_500, 4)).feed(b"0100"))
