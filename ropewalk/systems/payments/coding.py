"""How what a part of payments is asked becomes bytes: the part's byte, then a tagged struct as MessagePack.

    CONTROLS │ {"command": "Freeze", "routing": …}        a `Coding` for each union of structs that can stand there

Logs keep such bytes. Replies have no first byte: who asked knows the part.

Checked by: tests/payments/test_coding.py
"""

from typing import Generic, TypeVar, cast

import msgspec

from ropewalk.core.codec import encode_value
from ropewalk.errors import Rejected

T = TypeVar("T")


class Coding(Generic[T]):
    """That of a union, whose members are what `name` says: `a query about cards`."""

    def __init__(self, part: bytes, union: object, *, name: str) -> None:
        self._part = part
        self._name = name
        # A union of types is not a `type` to a type checker, and is one to msgspec.
        self._decoder: msgspec.msgpack.Decoder[T] = msgspec.msgpack.Decoder(cast("type[T]", union))

    def encode(self, said: T) -> bytes:
        """The bytes."""
        return self._part + encode_value(said)

    def decode(self, encoded: bytes) -> T:
        """From its bytes. Raises Rejected if they are none of the union."""
        try:
            return self._decoder.decode(memoryview(encoded)[1:])
        except msgspec.DecodeError as error:
            raise Rejected(f"not {self._name}: {error}") from error
