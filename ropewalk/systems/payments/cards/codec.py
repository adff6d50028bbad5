"""Messages from bytes and back, by pyiso8583 and a specification: a message is its fields, as text.

`t` is the message type, a number is a data element. Binary data is text too, as hexadecimal digits. Everything that
is wrong with bytes is one error, `Malformed`, which knows as much of the message as could be read, so that it can be
answered, and whose words hold nothing of what the message says.

Promise:    unpacking raises nothing but Malformed, whatever the bytes; unpacking what was packed gives the same.
Checked by: tests/payments/cards/test_codec.py
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import iso8583

from ropewalk.errors import Rejected
from ropewalk.systems.payments.cards.specification import Encoding, Specification, layout_of

Fields = dict[str, str]
"""The message type under `t`, data elements under their number."""


_REMEMBERED: Final = 1_024
"""How many short texts, and sets of fields, a codec remembers the bytes of: answers hold few different ones."""


class Malformed(Rejected):
    """Bytes, or fields, that are not a message. `field` is the first one that is wrong, `read` what stands before."""

    def __init__(self, why: str, *, field: str, read: Mapping[str, str]) -> None:
        super().__init__(f"field {field}: {why}")
        self.field = field
        self.read = read


class Read(NamedTuple):
    """A message that was unpacked, and how its fields were written in it."""

    fields: Fields
    written: Mapping[str, Mapping[str, bytes]]


class Codec:
    """One specification's way to write messages."""

    def __init__(self, specification: Specification) -> None:
        self.specification = specification
        self._layout = layout_of(specification)
        self._write = lru_cache(_REMEMBERED)(self._written)
        self._frame = lru_cache(_REMEMBERED)(self._framed)
        self._plain = {
            number: (str(element["data_enc"]), int(element["max_len"]))
            for number, element in self._layout.items()
            if element["len_type"] == 0 and element["data_enc"] != "b"
        }

    def unpack(self, message: bytes) -> Fields:
        """The fields of a message. Raises Malformed."""
        return self.read(message).fields

    def read(self, message: bytes) -> Read:
        """A message with what `answer` needs of it. Raises Malformed."""
        try:
            fields, written = iso8583.decode(message, self._layout)
        except iso8583.DecodeError as error:
            read = {number: text for number, text in error.doc_dec.items() if number != error.field}
            raise Malformed(error.msg, field=error.field, read=read) from error
        except KeyError as error:
            # pyiso8583 looks a field up that the bitmap names, and leaves it to its caller that there is none.
            read = {"t": self._message_type(message)}
            raise Malformed("the specification has no such field", field=str(error.args[0]), read=read) from error
        return Read(fields, written)

    def pack(self, fields: Mapping[str, str]) -> bytes:
        """A message of these fields. Raises Malformed if one does not fit the specification."""
        return self._packed({number: text for number, text in fields.items() if number not in ("p", "1")})[0]

    def answer(self, fields: Mapping[str, str], asked: Read) -> bytes:
        """What `pack` gives, in a seventh of the time: a field that is as it was asked is written as it was.

        Raises Malformed if one does not fit the specification.
        """
        order, bitmap = self._frame(tuple(fields))
        pieces = [self._write("t", fields["t"]), bitmap]
        for number in order:
            text = fields[number]
            if asked.fields.get(number) == text:
                pieces += asked.written[number].values()
            else:
                pieces.append(self._plainly(number, text) or self._write(number, text))
        return b"".join(pieces)

    def _plainly(self, number: str, text: str) -> bytes:
        """A field of as many characters as it always has; nothing if it is of another kind."""
        encoding, length = self._plain.get(number, ("", 0))
        return text.encode(encoding) if len(text) == length and text.isascii() else b""

    def _written(self, number: str, text: str) -> bytes:
        """One field, or the message type, as it stands in a message."""
        _, written = self._packed({"t": "0000", number: text})
        return b"".join(written[number].values())

    def _framed(self, names: tuple[str, ...]) -> tuple[Sequence[str], bytes]:
        """The fields of a message in order, and its bitmap."""
        numbers = sorted(int(name) for name in names if name != "t")
        return [f"{number}" for number in numbers], self._bitmap(numbers)

    def _packed(self, fields: dict[str, str]) -> tuple[bytes, Mapping[str, Mapping[str, bytes]]]:
        """A message, and how each field is written in it: its length, if it has one, and its data."""
        try:
            message, written = iso8583.encode(fields, self._layout)
        except iso8583.EncodeError as error:
            raise Malformed(error.msg, field=error.field, read=fields) from error
        except KeyError as error:
            raise Malformed("the specification has no such field", field=str(error.args[0]), read=fields) from error
        return bytes(message), written

    def _bitmap(self, numbers: Sequence[int]) -> bytes:
        """The bits of these fields; the first says that there are some behind 64."""
        bits = sum([1 << (128 - number) for number in numbers])
        is_long = numbers[-1] > 64
        bitmap = (bits | is_long << 127).to_bytes(16, "big")[: 16 if is_long else 8]
        encoding = self.specification.bitmap
        return bitmap if encoding is Encoding.BINARY else bitmap.hex().upper().encode(encoding)

    def _message_type(self, message: bytes) -> str:
        """The type of a message whose bitmap could be read already."""
        encoding = self.specification.message_type
        return message[:2].hex() if encoding is Encoding.BCD else message[:4].decode(encoding)
