"""The messages that answer: made from what is kept, so the same question gets the same answer, word for word.

Message ids follow from what is answered; a time is the log's.

Checked by: tests/payments/instant/test_stories.py, tests/payments/rest/test_instant.py
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from ropewalk.core.codec import checksum, encode_value
from ropewalk.core.machine import Event
from ropewalk.systems.payments.instant.messages import Answered
from ropewalk.systems.payments.instant.record import CURRENCY, Outcome, Payment, Recall, Record, Returned, Status
from ropewalk.systems.payments.iso20022.model import (
    NO_AGENT,
    CancellationRequest,
    CreditTransfer,
    Original,
    PaymentReturn,
    Reason,
    Resolution,
    StatusReport,
)
from ropewalk.systems.payments.iso20022.money import Amount

_PACS_008: Final = "pacs.008.001.08"
_PACS_004: Final = "pacs.004.001.10"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_CONFIRMATIONS: Final = {
    Outcome.PENDING: ("PDCR", "PDCR"),
    Outcome.ACCEPTED: ("IPAY", "ACCR"),
    Outcome.REJECTED: ("RJCR", "RJCR"),
    Outcome.CANCELLED: ("CNCL", "ACCR"),
}
"""What an outcome is called as the answer to a case, and of a transaction. IPAY: a return follows."""

ANSWER: Final = "instant.answer"
"""The kind of the event that brings an answer for which another shard was asked; its data are an `Answered`."""

_EVENTS: Final = {
    StatusReport: "instant.payment",
    PaymentReturn: "instant.return",
    Resolution: "instant.recall",
}


def publish(record: Record, message: StatusReport | PaymentReturn | Resolution) -> None:
    """Tell whoever follows what has happened to a payment."""
    kind = _EVENTS[type(message)]
    record.outgoing.publish(Event(kind, message.original.uetr, encode_value(message)))


def publish_answer(record: Record, subject: str, message: StatusReport | Resolution) -> None:
    """Tell whoever waits for the answer to a message, which another shard had to be asked about."""
    record.outgoing.publish(Event(ANSWER, subject, encode_value(Answered(message))))


def about_payment(uetr: str) -> str:
    """The subject of answers about a payment itself."""
    return f"{uetr}/payment"


def about_return(message: PaymentReturn) -> str:
    """The subject of answers about a return."""
    return f"{message.original.uetr}/return/{message.return_id or message.message_id}"


def about_recall(uetr: str) -> str:
    """The subject of answers about a recall."""
    return f"{uetr}/recall"


def close(record: Record, payment: Payment, reason: str, *, time_ns: int) -> None:
    """Let a payment be accepted, or rejected for a reason, and tell it."""
    payment.status = Status.REJECTED if reason else Status.ACCEPTED
    payment.reason, payment.decided_ns = reason, time_ns
    payment.asks, payment.stand = False, None
    publish(record, report(payment))
    if payment.peer >= 0:
        publish_answer(record, about_payment(payment.transfer.uetr), report(payment))


def report(payment: Payment) -> StatusReport:
    """What has become of a payment."""
    decided_ns = payment.decided_ns or payment.taken_ns
    return _report(payment.transfer, payment.status, payment.reason, time_ns=decided_ns)


def rejection(transfer: CreditTransfer, reason: str, *, time_ns: int) -> StatusReport:
    """That a payment is rejected, of which nothing is kept."""
    return _report(transfer, Status.REJECTED, reason, time_ns=time_ns)


def unknown(original: Original, *, time_ns: int) -> StatusReport:
    """That there is no such payment."""
    return StatusReport(
        message_id=_message_id("S", original.uetr, "AG09", time_ns=time_ns),
        created=moment(time_ns),
        original=original,
        status=Status.REJECTED,
        reasons=(Reason("AG09"),),
    )


def return_report(
    message: PaymentReturn, reason: str, *, time_ns: int, otherwise: Status = Status.SETTLED
) -> StatusReport:
    """What has become of a return: it is settled, or still pending, unless there is a reason against it."""
    status = Status.REJECTED if reason else otherwise
    asked = message.original
    original = Original(
        uetr=asked.uetr,
        message_id=message.message_id,
        definition=_PACS_004,
        created=message.created,
        instruction_id=asked.instruction_id,
        end_to_end_id=asked.end_to_end_id,
        transaction_id=asked.transaction_id,
    )
    return StatusReport(
        message_id=_message_id(
            "T", asked.uetr, f"{message.message_id}/{message.return_id}/{reason or otherwise}", time_ns=time_ns
        ),
        created=moment(time_ns),
        original=original,
        status=status,
        reasons=_reasons(reason),
        accepted=moment(time_ns) if status is Status.SETTLED else "",
        instructing=message.instructed,
        instructed=message.instructing,
    )


def return_message(payment: Payment, returned: Returned) -> PaymentReturn:
    """The message that sends money back."""
    return PaymentReturn(
        message_id=returned.message
        or _message_id("B", payment.transfer.uetr, returned.return_id, time_ns=returned.time_ns),
        created=moment(returned.time_ns),
        original=original_of(payment.transfer),
        amount=Amount(CURRENCY, returned.amount),
        return_id=returned.return_id,
        clearing_system=payment.transfer.clearing_system,
        settled_on=moment(returned.time_ns)[:10],
        charge_bearer="SLEV",
        instructing=payment.transfer.creditor_agent,
        instructed=payment.transfer.debtor_agent,
        reasons=_reasons(returned.reason),
    )


def resolution(recall: Recall) -> Resolution:
    """The answer to a recall."""
    return _resolution(recall.request, recall.outcome, recall.reason, time_ns=recall.time_ns)


def recall_rejection(request: CancellationRequest, reason: str, *, time_ns: int) -> Resolution:
    """That a recall is rejected, of which nothing is kept."""
    return _resolution(request, Outcome.REJECTED, reason, time_ns=time_ns)


def original_of(transfer: CreditTransfer) -> Original:
    """How later messages name a payment."""
    return Original(
        uetr=transfer.uetr,
        message_id=transfer.message_id,
        definition=_PACS_008 if transfer.message_id else "",
        created=transfer.created,
        instruction_id=transfer.instruction_id,
        end_to_end_id=transfer.end_to_end_id,
        transaction_id=transfer.transaction_id,
    )


def moment(time_ns: int) -> str:
    """A time as messages have it, to the millisecond."""
    shown = (_EPOCH + timedelta(milliseconds=time_ns // 1_000_000)).isoformat(timespec="milliseconds")
    return shown.replace("+00:00", "Z")


def _report(transfer: CreditTransfer, status: Status, reason: str, *, time_ns: int) -> StatusReport:
    return StatusReport(
        message_id=_message_id("S", transfer.uetr, f"{status}/{reason}", time_ns=time_ns),
        created=moment(time_ns),
        original=original_of(transfer),
        status=status,
        reasons=_reasons(reason),
        accepted=moment(time_ns) if status is Status.ACCEPTED else "",
        instructing=transfer.creditor_agent if transfer.creditor_agent.routing else NO_AGENT,
        instructed=transfer.debtor_agent if transfer.debtor_agent.routing else NO_AGENT,
    )


def _resolution(request: CancellationRequest, outcome: Outcome, reason: str, *, time_ns: int) -> Resolution:
    confirmation, status = _CONFIRMATIONS[outcome]
    return Resolution(
        message_id=_message_id(
            "C", request.original.uetr, f"{request.message_id}/{outcome}/{reason}", time_ns=time_ns
        ),
        created=moment(time_ns),
        assigner=request.assignee,
        assignee=request.assigner,
        confirmation=confirmation,
        original=request.original,
        case_id=request.case_id,
        case_creator=request.case_creator,
        cancellation_id=request.cancellation_id,
        status=status,
        reasons=_reasons(reason),
    )


def _reasons(reason: str) -> tuple[Reason, ...]:
    return (Reason(reason),) if reason else ()


def _message_id(kind: str, uetr: str, what: str, *, time_ns: int) -> str:
    """33 characters, of the 35 that there may be; the first says what kind of message it is."""
    return kind + checksum(uetr.encode(), what.encode(), time_ns.to_bytes(8, "little")).hex()
