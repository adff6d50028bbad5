"""Spending what an authorisation holds: all of it, or a part, and then the rest is given back.

The hold is the one that the message names, or else the one that its acquirer, reference number and card lead to.
A message that matches none, or one that is spent, reversed or expired, is told which.

Promise:    a hold is spent once at most, and never more of it than was authorised.
Checked by: tests/payments/cards/test_stories.py, test_properties.py
"""

from collections.abc import Mapping
from typing import Final

from ropewalk.systems.payments.cards.authorising import CURRENCY
from ropewalk.systems.payments.cards.books import (
    Entry,
    Made,
    Purpose,
    approval_of,
    create,
    create_judged,
    found,
    key_of,
    named,
    reference_key,
    refusal,
    token_number,
    transfer_id,
)
from ropewalk.systems.payments.cards.commands import Answer, Complete
from ropewalk.systems.payments.cards.reasons import Reason
from ropewalk.systems.payments.cards.state import State
from ropewalk.systems.payments.ledger.layout import TransferFlags
from ropewalk.systems.payments.ledger.statuses import TransferStatus

_REFUSED_BY_LEDGER: Final = {
    TransferStatus.EXCEEDS_PENDING_TRANSFER_AMOUNT: Reason.OVER_AUTHORISED,
    TransferStatus.PENDING_TRANSFER_ALREADY_POSTED: Reason.ALREADY_COMPLETED,
    TransferStatus.PENDING_TRANSFER_ALREADY_VOIDED: Reason.ALREADY_REVERSED,
    TransferStatus.PENDING_TRANSFER_EXPIRED: Reason.TOO_LATE,
    TransferStatus.DEBIT_ACCOUNT_ALREADY_CLOSED: Reason.ACCOUNT_RESTRICTED,
    TransferStatus.CREDIT_ACCOUNT_ALREADY_CLOSED: Reason.ACCOUNT_RESTRICTED,
    TransferStatus.DEBIT_ACCOUNT_FROZEN: Reason.ACCOUNT_RESTRICTED,
}


def complete(state: State, command: Complete, *, time_ns: int) -> Answer:
    """Answer one message."""
    name = named(command.origin, time_ns=time_ns)
    programme = state.programme_of(command.masked)
    if name is None:
        return Answer(Reason.TIME_FAR_OFF)
    key = name.key
    known = found(state.ledger, [transfer_id(Purpose.MOVEMENT, key), transfer_id(Purpose.REFUSAL, key)])
    again = _answer_again(command, key, known)
    if again is not None:
        return again
    if not name.is_current:
        return Answer(Reason.TIME_FAR_OFF)
    if programme is None:
        return Answer(Reason.NO_ISSUER)
    hold = _hold(state, command, time_ns=time_ns)
    reason = hold if isinstance(hold, Reason) else _post(state, command, hold, key=key, time_ns=time_ns)
    if isinstance(hold, Made) and reason is Reason.APPROVED:
        return _approval(key, command.amount_minor)
    row = refusal(key, programme.institution, reason, token=command.token, asked=command.amount_minor)
    create_judged(state.ledger, [row], time_ns=time_ns)
    return Answer(reason)


def _answer_again(command: Complete, key: int, known: Mapping[int, Made]) -> Answer | None:
    """The answer that a message got before; None if it is new."""
    made = known.get(transfer_id(Purpose.MOVEMENT, key))
    refused = known.get(transfer_id(Purpose.REFUSAL, key))
    before = made or refused
    if before is None:
        return None
    if refused is not None and made is None and refused.note == Reason.REVERSED_IN_ADVANCE:
        return Answer(Reason.REVERSED_IN_ADVANCE)
    is_same = before.token == token_number(command.token) and before.asked == command.amount_minor
    if not is_same or (made is not None and made.pending_id == 0):
        return Answer(Reason.TRACE_USED)
    return Answer(before.note) if made is None else _approval(key, made.amount)


def _hold(state: State, command: Complete, *, time_ns: int) -> Made | Reason:
    """The hold that is meant, or why there is none."""
    if command.currency != CURRENCY:
        return Reason.OTHER_CURRENCY
    if command.amount_minor == 0:
        return Reason.NO_AMOUNT
    key = _key_of_hold(state, command, time_ns=time_ns)
    if key is None:
        return Reason.NO_ORIGINAL
    movement, refused = transfer_id(Purpose.MOVEMENT, key), transfer_id(Purpose.REFUSAL, key)
    known = found(state.ledger, [movement, refused])
    if movement not in known:
        return Reason.ORIGINAL_REFUSED if refused in known else Reason.NO_ORIGINAL
    hold = known[movement]
    if hold.token != token_number(command.token):
        return Reason.OTHER_CARD
    return hold if hold.is_hold else Reason.NOTHING_HELD


def _key_of_hold(state: State, command: Complete, *, time_ns: int) -> int | None:
    if command.original is not None:
        return key_of(command.original, time_ns=time_ns)
    number = reference_key(command.origin.acquirer, command.reference, command.token)
    reference = transfer_id(Purpose.REFERENCE, number)
    known = found(state.ledger, [reference])
    return known[reference].token if reference in known else None


def _post(state: State, command: Complete, hold: Made, *, key: int, time_ns: int) -> Reason:
    row = Entry(
        transfer_id(Purpose.MOVEMENT, key), 0, 0, command.amount_minor, 0,
        flags=TransferFlags.POST_PENDING_TRANSFER, pending_id=hold.id, token=hold.token, asked=command.amount_minor,
    )  # fmt: skip
    (status,) = create(state.ledger, [row], time_ns=time_ns)
    if status == TransferStatus.CREATED:
        return Reason.APPROVED
    return _REFUSED_BY_LEDGER[TransferStatus(status)]


def _approval(key: int, amount_minor: int) -> Answer:
    return Answer(Reason.APPROVED, amount_minor, approval_of(key))
