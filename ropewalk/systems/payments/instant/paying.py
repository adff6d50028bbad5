"""Payments: taken, decided at once or later, and rejected when their time has passed.

    Take(pacs.008) ─► settle ─► accepted (ACCC)
                        ├────► rejected (RJCT) for a reason
                        └────► pending (PDNG) ─► conclude: by a person, a recall, or the time ─► ACCC or RJCT

`settle` is the one place where a payment's money is set in motion. What it can't know yet is pending and is told to
`conclude` later: today the word of the creditor's bank.

Promise:    a UETR is answered with what became of its payment, and moves money at most once, for ever; another
            payment under a UETR that is taken changes nothing (DUPL).
Checked by: tests/payments/instant/test_stories.py, test_properties.py
"""

from ropewalk.systems.payments.instant import answers
from ropewalk.systems.payments.instant.books import hold, pay, post, void
from ropewalk.systems.payments.instant.limits import TIMEOUTS_STEP
from ropewalk.systems.payments.instant.messages import Answered, AnyReply, Decide, Refused
from ropewalk.systems.payments.instant.record import USUAL_POLICY, Note, Payment, Record, Status
from ropewalk.systems.payments.instant.refusals import account_of, against_accounts, against_ledger, against_payment
from ropewalk.systems.payments.iso20022.model import CreditTransfer, StatusReport
from ropewalk.systems.payments.iso20022.reasons import REASONS

TIMED_OUT = "AB05"


def take_payment(record: Record, transfer: CreditTransfer, *, time_ns: int) -> StatusReport:
    """Move a payment's money, or say why not, or that it waits."""
    known = record.find(transfer.uetr)
    if known is not None:
        if _is_same(known.transfer, transfer):
            return answers.report(known)
        return answers.rejection(transfer, "DUPL", time_ns=time_ns)
    payment = Payment(
        transfer=transfer,
        debtor=account_of(record.directory, transfer.debtor_agent, transfer.debtor.account),
        creditor=account_of(record.directory, transfer.creditor_agent, transfer.creditor.account),
        taken_ns=time_ns,
        status=Status.PENDING,
    )
    payment.note(Note(time_ns, "taken", transfer.debtor_agent.routing))
    reason = against_payment(record, transfer, debtor=payment.debtor, creditor=payment.creditor)
    if reason:
        _close(record, payment, reason, time_ns=time_ns)
    else:
        settle(record, payment, time_ns=time_ns)
    record.keep(payment)
    return answers.report(payment)


def settle(record: Record, payment: Payment, *, time_ns: int) -> None:
    """Set a payment's money in motion: it has moved, can't move, or is held until `conclude` is told the outcome."""
    transfer = record.transfer_of(payment)
    if record.policies.get(payment.creditor, USUAL_POLICY).asks:
        reason = against_ledger(hold(record.ledger, transfer, time_ns=time_ns))
        if not reason:
            record.wait(payment)
            return
    else:
        reason = against_ledger(pay(record.ledger, transfer, time_ns=time_ns))
    _close(record, payment, reason, time_ns=time_ns)


def conclude(record: Record, payment: Payment, reason: str, *, time_ns: int) -> None:
    """Move the money of a payment that waits, or give it back for a reason; what has changed meanwhile is one too."""
    transfer = record.transfer_of(payment)
    reason = reason or against_accounts(record.directory, payer=payment.debtor, payee=payment.creditor)
    reason = reason or against_ledger(post(record.ledger, transfer, time_ns=time_ns))
    if reason:
        void(record.ledger, transfer, time_ns=time_ns)
    record.decided(payment)
    _close(record, payment, reason, time_ns=time_ns)


def decide(record: Record, command: Decide, *, time_ns: int) -> AnyReply:
    """Let a person decide about a payment that waits."""
    payment = record.find(command.uetr)
    if payment is None:
        return Refused("unknown_payment", f"there is no payment with the UETR {command.uetr!r}")
    against = against_decision(command.accept, command.reason, who=command.who)
    if against is not None:
        return against
    code = command.reason
    if not command.accept and not REASONS[code].rejects_payment:
        return Refused("reason", f"{code} ({REASONS[code].name}) rejects no payment: choose another")
    if payment.status is not Status.PENDING:
        return Refused("decided", f"the payment is decided: it is {payment.status}")
    payment.note(Note(time_ns, "accepted" if command.accept else "rejected", command.who, command.why))
    conclude(record, payment, code, time_ns=time_ns)
    return Answered(answers.report(payment))


def against_decision(accept: bool, reason: str, *, who: str) -> Refused | None:
    """What keeps anybody from deciding so; nothing if there is nothing."""
    if not who.strip():
        return Refused("who", "say who decides")
    if accept == bool(reason):
        return Refused("reason", "give a reason to refuse, and none to accept")
    if reason and reason not in REASONS:
        return Refused("reason", f"{reason!r} is none of {', '.join(REASONS)}")
    return None


def time_out(record: Record, *, time_ns: int) -> None:
    """Reject what has waited for too long: some of it, so that one batch is bounded."""
    for _ in range(TIMEOUTS_STEP):
        first = record.first_due()
        if first is None or first[1] > time_ns:
            return
        payment = record.find(first[0])
        if payment is not None:
            payment.note(Note(time_ns, "timed out", ""))
            conclude(record, payment, TIMED_OUT, time_ns=time_ns)


def _close(record: Record, payment: Payment, reason: str, *, time_ns: int) -> None:
    payment.status = Status.REJECTED if reason else Status.ACCEPTED
    payment.reason, payment.decided_ns = reason, time_ns
    answers.publish(record, answers.report(payment))


def _is_same(known: CreditTransfer, given: CreditTransfer) -> bool:
    """Whether both are one payment: the same money between the same accounts, under the same name if that is kept."""
    return (
        known.amount == given.amount
        and (known.debtor_agent.routing, known.debtor.account) == (given.debtor_agent.routing, given.debtor.account)
        and (known.creditor_agent.routing, known.creditor.account)
        == (given.creditor_agent.routing, given.creditor.account)
        and known.end_to_end_id in ("", given.end_to_end_id)
    )
