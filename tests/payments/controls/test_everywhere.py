"""Limits and freezes hold whatever moves the money, and each standard says it in its own words."""

import pytest

from ropewalk.systems.payments.controls.messages import (
    AnyCommand,
    Controlled,
    Freeze,
    SetLimits,
    decode_reply,
    encode,
)
from tests.payments.cards import story as cards
from tests.payments.instant import story as instant
from tests.payments.instant.desks import Apart, Desk, Together
from tests.payments.processing import story as ach
from tests.payments.processing.town import HARBOR, MEADOW, Town

ACH_TOWN = """
bank harbor
bank meadow
account harbor 1000 corporate cents=1000
company power harbor 1000
account meadow 2001 cents=100
"""
INSTANT_TOWN = """
bank harbor
bank meadow
account harbor/1 cents=100
account meadow/2 cents=100
"""
CARD_TOWN = """
bank
account 7 1000
card 1 7
"""


def limits(bank: str, number: str, *, transfer: int = 0, day: int = 0, count: int = 0) -> SetLimits:
    return SetLimits("ann", "new customer", bank, number, transfer, day, count)


def freeze(bank: str, number: str, sides: str = "both") -> Freeze:
    return Freeze("ann", "court order", bank, number, sides)


def control(town: Town, command: AnyCommand) -> None:
    assert isinstance(decode_reply(town.batch([encode(command)])[0]), Controlled)


@pytest.mark.parametrize(
    ("command", "debit", "credit"),
    [
        (limits(MEADOW, "2001", transfer=4_999), "returned R20", "posted"),
        (limits(MEADOW, "2001", day=4_999), "returned R20", "posted"),
        (limits(MEADOW, "2001", day=5_000, count=1), "posted", "posted"),
        (freeze(MEADOW, "2001"), "returned R16", "returned R16"),
        (freeze(MEADOW, "2001", "debits"), "returned R16", "posted"),
        (freeze(MEADOW, "2001", "credits"), "posted", "returned R16"),
    ],
)
def test_an_ach_entry_comes_back_with_the_reason_of_its_rules(command: AnyCommand, debit: str, credit: str) -> None:
    story = ach.Story()
    story.run(ACH_TOWN)
    assert isinstance(story.town, Town)
    control(story.town, command)
    story.run("batch PPD harbor power\nentry 27 meadow 2001 50.00\nsubmit")
    story.run("batch PPD harbor power\nentry 22 meadow 2001 50.00\nsubmit\nwindow")
    assert debit in story.run("entries 0")
    assert credit in story.run("entries 1")


def test_an_ach_file_of_an_originator_who_may_not_pay_does_not_go_out() -> None:
    story = ach.Story()
    story.run(ACH_TOWN)
    assert isinstance(story.town, Town)
    control(story.town, limits(HARBOR, "1000", day=7_000))
    story.run("batch PPD harbor power\nentry 22 meadow 2001 50.00\nentry 22 meadow 2001 50.00\nsubmit\nwindow")
    told = story.run("entries 0")
    assert told.count("posted") == 1
    assert told.count("rejected") == 1


@pytest.mark.parametrize("desk", [Together, Apart])
@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (limits(instant.BANKS["harbor"], "1", transfer=499), "RJCT AM02"),
        (limits(instant.BANKS["harbor"], "1", day=499), "RJCT AM14"),
        (limits(instant.BANKS["harbor"], "1", day=500, count=1), "ACCC"),
        (freeze(instant.BANKS["harbor"], "1"), "RJCT AC06"),
        (freeze(instant.BANKS["harbor"], "1", "credits"), "ACCC"),
        (freeze(instant.BANKS["meadow"], "2", "credits"), "RJCT AC06"),
        (freeze(instant.BANKS["meadow"], "2", "debits"), "ACCC"),
    ],
)
def test_an_instant_payment_is_rejected_with_the_code_of_iso_20022(
    desk: type[Together] | type[Apart], command: Freeze | SetLimits, reason: str
) -> None:
    opened: Together | Apart = desk()
    story = instant.Story(lambda _: opened)
    story.run(INSTANT_TOWN)
    send(opened, command)
    assert story.run("pay a harbor/1 meadow/2 5") == reason


def send(desk: Desk, command: Freeze | SetLimits) -> None:
    """Control an account where its bank is kept."""
    assert isinstance(desk, Together | Apart)
    if isinstance(desk, Together):
        control(desk.town, command)
    else:
        reply = desk.town.ask(desk.home(command.routing), encode(command))[0]
        assert isinstance(decode_reply(reply), Controlled)


def test_an_instant_return_waits_for_a_freeze_to_end() -> None:
    story = instant.Story()
    story.run(f"{INSTANT_TOWN}\npay a harbor/1 meadow/2 5")
    control(story.town, freeze(instant.BANKS["meadow"], "2", "debits"))
    assert story.run("return a 5") == "RJCT AC06"
    control(story.town, freeze(instant.BANKS["meadow"], "2", "credits"))
    assert story.run("return a 5").startswith("ACSC")


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (limits(HARBOR, "7", transfer=4_999), "0110 1: 61 (over limit of account)"),
        (limits(HARBOR, "7", day=4_999), "0110 1: 61 (over limit of account)"),
        (limits(HARBOR, "7", day=5_000, count=1), "0110 1: 00"),
        (freeze(HARBOR, "7"), "0110 1: 62 (account restricted)"),
        (freeze(HARBOR, "7", "credits"), "0110 1: 00"),
    ],
)
def test_a_card_is_answered_with_the_code_of_iso_8583(command: AnyCommand, answer: str) -> None:
    story = cards.Story()
    story.run(CARD_TOWN)
    assert isinstance(story.bank.control(command), Controlled)
    assert story.run("authorise 1 1 50") == answer


def test_a_cards_part_is_what_the_account_may_still_spend() -> None:
    story = cards.Story()
    story.run(CARD_TOWN)
    story.bank.control(limits(HARBOR, "7", day=3_000, count=2))
    assert story.run("authorise 1 1 50 60=1") == "0110 1: 10 30.00"
    assert story.run("reverse 2 1 50 of=1\nauthorise 3 1 30\nauthorise 4 1 1") == (
        "0430 2: 00\n0110 3: 00\n0110 4: 61 (over limit of account)"
    )


def test_a_cards_account_that_has_paid_as_often_as_it_may() -> None:
    story = cards.Story()
    story.run(CARD_TOWN)
    story.bank.control(limits(HARBOR, "7", count=1))
    assert story.run("authorise 1 1 5\nauthorise 2 1 5") == "0110 1: 00\n0110 2: 65 (too many of account)"


def test_what_was_decided_elsewhere_is_paid_by_the_bank_if_its_customer_may_not() -> None:
    story = cards.Story()
    story.run(CARD_TOWN)
    story.bank.control(freeze(HARBOR, "7"))
    assert story.run("advise 1 1 50") == "0130 1: 00"
    assert story.bank.suspense() == -5_000


def test_what_a_frozen_account_held_is_not_spent_and_is_given_up() -> None:
    story = cards.Story()
    story.run(f"{CARD_TOWN}\nauthorise 1 1 50\nauthorise 2 1 5\npurchase 3 1 7")
    story.bank.control(freeze(HARBOR, "7"))
    assert story.run("complete 4 1 50 of=1") == "0230 4: 62 (account restricted)"
    assert story.run("reverse 5 1 5 of=2") == "0430 5: 00"
    assert story.run("reverse 6 1 7 of=3") == "0430 6: 00", "the refund waits at the bank"
    assert story.bank.balance(0) == (99_300, 5_000)
