"""Limits, freezes and reversals in two shards: what they keep from happening, and that they are listed."""

import pytest

from ropewalk.errors import Rejected
from ropewalk.systems.payments.controls.limits import TEXT_MAX
from ropewalk.systems.payments.controls.messages import (
    AccountControls,
    AnyCommand,
    Controlled,
    Freeze,
    GetAccountControls,
    ListControls,
    Refused,
    SetLimits,
    Unfreeze,
    decode_account,
    decode_views,
    encode,
)
from tests.payments.controls.banks import Banks
from tests.payments.processing.town import HARBOR, MEADOW

LINKED = 1
DAY_S = 86_400
HOUR_S = 3_600


@pytest.fixture
def banks() -> Banks:
    return Banks()


def test_no_more_leaves_at_once_than_the_limit(banks: Banks) -> None:
    assert isinstance(banks.do(HARBOR, SetLimits("ann", "new", HARBOR, "1", transfer_cents=50)), Controlled)
    assert banks.pay(HARBOR, banks.here(1, 51), banks.here(2, 50)) == ["exceeds_transfer_limit", "created"]
    assert banks.pay(HARBOR, banks.here(1, 50)) == ["id_already_failed"], "no retry turns out otherwise"


def test_no_more_leaves_in_any_24_hours_than_the_limits(banks: Banks) -> None:
    banks.do(HARBOR, SetLimits("ann", "new", HARBOR, "1", day_cents=100, day_count=3))
    assert banks.pay(HARBOR, banks.here(1, 60), banks.here(2, 41), banks.here(3, 40)) == [
        "created", "exceeds_window_limit", "created",
    ]  # fmt: skip
    assert banks.pay(HARBOR, banks.here(1, 60)) == ["exists"], "a repeat is no new transfer"
    banks.town.wait(DAY_S - 1)
    assert banks.pay(HARBOR, banks.here(4, 1)) == ["exceeds_window_limit"], "midnight forgives nothing"
    banks.town.wait(HOUR_S + 2)
    assert banks.pay(HARBOR, *(banks.here(10 + number, 1) for number in range(4))) == [
        "created", "created", "created", "exceeds_window_count",
    ]  # fmt: skip


def test_limits_hold_for_what_crosses_shards_too(banks: Banks) -> None:
    banks.do(HARBOR, SetLimits("ann", "new", HARBOR, "1", day_cents=100))
    assert banks.pay(HARBOR, banks.across(1, 60), banks.across(2, 60)) == ["prepared", "exceeds_window_limit"]
    assert banks.town.pay_together(banks.home(HARBOR), banks.across(3, 30), banks.across(4, 30)) == [
        "linked_event_failed", "exceeds_window_limit",
    ]  # fmt: skip
    banks.town.settle()
    assert banks.account(MEADOW, "1")["balance_cents"] == 60


def test_a_limit_breaks_the_chain_that_it_is_in(banks: Banks) -> None:
    banks.do(HARBOR, SetLimits("ann", "new", HARBOR, "1", transfer_cents=50))
    assert banks.pay(HARBOR, banks.here(1, 10, flags=LINKED), banks.here(2, 51)) == [
        "linked_event_failed", "exceeds_transfer_limit",
    ]  # fmt: skip


def test_a_limit_of_zero_is_none(banks: Banks) -> None:
    banks.do(HARBOR, SetLimits("ann", "new", HARBOR, "1", transfer_cents=50))
    banks.do(HARBOR, SetLimits("bob", "trusted", HARBOR, "1"))
    assert banks.pay(HARBOR, banks.here(1, 500)) == ["created"]
    refused = banks.do(HARBOR, SetLimits("bob", "typo", HARBOR, "1", day_count=-1))
    assert isinstance(refused, Refused)
    assert refused.reason == "limits"


def test_nothing_enters_or_leaves_a_frozen_account_but_what_was_promised(banks: Banks) -> None:
    banks.pay(HARBOR, banks.across(1, 100))
    assert isinstance(banks.do(HARBOR, Freeze("ann", "court order 7", HARBOR, "1")), Controlled)
    assert banks.pay(HARBOR, banks.here(2, 1)) == ["debit_account_frozen"]
    assert banks.pay(HARBOR, banks.across(3, 1)) == ["debit_account_frozen"]
    banks.town.settle()
    assert banks.account(HARBOR, "1")["frozen"] == "both"
    assert banks.account(MEADOW, "1")["balance_cents"] == 100
    back = banks.row(4, banks.deposit(MEADOW, 0), banks.deposit(HARBOR, 0), 1)
    banks.pay(MEADOW, back)
    banks.town.settle()
    assert banks.town.decided(banks.home(MEADOW)) == [["credit_account_frozen"]]
    refused = banks.do(HARBOR, Freeze("bob", "again", HARBOR, "1"))
    assert isinstance(refused, Refused)
    assert refused.reason == "frozen"


def test_an_account_that_is_not_frozen_any_more_is_as_before(banks: Banks) -> None:
    for _ in range(2):
        assert isinstance(banks.do(HARBOR, Freeze("ann", "court order", HARBOR, "1")), Controlled)
        banks.town.shards[banks.home(HARBOR)].crash()
        assert isinstance(banks.do(HARBOR, Unfreeze("ann", "order lifted", HARBOR, "1")), Controlled)
    assert banks.account(HARBOR, "1")["frozen"] == "none"
    assert banks.pay(HARBOR, banks.here(1, 1)) == ["created"]
    refused = banks.do(HARBOR, Unfreeze("ann", "again", HARBOR, "1"))
    assert isinstance(refused, Refused)
    assert refused.reason == "not_frozen"


def test_one_side_can_be_frozen_and_the_other_goes_on(banks: Banks) -> None:
    banks.do(HARBOR, Freeze("ann", "dispute", HARBOR, "1", "debits"))
    back = banks.row(2, banks.deposit(HARBOR, 1), banks.deposit(HARBOR, 0), 0)
    assert banks.pay(HARBOR, banks.here(1, 1), back) == ["debit_account_frozen", "created"]
    assert isinstance(banks.do(HARBOR, Freeze("ann", "worse", HARBOR, "1")), Controlled)
    assert banks.pay(HARBOR, back | {"id": 3}) == ["credit_account_frozen"]


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (Freeze("ann", "why", HARBOR, "1", "all"), "sides"),
        (SetLimits("ann", "why", HARBOR, "1", day_cents=2**63), "limits"),
        (Freeze("ann", "why", HARBOR, "9"), "unknown_account"),
        (Freeze("", "why", HARBOR, "1"), "who"),
        (Freeze("ann", "w" * (TEXT_MAX + 1), HARBOR, "1"), "who"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_word(banks: Banks, command: AnyCommand, reason: str) -> None:
    refused = banks.do(HARBOR, command)
    assert isinstance(refused, Refused)
    assert refused.reason == reason


def test_each_control_is_listed_with_who_and_why(banks: Banks) -> None:
    banks.do(HARBOR, SetLimits("ann", "new customer", HARBOR, "1", day_cents=5))
    banks.do(HARBOR, Freeze("bob", "court order", HARBOR, "2"))
    machine = banks.town.shards[banks.home(HARBOR)].machine
    first, second = decode_views(machine.read(encode(ListControls())))
    assert (first.who, first.why, first.what, first.details["day_cents"]) == ("ann", "new customer", "limits", "5")
    assert (second.who, second.what, second.account) == ("bob", "freeze", "2")
    assert decode_views(machine.read(encode(ListControls(after=first.number)))) == [second]
    assert decode_views(machine.read(encode(ListControls(routing=HARBOR, number="2")))) == [second]
    with pytest.raises(Rejected, match="a page has 1 to"):
        machine.read(encode(ListControls(limit=0)))


def test_what_was_set_before_is_in_the_entry_that_changes_it(banks: Banks) -> None:
    banks.do(HARBOR, SetLimits("ann", "new customer", HARBOR, "1", day_cents=5))
    banks.do(HARBOR, SetLimits("bob", "good customer", HARBOR, "1", day_cents=9))
    banks.do(HARBOR, Freeze("bob", "court order", HARBOR, "1"))
    banks.do(HARBOR, Unfreeze("ann", "lifted", HARBOR, "1"))
    machine = banks.town.shards[banks.home(HARBOR)].machine
    _, changed, frozen, unfrozen = decode_views(machine.read(encode(ListControls())))
    assert (changed.details["before_day_cents"], changed.details["day_cents"]) == ("5", "9")
    assert (frozen.details, unfrozen.details) == ({"sides": "both", "before": "none"}, {"before": "both"})


def test_what_holds_for_an_account_is_shown_with_what_counts_against_it(banks: Banks) -> None:
    banks.do(HARBOR, SetLimits("ann", "new", HARBOR, "1", transfer_cents=70, day_cents=100, day_count=9))
    banks.do(HARBOR, Freeze("ann", "dispute", HARBOR, "1", "credits"))
    banks.pay(HARBOR, banks.here(1, 60))
    machine = banks.town.shards[banks.home(HARBOR)].machine
    shown = decode_account(machine.read(encode(GetAccountControls(HARBOR, "1"))))
    assert shown == AccountControls(70, 100, 9, 60, 1, "credits")
    assert decode_account(machine.read(encode(GetAccountControls(HARBOR, "2")))) == AccountControls(
        0, 0, 0, 0, 0, "none"
    )
    with pytest.raises(Rejected, match="has no account '3'"):
        machine.read(encode(GetAccountControls(HARBOR, "3")))


def test_a_shard_that_guards_as_many_as_it_can_says_so(banks: Banks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ropewalk.systems.payments.ledger.guards.GUARDS_MAX", 1)
    assert isinstance(banks.do(HARBOR, Freeze("ann", "order", HARBOR, "1")), Controlled)
    refused = banks.do(HARBOR, Freeze("ann", "order", HARBOR, "2"))
    assert isinstance(refused, Refused)
    assert refused.reason == "full"


def test_limits_and_freezes_outlive_a_crash(banks: Banks) -> None:
    banks.do(HARBOR, SetLimits("ann", "new", HARBOR, "1", day_cents=100))
    assert banks.pay(HARBOR, banks.here(1, 60)) == ["created"]
    banks.town.shards[banks.home(HARBOR)].crash()
    assert banks.pay(HARBOR, banks.here(2, 60)) == ["exceeds_window_limit"]
