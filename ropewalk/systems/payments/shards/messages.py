"""What shards say to each other, and what callers may ask of what is between them: one byte, then MessagePack.

    coordinator ──Prepare──► participant          a vote is the reply to it
                ──Decide───►
                ◄──Inquire── participant, if it has waited for too long

Rows are those of the ledger, as bytes; ids of accounts are as all shards know them.

Checked by: tests/payments/shards/test_transfers.py
"""

from typing import Final, TypeAlias, cast

import msgspec

from ropewalk.core.codec import encode_value
from ropewalk.systems.payments.coding import Coding

SHARDS: Final = b"\x2c"
"""The first byte of everything here."""


class CreateTogether(msgspec.Struct, frozen=True, array_like=True, tag="create_together"):
    """A caller's transfers (TRANSFER rows) of any shards: all of them or none. Sent to any of their shards."""

    rows: bytes


class Prepare(msgspec.Struct, frozen=True, array_like=True, tag="prepare"):
    """Hold what these transfers move here; the answer is a `Vote`."""

    number: int
    rows: bytes


class Decide(msgspec.Struct, frozen=True, array_like=True, tag="decide"):
    """Post those of a transaction's transfers whose bit is set, in the order of `Prepare`, and void the others."""

    number: int
    commits: bytes


class Inquire(msgspec.Struct, frozen=True, array_like=True, tag="inquire"):
    """What became of a transaction of yours? The answer is an `Outcome`."""

    number: int


class Vote(msgspec.Struct, frozen=True, array_like=True, tag="vote"):
    """A status (four bytes) for each row: CREATED for what is held."""

    number: int
    statuses: bytes


class Outcome(msgspec.Struct, frozen=True, array_like=True, tag="outcome"):
    """If it is decided, the decision came before this answer, since messages between two shards keep their order."""

    number: int
    is_decided: bool


class Decided(msgspec.Struct, frozen=True, array_like=True):
    """What the event of a decision tells: a status (four bytes) for each of the transaction's rows, in order."""

    number: int
    statuses: bytes


class Guarded(msgspec.Struct, frozen=True, array_like=True, tag="guarded"):
    """A query of the ledger or of ACH, and which transactions hold something on these accounts (16 bytes each)."""

    query: bytes
    accounts: bytes


class IsDecided(msgspec.Struct, frozen=True, array_like=True, tag="is_decided"):
    """Has this shard decided a transaction of its own? Its number, or as much of it as a result tells."""

    number: int


class Holds(msgspec.Struct, frozen=True, array_like=True, tag="holds"):
    """Does this shard hold something for another one's transaction?"""

    coordinator: int
    number: int


class TakeCut(msgspec.Struct, frozen=True, array_like=True, tag="take_cut"):
    """A query, and beside its answer what had been sent to and taken in from each shard.

    So several answers can be seen to be of one moment, as far as messages tell.
    """

    query: bytes


class Held(msgspec.Struct, frozen=True, array_like=True):
    """A transaction that holds something here, and the shard that decides it."""

    coordinator: int
    number: int


class GuardedAnswer(msgspec.Struct, frozen=True, array_like=True):
    """The answer, what is undecided in it as far as this shard knows, and whether anything is held on accounts."""

    answer: bytes
    held: list[Held]
    has_pending: bool


class CutAnswer(msgspec.Struct, frozen=True, array_like=True):
    """The answer of one shard, and how many messages it had sent to each log and taken in from each."""

    answer: bytes
    sent: dict[str, int]
    taken: dict[str, int]


AnyMessage: TypeAlias = Prepare | Decide | Inquire
AnyReply: TypeAlias = Vote | Outcome
AnyQuery: TypeAlias = Guarded | IsDecided | Holds | TakeCut

_COMMANDS: Final = Coding[CreateTogether](SHARDS, CreateTogether, name="a command about transfers between shards")
_MESSAGES: Final = Coding[AnyMessage](SHARDS, AnyMessage, name="a message between shards")
_QUERIES: Final = Coding[AnyQuery](SHARDS, AnyQuery, name="a query about what is between shards")

decode_command: Final = _COMMANDS.decode
decode_message: Final = _MESSAGES.decode
decode_query: Final = _QUERIES.decode
decode_reply: Final = msgspec.msgpack.Decoder(cast("type[AnyReply]", AnyReply)).decode


def encode(said: CreateTogether | AnyMessage | AnyQuery) -> bytes:
    """The bytes of a command, a message or a query."""
    return SHARDS + encode_value(said)
