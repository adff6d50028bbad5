"""Returns between two shards: a two-phase commit, which the original creditor's shard decides, as it now pays.

    creditor's shard    hold its half ──► WeighReturn ──► a verdict, or the time ──► post or void, tell it
    debtor's shard      no · hold its half and say yes ────────────────────────────► post or void as told

Each attempt has a number, and what moved is numbered in the order of decisions, the same in both shards. While an
attempt is undecided its amount counts as gone.

Promise:    both halves of a return move or none does; no more goes back than came, however many are under way.
Checked by: tests/payments/instant/test_elsewhere.py, test_elsewhere_properties.py
"""

from typing import Final, cast

import msgspec

from ropewalk.errors import invariant
from ropewalk.systems.payments.instant import answers
from ropewalk.systems.payments.instant.elsewhere import ReturnConcluded, ReturnVerdict, WeighReturn
from ropewalk.systems.payments.instant.halves import hold_half, post_half, void_half
from ropewalk.systems.payments.instant.payments_elsewhere import tell
from ropewalk.systems.payments.instant.record import Coming, Note, Payment, Record, Returned, Returning
from ropewalk.systems.payments.instant.refusals import against_ledger, against_payee, against_payer
from ropewalk.systems.payments.iso20022.model import PaymentReturn

_RETURNED: Final = "returned"


def set_out_back(
    record: Record, payment: Payment, wanted: Returned, *, message: PaymentReturn | None, time_ns: int
) -> str:
    """Hold the creditor's half of a return and ask the debtor's shard; return the reason why not, or nothing."""
    attempt = record.next_attempt()
    reason = against_payer(record.directory, payment.creditor)
    half = record.half_of_return(payment, Coming(attempt, wanted.amount, wanted.key))
    reason = reason or against_ledger(hold_half(record.ledger, half, time_ns=time_ns))
    if not reason:
        payment.returning.append(Returning(attempt, wanted, message))
        record.keep(payment)
        record.waiting.begin(payment.transfer.uetr, attempt=attempt, time_ns=time_ns)
        tell(record, payment.peer, WeighReturn(payment.transfer.uetr, attempt, wanted.amount, wanted.key))
    return reason


def weigh_return(record: Record, sender: int, message: WeighReturn, *, time_ns: int) -> None:
    """Hold the debtor's half of a return and say yes, or say why not."""
    payment = known(record, message.uetr)
    coming = Coming(message.attempt, message.amount, message.key)
    reason = against_payee(record.directory, payment.debtor) or against_ledger(
        hold_half(record.ledger, record.half_of_return(payment, coming), time_ns=time_ns)
    )
    if not reason:
        payment.coming.append(coming)
        record.promised[sender] += 1
        record.keep(payment)
    tell(record, sender, ReturnVerdict(message.uetr, message.attempt, reason))


def conclude_return(record: Record, payment: Payment, attempt: int, *, reason: str, time_ns: int) -> Returning | None:
    """Decide about an attempt at a return and tell the debtor's shard; None if it is decided already."""
    ended = next((each for each in payment.returning if each.attempt == attempt), None)
    if ended is None:
        return None
    uetr, wanted = payment.transfer.uetr, msgspec.structs.replace(ended.wanted, time_ns=time_ns)
    half = record.half_of_return(payment, Coming(attempt, wanted.amount, wanted.key))
    payment.returning.remove(ended)
    record.waiting.end(uetr, attempt=attempt)
    if reason:
        void_half(record.ledger, half, time_ns=time_ns)
        tell(record, payment.peer, ReturnConcluded(uetr, attempt, None))
    else:
        post_half(record.ledger, half, number=len(payment.returns), time_ns=time_ns)
        tell(record, payment.peer, ReturnConcluded(uetr, attempt, wanted))
        _went_back(record, payment, wanted)
    return ended


def hear_return_concluded(record: Record, message: ReturnConcluded, *, time_ns: int) -> None:
    """Do as the creditor's shard has decided about a return."""
    payment = known(record, message.uetr)
    coming = next((each for each in payment.coming if each.attempt == message.attempt), None)
    invariant(coming is not None or message.returned is None, "only what is held goes back", attempt=message.attempt)
    if coming is None:
        return
    payment.coming.remove(coming)
    record.promised[payment.peer] -= 1
    half = record.half_of_return(payment, coming)
    if message.returned is None:
        void_half(record.ledger, half, time_ns=time_ns)
    else:
        post_half(record.ledger, half, number=len(payment.returns), time_ns=time_ns)
        _went_back(record, payment, message.returned)


def known(record: Record, uetr: str) -> Payment:
    """A payment that was accepted here and elsewhere."""
    payment = record.find(uetr)
    invariant(payment is not None and payment.peer >= 0, "both shards know what was paid between them", uetr=uetr)
    return cast(Payment, payment)


def _went_back(record: Record, payment: Payment, returned: Returned) -> None:
    payment.returns.append(returned)
    payment.note(Note(returned.time_ns, _RETURNED, payment.transfer.creditor_agent.routing, returned.reason))
    answers.publish(record, answers.return_message(payment, returned))
