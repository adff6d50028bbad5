"""What shards say to each other about ACH: structs, told apart by their tag, behind ACH's byte.

    originator's shard ──SettleThere──► receiver's shard      entries of a window; answered with a code for each
    returner's shard ──JudgeThere──► originator's shard       returns and answers; answered with what is against each
    originator's shard ──PayThere──► receiver's shard         a leg of a dishonored return; answered when it is made

    a file's home ──TakePart, FileDecided──► other shards ──PartTaken, FilePlaced──► home     (`files_elsewhere`)
    any shard ──AskWindow, PhaseDone, Closed──► the house ──OpenWindow, GoOn──► all shards       (`house`)

Checked by: tests/payments/processing/test_shards.py
"""

from collections.abc import Sequence
from typing import Final, TypeAlias, cast

import msgspec
import numpy as np

from ropewalk.systems.payments.coding import Coding
from ropewalk.systems.payments.processing.messages import ACH, FileError

FAR: Final = np.dtype(
    [
        ("row", "<u4"),
        ("rdfi", "<u4"),
        ("amount", "<u8"),
        ("trace", "<u8"),
        ("account", "S17"),
        ("is_credit", "?"),
    ]
)
"""An entry for a receiver elsewhere; institutions are eight digits."""

TAG: Final = b"ach"
"""With it an answer comes back. Which question it is to, it says itself."""


class SettleThere(msgspec.Struct, frozen=True, array_like=True, tag="settle"):
    """Make the receivers' legs of some entries (rows of FAR) of a file; the answer is a `Settled`."""

    number: int
    file: int
    entries: bytes


class Claim(msgspec.Struct, frozen=True, array_like=True):
    """What a return, an answer to one or a notification (`row` of its file) says of the entry that it names.

    `identification` and `rdfi` are the eight digits of who sends it and of whom it is for.
    """

    row: int
    category: int
    code: int
    original_trace: int
    identification: int
    rdfi: int
    amount_cents: int
    account: bytes
    transaction_code: int
    change_code: str = ""
    corrected_data: str = ""
    refused_change_code: str = ""


class JudgeThere(msgspec.Struct, frozen=True, array_like=True, tag="judge"):
    """Do what these ask of originals that are kept there, or object; the answer is a `Judged`."""

    number: int
    day: int
    claims: Sequence[Claim]


class FarLeg(msgspec.Struct, frozen=True, array_like=True):
    """The receiver's leg of an entry that goes back, or forth again: `before` is how often it went so far."""

    file: int
    row: int
    before: int
    amount: int
    rdfi: int
    account: bytes
    brings: bool


class PayThere(msgspec.Struct, frozen=True, array_like=True, tag="pay"):
    """Make a receiver's leg; the answer is a `Paid`."""

    number: int
    leg: FarLeg


class AskWindow(msgspec.Struct, frozen=True, array_like=True, tag="ask"):
    """Something is due by a minute, and of the `known` windows of its shard none is for that."""

    through_minute: int
    known: int


class OpenWindow(msgspec.Struct, frozen=True, array_like=True, tag="open"):
    """Work on this window."""

    number: int
    by_hand: bool
    asked_ns: int
    through_minute: int


class PhaseDone(msgspec.Struct, frozen=True, array_like=True, tag="done"):
    """This shard has nothing left to do in a phase of a window."""

    window: int
    phase: int


class GoOn(msgspec.Struct, frozen=True, array_like=True, tag="go_on"):
    """All shards have done what comes before that phase."""

    window: int
    phase: int


class Closed(msgspec.Struct, frozen=True, array_like=True, tag="closed"):
    """This shard has settled the net positions of its institutions; their sum."""

    window: int
    net_cents: int


class TakePart(msgspec.Struct, frozen=True, array_like=True, tag="take"):
    """Keep a part of a file that has batches of yours; with the last, read it and say what is against it."""

    checksum: bytes
    part: int
    parts: int
    content: bytes


class PartTaken(msgspec.Struct, frozen=True, array_like=True, tag="taken"):
    """The first parts of a file are kept; if they are all, this is against it: nothing, if it can be taken in."""

    checksum: bytes
    parts: int
    errors: Sequence[FileError] = ()
    errors_total: int = 0


class FileDecided(msgspec.Struct, frozen=True, array_like=True, tag="decided"):
    """Take your batches of a file in, or forget it if it has no number at its home."""

    checksum: bytes
    parts: int
    file: int | None


class FilePlaced(msgspec.Struct, frozen=True, array_like=True, tag="placed"):
    """A file was taken in, under this number."""

    checksum: bytes
    file: int


class Settled(msgspec.Struct, frozen=True, array_like=True, tag="settled"):
    """For each entry 0, or the number of its return reason."""

    number: int
    codes: bytes


class Verdict(msgspec.Struct, frozen=True, array_like=True):
    """What became of an answer: what is against it (0 if nothing), and what moves at its sender."""

    row: int
    objection: int
    information: bytes
    leg: FarLeg | None


class Judged(msgspec.Struct, frozen=True, array_like=True, tag="judged"):
    """A verdict for each answer."""

    number: int
    verdicts: Sequence[Verdict]


class Paid(msgspec.Struct, frozen=True, array_like=True, tag="paid"):
    """The leg is made."""

    number: int


AnyMessage: TypeAlias = (
    SettleThere
    | JudgeThere
    | PayThere
    | AskWindow
    | OpenWindow
    | PhaseDone
    | GoOn
    | Closed
    | TakePart
    | PartTaken
    | FileDecided
    | FilePlaced
)
AnyReply: TypeAlias = Settled | Judged | Paid

_MESSAGES: Final = Coding[AnyMessage](ACH, AnyMessage, name="a message about ACH")

encode_message: Final = _MESSAGES.encode
decode_message: Final = _MESSAGES.decode
decode_answer: Final = msgspec.msgpack.Decoder(cast("type[AnyReply]", AnyReply)).decode
