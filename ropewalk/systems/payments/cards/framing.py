"""Where one message ends and the next begins: each has its length in front.

    reader = Frames(framing)
    for message in reader.feed(received): ...
    connection.write(framed(answer, framing))

Promise:    the same messages come out however the bytes are cut; what is kept is never more than one message and what
            was fed last.
Checked by: tests/payments/cards/test_framing.py
"""

from collections.abc import Iterator
from typing import Final

from ropewalk.errors import Rejected
from ropewalk.systems.payments.cards.limits import MESSAGE_BYTES_MAX
from ropewalk.systems.payments.cards.specification import Encoding, Framing

_MESSAGE_BYTES_MIN: Final = 4


class Frames:
    """Bytes in, whole messages out."""

    def __init__(self, framing: Framing) -> None:
        self._framing = framing
        self._rest = b""

    @property
    def is_cut(self) -> bool:
        """True if a message has begun and not ended."""
        return bool(self._rest)

    def feed(self, received: bytes) -> Iterator[bytes]:
        """The messages that are whole now.

        Raises Rejected at a length that can't be: what follows can't be told apart, so the connection is of no more
        use. The messages before it have come out by then.
        """
        data, start, head = self._rest + received, 0, self._framing.bytes
        while len(data) - start >= head:
            end = start + head + self._length(data[start : start + head])
            if end > len(data):
                break
            yield data[start + head : end]
            start = end
        self._rest = data[start:]

    def _length(self, head: bytes) -> int:
        """How long the message behind this length is."""
        framing = self._framing
        if framing.encoding is Encoding.BINARY:
            length = int.from_bytes(head, "big")
        else:
            digits = head.decode(framing.encoding, "replace")
            if not (digits.isascii() and digits.isdigit()):
                raise Rejected(f"a message begins with its length in {framing.bytes} digits of {framing.encoding}")
            length = int(digits)
        length -= framing.bytes if framing.counts_itself else 0
        if not _MESSAGE_BYTES_MIN <= length <= MESSAGE_BYTES_MAX:
            raise Rejected(f"a message has {_MESSAGE_BYTES_MIN} to {MESSAGE_BYTES_MAX} bytes, not {length}")
        return length


def framed(message: bytes, framing: Framing) -> bytes:
    """A message with its length in front. Raises Rejected if the length does not fit."""
    length = len(message) + (framing.bytes if framing.counts_itself else 0)
    is_binary = framing.encoding is Encoding.BINARY
    if length >= (256 if is_binary else 10) ** framing.bytes:
        raise Rejected(f"a message of {len(message)} bytes does not fit the specification's framing: use more bytes")
    if is_binary:
        return length.to_bytes(framing.bytes, "big") + message
    return f"{length:0{framing.bytes}}".encode(framing.encoding) + message
