"""Programmes and cards are opened once, shown, blocked, and kept."""

import msgspec

from ropewalk.systems.payments.cards.commands import (
    AnyQuery,
    BlockCard,
    CardsDone,
    CardView,
    IssueCards,
    ListCards,
    ListProgrammes,
    NewCard,
    OpenProgramme,
    ProgrammeView,
    Refused,
    encode_query,
)
from ropewalk.systems.payments.cards.limits import CARDS_ISSUED_MAX
from ropewalk.systems.payments.cards.masking import masked
from tests.payments.cards.bank import BIN, KEY, Bank, number_of
from tests.payments.processing.town import HARBOR, MEADOW


def bank() -> Bank:
    one = Bank()
    one.open()
    one.account("7", 100_00)
    return one


def asked(one: Bank, query: AnyQuery, kind: type[msgspec.Struct]) -> list[msgspec.Struct]:
    rows: list[msgspec.Struct] = msgspec.msgpack.decode(one.cards.read(encode_query(query)), type=list[kind])  # type: ignore[valid-type]
    return rows


def test_a_programme_is_shown_and_may_change_its_terms_and_not_its_bank() -> None:
    one = bank()
    assert one.do(OpenProgramme(BIN, HARBOR)) == CardsDone(repeated=True)
    assert one.do(OpenProgramme(BIN, HARBOR, 3, 50_00, 90_00)) == CardsDone()
    assert asked(one, ListProgrammes(), ProgrammeView) == [ProgrammeView(BIN, HARBOR, 3, 50_00, 90_00)]
    refused = one.do(OpenProgramme(BIN, MEADOW))
    assert isinstance(refused, Refused)


def test_what_makes_no_sense_is_refused_with_a_reason() -> None:
    one = bank()
    refusals = [
        one.do(command)
        for command in (
            OpenProgramme("4000", HARBOR), OpenProgramme("400001", MEADOW), OpenProgramme("400001", HARBOR, 0),
            OpenProgramme("400001", HARBOR, 7, -1), IssueCards([], KEY.check), BlockCard(b"unknown", "blocked"),
            BlockCard(b"unknown", "melted"),
        )
    ]  # fmt: skip
    assert [refused.reason for refused in refusals if isinstance(refused, Refused)] == [
        "bin", "unknown_institution", "hold_days", "stand_in", "cards", "unknown_card", "state",
    ]  # fmt: skip


def test_cards_are_issued_all_or_none() -> None:
    one = bank()
    numbers = [number_of(card) for card in range(3)]
    cards = [NewCard(KEY.token(each), masked(each), HARBOR, "7", "2912") for each in numbers]
    bad = msgspec.structs.replace(cards[2], account_number="8")
    refused = one.do(IssueCards([*cards[:2], bad], KEY.check))
    assert isinstance(refused, Refused)
    assert asked(one, ListCards(HARBOR), CardView) == []
    assert one.do(IssueCards([*cards, cards[0]], KEY.check)) == CardsDone()
    assert one.do(IssueCards(cards, KEY.check)) == CardsDone(repeated=True)
    shown = asked(one, ListCards(HARBOR, after=0, limit=1), CardView)
    assert shown == [
        CardView(1, KEY.token(numbers[1]).hex(), masked(numbers[1]), HARBOR, "7", "2912", "active", 0, 0, 0, 0, 0)
    ]
    too_many = one.do(IssueCards(cards[:1] * (CARDS_ISSUED_MAX + 1), KEY.check))
    assert isinstance(too_many, Refused)


def test_a_blocked_card_stays_the_same_card() -> None:
    one = bank()
    one.issue(1, account="7")
    assert one.do(BlockCard(KEY.token(number_of(1)), "lost")) == CardsDone()
    assert one.do(BlockCard(KEY.token(number_of(1)), "lost")) == CardsDone(repeated=True)
    assert one.issue(1, account="7") == CardsDone(repeated=True)


def test_another_card_key_is_told_before_it_does_harm() -> None:
    one = bank()
    one.issue(1, account="7")
    refused = one.do(IssueCards([NewCard(b"x" * 16, "400000******1234", HARBOR, "7", "2912")], b"another!"))
    assert isinstance(refused, Refused)
    assert refused.reason == "other_key"


def test_what_is_saved_is_loaded() -> None:
    one, other = bank(), bank()
    one.issue(1, account="7", limit=5, day_limit=6, day_count=7)
    other.cards.load(one.cards.save().parts)
    assert other.cards.save() == one.cards.save()
    other.cards.load({})
    assert other.cards.save() == one.cards.save()
