"""Messages from bytes and back, by pyiso8583 and a specification: a message is its fields, as text.

`t` is the message type, a number is a data element. Binary data is text too, as hexadecimal digits. Everything that
is wrong with bytes is one error, `Malformed`, which knows as much of the message as could be read, so that it can be
answered, and whose words hold nothing of what the message says.

Promise:    unpacking raises nothing but Malformed, whatever the bytes; unpacking what was packed gives the same.
Checked by: tests/payments/cards/test_codec.py
"""

from collections.abc import Mapping

import iso8583

from ropewalk.errors import Rejected
from ropewalk.systems.payments.cards.specification import Encoding, Specification, layout_of

Fields = dict[str, str]
"""The message type under `t`, data elements under their number."""


class Malformed(Rejected):
    """Bytes, or fields, that are not a message. `field` is the first one that is wrong, `read` what stands before."""

    def __init__(self, why: str, *, field: str, read: Mapping[str, str]) -> None:
        super().__init__(f"field {field}: {why}")
        self.field = field
        self.read = read


class Codec:
    """One specification's way to write messages."""

    def __init__(self, specification: Specification) -> None:
        self.specification = specification
        self._layout = layout_of(specification)

    def unpack(self, message: bytes) -> Fields:
        """The fields of a message. Raises Malformed."""
        try:
            fields, _ = iso8583.decode(message, self._layout)
        except iso8583.DecodeError as error:
            read = {number: text for number, text in error.doc_dec.items() if number != error.field}
            raise Malformed(error.msg, field=error.field, read=read) from error
        except KeyError as error:
            # pyiso8583 looks a field up that the bitmap names, and leaves it to its caller that there is none.
            read = {"t": self._message_type(message)}
            raise Malformed("the specification has no such field", field=str(error.args[0]), read=read) from error
        return fields

    def pack(self, fields: Mapping[str, str]) -> bytes:
        """A message of these fields. Raises Malformed if one does not fit the specification."""
        given = {number: text for number, text in fields.items() if number not in ("p", "1")}
        try:
            message, _ = iso8583.encode(given, self._layout)
        except iso8583.EncodeError as error:
            raise Malformed(error.msg, field=error.field, read=fields) from error
        except KeyError as error:
            raise Malformed("the specification has no such field", field=str(error.args[0]), read=fields) from error
        return bytes(message)

    def _message_type(self, message: bytes) -> str:
        """The type of a message whose bitmap could be read already."""
        encoding = self.specification.message_type
        return message[:2].hex() if encoding is Encoding.BCD else message[:4].decode(encoding)
