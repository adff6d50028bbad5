"""What a shard does when another one says something about an instant payment.

Checked by: tests/payments/instant/test_elsewhere.py
"""

from ropewalk.systems.payments.instant.elsewhere import (
    AnyMessage,
    AskBack,
    Concluded,
    Noted,
    RecallAnswered,
    ReturnConcluded,
    ReturnVerdict,
    Verdict,
    Weigh,
    WeighReturn,
)
from ropewalk.systems.payments.instant.payments_elsewhere import hear_concluded, hear_verdict, weigh
from ropewalk.systems.payments.instant.recalling import end_return, hear_recall, hear_recall_answered
from ropewalk.systems.payments.instant.record import Record
from ropewalk.systems.payments.instant.returns_elsewhere import hear_return_concluded, known, weigh_return


def hear(record: Record, shard: int, message: AnyMessage, *, time_ns: int) -> None:
    """Do what another shard asks, or as it has decided."""
    match message:
        case Weigh():
            weigh(record, shard, message, time_ns=time_ns)
        case Verdict():
            hear_verdict(record, shard, message, time_ns=time_ns)
        case Concluded():
            hear_concluded(record, shard, message, time_ns=time_ns)
        case WeighReturn():
            weigh_return(record, shard, message, time_ns=time_ns)
        case ReturnVerdict(uetr, attempt, reason):
            end_return(record, known(record, uetr), attempt, reason=reason, time_ns=time_ns)
        case ReturnConcluded():
            hear_return_concluded(record, message, time_ns=time_ns)
        case AskBack(request):
            hear_recall(record, request, time_ns=time_ns)
        case RecallAnswered():
            hear_recall_answered(record, message)
        case Noted(uetr, note):
            payment = record.find(uetr)
            if payment is not None:
                payment.note(note)
