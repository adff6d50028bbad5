"""Limits, freezes and reversals in two shards: what they keep from happening, and that they are listed."""

from typing import Any

import msgspec
import pytest

from ropewalk.errors import Rejected
from ropewalk.systems.payments.controls.limits import TEXT_MAX
from ropewalk.systems.payments.controls.messages import (
    AnyCommand,
    AnyReply,
    Done,
    Freeze,
    ListControls,
    Refused,
    Reverse,
    SetLimits,
    Unfreeze,
    decode_reply,
    decode_views,
    encode,
)
from ropewalk.systems.payments.processing.books import USD, Holder, account_id
from ropewalk.systems.payments.processing.messages import (
    GetAccount,
    NewAccount,
    OpenAccounts,
    OpenInstitution,
    encode_command,
    encode_query,
)
from ropewalk.systems.payments.shards.addresses import full_id
from tests.payments.processing.town import HARBOR, MEADOW
from tests.payments.shards.town import Row, Town, transfer

LINKED = 1
DAY_S = 86_400


class Banks:
    """Harbor in one shard and meadow in the other, with two accounts each; harbor's first has 1,000."""

    def __init__(self) -> None:
        self.town = Town(2)
        for bank in (HARBOR, MEADOW):
            self.ask(bank, encode_command(OpenInstitution(bank, bank)))
            self.ask(bank, encode_command(OpenAccounts([NewAccount(bank, "1"), NewAccount(bank, "2")])))
        assert self.home(HARBOR) != self.home(MEADOW)
        cash = full_id(account_id(Holder.SETTLEMENT, 0), self.town.shards[self.home(HARBOR)].place)
        assert self.pay(HARBOR, self.row(900, cash, self.deposit(HARBOR, 0), 1_000)) == ["created"]

    def home(self, bank: str) -> int:
        return self.town.shards[0].place.partition_of(bank)

    def deposit(self, bank: str, slot: int) -> int:
        return full_id(account_id(Holder.DEPOSIT, slot), self.town.shards[self.home(bank)].place)

    def row(self, number: int, debit: int, credit: int, cents: int, **more: int) -> Row:
        return transfer(number, debit, credit, cents, ledger=USD, **more)

    def ask(self, bank: str, command: bytes) -> bytes:
        return self.town.ask(self.home(bank), command)[0]

    def pay(self, bank: str, *rows: Row) -> list[str]:
        return self.town.pay(self.home(bank), *rows)

    def do(self, bank: str, command: AnyCommand) -> AnyReply:
        return decode_reply(self.ask(bank, encode(command)))

    def account(self, bank: str, number: str) -> dict[str, Any]:
        machine = self.town.shards[self.home(bank)].machine
        shown: dict[str, Any] = msgspec.msgpack.decode(machine.read(encode_query(GetAccount(bank, number))))
        return shown

    def here(self, number: int, cents: int, **more: int) -> Row:
        """From harbor's first account to its second."""
        return self.row(number, self.deposit(HARBOR, 0), self.deposit(HARBOR, 1), cents, **more)

    def across(self, number: int, cents: int) -> Row:
        """From harbor's first account to meadow's."""
        return self.row(number, self.deposit(HARBOR, 0), self.deposit(MEADOW, 0), cents)


@pytest.fixture
def banks() -> Banks:
    return Banks()


def test_no_more_leaves_at_once_than_the_limit(banks: Banks) -> None:
    assert isinstance(banks.do(HARBOR, SetLimits("ann", "new", HARBOR, "1", transfer_cents=50)), Done)
    assert banks.pay(HARBOR, banks.here(1, 51), banks.here(2, 50)) == ["exceeds_limit", "created"]
    assert banks.pay(HARBOR, banks.here(1, 50)) == ["created"], "the id is not used up"


def test_no_more_leaves_in_a_day_than_the_limits(banks: Banks) -> None:
    banks.do(HARBOR, SetLimits("ann", "new", HARBOR, "1", day_cents=100, day_count=3))
    assert banks.pay(HARBOR, banks.here(1, 60), banks.here(2, 41), banks.here(3, 40)) == [
        "created", "exceeds_limit", "created",
    ]  # fmt: skip
    assert banks.pay(HARBOR, banks.here(1, 60)) == ["exists"], "a repeat is no new transfer"
    banks.town.wait(DAY_S)
    assert banks.pay(HARBOR, *(banks.here(10 + number, 1) for number in range(4))) == [
        "created", "created", "created", "exceeds_limit",
    ]  # fmt: skip


def test_limits_hold_for_what_crosses_shards_too(banks: Banks) -> None:
    banks.do(HARBOR, SetLimits("ann", "new", HARBOR, "1", day_cents=100))
    assert banks.pay(HARBOR, banks.across(1, 60), banks.across(2, 60)) == ["prepared", "exceeds_limit"]
    assert banks.town.pay_together(banks.home(HARBOR), banks.across(3, 30), banks.across(4, 30)) == [
        "linked_event_failed", "exceeds_limit",
    ]  # fmt: skip
    banks.town.settle()
    assert banks.account(MEADOW, "1")["balance_cents"] == 60


def test_a_limit_breaks_the_chain_that_it_is_in(banks: Banks) -> None:
    banks.do(HARBOR, SetLimits("ann", "new", HARBOR, "1", transfer_cents=50))
    assert banks.pay(HARBOR, banks.here(1, 10, flags=LINKED), banks.here(2, 51)) == [
        "linked_event_failed", "exceeds_limit",
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
    assert isinstance(banks.do(HARBOR, Freeze("ann", "court order 7", HARBOR, "1")), Done)
    assert banks.pay(HARBOR, banks.here(2, 1)) == ["debit_account_already_closed"]
    assert banks.pay(HARBOR, banks.across(3, 1)) == ["debit_account_already_closed"]
    banks.town.settle()
    assert banks.account(HARBOR, "1")["restriction"] == "frozen"
    assert banks.account(MEADOW, "1")["balance_cents"] == 100
    back = banks.row(4, banks.deposit(MEADOW, 0), banks.deposit(HARBOR, 0), 1)
    banks.pay(MEADOW, back)
    banks.town.settle()
    assert banks.town.decided(banks.home(MEADOW)) == [["credit_account_already_closed"]]
    refused = banks.do(HARBOR, Freeze("bob", "again", HARBOR, "1"))
    assert isinstance(refused, Refused)
    assert refused.reason == "frozen"


def test_an_account_that_is_not_frozen_any_more_is_as_before(banks: Banks) -> None:
    for _ in range(2):
        assert isinstance(banks.do(HARBOR, Freeze("ann", "court order", HARBOR, "1")), Done)
        banks.town.shards[banks.home(HARBOR)].crash()
        assert isinstance(banks.do(HARBOR, Unfreeze("ann", "order lifted", HARBOR, "1")), Done)
    assert banks.account(HARBOR, "1")["restriction"] == "none"
    assert banks.pay(HARBOR, banks.here(1, 1)) == ["created"]
    refused = banks.do(HARBOR, Unfreeze("ann", "again", HARBOR, "1"))
    assert isinstance(refused, Refused)
    assert refused.reason == "not_frozen"


def test_a_transfer_is_reversed_once(banks: Banks) -> None:
    banks.pay(HARBOR, banks.here(1, 30))
    assert isinstance(banks.do(HARBOR, Reverse("ann", "paid twice", "1")), Done)
    assert banks.account(HARBOR, "2")["balance_cents"] == 0
    refused = banks.do(HARBOR, Reverse("bob", "paid twice", "1"))
    assert isinstance(refused, Refused)
    assert refused.reason == "ledger"
    assert banks.account(HARBOR, "2")["balance_cents"] == 0


def test_a_transfer_across_shards_is_reversed_across_them(banks: Banks) -> None:
    banks.pay(HARBOR, banks.across(1, 30))
    banks.town.settle()
    refused = banks.do(HARBOR, Reverse("ann", "fraud", "1"))
    assert refused == Refused("shard", f"the payee is kept in shard {banks.home(MEADOW)}: ask that one")
    assert isinstance(banks.do(MEADOW, Reverse("ann", "fraud", "1")), Done)
    banks.town.settle()
    assert (banks.account(HARBOR, "1")["balance_cents"], banks.account(MEADOW, "1")["balance_cents"]) == (1_000, 0)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (Reverse("ann", "why", "99"), "unknown_transfer"),
        (Reverse("ann", "why", "a"), "transfer"),
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
    assert (first.who, first.why, first.what, first.details["day_cents"]) == ("ann", "new customer", "limits", 5)
    assert (second.who, second.what, second.account) == ("bob", "freeze", "2")
    assert decode_views(machine.read(encode(ListControls(after=first.number)))) == [second]
    assert decode_views(machine.read(encode(ListControls(routing=HARBOR, number="2")))) == [second]
    with pytest.raises(Rejected, match="a page has 1 to"):
        machine.read(encode(ListControls(limit=0)))
