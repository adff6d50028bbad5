"""Answering queries: nothing here changes anything.

Checked by: tests/payments/instant/test_instant.py, test_stories.py
"""

from itertools import islice

from ropewalk.errors import Rejected
from ropewalk.systems.payments.instant import answers
from ropewalk.systems.payments.instant.messages import (
    AnyQuery,
    AskStatus,
    GetPayment,
    GetRecall,
    GetReport,
    GetReturn,
    ListDeciders,
    ListPayments,
    NoteView,
    PaymentView,
    RecallView,
    ReturnView,
)
from ropewalk.systems.payments.instant.record import Payment, Recall, Record
from ropewalk.systems.payments.instant.shards import direction_of
from ropewalk.systems.payments.processing.limits import PAGE_MAX


def answer(record: Record, query: AnyQuery) -> object:
    """What a query asks. Raises Rejected if it names what is not there."""
    match query:
        case AskStatus(request):
            payment = record.find(request.original.uetr)
            if payment is None:
                return answers.unknown(request.original, time_ns=record.ledger.last_timestamp)
            return answers.report(payment)
        case GetPayment(uetr):
            return _view(record, _payment(record, uetr))
        case GetReport(uetr):
            return answers.report(_payment(record, uetr))
        case GetReturn(uetr, number):
            payment = _payment(record, uetr)
            if not 0 <= number < len(payment.returns):
                raise Rejected(f"{uetr} has {len(payment.returns)} returns, and no {number}: they count from 0")
            return answers.return_message(payment, payment.returns[number])
        case GetRecall(uetr):
            recall = _payment(record, uetr).recall
            if recall is None:
                raise Rejected(f"{uetr} is not recalled")
            return answers.resolution(recall)
        case ListPayments(status, limit):
            if not 1 <= limit <= PAGE_MAX:
                raise Rejected(f"a page has 1 to {PAGE_MAX} rows, not {limit}")
            chosen = (each for each in record.newest() if status in ("", each.status))
            return [_view(record, each) for each in islice(chosen, limit)]
        case ListDeciders():
            return sorted(+record.promised)


def _payment(record: Record, uetr: str) -> Payment:
    payment = record.find(uetr)
    if payment is None:
        raise Rejected(f"there is no payment with the UETR {uetr!r}")
    return payment


def _view(record: Record, payment: Payment) -> PaymentView:
    transfer = payment.transfer
    return PaymentView(
        uetr=transfer.uetr,
        status=payment.status,
        reason=payment.reason,
        amount_cents=transfer.amount.minor,
        returned_cents=payment.returned,
        debtor_routing=transfer.debtor_agent.routing,
        debtor_account=transfer.debtor.account,
        creditor_routing=transfer.creditor_agent.routing,
        creditor_account=transfer.creditor.account,
        end_to_end_id=transfer.end_to_end_id,
        taken_ns=payment.taken_ns,
        decided_ns=payment.decided_ns,
        due_ns=record.due_ns(payment),
        returns=[
            ReturnView(number, each.return_id, each.amount, each.reason, each.time_ns)
            for number, each in enumerate(payment.returns)
        ],
        recall=_recall(payment.recall),
        history=[NoteView(note.time_ns, note.what, note.who, note.why) for note in payment.history],
        direction=direction_of(payment),
    )


def _recall(recall: Recall | None) -> RecallView | None:
    if recall is None:
        return None
    asked_for = recall.request.reasons[0].code if recall.request.reasons else ""
    return RecallView(recall.request.case_id, recall.outcome, asked_for, recall.reason, recall.time_ns)
