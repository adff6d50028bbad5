"""Returns: money of an accepted payment that goes back, whole or in parts.

Of a payment between two shards the creditor's shard takes a return, and asks the other (`returns_elsewhere`).

    AG09  no such payment, or it never came      AM09  more than is left to return
    AGNT  sent by another bank than was paid     AG13  as many returns as there may be
    DUPL  another return under the same id       AM04  the creditor does not have it (any more)

Promise:    a return, by its id, moves money at most once; no more goes back than came.
Checked by: tests/payments/instant/test_stories.py (returns), test_properties.py
"""

from ropewalk.core.codec import checksum
from ropewalk.systems.payments.instant import answers
from ropewalk.systems.payments.instant.books import Transfer, give_back
from ropewalk.systems.payments.instant.limits import RETURNS_MAX
from ropewalk.systems.payments.instant.record import Note, Payment, Record, Returned, Status
from ropewalk.systems.payments.instant.refusals import (
    against_accounts,
    against_amount,
    against_ledger,
    is_other_bank,
)
from ropewalk.systems.payments.instant.returns_elsewhere import set_out_back
from ropewalk.systems.payments.iso20022.model import PaymentReturn, StatusReport


def take_return(record: Record, message: PaymentReturn, *, time_ns: int) -> StatusReport:
    """Move the money of a return, or say why not."""
    payment = record.find(message.original.uetr)
    if payment is None or payment.status is not Status.ACCEPTED:
        return answers.return_report(message, "AG09", time_ns=time_ns)
    return_id = message.return_id or message.message_id
    key = _key(payment.transfer.creditor_agent.routing, return_id)
    for returned in payment.returns:
        if returned.key == key:
            reason = "" if returned.amount == message.amount.minor else "DUPL"
            return answers.return_report(message, reason, time_ns=returned.time_ns if not reason else time_ns)
    for returning in payment.returning:
        if returning.wanted.key == key:
            reason = "" if returning.wanted.amount == message.amount.minor else "DUPL"
            return answers.return_report(message, reason, time_ns=time_ns, otherwise=Status.PENDING)
    reason = _against(payment, message)
    code = message.reasons[0].code if message.reasons else ""
    wanted = Returned(return_id, message.message_id, message.amount.minor, code, key, time_ns)
    if payment.arrives:
        reason = reason or set_out_back(record, payment, wanted, message=message, time_ns=time_ns)
        return answers.return_report(message, reason, time_ns=time_ns, otherwise=Status.PENDING)
    reason = reason or send_back(record, payment, wanted)
    if not reason:
        payment.note(Note(time_ns, "returned", payment.transfer.creditor_agent.routing, wanted.reason))
    return answers.return_report(message, reason, time_ns=time_ns)


def send_back(record: Record, payment: Payment, wanted: Returned) -> str:
    """Move money back from the creditor to the debtor; return the reason why not, or nothing."""
    there = record.transfer_of(payment)
    reason = against_accounts(record.directory, payer=payment.creditor, payee=payment.debtor)
    if reason:
        return reason
    back = Transfer(there.uetr, there.payee, there.payer, wanted.amount, number=len(payment.returns), key=wanted.key)
    reason = against_ledger(give_back(record.ledger, back, time_ns=wanted.time_ns))
    if not reason:
        payment.returns.append(wanted)
        answers.publish(record, answers.return_message(payment, wanted))
        record.keep(payment)
    return reason


def recalled(payment: Payment, *, time_ns: int) -> Returned:
    """The return of all that is left, since it was recalled."""
    return_id = f"RECALL-{len(payment.returns)}"
    key = _key(payment.transfer.creditor_agent.routing, return_id)
    return Returned(return_id, "", payment.left, "FOCR", key, time_ns)


def _against(payment: Payment, message: PaymentReturn) -> str:
    if is_other_bank(message.instructing, payment.transfer.creditor_agent.routing):
        return "AGNT"
    if len(payment.returns) + len(payment.returning) >= RETURNS_MAX:
        return "AG13"
    against = against_amount(message.amount, limit=payment.left)
    return "AM09" if against == "AM13" else against


def _key(routing: str, return_id: str) -> int:
    """64 bits of a return's id, which the ledger keeps: so it is known again when its words were let go."""
    return int.from_bytes(checksum(routing.encode(), return_id.encode())[:8], "little")
