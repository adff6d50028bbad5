"""Reversals: whole or in parts, here and across shards, by the payee or its bank, and never more than came."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ropewalk.systems.payments.controls.messages import (
    AnyReply,
    Controlled,
    Freeze,
    Refused,
    Reverse,
    SetLimits,
    decode_reply,
    encode,
)
from ropewalk.systems.payments.instant.books import transfer_id
from ropewalk.systems.payments.ledger.layout import WIDE_MAX
from ropewalk.systems.payments.processing.books import Move
from tests.payments.controls.banks import Banks
from tests.payments.instant.story import Story, uetr
from tests.payments.processing.town import HARBOR, MEADOW
from tests.payments.shards.town import Row

PENDING, POST, VOID = 2, 4, 8


@pytest.fixture
def banks() -> Banks:
    return Banks()


def reason_of(reply: AnyReply) -> str:
    assert isinstance(reply, Refused), reply
    return reply.reason


def back(amount: int = 0, *, of: int = 1, reference: str = "", from_suspense: bool = False) -> Reverse:
    return Reverse("ann", "paid twice", f"{of}", amount, reference, from_suspense)


def balances(banks: Banks) -> list[int]:
    """Of harbor's two accounts and meadow's first."""
    places = ((HARBOR, "1"), (HARBOR, "2"), (MEADOW, "1"))
    return [int(banks.account(bank, each)["balance_cents"]) for bank, each in places]


def test_a_transfer_goes_back_once(banks: Banks) -> None:
    banks.pay(HARBOR, banks.here(1, 30))
    assert isinstance(banks.do(HARBOR, back()), Controlled)
    assert balances(banks) == [1_000, 0, 0]
    assert reason_of(banks.do(HARBOR, back())) == "amount"
    assert balances(banks) == [1_000, 0, 0]


def test_parts_go_back_until_nothing_is_left(banks: Banks) -> None:
    banks.pay(HARBOR, banks.here(1, 30))
    assert isinstance(banks.do(HARBOR, back(10)), Controlled)
    assert reason_of(banks.do(HARBOR, back(21))) == "amount"
    assert isinstance(banks.do(HARBOR, back(20)), Controlled)
    assert reason_of(banks.do(HARBOR, back(1))) == "amount"
    assert balances(banks) == [1_000, 0, 0]


def test_a_reference_goes_back_once_for_ever(banks: Banks) -> None:
    banks.pay(HARBOR, banks.here(1, 30))
    assert isinstance(banks.do(HARBOR, back(10, reference="CASE-7")), Controlled)
    banks.town.shards[banks.home(HARBOR)].crash()
    assert reason_of(banks.do(HARBOR, back(10, reference="CASE-7"))) == "exists"
    assert isinstance(banks.do(HARBOR, back(10, reference="CASE-8")), Controlled)
    assert balances(banks) == [990, 10, 0]


def test_what_the_payee_has_not_is_refused_and_can_be_tried_again(banks: Banks) -> None:
    banks.pay(HARBOR, banks.here(1, 30))
    banks.pay(HARBOR, banks.row(2, banks.deposit(HARBOR, 1), banks.deposit(HARBOR, 0), 30))
    for _ in range(3):
        assert reason_of(banks.do(HARBOR, back())) == "exceeds_credits"
    banks.pay(HARBOR, banks.here(3, 30))
    assert isinstance(banks.do(HARBOR, back()), Controlled)


@pytest.mark.parametrize("why_not", ["spent", "frozen", "limited"])
def test_the_payees_bank_pays_instead_if_it_is_told_to(banks: Banks, why_not: str) -> None:
    banks.pay(HARBOR, banks.here(1, 30))
    match why_not:
        case "spent":
            banks.pay(HARBOR, banks.row(2, banks.deposit(HARBOR, 1), banks.deposit(MEADOW, 0), 30))
            banks.town.settle()
        case "frozen":
            banks.do(HARBOR, Freeze("ann", "dispute", HARBOR, "2"))
        case "limited":
            banks.do(HARBOR, SetLimits("ann", "new", HARBOR, "2", transfer_cents=5))
    kept = balances(banks)[1]
    assert isinstance(banks.do(HARBOR, back()), Refused)
    assert isinstance(banks.do(HARBOR, back(from_suspense=True)), Controlled)
    assert balances(banks)[:2] == [1_000, kept]
    assert banks.suspense(HARBOR) == -30


def test_the_payees_bank_pays_across_shards_too(banks: Banks) -> None:
    banks.pay(HARBOR, banks.across(1, 30))
    banks.town.settle()
    banks.do(MEADOW, Freeze("ann", "dispute", MEADOW, "1"))
    assert isinstance(banks.do(MEADOW, back(from_suspense=True)), Controlled)
    banks.town.settle()
    assert balances(banks) == [1_000, 0, 30]
    assert banks.suspense(MEADOW) == -30


@pytest.mark.parametrize("text", ["", "-1", "0", "1.0", "²", f"{WIDE_MAX + 1}", "9" * 5_000])
def test_what_is_no_id_of_a_transfer_is_refused(banks: Banks, text: str) -> None:
    refused = banks.do(HARBOR, Reverse("ann", "paid twice", text))
    assert isinstance(refused, Refused)
    assert refused.reason == "transfer"
    assert len(refused.detail) < 200


def test_a_payer_who_is_frozen_gets_nothing_back(banks: Banks) -> None:
    banks.pay(HARBOR, banks.here(1, 30))
    banks.do(HARBOR, Freeze("ann", "dispute", HARBOR, "1", "credits"))
    assert reason_of(banks.do(HARBOR, back())) == "credit_account_frozen"


def test_a_transfer_across_shards_goes_back_across_them(banks: Banks) -> None:
    banks.pay(HARBOR, banks.across(1, 30))
    banks.town.settle()
    assert reason_of(banks.do(HARBOR, back())) == "shard"
    assert isinstance(banks.do(MEADOW, back(10)), Controlled)
    assert reason_of(banks.do(MEADOW, back(21))) == "amount", "what is not decided yet counts"
    banks.town.settle()
    assert isinstance(banks.do(MEADOW, back()), Controlled)
    banks.town.settle()
    assert balances(banks) == [1_000, 0, 0]


def test_what_the_other_shard_refuses_can_go_back_later(banks: Banks) -> None:
    banks.pay(HARBOR, banks.across(1, 30))
    banks.town.settle()
    banks.do(HARBOR, Freeze("ann", "dispute", HARBOR, "1"))
    assert isinstance(banks.do(MEADOW, back()), Controlled)
    banks.town.settle()
    assert balances(banks) == [970, 0, 30]
    banks.do(HARBOR, Freeze("ann", "settled", HARBOR, "1", "debits"))
    assert isinstance(banks.do(MEADOW, back()), Controlled)
    banks.town.settle()
    assert balances(banks) == [1_000, 0, 0]


def test_what_is_not_decided_yet_has_moved_nothing(banks: Banks) -> None:
    banks.pay(HARBOR, banks.across(1, 30))
    assert reason_of(banks.do(HARBOR, back())) == "transfer"


def pending(number: int, banks: Banks) -> Row:
    return banks.here(number, 30, flags=PENDING)


def resolution(number: int, of: int, flags: int) -> Row:
    return {"id": number, "pending_id": of, "amount": WIDE_MAX if flags == POST else 0, "flags": flags}


def test_what_posted_goes_back_and_what_was_pending_or_voided_does_not(banks: Banks) -> None:
    assert banks.pay(HARBOR, pending(1, banks), resolution(2, 1, POST)) == ["created"] * 2
    assert banks.pay(HARBOR, pending(3, banks), resolution(4, 3, VOID), pending(5, banks)) == ["created"] * 3
    for number in (1, 3, 4, 5):
        assert reason_of(banks.do(HARBOR, back(of=number))) == "transfer"
    assert isinstance(banks.do(HARBOR, back(of=2)), Controlled)
    assert balances(banks) == [1_000, 0, 0]


def test_a_reversal_can_be_reversed(banks: Banks) -> None:
    banks.pay(HARBOR, banks.here(1, 30))
    done = banks.do(HARBOR, back())
    assert isinstance(done, Controlled)
    assert isinstance(banks.do(HARBOR, Reverse("bob", "it was right", done.made_id)), Controlled)
    assert balances(banks) == [970, 30, 0]


def test_what_payments_made_by_itself_goes_back_in_its_own_way() -> None:
    story = Story()
    story.run("bank harbor\nbank meadow\naccount harbor/1 cents=10\naccount meadow/2\npay a harbor/1 meadow/2 5")
    for purpose in (Move.INSTANT_OUT, Move.INSTANT_IN):
        made = transfer_id(purpose, uetr("a"), 0)
        (refused,) = story.town.batch([encode(back(of=made))])
        assert reason_of(decode_reply(refused)) == "transfer"


@settings(max_examples=30, deadline=None)
@given(
    asked=st.lists(
        st.tuples(st.integers(0, 40), st.sampled_from(["", "A", "B"]), st.booleans(), st.booleans()), max_size=12
    ),
    across=st.booleans(),
)
def test_no_more_goes_back_than_came(asked: list[tuple[int, str, bool, bool]], across: bool) -> None:
    banks = Banks()
    banks.pay(HARBOR, banks.across(1, 60) if across else banks.here(1, 60))
    banks.town.settle()
    home = MEADOW if across else HARBOR
    for amount, reference, from_suspense, settles in asked:
        banks.do(home, back(amount, reference=reference, from_suspense=from_suspense))
        if settles:
            banks.town.settle()
    banks.town.settle()
    assert 940 <= balances(banks)[0] <= 1_000
