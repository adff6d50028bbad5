"""Recalls: the debtor's bank asks for the money of a payment back, and the creditor's bank says yes, no, or later.

    Take(camt.056) ─► accepted (IPAY): the money goes back at once, by a return
                 ├──► rejected (RJCR) for a reason
                 ├──► pending (PDCR) ─► DecideRecall: by a person of the creditor's bank ─► IPAY or RJCR
                 └──► cancelled (CNCL): the payment waited for its decision, and never goes out

Of a payment between two shards the debtor's shard takes a recall, and the creditor's decides.

    NOOR  no such payment, or not of that amount      AM04  the creditor does not have it (any more)
    AGNT  asked for by another bank than paid         CUST  the account's bank keeps what has come
    ARDT  all of it has gone back already             NARR  too much waits for people: ask again

Promise:    a recall that is repeated gets its answer as it is now; an accepted one sends back what is left, once.
Checked by: tests/payments/instant/test_stories.py (recalls), test_properties.py
"""

from typing import Final

import msgspec

from ropewalk.errors import invariant
from ropewalk.systems.payments.instant import answers
from ropewalk.systems.payments.instant.elsewhere import AskBack, RecallAnswered
from ropewalk.systems.payments.instant.messages import Answered, AnyReply, DecideRecall, Refused
from ropewalk.systems.payments.instant.paying import against_decision, conclude
from ropewalk.systems.payments.instant.payments_elsewhere import note_and_tell, tell
from ropewalk.systems.payments.instant.record import (
    USUAL_POLICY,
    Note,
    Outcome,
    Payment,
    Recall,
    Record,
    Status,
)
from ropewalk.systems.payments.instant.refusals import is_other_bank
from ropewalk.systems.payments.instant.returning import recalled, send_back
from ropewalk.systems.payments.instant.returns_elsewhere import conclude_return, known, set_out_back
from ropewalk.systems.payments.iso20022.model import CancellationRequest, Resolution
from ropewalk.systems.payments.iso20022.reasons import REASONS

RECALLED = "FOCR"

_POLICIES: Final = {
    "accept": ("policy: accept", ""),
    "refuse": ("policy: refuse", "CUST"),
    "ask": ("too much waits for people", "NARR"),
}
"""What is noted of a recall that no person decides, and the reason why the money does not go back, if any."""


def take_recall(record: Record, request: CancellationRequest, *, time_ns: int) -> Resolution:
    """Send the money of a payment back, or say why not, or that it will be decided."""
    payment = record.find(request.original.uetr)
    if payment is None:
        return answers.recall_rejection(request, "NOOR", time_ns=time_ns)
    known = payment.recall
    if known is not None and (known.outcome is Outcome.PENDING or _is_same(known.request, request)):
        return answers.resolution(msgspec.structs.replace(known, request=request))
    reason = _against(payment, request)
    if reason:
        return answers.recall_rejection(request, reason, time_ns=time_ns)
    asked_for = request.reasons[0].code if request.reasons else ""
    payment.note(Note(time_ns, "recalled", payment.transfer.debtor_agent.routing, asked_for))
    if payment.status is Status.PENDING:
        conclude(record, payment, RECALLED, time_ns=time_ns)
        payment.recall = Recall(request, Outcome.CANCELLED, "", time_ns)
    elif payment.leaves:
        payment.recall = Recall(request, Outcome.PENDING, "", time_ns)
        tell(record, payment.peer, AskBack(request))
    else:
        payment.recall = Recall(request, Outcome.PENDING, "", time_ns, asks=True)
        _follow_policy(record, payment, request, time_ns=time_ns)
    record.keep(payment)
    return _told(record, payment, payment.recall)


def hear_recall(record: Record, request: CancellationRequest, *, time_ns: int) -> None:
    """Decide about a recall that the debtor's shard has taken, or ask a person."""
    payment = known(record, request.original.uetr)
    asked_for = request.reasons[0].code if request.reasons else ""
    payment.note(Note(time_ns, "recalled", payment.transfer.debtor_agent.routing, asked_for))
    payment.recall = Recall(request, Outcome.PENDING, "", time_ns, asks=True)
    _follow_policy(record, payment, request, time_ns=time_ns)
    record.keep(payment)
    _told(record, payment, payment.recall)


def hear_recall_answered(record: Record, message: RecallAnswered) -> None:
    """Take note of what the creditor's shard says of a recall."""
    payment = known(record, message.uetr)
    invariant(payment.recall is not None, "only a recall is answered", uetr=message.uetr)
    if payment.recall is not None:
        asks = message.outcome is Outcome.PENDING
        payment.recall = Recall(payment.recall.request, message.outcome, message.reason, message.time_ns, asks=asks)
        _told(record, payment, payment.recall)


def end_return(record: Record, payment: Payment, attempt: int, *, reason: str, time_ns: int) -> None:
    """Conclude a return to another shard, unless it is concluded, and answer what asked for it."""
    ended = conclude_return(record, payment, attempt, reason=reason, time_ns=time_ns)
    if ended is None:
        return
    if ended.message is not None:
        report = answers.return_report(ended.message, reason, time_ns=time_ns)
        answers.publish_answer(record, answers.about_return(ended.message), report)
    elif payment.recall is not None:
        outcome = Outcome.REJECTED if reason else Outcome.ACCEPTED
        payment.recall = Recall(payment.recall.request, outcome, _of_recall(reason), time_ns)
        _told(record, payment, payment.recall)


def decide_recall(record: Record, command: DecideRecall, *, time_ns: int) -> AnyReply:
    """Let a person decide about a recall."""
    payment = record.find(command.uetr)
    if payment is None or payment.recall is None:
        return Refused("unknown_recall", f"no payment with the UETR {command.uetr!r} is recalled")
    against = against_decision(command)
    if against is not None:
        return against
    code = command.reason
    if not command.accept and not REASONS[code].rejects_recall:
        return Refused("reason", f"{code} ({REASONS[code].name}) rejects no recall: choose another")
    if payment.recall.outcome is not Outcome.PENDING:
        return Refused("decided", f"the recall is decided: it is {payment.recall.outcome}")
    if not payment.recall.asks:
        return Refused("decided", "the recall is accepted, and the debtor's bank is asked: ask again later")
    what = "recall accepted" if command.accept else "recall rejected"
    note_and_tell(record, payment, Note(time_ns, what, command.who, command.why))
    payment.recall = _decided(record, payment, payment.recall.request, reason=code, time_ns=time_ns)
    return Answered(_told(record, payment, payment.recall))


def _follow_policy(record: Record, payment: Payment, request: CancellationRequest, *, time_ns: int) -> None:
    """Decide at once if the creditor's account says how, or if as many wait for people as may."""
    policy = record.policies.get(payment.creditor, USUAL_POLICY).recalls
    if policy == "ask" and record.has_room():
        return
    what, reason = _POLICIES[policy]
    note_and_tell(record, payment, Note(time_ns, what, payment.transfer.creditor_agent.routing))
    payment.recall = _decided(record, payment, request, reason=reason, time_ns=time_ns)


def _decided(record: Record, payment: Payment, request: CancellationRequest, *, reason: str, time_ns: int) -> Recall:
    """Send back what is left unless there is a reason against it, and say what has become of the recall.

    It is still pending if another shard is asked about the return: `end_return` says what it comes to.
    """
    wanted = recalled(payment, time_ns=time_ns)
    if not reason and not wanted.amount:
        reason = "ARDT"
    if payment.arrives:
        reason = reason or set_out_back(record, payment, wanted, message=None, time_ns=time_ns)
        return Recall(request, Outcome.REJECTED if reason else Outcome.PENDING, _of_recall(reason), time_ns)
    reason = reason or _of_recall(send_back(record, payment, wanted))
    if not reason:
        payment.note(Note(time_ns, "returned", payment.transfer.creditor_agent.routing, wanted.reason))
    return Recall(request, Outcome.REJECTED if reason else Outcome.ACCEPTED, reason, time_ns)


def _told(record: Record, payment: Payment, recall: Recall) -> Resolution:
    """The answer as it is now, for who asked, for whoever follows, and for the debtor's shard."""
    resolution = answers.resolution(recall)
    answers.publish(record, resolution)
    uetr = payment.transfer.uetr
    if payment.peer >= 0 and (recall.asks or recall.outcome is not Outcome.PENDING):
        answers.publish_answer(record, answers.about_recall(uetr), resolution)
        if payment.arrives:
            tell(record, payment.peer, RecallAnswered(uetr, recall.outcome, recall.reason, recall.time_ns))
    return resolution


def _of_recall(reason: str) -> str:
    """A reason against a return as one against a recall, which has fewer of them."""
    return reason if not reason or REASONS[reason].rejects_recall else "NARR"


def _against(payment: Payment, request: CancellationRequest) -> str:
    transfer = payment.transfer
    if payment.status is Status.REJECTED or (request.amount is not None and request.amount != transfer.amount):
        return "NOOR"
    if is_other_bank(request.assigner, transfer.debtor_agent.routing):
        return "AGNT"
    return "" if payment.left else "ARDT"


def _is_same(known: CancellationRequest, given: CancellationRequest) -> bool:
    """Whether both are one request: of one case, or of one message if there is no case."""
    return (known.case_id or known.message_id) == (given.case_id or given.message_id)
