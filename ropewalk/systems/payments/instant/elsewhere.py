"""What the shards of two banks say to each other about a payment, its returns and its recall.

    debtor's shard   ──Weigh────────► creditor's shard      a payment: the debtor's shard decides
                     ◄─Verdict──────
                     ──Concluded────►
                     ◄─WeighReturn──                        a return: the creditor's shard, which now pays, decides
                     ──ReturnVerdict►
                     ◄─ReturnConcluded
                     ──AskBack──────►                       a recall: the creditor's shard decides
                     ◄─RecallAnswered
                     ◄─Noted────────                        what a person or a policy there has decided

Messages between two shards arrive once and in order. A message is the byte `INSTANT` and then the struct as
MessagePack; what a caller may ask is in `messages`, and none of these is among it.

Checked by: tests/payments/instant/test_elsewhere.py
"""

from typing import Final, TypeAlias

import msgspec

from ropewalk.systems.payments.coding import Coding
from ropewalk.systems.payments.instant.messages import INSTANT
from ropewalk.systems.payments.instant.record import Note, Outcome, Returned
from ropewalk.systems.payments.iso20022.model import CancellationRequest, CreditTransfer


class Weigh(msgspec.Struct, frozen=True, tag="weigh"):
    """May this payment come? Hold it if so. The answer is a `Verdict`, or two if a person is asked."""

    transfer: CreditTransfer
    taken_ns: int


class Verdict(msgspec.Struct, frozen=True, tag="verdict"):
    """Yes: it is held. Or no, for a reason. Or, if it `asks`, not yet: a person will say."""

    uetr: str
    reason: str = ""
    asks: bool = False


class Concluded(msgspec.Struct, frozen=True, tag="concluded"):
    """The payment has moved, or does not for a reason, since then."""

    uetr: str
    reason: str
    time_ns: int


class WeighReturn(msgspec.Struct, frozen=True, tag="weigh_return"):
    """May this return come? Hold it if so. The answer is a `ReturnVerdict`."""

    uetr: str
    attempt: int
    amount: int
    key: int


class ReturnVerdict(msgspec.Struct, frozen=True, tag="return_verdict"):
    """Yes: it is held. Or no, for a reason."""

    uetr: str
    attempt: int
    reason: str = ""


class ReturnConcluded(msgspec.Struct, frozen=True, tag="return_concluded"):
    """The return has moved as this one, or it does not move."""

    uetr: str
    attempt: int
    returned: Returned | None


class AskBack(msgspec.Struct, frozen=True, tag="ask_back"):
    """Send the money of this payment back. The answers are `RecallAnswered`."""

    request: CancellationRequest


class RecallAnswered(msgspec.Struct, frozen=True, tag="recall_answered"):
    """What has become of a recall; if it is pending a person will say."""

    uetr: str
    outcome: Outcome
    reason: str
    time_ns: int


class Noted(msgspec.Struct, frozen=True, tag="noted"):
    """Something happened to a payment that both shards tell of."""

    uetr: str
    note: Note


AnyMessage: TypeAlias = (
    Weigh | Verdict | Concluded | WeighReturn | ReturnVerdict | ReturnConcluded | AskBack | RecallAnswered | Noted
)

_MESSAGES: Final = Coding[AnyMessage](INSTANT, AnyMessage, name="a message between shards about instant payments")

encode_message: Final = _MESSAGES.encode
decode_message: Final = _MESSAGES.decode
