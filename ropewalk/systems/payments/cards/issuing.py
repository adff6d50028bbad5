"""Opening programmes, issuing cards and blocking them.

Each may be asked again: what is so already is answered with `repeated`, and what is there otherwise is refused.

Checked by: tests/payments/cards/test_issuing.py
"""

from typing import Final

import msgspec
import numpy as np

from ropewalk.systems.payments.cards.commands import BlockCard, CardsDone, IssueCards, NewCard, OpenProgramme, Refused
from ropewalk.systems.payments.cards.limits import CARDS_ISSUED_MAX, HOLD_DAYS_MAX
from ropewalk.systems.payments.cards.state import Card, Programme, State
from ropewalk.systems.payments.processing.books import Holder, lookup, open_accounts

CARD_STATES: Final = ("active", "blocked", "lost", "stolen")

_BIN_DIGITS: Final = 6


def open_programme(state: State, command: OpenProgramme, *, time_ns: int) -> CardsDone | Refused:
    """Let an institution issue cards, and open its account for them."""
    if len(command.bin) != _BIN_DIGITS or not _is_digits(command.bin):
        return Refused(
            "bin", f"cards are told apart by the first {_BIN_DIGITS} digits of their numbers: {command.bin!r}"
        )
    if not 1 <= command.hold_days <= HOLD_DAYS_MAX:
        return Refused("hold_days", f"an authorisation holds money for 1 to {HOLD_DAYS_MAX} days")
    if min(command.stand_in_minor, command.stand_in_day_minor) < 0:
        return Refused("stand_in", "limits are not negative: zero is to decline")
    institution = state.directory.find_institution(command.routing)
    if institution < 0:
        return _unknown_institution(command.routing)
    wanted = Programme(
        command.bin, command.routing, institution, command.hold_days, command.stand_in_minor,
        command.stand_in_day_minor,
    )  # fmt: skip
    known = state.programmes.get(command.bin)
    if known is not None and known.routing != command.routing:
        return Refused("exists", f"cards that begin with {command.bin} are issued by {known.routing}")
    state.programmes[command.bin] = wanted
    index = np.array([institution])
    if not lookup(state.ledger, Holder.CARDS, index).size:
        open_accounts(state.ledger, Holder.CARDS, index, time_ns=time_ns, limited=np.array([False]))
    return CardsDone(repeated=known == wanted)


def issue_cards(state: State, command: IssueCards) -> CardsDone | Refused:
    """Issue all that are not issued yet, or none."""
    if not 1 <= len(command.cards) <= CARDS_ISSUED_MAX:
        return Refused("cards", f"a command issues 1 to {CARDS_ISSUED_MAX} cards: split them")
    if state.key_check not in (b"", command.key_check):
        return Refused("other_key", "the cards here were issued with another card key: give the file that it is in")
    fresh: dict[bytes, Card] = {}
    for new in command.cards:
        issued = _issued(state, new)
        if isinstance(issued, Refused):
            return issued
        known = fresh.get(new.token) or state.cards.get(new.token)
        if known is None:
            issued.number = len(state.cards) + len(fresh)
            fresh[new.token] = issued
        elif not _is_same(known, issued):
            return Refused("exists", f"card {new.masked} is issued with other details")
    state.key_check = command.key_check
    state.cards.update(fresh)
    return CardsDone(repeated=not fresh)


def block_card(state: State, command: BlockCard) -> CardsDone | Refused:
    """Set what a card is."""
    if command.state not in CARD_STATES:
        return Refused("state", f"{command.state!r} is none of {', '.join(CARD_STATES)}")
    card = state.cards.get(command.token)
    if card is None:
        return Refused("unknown_card", "no card has this number: issue it first")
    repeated = card.state == command.state
    card.state = command.state
    return CardsDone(repeated)


def _issued(state: State, new: NewCard) -> Card | Refused:
    """A new card, or what keeps it from being issued whatever has been."""
    programme = state.programme_of(new.masked)
    if programme is None or programme.routing != new.routing:
        return Refused("bin", f"{new.routing} has no programme for {new.masked[:_BIN_DIGITS]}: open it first")
    account = state.directory.find_account(programme.institution, new.account_number)
    if account < 0:
        return Refused("unknown_account", f"{new.routing} keeps no account {new.account_number!r}: open it first")
    if len(new.expires) != 4 or not _is_digits(new.expires) or not 1 <= int(new.expires[2:]) <= 12:
        return Refused("expires", f"an expiry is YYMM, not {new.expires!r}")
    if min(new.limit_minor, new.day_limit_minor, new.day_count_max) < 0:
        return Refused("limit", "limits are not negative: zero is no limit")
    return Card(
        0, new.masked, programme.bin, account, new.expires, limit_minor=new.limit_minor,
        day_limit_minor=new.day_limit_minor, day_count_max=new.day_count_max,
    )  # fmt: skip


def _is_same(known: Card, issued: Card) -> bool:
    """True if they differ in nothing but what has become of the one that is known."""
    used = ("number", "state", "day", "spent_minor", "spent_count")
    before, now = msgspec.structs.asdict(known), msgspec.structs.asdict(issued)
    return all(before[name] == now[name] for name in before if name not in used)


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _unknown_institution(routing: str) -> Refused:
    return Refused("unknown_institution", f"no institution has the routing number {routing!r}: open it first")
