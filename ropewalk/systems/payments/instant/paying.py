"""Payments: taken, decided at once or later, and rejected when their time has passed.

    Take(pacs.008) ─► settle ─► accepted (ACCC)
                        ├────► rejected (RJCT) for a reason
                        └────► pending (PDNG) ─► conclude: by a person, a recall, or the time ─► ACCC or RJCT

`settle` is the one place where a payment's money is set in motion. What it can't know yet is pending and is told to
`conclude` later: the word of a person of the creditor's bank, or of the shard that this bank is kept in
(`payments_elsewhere`).

Promise:    a UETR is answered with what became of its payment, and moves money at most once, for ever; another
            payment under a UETR that is taken changes nothing (DUPL).
Checked by: tests/payments/instant/test_stories.py, test_properties.py
"""

from ropewalk.systems.payments.instant import answers
from ropewalk.systems.payments.instant.books import hold, pay, post, void
from ropewalk.systems.payments.instant.halves import far_key
from ropewalk.systems.payments.instant.limits import WORDS_MAX
from ropewalk.systems.payments.instant.messages import Answered, AnyReply, Decide, DecideRecall, Refused
from ropewalk.systems.payments.instant.payments_elsewhere import (
    conclude_leaving,
    give_verdict,
    note_and_tell,
    set_out,
)
from ropewalk.systems.payments.instant.record import USUAL_POLICY, Note, Payment, Record, Status
from ropewalk.systems.payments.instant.refusals import (
    account_of,
    against_accounts,
    against_departure,
    against_ledger,
    against_payment,
    peer_of,
)
from ropewalk.systems.payments.iso20022.model import Agent, CreditTransfer, Party, StatusReport
from ropewalk.systems.payments.iso20022.reasons import REASONS


def take_payment(record: Record, transfer: CreditTransfer, *, time_ns: int) -> StatusReport:
    """Move a payment's money, or say why not, or that it waits."""
    known = record.find(transfer.uetr)
    if known is not None:
        if _is_same(known, transfer):
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
    peer = peer_of(record, transfer.creditor_agent)
    if peer < 0:
        reason = against_payment(record, transfer, debtor=payment.debtor, creditor=payment.creditor)
    else:
        reason = against_departure(record, transfer, debtor=payment.debtor)
    if reason:
        answers.close(record, payment, reason, time_ns=time_ns)
    else:
        settle(record, payment, peer=peer, time_ns=time_ns)
    record.keep(payment)
    return answers.report(payment)


def settle(record: Record, payment: Payment, *, peer: int, time_ns: int) -> None:
    """Set a payment's money in motion: it has moved, can't move, or is held until `conclude` is told the outcome.

    If `peer` is a shard, the creditor is kept there.
    """
    if peer >= 0:
        reason = set_out(record, payment, peer=peer, time_ns=time_ns)
        if reason:
            answers.close(record, payment, reason, time_ns=time_ns)
        return
    transfer = record.transfer_of(payment)
    if record.policies.get(payment.creditor, USUAL_POLICY).asks:
        reason = against_ledger(hold(record.ledger, transfer, time_ns=time_ns))
        if not reason:
            record.waiting.begin(transfer.uetr, time_ns=time_ns)
            return
    else:
        reason = against_ledger(pay(record.ledger, transfer, time_ns=time_ns))
    answers.close(record, payment, reason, time_ns=time_ns)


def conclude(record: Record, payment: Payment, reason: str, *, time_ns: int) -> None:
    """Move the money of a payment that waits, or give it back for a reason; what has changed meanwhile is one too."""
    if payment.leaves:
        conclude_leaving(record, payment, reason, time_ns=time_ns)
        return
    transfer = record.transfer_of(payment)
    reason = reason or against_accounts(record.directory, payer=payment.debtor, payee=payment.creditor)
    reason = reason or against_ledger(post(record.ledger, transfer, time_ns=time_ns))
    if reason:
        void(record.ledger, transfer, time_ns=time_ns)
    record.waiting.end(transfer.uetr)
    answers.close(record, payment, reason, time_ns=time_ns)


def decide(record: Record, command: Decide, *, time_ns: int) -> AnyReply:
    """Let a person decide about a payment that waits."""
    payment = record.find(command.uetr)
    if payment is None:
        return Refused("unknown_payment", f"there is no payment with the UETR {command.uetr!r}")
    against = against_decision(command)
    if against is not None:
        return against
    code = command.reason
    if not command.accept and not REASONS[code].rejects_payment:
        return Refused("reason", f"{code} ({REASONS[code].name}) rejects no payment: choose another")
    if payment.status is not Status.PENDING:
        return Refused("decided", f"the payment is decided: it is {payment.status}")
    if payment.arrives and not payment.asks:
        return Refused("decided", "the payment is decided here, and the debtor's bank will be told: ask again later")
    note = Note(time_ns, "accepted" if command.accept else "rejected", command.who, command.why)
    note_and_tell(record, payment, note)
    if payment.arrives:
        give_verdict(record, payment, code, time_ns=time_ns)
    else:
        conclude(record, payment, code, time_ns=time_ns)
    return Answered(answers.report(payment))


def against_decision(decision: Decide | DecideRecall) -> Refused | None:
    """What keeps anybody from deciding so; nothing if there is nothing."""
    against = against_words(decision.who, decision.why)
    if against is not None:
        return against
    if decision.accept == bool(decision.reason):
        return Refused("reason", "give a reason to refuse, and none to accept")
    if decision.reason and decision.reason not in REASONS:
        return Refused("reason", f"{decision.reason!r} is none of {', '.join(REASONS)}")
    return None


def against_words(who: str, why: str) -> Refused | None:
    """What keeps anybody from saying so who decides, and why; nothing if there is nothing."""
    if not who.strip():
        return Refused("who", "say who decides")
    if max(len(who), len(why)) > WORDS_MAX:
        return Refused("who", f"say who decides and why in up to {WORDS_MAX} characters each")
    return None


def _is_same(known: Payment, given: CreditTransfer) -> bool:
    """Whether both are one payment: the same money between the same accounts, under the same name if that is kept."""
    transfer = known.transfer
    return (
        transfer.amount == given.amount
        and _is_end(known, (transfer.debtor_agent, transfer.debtor), (given.debtor_agent, given.debtor))
        and _is_end(known, (transfer.creditor_agent, transfer.creditor), (given.creditor_agent, given.creditor))
        and transfer.end_to_end_id in ("", given.end_to_end_id)
    )


def _is_end(known: Payment, end: tuple[Agent, Party], given: tuple[Agent, Party]) -> bool:
    """Whether a payment has this end; of one elsewhere whose words were let go its `far` is left."""
    ours, theirs = ((agent.routing, party.account) for agent, party in (end, given))
    return ours == theirs if ours != ("", "") else known.far == far_key(*theirs)
