"""What may be asked of controls, and what they answer: one byte, then MessagePack.

Checked by: tests/payments/controls/test_controls.py
"""

from collections.abc import Sequence
from typing import Final, TypeAlias, cast

import msgspec

from ropewalk.core.codec import encode_value
from ropewalk.errors import Rejected

CONTROLS: Final = b"\x0c"
"""The first byte of everything here."""


class Command(msgspec.Struct, frozen=True, tag=True, tag_field="command"):
    """Each is done by somebody for a reason."""

    who: str
    why: str


class SetLimits(Command, frozen=True):
    """What may leave an account at once, and in a day (UTC); zero is no limit."""

    routing: str
    number: str
    transfer_cents: int = 0
    day_cents: int = 0
    day_count: int = 0


class Freeze(Command, frozen=True):
    """Nothing enters or leaves an account, but for what was promised before."""

    routing: str
    number: str


class Unfreeze(Command, frozen=True):
    """It does again."""

    routing: str
    number: str


class Reverse(Command, frozen=True):
    """Send the money of a transfer (its id in decimal) back, once."""

    transfer_id: str


class Done(msgspec.Struct, frozen=True, tag=True, tag_field="reply"):
    """It is so, and is noted under this number."""

    number: int


class Refused(msgspec.Struct, frozen=True, tag=True, tag_field="reply"):
    """Nothing changed. `reason` is a word for programs, `detail` a sentence for people."""

    reason: str
    detail: str


class ListControls(msgspec.Struct, frozen=True, tag=True, tag_field="query"):
    """What was done behind `after`, the number of one, oldest first; only to one account, if it is named."""

    after: int = -1
    limit: int = 100
    routing: str = ""
    number: str = ""


class ControlView(msgspec.Struct, frozen=True):
    """One of them: when, by whom, why, what, and to which account or transfer."""

    number: int
    time_ns: int
    who: str
    why: str
    what: str
    routing: str
    account: str
    transfer_id: str
    details: dict[str, int]


AnyCommand: TypeAlias = SetLimits | Freeze | Unfreeze | Reverse
AnyReply: TypeAlias = Done | Refused


def _type(given: object) -> type:
    """A union of types is not a `type` to a type checker, and is one to msgspec."""
    return cast(type, given)


_COMMANDS: Final[msgspec.msgpack.Decoder[AnyCommand]] = msgspec.msgpack.Decoder(_type(AnyCommand))
_QUERIES: Final[msgspec.msgpack.Decoder[ListControls]] = msgspec.msgpack.Decoder(ListControls)
_REPLIES: Final[msgspec.msgpack.Decoder[AnyReply]] = msgspec.msgpack.Decoder(_type(AnyReply))


def encode(said: AnyCommand | ListControls) -> bytes:
    """The bytes of a command or a query."""
    return CONTROLS + encode_value(said)


def decode_command(command: bytes) -> AnyCommand:
    """A command from its bytes. Raises Rejected if they are none."""
    try:
        return _COMMANDS.decode(memoryview(command)[1:])
    except msgspec.DecodeError as error:
        raise Rejected(f"not a command about controls: {error}") from error


def decode_query(query: bytes) -> ListControls:
    """A query from its bytes. Raises Rejected if they are none."""
    try:
        return _QUERIES.decode(memoryview(query)[1:])
    except msgspec.DecodeError as error:
        raise Rejected(f"not a query about controls: {error}") from error


def decode_reply(reply: bytes) -> AnyReply:
    """What became of a command."""
    return _REPLIES.decode(reply)


def decode_views(answer: bytes) -> Sequence[ControlView]:
    """What was listed."""
    return msgspec.msgpack.decode(answer, type=list[ControlView])
