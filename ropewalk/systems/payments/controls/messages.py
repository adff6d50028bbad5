"""What may be asked of controls, and what they answer: one byte, then MessagePack.

Checked by: tests/payments/controls/test_controls.py
"""

from typing import Final, TypeAlias, cast

import msgspec

from ropewalk.core.codec import encode_value
from ropewalk.systems.payments.coding import Coding

CONTROLS: Final = b"\x0c"
"""The first byte of everything here."""


class Command(msgspec.Struct, frozen=True, tag=True, tag_field="command"):
    """Each is done by somebody for a reason."""

    who: str
    why: str


class SetLimits(Command, frozen=True):
    """What may leave an account at once, and in any 24 hours; zero is no limit, and three zeros lift all."""

    routing: str
    number: str
    transfer_cents: int = 0
    day_cents: int = 0
    day_count: int = 0


class Freeze(Command, frozen=True):
    """Nothing enters an account (`sides`: credits), leaves it (debits) or either (both), but for promises."""

    routing: str
    number: str
    sides: str = "both"


class Unfreeze(Command, frozen=True):
    """It does again."""

    routing: str
    number: str


class Reverse(Command, frozen=True):
    """Send the money of a transfer (its id in decimal) back: so much of it, or with zero all that is left.

    One transfer has one reversal of each `reference`. What its payee can't pay, its bank's suspense account does if
    `from_suspense`.
    """

    transfer_id: str
    amount: int = 0
    reference: str = ""
    from_suspense: bool = False


class Controlled(msgspec.Struct, frozen=True, tag="Done", tag_field="reply"):
    """It is so, and is noted under this number; `made_id` is the transfer that it made, if it made one.

    A transfer to another shard is not decided yet: whoever looks it up finds it when it is.
    """

    number: int
    made_id: str = ""


class Refused(msgspec.Struct, frozen=True, tag=True, tag_field="reply"):
    """Nothing changed. `reason` is a word for programs, `detail` a sentence for people."""

    reason: str
    detail: str


class Query(msgspec.Struct, frozen=True, tag=True, tag_field="query"):
    """Asks something."""


class ListControls(Query, frozen=True):
    """What was done behind `after`, the number of one, oldest first; only to one account, if it is named."""

    after: int = -1
    limit: int = 100
    routing: str = ""
    number: str = ""


class GetAccountControls(Query, frozen=True):
    """What holds for one account now."""

    routing: str
    number: str


class ControlView(msgspec.Struct, frozen=True):
    """One of them: when, by whom, why, what, and to which account or transfer; what it set, and what it made."""

    number: int
    time_ns: int
    who: str
    why: str
    what: str
    routing: str
    account: str
    transfer_id: str
    details: dict[str, str]


class AccountControls(msgspec.Struct, frozen=True):
    """The limits of an account (zero is none), what counts against them now, and which sides of it are frozen."""

    transfer_cents: int
    day_cents: int
    day_count: int
    spent_cents: int
    spent_count: int
    frozen: str


AnyCommand: TypeAlias = SetLimits | Freeze | Unfreeze | Reverse
AnyReply: TypeAlias = Controlled | Refused
AnyQuery: TypeAlias = ListControls | GetAccountControls

_COMMANDS: Final = Coding[AnyCommand](CONTROLS, AnyCommand, name="a command about controls")
_QUERIES: Final = Coding[AnyQuery](CONTROLS, AnyQuery, name="a query about controls")

decode_command: Final = _COMMANDS.decode
decode_query: Final = _QUERIES.decode
decode_reply: Final = msgspec.msgpack.Decoder(cast("type[AnyReply]", AnyReply)).decode
decode_views: Final = msgspec.msgpack.Decoder(list[ControlView]).decode
decode_account: Final = msgspec.msgpack.Decoder(AccountControls).decode


def encode(said: AnyCommand | AnyQuery) -> bytes:
    """The bytes of a command or a query."""
    return CONTROLS + encode_value(said)
