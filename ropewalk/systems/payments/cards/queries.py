"""Programmes, cards and stand-in decisions as they are shown.

Checked by: tests/payments/cards/test_issuing.py, tests/payments/cards/test_standing_in.py
"""

from collections.abc import Sequence
from itertools import islice

from ropewalk.errors import Rejected
from ropewalk.systems.payments.cards.commands import (
    AnyQuery,
    CardView,
    ListCards,
    ListProgrammes,
    ListStandIns,
    ProgrammeView,
)
from ropewalk.systems.payments.cards.state import Card, State
from ropewalk.systems.payments.processing.limits import PAGE_MAX


def answer_query(state: State, query: AnyQuery) -> Sequence[object]:
    """The rows that answer a query. Raises Rejected if it asks for too many."""
    match query:
        case ListProgrammes(routing=routing):
            return [
                ProgrammeView(each.bin, each.routing, each.hold_days, each.stand_in_minor, each.stand_in_day_minor)
                for each in state.programmes.values()
                if routing in ("", each.routing)
            ]
        case ListCards(routing=routing, after=after, limit=limit):
            behind = islice(state.cards.items(), after + 1, None)
            theirs = (each for each in behind if state.programmes[each[1].programme].routing == routing)
            return [_card(state, token, card) for token, card in islice(theirs, _limit(limit))]
        case ListStandIns():
            _limit(query.limit)
            return list(state.stand_ins.views(query))


def _card(state: State, token: bytes, card: Card) -> CardView:
    programme = state.programmes[card.programme]
    number = state.directory.accounts["number"][card.account].decode()
    return CardView(
        card.number, token.hex(), card.masked, programme.routing, number, card.expires, card.state,
        card.limit_minor, card.day_limit_minor, card.day_count_max, card.spent_minor, card.spent_count,
    )  # fmt: skip


def _limit(limit: int) -> int:
    if not 1 <= limit <= PAGE_MAX:
        raise Rejected(f"limit is {limit}: choose 1 to {PAGE_MAX}")
    return limit
