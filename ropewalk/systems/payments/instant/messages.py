"""What can be asked of instant payments, and what it answers: msgspec structs, told apart by their tag.

A command, a query or an answer is one byte, `INSTANT`, and then the struct as MessagePack. XML is read and written at
the edge: the log holds what a message says, as a typed view.

Checked by: tests/payments/instant/test_instant.py
"""

from collections.abc import Sequence
from typing import Final, TypeAlias, cast

import msgspec

from ropewalk.systems.payments.coding import Coding
from ropewalk.systems.payments.iso20022.model import (
    CancellationRequest,
    CreditTransfer,
    PaymentReturn,
    Resolution,
    StatusReport,
    StatusRequest,
)

INSTANT: Final = b"\x20"
"""The first byte of everything here."""


class Command(msgspec.Struct, frozen=True, tag=True, tag_field="command"):
    """Changes something."""


class Take(Command, frozen=True):
    """Do what a message asks, and answer it."""

    message: CreditTransfer | PaymentReturn | CancellationRequest


class Decide(Command, frozen=True):
    """Accept a payment that waits for its receiver's bank, or reject it for a reason."""

    uetr: str
    accept: bool
    who: str
    why: str
    reason: str = ""


class DecideRecall(Command, frozen=True):
    """Send the money of a recalled payment back, or keep it for a reason."""

    uetr: str
    accept: bool
    who: str
    why: str
    reason: str = ""


class SetPolicy(Command, frozen=True):
    """Say how an account's bank decides.

    `arrivals`: accept (at once), or ask (each payment waits for `Decide`). `recalls`: ask, accept or refuse.
    """

    routing: str
    number: str
    arrivals: str
    recalls: str
    who: str
    why: str


AnyCommand: TypeAlias = Take | Decide | DecideRecall | SetPolicy


class Reply(msgspec.Struct, frozen=True, tag=True, tag_field="reply"):
    """What became of a command."""


class Answered(Reply, frozen=True):
    """The message that answers a message; also if the answer is no.

    If it `is_asking`, another shard is asked, and the event `instant.answer` brings what it comes to.
    """

    message: StatusReport | Resolution
    is_asking: bool = False


class PolicySet(Reply, frozen=True):
    """It is so; and it was so before, if `repeated`."""

    repeated: bool = False


class Refused(Reply, frozen=True):
    """Nothing changed. `reason` is a word for programs, `detail` a sentence for people."""

    reason: str
    detail: str


AnyReply: TypeAlias = Answered | PolicySet | Refused


class Query(msgspec.Struct, frozen=True, tag=True, tag_field="query"):
    """Asks something."""


class AskStatus(Query, frozen=True):
    """What a status request asks; the answer is a status report, also for a payment that is not known."""

    message: StatusRequest


class GetPayment(Query, frozen=True):
    """One payment with its returns, its recall and its history."""

    uetr: str


class GetReport(Query, frozen=True):
    """The newest status report of a payment."""

    uetr: str


class GetReturn(Query, frozen=True):
    """The message of one of a payment's returns, counted from 0."""

    uetr: str
    number: int


class GetRecall(Query, frozen=True):
    """The answer to the recall of a payment, as it is now."""

    uetr: str


class ListPayments(Query, frozen=True):
    """Payments that are kept, the newest first; only those in `status`, if one is named."""

    status: str = ""
    limit: int = 100


class ListDeciders(Query, frozen=True):
    """The shards that decide about halves which are held here."""


AnyQuery: TypeAlias = AskStatus | GetPayment | GetReport | GetReturn | GetRecall | ListPayments | ListDeciders


class NoteView(msgspec.Struct, frozen=True):
    """One thing that happened to a payment: what, by whom, and why."""

    time_ns: int
    what: str
    who: str
    why: str = ""


class ReturnView(msgspec.Struct, frozen=True):
    """Money that went back."""

    number: int
    return_id: str
    amount_cents: int
    reason: str
    time_ns: int


class RecallView(msgspec.Struct, frozen=True):
    """A request to send the money back: pending, accepted, rejected or cancelled (the payment never went out)."""

    case_id: str
    outcome: str
    asked_for: str
    reason: str
    time_ns: int


class PaymentView(msgspec.Struct, frozen=True):
    """A payment. `due_ns` is when it is rejected if nobody decides; 0 if it is decided.

    `direction` is in (from another shard), out (to another shard) or within. Each shard of a payment shows it.
    """

    uetr: str
    status: str
    reason: str
    amount_cents: int
    returned_cents: int
    debtor_routing: str
    debtor_account: str
    creditor_routing: str
    creditor_account: str
    end_to_end_id: str
    taken_ns: int
    decided_ns: int
    due_ns: int
    returns: Sequence[ReturnView]
    recall: RecallView | None
    history: Sequence[NoteView]
    direction: str = "within"


_COMMANDS: Final = Coding[AnyCommand](INSTANT, AnyCommand, name="a command of instant payments")
_QUERIES: Final = Coding[AnyQuery](INSTANT, AnyQuery, name="a query of instant payments")

encode_command: Final = _COMMANDS.encode
decode_command: Final = _COMMANDS.decode
encode_query: Final = _QUERIES.encode
decode_query: Final = _QUERIES.decode
decode_reply: Final = msgspec.msgpack.Decoder(cast("type[AnyReply]", AnyReply)).decode
