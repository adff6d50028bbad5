"""Messages are packed and unpacked by every specification, and nothing but Malformed comes of bytes that are none."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk.systems.payments.cards.codec import Codec, Fields, Malformed
from ropewalk.systems.payments.cards.specification import (
    Encoding,
    Field,
    Length,
    Specification,
    load_specification,
)

CODECS = {name: Codec(load_specification(name)) for name in ("1987-ascii", "1987-bcd", "1987-ebcdic")}
DIGITS, HEX, TEXT = "0123456789", "0123456789ABCDEF", "ABCXYZ 0123456789"


def field_of(specification: Specification, number: str) -> st.SearchStrategy[str]:
    """Contents that fit a field, whatever its encoding."""
    field = specification.fields[number]
    longest = min(field.longest, 40)
    shortest = longest if field.length is Length.FIXED else 1
    match field.encoding or specification.encoding:
        case Encoding.BINARY:
            bytes_ = st.binary(min_size=shortest, max_size=longest)
            return bytes_.map(lambda content: content.hex().upper())
        case Encoding.BCD:
            return st.text(DIGITS, min_size=shortest, max_size=longest)
        case _:
            return st.text(TEXT, min_size=shortest, max_size=longest)


@st.composite
def messages(draw: st.DrawFn) -> tuple[str, Fields]:
    """A specification's name, and a message that fits it."""
    name = draw(st.sampled_from(sorted(CODECS)))
    specification = CODECS[name].specification
    fixed = {each: field for each, field in specification.fields.items() if _fits(field)}
    numbers = draw(st.lists(st.sampled_from(sorted(fixed)), unique=True, max_size=12))
    fields = {number: draw(field_of(specification, number)) for number in numbers}
    return name, {"t": draw(st.sampled_from(["0100", "0421", "0800"])), **fields}


def _fits(field: Field) -> bool:
    return field.length is not Length.FIXED or field.longest <= 40


@given(messages())
def test_what_was_packed_is_unpacked_the_same(given_: tuple[str, Fields]) -> None:
    name, fields = given_
    unpacked = CODECS[name].unpack(CODECS[name].pack(fields))
    assert {number: text for number, text in unpacked.items() if number not in ("p", "1")} == fields


@given(st.sampled_from(sorted(CODECS)), st.binary(max_size=200))
def test_random_bytes_raise_nothing_but_malformed(name: str, message: bytes) -> None:
    with suppress(Malformed):
        CODECS[name].unpack(message)


@given(messages(), st.data())
def test_a_message_with_damage_raises_nothing_but_malformed(given_: tuple[str, Fields], data: st.DataObject) -> None:
    name, fields = given_
    message = bytearray(CODECS[name].pack(fields))
    for _ in range(data.draw(st.integers(1, 3))):
        message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    del message[data.draw(st.integers(4, len(message))) :]
    with suppress(Malformed):
        CODECS[name].unpack(bytes(message))


@given(messages(), st.data())
def test_an_answer_is_packed_the_same_from_what_was_asked(given_: tuple[str, Fields], data: st.DataObject) -> None:
    name, fields = given_
    codec = CODECS[name]
    asked = codec.read(codec.pack(fields))
    kept = data.draw(st.lists(st.sampled_from(sorted(fields)), unique=True))
    answer = {number: fields[number] for number in kept} | {"t": "0110", "39": "00", "44": "why"}
    assert codec.answer(answer, asked) == codec.pack(answer)


def test_a_field_that_the_specification_has_not_is_named_with_the_message_type() -> None:
    for name, codec in CODECS.items():
        head = codec.pack({"t": "0800"})[: 2 if name == "1987-bcd" else 4]
        second = b"C000000000000000" * 2 if name == "1987-ascii" else bytes([0xC0, 0, 0, 0, 0, 0, 0, 0]) * 2
        with pytest.raises(Malformed, match="field"):
            codec.unpack(head + second + b"0" * 64)


def test_an_error_says_nothing_of_what_the_message_holds() -> None:
    codec = CODECS["1987-ascii"]
    message = codec.pack({"t": "0100", "2": "4000000000000010", "35": "4000000000000010=2912"})
    with pytest.raises(Malformed) as raised:
        codec.unpack(message[:-3])
    assert "4000" not in str(raised.value)
    assert raised.value.field == "35"
    assert raised.value.read["t"] == "0100"


def test_packing_names_the_field_that_does_not_fit() -> None:
    with pytest.raises(Malformed, match="field 39") as raised:
        CODECS["1987-ascii"].pack({"t": "0110", "39": "000"})
    assert raised.value.field == "39"
