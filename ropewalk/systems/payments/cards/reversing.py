"""Undoing what a message did: a hold is given up, what was spent is paid back.

A reversal may come before its message, which was slower, or without it, which was lost. Then it is remembered, and
the message does nothing if it comes yet.

Promise:    what a message moved is given back once at most, and all of it.
Checked by: tests/payments/cards/test_stories.py, test_properties.py
"""

from typing import Final

from ropewalk.systems.payments.cards.books import (
    Code,
    Entry,
    Made,
    Purpose,
    create,
    create_judged,
    found,
    key_of,
    refusal,
    suspense,
    takes_nothing,
    token_number,
    transfer_id,
)
from ropewalk.systems.payments.cards.commands import Answer, Reverse
from ropewalk.systems.payments.cards.reasons import Reason
from ropewalk.systems.payments.cards.state import Programme, State
from ropewalk.systems.payments.ledger.layout import TransferFlags
from ropewalk.systems.payments.ledger.statuses import TransferStatus

_OF_HOLDS: Final = {
    TransferStatus.CREATED: Reason.APPROVED,
    TransferStatus.PENDING_TRANSFER_EXPIRED: Reason.HELD_NO_MORE,
    TransferStatus.PENDING_TRANSFER_ALREADY_POSTED: Reason.ALREADY_COMPLETED,
    TransferStatus.PENDING_TRANSFER_ALREADY_VOIDED: Reason.ALREADY_REVERSED,
}


def reverse(state: State, command: Reverse, *, time_ns: int) -> Answer:
    """Answer one message."""
    key = key_of(command.original, time_ns=time_ns)
    programme = state.programme_of(command.masked)
    if key is None:
        return Answer(Reason.NO_ORIGINAL)
    if programme is None:
        return Answer(Reason.NO_ISSUER)
    movement, undo, refused = (
        transfer_id(purpose, key) for purpose in (Purpose.MOVEMENT, Purpose.UNDO, Purpose.REFUSAL)
    )
    known = found(state.ledger, [movement, undo, refused])
    if movement in known:
        made = known[movement]
        reason = _mismatch(command, made)
        if reason is None and undo in known:
            reason = Reason.APPROVED
        if reason is None:
            reason = _undo(state, made, programme, undo=undo, time_ns=time_ns)
        return Answer(reason)
    stopped = refused not in known or known[refused].note == Reason.REVERSED_IN_ADVANCE
    row = refusal(
        key, programme.institution, Reason.REVERSED_IN_ADVANCE, token=command.token, asked=command.amount_minor
    )
    if refused not in known:
        create_judged(state.ledger, [row], time_ns=time_ns)
    elif not stopped and undo not in known:
        # Whoever stood in may have allowed what was refused here, and tell of it later.
        create_judged(state.ledger, [row._replace(id=undo)], time_ns=time_ns)
    return Answer(Reason.STOPPED_IN_ADVANCE if stopped else Reason.WAS_REFUSED)


def _mismatch(command: Reverse, made: Made) -> Reason | None:
    """What keeps a reversal from being about that."""
    if made.token != token_number(command.token):
        return Reason.OTHER_CARD
    return None if command.amount_minor in (made.asked, made.amount) else Reason.OTHER_AMOUNT


def _undo(state: State, made: Made, programme: Programme, *, undo: int, time_ns: int) -> Reason:
    """Give back what was moved."""
    if made.is_hold:
        row = Entry(undo, 0, 0, 0, 0, flags=TransferFlags.VOID_PENDING_TRANSFER, pending_id=made.id)
        (status,) = create(state.ledger, [row], time_ns=time_ns)
        reason = _OF_HOLDS[TransferStatus(status)]
    else:
        payee = suspense(programme.institution) if takes_nothing(state.ledger, made.debit) else made.debit
        row = Entry(undo, made.credit, payee, made.amount, Code.REFUND, token=made.token, asked=made.asked)
        create_judged(state.ledger, [row], time_ns=time_ns)
        reason = Reason.APPROVED
    card = state.cards.get(made.token.to_bytes(16, "big"))
    if card is not None and reason is Reason.APPROVED:
        # What a completion spends counts on the day of its hold.
        counted = found(state.ledger, [made.pending_id])[made.pending_id] if made.pending_id else made
        card.give_back(made.amount, spent_ns=counted.timestamp, time_ns=time_ns)
    return reason
