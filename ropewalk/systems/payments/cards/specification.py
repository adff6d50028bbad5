"""How messages look on the wire, read from a file: encodings, lengths, bitmap and framing. None of it is in code.

A specification is JSON. `encoding` and `length_encoding` at the top are what a field has that names none.

    {"name": "…", "framing": {"encoding": "binary", "bytes": 2},
     "message_type": "ascii", "bitmap": "ascii", "encoding": "ascii", "length_encoding": "ascii",
     "fields": {"2": {"name": "primary account number", "length": "LL", "longest": 19}, …}}

An encoding is `ascii`, `latin-1`, a code page of EBCDIC (`cp037`, `cp500`, `cp1140`), `bcd` for digits packed in
pairs, or `binary`. `longest` counts digits, characters or bytes, as the encoding has it. A bitmap that is not
`binary` is hexadecimal digits in that encoding. What comes with Ropewalk is in the folder `specifications`.

Promise:    a file that is no specification is refused with the place that is wrong and what to write there.
Checked by: tests/payments/cards/test_specification.py
"""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from ropewalk.errors import Rejected

SPECIFICATIONS: Final = Path(__file__).parent / "specifications"
"""Those that come with Ropewalk, by name without `.json`."""

USUAL: Final = "1987-ascii"


class Encoding(StrEnum):
    """How characters, digits or bytes are written."""

    ASCII = "ascii"
    LATIN_1 = "latin-1"
    EBCDIC_037 = "cp037"
    EBCDIC_500 = "cp500"
    EBCDIC_1140 = "cp1140"
    BCD = "bcd"
    BINARY = "binary"


class Length(StrEnum):
    """How long a field is: always the same, or said in front of it in so many digits."""

    FIXED = "fixed"
    L = "L"
    LL = "LL"
    LLL = "LLL"


class Pad(StrEnum):
    """Where the half byte is that an odd number of packed digits leaves: zero on the left, F on the right."""

    LEFT = "left"
    RIGHT = "right"


class SignOn(StrEnum):
    """Whether a connection has to sign on before it asks for anything."""

    OPTIONAL = "optional"
    REQUIRED = "required"


class Framing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What stands in front of each message: its length, as digits or as a big-endian integer of so many bytes."""

    encoding: Encoding
    bytes: int
    counts_itself: bool = False


class Field(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One data element."""

    name: str
    longest: int
    length: Length = Length.FIXED
    encoding: Encoding | None = None
    length_encoding: Encoding | None = None
    pad: Pad = Pad.LEFT


class Flag(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A field that says yes: it has `value` at `position`."""

    field: str
    position: int
    value: str

    def holds(self, fields: Mapping[str, str]) -> bool:
        """True if these fields say yes."""
        return fields.get(self.field, "").startswith(self.value, self.position)


class Specification(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How messages look. `partial_approval` is how one says that part of its amount is welcome, if there is a way."""

    name: str
    framing: Framing
    message_type: Encoding
    bitmap: Encoding
    encoding: Encoding
    length_encoding: Encoding
    fields: Mapping[str, Field]
    partial_approval: Flag | None = None
    sign_on: SignOn = SignOn.OPTIONAL


Layout = dict[str, dict[str, str | int]]
"""A specification as pyiso8583 takes it."""


def load_specification(name_or_path: str = USUAL) -> Specification:
    """Read one that comes with Ropewalk, by its name, or any other by its path. Raises Rejected if it is none."""
    known = sorted(path.stem for path in SPECIFICATIONS.glob("*.json"))
    path = SPECIFICATIONS / f"{name_or_path}.json" if name_or_path in known else Path(name_or_path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Rejected(
            f"no specification at {path} ({error.strerror}): give a file, or one of {', '.join(known)}"
        ) from error
    return read_specification(content, path=str(path))


def read_specification(content: bytes, *, path: str) -> Specification:
    """A specification from its JSON. Raises Rejected if it is none."""
    try:
        specification = msgspec.json.decode(content, type=Specification)
    except msgspec.DecodeError as error:
        raise Rejected(f"{path} is no specification of messages: {error}") from error
    wrong = _wrong(specification)
    if wrong is not None:
        raise Rejected(f"{path} is no specification of messages: {wrong}")
    return specification


def layout_of(specification: Specification) -> Layout:
    """What pyiso8583 is told of a specification."""
    layout: Layout = {
        "h": _element(Encoding.ASCII, longest=0),
        "t": _element(specification.message_type, longest=4),
        "p": _element(specification.bitmap, longest=16),
        "1": _element(specification.bitmap, longest=16),
    }
    for number, field in specification.fields.items():
        encoding = field.encoding or specification.encoding
        length_encoding = field.length_encoding or specification.length_encoding
        element = _element(encoding, longest=field.longest)
        element["len_enc"] = _LIBRARY.get(length_encoding, length_encoding.value)
        element["len_type"] = _length_bytes(field.length, length_encoding)
        if encoding is Encoding.BCD:
            element["len_count"] = "nibbles"
            element["left_pad" if field.pad is Pad.LEFT else "right_pad"] = "0" if field.pad is Pad.LEFT else "F"
        if length_encoding is Encoding.BCD:
            element["len_enc"] = "bcd"
        layout[number] = element
    return layout


_LIBRARY: Final = {Encoding.BCD: "b", Encoding.BINARY: "b"}
"""Packed digits are bytes to pyiso8583, which counts them in halves."""


def _element(encoding: Encoding, *, longest: int) -> dict[str, str | int]:
    return {"data_enc": _LIBRARY.get(encoding, encoding.value), "len_enc": "ascii", "len_type": 0, "max_len": longest}


def _length_bytes(length: Length, encoding: Encoding) -> int:
    digits = 0 if length is Length.FIXED else len(length)
    return (digits + 1) // 2 if encoding in _LIBRARY else digits


def _wrong(specification: Specification) -> str | None:
    """What msgspec can't see."""
    framing = specification.framing
    if framing.encoding is Encoding.BCD or not 1 <= framing.bytes <= 4:
        return "framing: a length is digits (ascii, or a code page of EBCDIC) or binary, in 1 to 4 bytes"
    if specification.bitmap is Encoding.BCD:
        return "bitmap: it is binary, or hexadecimal digits in ascii or a code page of EBCDIC"
    for number, field in specification.fields.items():
        if not (number.isascii() and number.isdigit() and 2 <= int(number) <= 128 and number == f"{int(number)}"):
            return f"fields: {number!r} is no field: they are numbered 2 to 128, and 1 is the second bitmap"
        if number == "65":
            return "fields: 65 announces a third bitmap, which the messages of 1987 have not: leave it out"
        against = _wrong_length(field, field.length_encoding or specification.length_encoding)
        if against is not None:
            return f"fields, {number}: {against}"
    missing = [number for number in _NEEDED if number not in specification.fields]
    return f"fields: {', '.join(missing)} are missing, without which nothing can be answered" if missing else None


def _wrong_length(field: Field, length_encoding: Encoding) -> str | None:
    if field.longest < 1:
        return f"longest is {field.longest}: a field holds one digit, character or byte at least"
    if field.length is Length.FIXED:
        return None
    digits = len(field.length)
    longest = 256 ** _length_bytes(field.length, length_encoding) - 1
    if length_encoding is not Encoding.BINARY:
        longest = 10**digits - 1
    if field.longest > longest:
        return f"longest is {field.longest}, and {field.length} announces {longest} at most"
    return None


_NEEDED: Final = ("2", "3", "4", "7", "11", "32", "37", "38", "39", "44", "49", "70", "90")
