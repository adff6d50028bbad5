"""Which of a payment's two shards is asked what, and whether an answer is still to come from the other.

    debtor's shard      the payment, its recall
    creditor's shard    its returns, and what people decide about it
    both                what has become of it

Checked by: tests/payments/instant/test_elsewhere.py
"""

import msgspec

from ropewalk.core.place import log_name
from ropewalk.systems.payments.instant.answers import about_payment, about_recall, about_return
from ropewalk.systems.payments.instant.messages import Answered, AnyReply, Decide, DecideRecall, Refused, Take
from ropewalk.systems.payments.instant.record import Outcome, Payment, Record, Status
from ropewalk.systems.payments.iso20022.model import CancellationRequest, CreditTransfer, PaymentReturn, StatusReport


def against_shard(record: Record, command: Take | Decide | DecideRecall) -> Refused | None:
    """What keeps this shard from doing it, if it is for the other one of a payment; nothing if it is not."""
    if record.place.partitions == 1 or (isinstance(command, Take) and isinstance(command.message, CreditTransfer)):
        return None
    payment = record.find(uetr_of(command))
    if payment is None or direction_of(payment) != unsuited(command):
        return None
    whose, there = "creditor's" if payment.leaves else "debtor's", log_name(record.place.service, payment.peer)
    return Refused("elsewhere", f"this is for the {whose} bank, which is kept in {there}: send it there")


def with_asking(record: Record, command: Take | Decide | DecideRecall, reply: AnyReply) -> AnyReply:
    """A reply that says whether another shard is asked, and will be heard."""
    payment = record.find(uetr_of(command)) if record.place.partitions > 1 else None
    if payment is None or payment.peer < 0 or not isinstance(reply, Answered):
        return reply
    if isinstance(reply.message, StatusReport):
        is_asking = reply.message.status == Status.PENDING and not payment.asks
    else:
        recall = payment.recall
        is_asking = recall is not None and recall.outcome is Outcome.PENDING and not recall.asks
    return msgspec.structs.replace(reply, is_asking=is_asking)


def direction_of(payment: Payment) -> str:
    """Where a payment goes, as this shard sees it: in, out or within."""
    return "in" if payment.arrives else "out" if payment.leaves else "within"


def unsuited(command: Take | Decide | DecideRecall) -> str:
    """The direction that a payment has, as a shard sees it, in the shard that is not asked this."""
    match command:
        case Take(CreditTransfer() | CancellationRequest()):
            return "in"
        case _:
            return "out"


def subject_of(command: Take | Decide | DecideRecall) -> str:
    """The subject of the event that brings the answer to a command, if another shard is asked."""
    match command:
        case Take(PaymentReturn() as message):
            return about_return(message)
        case Take(CancellationRequest()) | DecideRecall():
            return about_recall(uetr_of(command))
        case _:
            return about_payment(uetr_of(command))


def uetr_of(command: Take | Decide | DecideRecall) -> str:
    """The UETR of the payment that a command is about."""
    match command:
        case Take(message):
            return message.uetr if isinstance(message, CreditTransfer) else message.original.uetr
        case Decide(uetr) | DecideRecall(uetr):
            return uetr
