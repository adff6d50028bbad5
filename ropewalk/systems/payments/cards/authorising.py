"""May this card spend that? Authorisations and purchases, many at once.

Each is judged by what the ledger remembers of it (then it is a repeat, and gets the first answer), by the card, its
limits and its account, in that order; the first objection is the answer. What was authorised elsewhere already is
taken as it is: what its customer can't pay, its bank does, from its suspense account.

Promise:    together they are answered as they would be one by one, if no two have a key or an account in common.
Checked by: tests/payments/cards/test_stories.py, test_properties.py
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final, NamedTuple

from ropewalk.systems.payments.cards.books import (
    DAY_NS,
    UNLIMITED,
    Code,
    Entry,
    Made,
    Named,
    Purpose,
    approval_of,
    available,
    cards_account,
    create,
    create_judged,
    deposit,
    found,
    named,
    reference_key,
    refusal,
    rooms,
    suspense,
    token_number,
    transfer_id,
)
from ropewalk.systems.payments.cards.commands import Answer, Authorise
from ropewalk.systems.payments.cards.reasons import Reason
from ropewalk.systems.payments.cards.state import Card, Programme, State
from ropewalk.systems.payments.ledger.guards import Room
from ropewalk.systems.payments.ledger.layout import TransferFlags
from ropewalk.systems.payments.ledger.statuses import TransferStatus
from ropewalk.systems.payments.processing.books import USD
from ropewalk.systems.payments.processing.directory import Restriction

CURRENCY: Final = str(USD)

_DAY_S: Final = 86_400
_EPOCH: Final = date(1970, 1, 1).toordinal()
_LETS_PAY: Final = (Restriction.NONE, Restriction.CREDITS_REFUSED, Restriction.DEBITS_NOT_AUTHORIZED)
"""Restrictions of an account that are none for its cards: the last is about debits that others originate."""

_PURPOSES: Final = (Purpose.MOVEMENT, Purpose.REFUSAL)
_PURPOSES_OF_ADVICE: Final = (*_PURPOSES, Purpose.UNDO)
"""What may be known of a message: of one that was refused, that its reversal came before the advice of it."""

_BY_STATE: Final = {
    "blocked": Reason.CARD_BLOCKED,
    "lost": Reason.CARD_LOST,
    "stolen": Reason.CARD_STOLEN,
}


_BY_GUARD: Final = {
    TransferStatus.DEBIT_ACCOUNT_FROZEN: Reason.ACCOUNT_RESTRICTED,
    TransferStatus.EXCEEDS_WINDOW_COUNT: Reason.ACCOUNT_OVER_COUNT,
}


class Case(NamedTuple):
    """A message, and whom and what it is about: None where there is no such thing."""

    command: Authorise
    named: Named | None
    programme: Programme | None
    card: Card | None
    account: int | None

    @property
    def key(self) -> int | None:
        """What names the message for ever."""
        return None if self.named is None else self.named.key


class Means(NamedTuple):
    """What there is to pay with, by account: how much there is, how much may be spent, and which are restricted.

    `month` is the one that is now, YYMM.
    """

    spendable: Mapping[int, int]
    rooms: Mapping[int, Room]
    restricted: Mapping[int, bool]
    month: str


class Ruling(NamedTuple):
    """The answer, and what is to be made in the ledger for it."""

    answer: Answer
    entries: Sequence[Entry] = ()
    reference: Entry | None = None


def case_of(state: State, command: Authorise, *, time_ns: int) -> Case:
    """A message with what it is about."""
    card = state.cards.get(command.token)
    account = None if card is None else deposit(card.account)
    name = named(command.origin, time_ns=time_ns)
    return Case(command, name, state.programme_of(command.masked), card, account)


def authorise_all(state: State, cases: Sequence[Case], *, time_ns: int) -> list[Answer]:
    """Answer messages of which no two have a key or an account in common."""
    ids = [
        transfer_id(purpose, case.key)
        for case in cases
        if case.key is not None
        for purpose in (_PURPOSES_OF_ADVICE if case.command.is_decided else _PURPOSES)
    ]
    known = found(state.ledger, ids)
    means = _means(state, cases, time_ns=time_ns)
    rulings = []
    for case in cases:
        answer = answer_again(case, known)
        rulings.append(Ruling(answer) if answer else _ruling(case, means, time_ns=time_ns))
    create_judged(state.ledger, [entry for ruling in rulings for entry in ruling.entries], time_ns=time_ns)
    # A reference that was used before stays that of the first hold: later ones are named by their keys.
    create(state.ledger, [ruling.reference for ruling in rulings if ruling.reference], time_ns=time_ns)
    return [ruling.answer for ruling in rulings]


def answer_again(case: Case, known: Mapping[int, Made]) -> Answer | None:
    """The answer that a message got before; None if it is new."""
    command, key = case.command, case.key
    if key is None:
        return None
    made = known.get(transfer_id(Purpose.MOVEMENT, key))
    refused = known.get(transfer_id(Purpose.REFUSAL, key))
    if made is not None:
        is_same = made.pending_id == 0 and made.is_hold != command.posts and _is_about(made, command)
        if not is_same:
            return Answer(Reason.TRACE_USED)
        return _approval(key, made.amount, command, by_bank=made.note == Reason.TAKEN_BY_BANK)
    if refused is None:
        return None
    if refused.note == Reason.REVERSED_IN_ADVANCE or (transfer_id(Purpose.UNDO, key) in known and command.is_decided):
        return Answer(Reason.REVERSED_IN_ADVANCE)
    if not _is_about(refused, command):
        return Answer(Reason.TRACE_USED)
    # Whoever stood in may have allowed what was refused here: then it is the issuer's to pay, if any issuer could.
    is_due = command.is_decided and _objection_to_message(command) is None
    return None if is_due else Answer(refused.note)


def _is_about(made: Made, command: Authorise) -> bool:
    return made.token == token_number(command.token) and made.asked == command.amount_minor


def _means(state: State, cases: Sequence[Case], *, time_ns: int) -> Means:
    """What the ledger and the directory say of the accounts, asked once for all."""
    accounts = {case.account: case.card.account for case in cases if case.card is not None and case.account}
    restrictions = state.directory.accounts["restriction"][list(accounts.values())].tolist()
    restricted = {account: each not in _LETS_PAY for account, each in zip(accounts, restrictions, strict=True)}
    month = f"{date.fromordinal(_EPOCH + time_ns // DAY_NS):%y%m}"
    room = rooms(state.ledger, list(accounts), time_ns=time_ns)
    return Means(available(state.ledger, list(accounts)), room, restricted, month)


def _ruling(case: Case, means: Means, *, time_ns: int) -> Ruling:
    """What becomes of a message that is new."""
    command, name, programme, card, account = case
    if name is None or not name.is_current:
        return Ruling(Answer(Reason.TIME_FAR_OFF))
    if programme is None:
        return Ruling(Answer(Reason.NO_ISSUER))
    key = name.key
    left = _left(means, account)
    takes_part = command.takes_part and not command.is_decided
    amount = min(command.amount_minor, left) if takes_part else command.amount_minor
    reason = _objection_to_message(command)
    if reason is None and not command.is_decided:
        reason = _objection_to_card(case, means, time_ns=time_ns)
        if reason is None and (amount > left or amount == 0):
            reason = _objection_to_amount(means, account, amount)
    if reason is not None:
        row = refusal(key, programme.institution, reason, token=command.token, asked=command.amount_minor)
        return Ruling(Answer(reason), [row])
    by_bank = account is None or amount > left
    if card is not None:
        card.spend(amount, time_ns=time_ns)
    row = _movement(case, key, programme, amount=amount, by_bank=by_bank)
    answer = _approval(key, amount, command, by_bank=by_bank)
    return Ruling(answer, [row], _reference(command, key, programme))


def _left(means: Means, account: int | None) -> int:
    """What may be spent now."""
    return 0 if account is None else max(0, min(means.spendable[account], means.rooms[account].amount))


def _objection_to_amount(means: Means, account: int | None, amount: int) -> Reason:
    """Why no more may be spent than is left: an account's guard is asked before its balance."""
    room = None if account is None else means.rooms[account]
    if room is None or (amount <= room.amount and room.amount != 0):
        return Reason.INSUFFICIENT_FUNDS
    return _BY_GUARD.get(room.against, Reason.ACCOUNT_OVER_LIMIT)


def _objection_to_message(command: Authorise) -> Reason | None:
    """What no issuer could make good."""
    if command.currency != CURRENCY:
        return Reason.OTHER_CURRENCY
    return Reason.NO_AMOUNT if command.amount_minor == 0 else None


def _objection_to_card(case: Case, means: Means, *, time_ns: int) -> Reason | None:
    """What is against the card: the first that applies."""
    command, card = case.command, case.card
    if card is None or case.account is None:
        return Reason.UNKNOWN_CARD
    if card.state in _BY_STATE:
        return _BY_STATE[card.state]
    if card.expires < means.month or command.expires not in ("", card.expires):
        return Reason.CARD_EXPIRED
    if means.restricted[case.account]:
        return Reason.ACCOUNT_RESTRICTED
    spent_minor, spent_count = card.spent_on(time_ns)
    if command.amount_minor > (card.limit_minor or UNLIMITED):
        return Reason.OVER_LIMIT
    if spent_minor + command.amount_minor > (card.day_limit_minor or UNLIMITED):
        return Reason.OVER_DAY_LIMIT
    return Reason.OVER_DAY_COUNT if spent_count >= (card.day_count_max or UNLIMITED) else None


def _approval(key: int, amount_minor: int, command: Authorise, *, by_bank: bool) -> Answer:
    reason = Reason.TAKEN_BY_BANK if by_bank else Reason.APPROVED
    if amount_minor < command.amount_minor:
        reason = Reason.APPROVED_IN_PART
    return Answer(reason, amount_minor, approval_of(key))


def _movement(case: Case, key: int, programme: Programme, *, amount: int, by_bank: bool) -> Entry:
    command = case.command
    payer = suspense(programme.institution) if by_bank or case.account is None else case.account
    return Entry(
        transfer_id(Purpose.MOVEMENT, key), payer, cards_account(programme.institution), amount,
        Code.PURCHASE if command.posts else Code.HOLD,
        flags=0 if command.posts else TransferFlags.PENDING,
        timeout=0 if command.posts else programme.hold_days * _DAY_S,
        token=token_number(command.token),
        asked=command.amount_minor,
        note=Reason.TAKEN_BY_BANK if by_bank else Reason.APPROVED,
    )  # fmt: skip


def _reference(command: Authorise, key: int, programme: Programme) -> Entry | None:
    """The row that finds a hold by its reference number."""
    if command.posts or not command.reference:
        return None
    number = reference_key(command.origin.acquirer, command.reference, command.token)
    return Entry(
        transfer_id(Purpose.REFERENCE, number), suspense(programme.institution),
        cards_account(programme.institution), 0, Code.REFERENCE, token=key,
    )  # fmt: skip
