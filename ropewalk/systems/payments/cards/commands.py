"""What can be asked of card authorisation, and what it answers: msgspec structs, told apart by their tag.

A command or query is one byte, `CARDS`, and then the struct as MessagePack. A card goes by its token (`tokens`), its
number is nowhere but masked. Amounts are in the currency's smallest unit.

Checked by: tests/payments/cards/test_stories.py
"""

from collections.abc import Sequence
from typing import Annotated, Final, TypeAlias, cast

import msgspec

from ropewalk.systems.payments.coding import Coding

CARDS: Final = b"\xca"
"""The first byte of everything here."""


Amount = Annotated[int, msgspec.Meta(ge=0)]
Token = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
Transmitted = Annotated[str, msgspec.Meta(pattern="^[0-9]{10}$")]
"""Numbers, names and times that fit the ledger and the calendar: what does not is no command."""


class Command(msgspec.Struct, frozen=True, tag=True, tag_field="command"):
    """Changes something."""


class OpenProgramme(Command, frozen=True):
    """Let an institution issue cards whose numbers begin with the six digits of `bin`.

    `hold_days`: how long an authorisation holds money. `stand_in_minor` and `stand_in_day_minor`: what is authorised
    at most, at once and a card and day, while the institution's partition does not answer; zero declines.
    """

    bin: str
    routing: str
    hold_days: int = 7
    stand_in_minor: int = 0
    stand_in_day_minor: int = 0


class NewCard(msgspec.Struct, frozen=True):
    """A card for a customer's account. `expires` is YYMM, the last month in which it is good; zero is no limit."""

    token: Token
    masked: str
    routing: str
    account_number: str
    expires: str
    limit_minor: int = 0
    day_limit_minor: int = 0
    day_count_max: int = 0


class IssueCards(Command, frozen=True):
    """Issue cards: all of them, or none and why. `key_check` tells the key that their tokens were made with."""

    cards: Sequence[NewCard]
    key_check: bytes


class BlockCard(Command, frozen=True):
    """Set what a card is: active, blocked, lost or stolen."""

    token: bytes
    state: str


class Origin(msgspec.Struct, frozen=True, array_like=True):
    """What names a message for ever: who sent it (32), when (7, MMDDhhmmss in UTC), and its trace number (11)."""

    acquirer: str
    transmitted: Transmitted
    trace: str


class Authorise(Command, frozen=True):
    """May this card spend that? `posts`: it is spent at once, and not only held. `takes_part`: part of it is welcome.

    `is_decided`: it was authorised elsewhere already, and is the issuer's to pay whether or not the customer can.
    """

    origin: Origin
    token: Token
    masked: str
    amount_minor: Amount
    currency: str
    reference: str = ""
    expires: str = ""
    posts: bool = False
    takes_part: bool = False
    is_decided: bool = False


class Complete(Command, frozen=True):
    """Spend what an authorisation holds, all or a part of it: the one that `original` names, or else `reference`.

    `is_decided`: it tells of what was spent already, so who stands in for the issuer has no say in it.
    """

    origin: Origin
    token: Token
    masked: str
    amount_minor: Amount
    currency: str
    reference: str = ""
    original: Origin | None = None
    is_decided: bool = False


class Reverse(Command, frozen=True):
    """Undo what `original` did; if it has not come yet, see that it does nothing when it does."""

    original: Origin
    token: Token
    masked: str
    amount_minor: Amount
    currency: str


Movement: TypeAlias = Authorise | Complete | Reverse


class StandIn(Command, frozen=True):
    """Decide in place of an issuer whose partition does not answer, and tell it later.

    `issuer` is the number of its partition. The limits are those of its programme.
    """

    issuer: int
    movement: Movement
    limit_minor: int
    day_limit_minor: int


AnyCommand: TypeAlias = OpenProgramme | IssueCards | BlockCard | Movement | StandIn


class Reply(msgspec.Struct, frozen=True, tag=True, tag_field="reply"):
    """What became of a command."""


class CardsDone(Reply, frozen=True, tag="Done"):
    """It is so; and it was so before, if `repeated`."""

    repeated: bool = False


class Refused(Reply, frozen=True):
    """Nothing changed. `reason` is a word for programs, `detail` a sentence for people."""

    reason: str
    detail: str


class Answer(Reply, frozen=True):
    """What a message is answered: `reason` is a number of `reasons.Reason`, `approval` the authorisation response."""

    reason: int
    amount_minor: int = 0
    approval: str = ""


AnyReply: TypeAlias = CardsDone | Refused | Answer


class Query(msgspec.Struct, frozen=True, tag=True, tag_field="query"):
    """Asks something."""


class ListProgrammes(Query, frozen=True):
    """Programmes: of one institution, or of all in this partition."""

    routing: str = ""


class ListCards(Query, frozen=True):
    """Cards of an institution behind `after`, by number of issue."""

    routing: str
    after: int = -1
    limit: int = 100


class ListStandIns(Query, frozen=True):
    """Decisions in place of an issuer, the newest first; only those that it would not have made, if `disputed`."""

    disputed: bool = False
    limit: int = 100


AnyQuery: TypeAlias = ListProgrammes | ListCards | ListStandIns


class ProgrammeView(msgspec.Struct, frozen=True):
    """A programme."""

    bin: str
    routing: str
    hold_days: int
    stand_in_minor: int
    stand_in_day_minor: int


class CardView(msgspec.Struct, frozen=True):
    """A card, and what it has spent on the last day it was used."""

    number: int
    token: str
    masked: str
    routing: str
    account_number: str
    expires: str
    state: str
    limit_minor: int
    day_limit_minor: int
    day_count_max: int
    spent_minor: int
    spent_count: int


class StandInView(msgspec.Struct, frozen=True):
    """A decision in place of an issuer. `outcome`: waiting, agreed or disputed; `issuer_code` is what it answered."""

    acquirer: str
    transmitted: str
    trace: str
    masked: str
    what: str
    amount_minor: int
    code: str
    outcome: str
    issuer_code: str


_COMMANDS: Final = Coding[AnyCommand](CARDS, AnyCommand, name="a command about cards")
_QUERIES: Final = Coding[AnyQuery](CARDS, AnyQuery, name="a query about cards")

encode_command: Final = _COMMANDS.encode
decode_command: Final = _COMMANDS.decode
encode_query: Final = _QUERIES.encode
decode_query: Final = _QUERIES.decode
decode_reply: Final = msgspec.msgpack.Decoder(cast("type[AnyReply]", AnyReply)).decode
