"""Payments between two shards: a two-phase commit, which the debtor's shard decides.

    debtor's shard      hold its half ──► Weigh ──► a verdict, a recall, or the time ──► post or void, and tell
    creditor's shard    no · hold its half and say yes · ask a person first ───────────► post or void as told

Whichever comes first decides, and a verdict that comes later changes nothing. Who has said yes holds its half until
it is told; it does not ask, since the decision is on its way to it as soon as there is one. `coordination.commit` has
the rules of both sides.

Promise:    both halves move or none does, and both shards end with the same answer, word for word; the debtor's shard
            answers in bounded time whatever becomes of the other.
Not given:  that a UETR is known in a shard that has no half of its payment: two banks that use one for two payments
            are told so only where a shard hears of both.
Checked by: tests/payments/instant/test_elsewhere.py, test_elsewhere_properties.py
"""

from ropewalk.coordination import commit
from ropewalk.coordination.commit import Decision, Stand
from ropewalk.core.place import log_name
from ropewalk.systems.payments.instant import answers
from ropewalk.systems.payments.instant.elsewhere import (
    AnyMessage,
    Concluded,
    Noted,
    Verdict,
    Weigh,
    encode_message,
)
from ropewalk.systems.payments.instant.halves import far_key, hold_half, post_half, void_half
from ropewalk.systems.payments.instant.record import USUAL_POLICY, Note, Payment, Record, Status
from ropewalk.systems.payments.instant.refusals import (
    account_of,
    against_arrival,
    against_ledger,
    against_payee,
    against_payer,
)


def tell(record: Record, shard: int, message: AnyMessage) -> None:
    """Send another shard a message."""
    record.outgoing.send(log_name(record.place.service, shard), encode_message(message))


def note_and_tell(record: Record, payment: Payment, note: Note) -> None:
    """Add what was decided here to the history of a payment, in the debtor's shard too."""
    payment.note(note)
    if payment.arrives:
        tell(record, payment.peer, Noted(payment.transfer.uetr, note))


def set_out(record: Record, payment: Payment, *, peer: int, time_ns: int) -> str:
    """Hold the debtor's half and ask the creditor's shard; return the reason why not, or nothing."""
    transfer = payment.transfer
    payment.peer, payment.far = peer, far_key(transfer.creditor_agent.routing, transfer.creditor.account)
    reason = against_ledger(hold_half(record.ledger, record.half_of(payment), time_ns=time_ns))
    if reason:
        payment.peer = -1
    else:
        record.waiting.begin(transfer.uetr, time_ns=time_ns)
        tell(record, peer, Weigh(transfer, time_ns))
    return reason


def weigh(record: Record, sender: int, message: Weigh, *, time_ns: int) -> None:
    """Say whether a payment may come: yes, no, or that a person will."""
    transfer = message.transfer
    if record.find(transfer.uetr) is not None:
        tell(record, sender, Verdict(transfer.uetr, "DUPL"))
        return
    payment = Payment(
        transfer=transfer,
        debtor=-1,
        creditor=account_of(record.directory, transfer.creditor_agent, transfer.creditor.account),
        taken_ns=message.taken_ns,
        status=Status.PENDING,
        peer=sender,
        arrives=True,
        far=far_key(transfer.debtor_agent.routing, transfer.debtor.account),
    )
    payment.note(Note(message.taken_ns, "taken", transfer.debtor_agent.routing))
    reason = against_arrival(record.directory, transfer, creditor=payment.creditor)
    if not reason and record.policies.get(payment.creditor, USUAL_POLICY).asks:
        payment.asks = True
        tell(record, sender, Verdict(transfer.uetr, asks=True))
    else:
        give_verdict(record, payment, reason, time_ns=time_ns)
    record.keep(payment)


def give_verdict(record: Record, payment: Payment, reason: str, *, time_ns: int) -> None:
    """Hold a payment that arrives and say yes, or say no for a reason; what has changed meanwhile is one too."""
    if not reason:
        reason = against_payee(record.directory, payment.creditor) or against_ledger(
            hold_half(record.ledger, record.half_of(payment), time_ns=time_ns)
        )
    payment.asks, payment.stand = False, commit.hold(payment.stand, can=not reason)
    record.promised[payment.peer] += payment.promised
    tell(record, payment.peer, Verdict(payment.transfer.uetr, reason))


def hear_verdict(record: Record, sender: int, verdict: Verdict, *, time_ns: int) -> None:
    """Conclude a payment as the creditor's shard says, unless it is concluded; or let it wait for a person."""
    payment = record.find(verdict.uetr)
    if payment is None or payment.status is not Status.PENDING or not payment.leaves or payment.peer != sender:
        return
    if verdict.asks:
        payment.asks = True
        answers.publish_answer(record, answers.about_payment(verdict.uetr), answers.report(payment))
    else:
        conclude_leaving(record, payment, verdict.reason, time_ns=time_ns)


def conclude_leaving(record: Record, payment: Payment, reason: str, *, time_ns: int) -> None:
    """Decide about a payment that leaves, and tell the creditor's shard; what has changed here is a reason too."""
    uetr, half = payment.transfer.uetr, record.half_of(payment)
    reason = reason or against_payer(record.directory, payment.debtor)
    if reason:
        void_half(record.ledger, half, time_ns=time_ns)
    else:
        post_half(record.ledger, half, time_ns=time_ns)
    record.waiting.end(uetr)
    tell(record, payment.peer, Concluded(uetr, reason, time_ns))
    answers.close(record, payment, reason, time_ns=time_ns)


def hear_concluded(record: Record, sender: int, message: Concluded, *, time_ns: int) -> None:
    """Do as the debtor's shard has decided, unless this shard knew the UETR already, and has said so."""
    payment = record.find(message.uetr)
    if payment is None or payment.status is not Status.PENDING or not payment.arrives or payment.peer != sender:
        return
    is_held = payment.stand is Stand.PREPARED
    record.promised[sender] -= payment.promised
    commit.decide(payment.stand, Decision.ABORTED if message.reason else Decision.COMMITTED)
    if is_held and message.reason:
        void_half(record.ledger, record.half_of(payment), time_ns=time_ns)
    elif is_held:
        post_half(record.ledger, record.half_of(payment), time_ns=time_ns)
    answers.close(record, payment, message.reason, time_ns=message.time_ns)
