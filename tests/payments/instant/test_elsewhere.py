"""Payments between two shards, letter by letter: what each side says, holds, and comes to, whatever comes when."""

import msgspec
import pytest

from ropewalk.core.machine import Received
from ropewalk.errors import Bug, Rejected
from ropewalk.systems.payments.instant.elsewhere import AnyMessage, Concluded, RecallAnswered, encode_message
from ropewalk.systems.payments.instant.halves import PAYS, Half, void_half
from ropewalk.systems.payments.instant.messages import GetReport, ListDeciders, PaymentView, encode_query
from ropewalk.systems.payments.instant.record import Outcome, Record
from ropewalk.systems.payments.iso20022.model import StatusReport
from ropewalk.systems.payments.processing.books import Party
from tests.payments.instant.desks import Apart
from tests.payments.instant.story import Story, uetr

TOWN = """
bank harbor
bank meadow
account harbor/1000 cents=100
account meadow/2001
account meadow/2002
policy meadow/2002 arrivals=ask
"""
HARBOR, MEADOW = 0, 1
"""The shards that keep the two banks."""


class Letters:
    """A story whose mail is delivered letter by letter."""

    def __init__(self) -> None:
        self.desk = Apart()
        self.story = Story(lambda _: self.desk)
        self.story.run(TOWN)
        self.town = self.desk.town
        self.desk.delivers = False

    def run(self, lines: str) -> str:
        return self.story.run(lines)

    def settle(self, lines: str = "") -> str:
        """What is seen when all mail is delivered, before and after each line."""
        self.town.settle()
        self.desk.delivers = True
        told = self.run(lines)
        self.desk.delivers = False
        return told

    def view(self, shard: int, letter: str) -> PaymentView:
        found = self.desk.view(shard, uetr(letter))
        assert found is not None
        return found

    def statuses(self, letter: str) -> list[str]:
        """What each shard says has become of a payment."""
        views = [self.view(shard, letter) for shard in (HARBOR, MEADOW)]
        return [f"{view.status} {view.reason}".strip() for view in views]

    def balances(self) -> str:
        return self.run("balances harbor/1000 meadow/2001 meadow/2002 harbor meadow").replace("\n", ", ")


@pytest.fixture
def letters() -> Letters:
    return Letters()


def report(letters: Letters, shard: int, letter: str) -> StatusReport:
    answer = letters.town.shards[shard].machine.read(encode_query(GetReport(uetr(letter))))
    return msgspec.msgpack.decode(answer, type=StatusReport)


NOTHING_MOVED = "harbor/1000: 100.00, meadow/2001: 0.00, meadow/2002: 0.00, harbor: 100.00, meadow: 0.00"


def test_each_side_holds_its_half_until_the_debtor_s_shard_decides(letters: Letters) -> None:
    assert letters.run("pay a harbor/1000 meadow/2001 40") == "PDNG"
    assert letters.balances().startswith("harbor/1000: 100.00, 40.00 reserved, meadow/2001: 0.00")
    letters.town.deliver(HARBOR, MEADOW)
    assert letters.statuses("a") == ["PDNG", "PDNG"]
    letters.town.deliver(MEADOW, HARBOR)
    assert letters.statuses("a") == ["ACCC", "PDNG"]
    letters.town.deliver(HARBOR, MEADOW)
    assert letters.statuses("a") == ["ACCC", "ACCC"]
    assert letters.balances() == (
        "harbor/1000: 60.00, meadow/2001: 40.00, meadow/2002: 0.00, harbor: 60.00, meadow: 40.00"
    )
    assert letters.town.lanes() == []


def test_who_decides_about_halves_is_known_without_a_look_at_every_payment(
    letters: Letters, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deciders() -> list[list[int]]:
        asked = encode_query(ListDeciders())
        with monkeypatch.context() as patched:
            patched.setattr(Record, "newest", lambda _: pytest.fail("all payments are looked at"))
            return [
                msgspec.msgpack.decode(shard.machine.read(asked), type=list[int]) for shard in letters.town.shards
            ]

    letters.run("pay a harbor/1000 meadow/2001 40")
    assert deciders() == [[], []]
    letters.town.deliver(HARBOR, MEADOW)
    assert deciders() == [[], [HARBOR]]
    letters.town.shards[MEADOW].crash()
    assert deciders() == [[], [HARBOR]]
    letters.settle()
    assert deciders() == [[], []]
    letters.run("return a 10 id=1")
    letters.town.deliver(MEADOW, HARBOR)
    assert deciders() == [[MEADOW], []]
    letters.town.shards[HARBOR].crash()
    assert deciders() == [[MEADOW], []]
    letters.settle()
    assert deciders() == [[], []]


def test_both_sides_tell_the_same_word_for_word(letters: Letters) -> None:
    letters.run("pay a harbor/1000 meadow/2001 40\npay b harbor/1000 meadow/9999 40\npay c harbor/1000 meadow/2002 1")
    letters.town.settle()
    for letter in "abc":
        assert report(letters, HARBOR, letter) == report(letters, MEADOW, letter)
    views = [[letters.view(shard, "a").direction for shard in (HARBOR, MEADOW)]]
    assert views == [["out", "in"]]


def test_a_rejection_by_the_creditor_s_shard_gives_the_money_back(letters: Letters) -> None:
    letters.run("restrict meadow/2001 frozen\npay a harbor/1000 meadow/2001 40\npay b harbor/1000 meadow/9999 40")
    letters.town.settle()
    assert letters.statuses("a") == ["RJCT AC06", "RJCT AC06"]
    assert letters.statuses("b") == ["RJCT AC03", "RJCT AC03"]
    assert letters.balances() == NOTHING_MOVED


def test_a_bank_that_its_shard_does_not_know_is_rejected_there(letters: Letters) -> None:
    desk = Apart(shards=3)
    assert desk.home("992000231") != desk.home("991000122")
    story = Story(lambda _: desk)
    story.run("bank harbor\naccount harbor/1000 cents=10")
    assert story.run("pay a harbor/1000 meadow/2001 5") == "RJCT RC04"
    assert story.run("balances harbor/1000") == "harbor/1000: 10.00"


def test_a_person_far_away_is_asked_and_the_debtor_s_shard_knows_it(letters: Letters) -> None:
    letters.run("pay a harbor/1000 meadow/2002 40")
    letters.town.settle()
    assert [each.message.status for each in letters.desk.answers(HARBOR, f"{uetr('a')}/payment")] == ["PDNG"]  # type: ignore[union-attr]
    assert letters.run("pay a harbor/1000 meadow/2002 40") == "PDNG"
    assert letters.view(MEADOW, "a").due_ns == letters.view(HARBOR, "a").due_ns
    assert letters.run("decide a accept why='the invoice is there'") == "PDNG"
    assert letters.run("decide a accept") == (
        "refused: decided: the payment is decided here, and the debtor's bank will be told: ask again later"
    )
    letters.town.settle()
    assert letters.statuses("a") == ["ACCC", "ACCC"]
    assert letters.run("history a") == "taken by harbor\naccepted by OPS the invoice is there"
    assert letters.run("decide a accept") == "refused: decided: the payment is decided: it is ACCC"


def test_without_a_verdict_in_time_the_debtor_s_shard_rejects(letters: Letters) -> None:
    letters.run("pay a harbor/1000 meadow/2001 40\nwait 19")
    assert letters.run("status a") == "PDNG"
    letters.run("wait 1")
    assert letters.run("status a") == "RJCT AB05"
    assert letters.balances() == NOTHING_MOVED
    letters.town.settle()
    assert letters.statuses("a") == ["RJCT AB05", "RJCT AB05"]
    assert letters.balances() == NOTHING_MOVED


def test_a_verdict_that_comes_late_changes_nothing(letters: Letters) -> None:
    letters.run("pay a harbor/1000 meadow/2001 40")
    letters.town.deliver(HARBOR, MEADOW)
    letters.run("wait 20")
    letters.town.deliver(MEADOW, HARBOR)
    assert letters.statuses("a") == ["RJCT AB05", "PDNG"]
    letters.town.settle()
    assert letters.statuses("a") == ["RJCT AB05", "RJCT AB05"]
    assert letters.balances() == NOTHING_MOVED


def test_a_person_who_is_too_late_changes_nothing(letters: Letters) -> None:
    letters.run("pay a harbor/1000 meadow/2002 40")
    letters.town.settle()
    letters.run("wait 20")
    assert letters.run("decide a accept") == "PDNG"
    letters.town.settle()
    assert letters.statuses("a") == ["RJCT AB05", "RJCT AB05"]
    assert letters.balances() == NOTHING_MOVED


def test_what_is_promised_is_paid_though_the_account_is_restricted_meanwhile(letters: Letters) -> None:
    letters.run("pay a harbor/1000 meadow/2001 40")
    letters.town.deliver(HARBOR, MEADOW)
    letters.run("restrict meadow/2001 closed")
    letters.town.settle()
    assert letters.statuses("a") == ["ACCC", "ACCC"]


def test_a_debtor_s_account_that_is_restricted_before_the_decision_pays_nothing(letters: Letters) -> None:
    letters.run("pay a harbor/1000 meadow/2001 40\nrestrict harbor/1000 frozen")
    letters.town.settle()
    assert letters.statuses("a") == ["RJCT AC06", "RJCT AC06"]
    assert letters.balances() == NOTHING_MOVED


def test_a_uetr_that_the_creditor_s_shard_knows_is_a_duplicate(letters: Letters) -> None:
    letters.run("pay a harbor/1000 meadow/2001 40")
    letters.town.settle()
    letters.run("pay b meadow/2001 meadow/2002 1\npay b harbor/1000 meadow/2001 2")
    letters.town.settle()
    assert letters.statuses("b") == ["RJCT DUPL", "PDNG"]
    assert letters.settle("decide b accept") == "ACCC"


def test_two_payments_under_one_uetr_that_cross_each_other_are_both_duplicates(letters: Letters) -> None:
    letters.run("pay a harbor/1000 meadow/2001 40")
    letters.town.settle()
    letters.run("pay b harbor/1000 meadow/2001 1\npay b meadow/2001 harbor/1000 2")
    letters.town.settle()
    assert letters.statuses("b") == ["RJCT DUPL", "RJCT DUPL"]
    assert letters.town.lanes() == []


def test_a_payment_whose_words_were_let_go_is_known_by_who_was_paid() -> None:
    story = Story(Apart)
    story.run("keep 1" + TOWN + "pay a harbor/1000 meadow/2001 10\npay b harbor/1000 meadow/2001 10")
    assert story.run("pay a harbor/1000 meadow/2001 10") == "ACCC"
    assert story.run("pay a harbor/1000 meadow/2002 10") == "RJCT DUPL"
    assert story.run("return a 4 id=R1\npay c harbor/1000 meadow/2001 1\nreturn a 7 id=R2\nreturn a 6 id=R2") == (
        "ACSC\nACCC\nRJCT AM09\nACSC"
    )
    assert story.run("balances harbor/1000 meadow/2001") == "harbor/1000: 89.00\nmeadow/2001: 11.00"


def paid(letters: Letters, amount: int = 40) -> None:
    letters.run(f"pay a harbor/1000 meadow/2001 {amount}")
    letters.town.settle()


def test_a_return_is_held_on_both_sides_until_the_creditor_s_shard_decides(letters: Letters) -> None:
    paid(letters)
    assert letters.run("return a 30 id=R1\nreturn a 30 id=R1\nreturn a 31 id=R1") == "PDNG\nPDNG\nRJCT DUPL"
    assert "meadow/2001: 40.00, 30.00 reserved" in letters.balances()
    assert letters.run("return a 11 id=R2\nreturn a 10 id=R2") == "RJCT AM09\nPDNG"
    letters.town.settle()
    assert letters.run("return a 30 id=R1\nreturn a 31 id=R1\nreturn a 10 id=R2") == "ACSC\nRJCT DUPL\nACSC"
    for shard in (HARBOR, MEADOW):
        view = letters.view(shard, "a")
        assert [(each.number, each.return_id, each.amount_cents) for each in view.returns] == [
            (0, "R1", 30_00), (1, "R2", 10_00),
        ]  # fmt: skip
    assert letters.balances() == NOTHING_MOVED


def test_a_return_that_the_debtor_s_shard_refuses_may_be_sent_again(letters: Letters) -> None:
    paid(letters)
    assert letters.settle("restrict harbor/1000 closed\nreturn a 30 id=R1") == "RJCT AC04"
    assert "meadow/2001: 40.00, meadow/2002" in letters.balances()
    assert letters.settle("restrict harbor/1000 none\nreturn a 30 id=R1") == "ACSC"
    assert "harbor/1000: 90.00" in letters.balances()


def test_a_return_without_a_verdict_in_time_is_rejected_and_a_late_one_changes_nothing(letters: Letters) -> None:
    paid(letters)
    letters.run("return a 30 id=R1")
    letters.town.deliver(MEADOW, HARBOR)
    letters.run("wait 20")
    (answer,) = letters.desk.answers(MEADOW, f"{uetr('a')}/return/R1")
    assert (answer.message.status, answer.message.reasons[0].code) == ("RJCT", "AB05")  # type: ignore[union-attr]
    letters.town.settle()
    assert "harbor/1000: 60.00, meadow/2001: 40.00, meadow/2002" in letters.balances()
    assert letters.settle("return a 30 id=R1") == "ACSC"


def test_a_recall_is_decided_where_the_creditor_is_and_told_where_the_debtor_is(letters: Letters) -> None:
    paid(letters)
    assert letters.run("recall a") == "PDCR PDCR"
    letters.town.settle()
    assert letters.run("decide-recall a accept why='she agrees'") == "PDCR PDCR"
    assert letters.run("decide-recall a accept") == (
        "refused: decided: the recall is accepted, and the debtor's bank is asked: ask again later"
    )
    letters.town.settle()
    assert letters.run("recall a") == "IPAY ACCR"
    assert letters.balances() == NOTHING_MOVED
    histories = [[note.what for note in letters.view(shard, "a").history] for shard in (HARBOR, MEADOW)]
    assert histories == [["taken", "recalled", "recall accepted", "returned"]] * 2


def test_a_recall_whose_return_is_refused_or_too_late_is_rejected(letters: Letters) -> None:
    paid(letters)
    letters.settle("recall a case=1\nrestrict harbor/1000 closed")
    assert letters.settle("decide-recall a accept\nrecall a case=1") == "RJCR RJCR AC04\nRJCR RJCR AC04"
    letters.settle("restrict harbor/1000 none\nrecall a case=2")
    letters.run("decide-recall a accept\nwait 20")
    letters.town.settle()
    assert letters.run("recall a case=2") == "RJCR RJCR NARR"
    assert "harbor/1000: 60.00, meadow/2001: 40.00, meadow/2002" in letters.balances()


def test_a_recall_of_what_is_about_to_go_back_is_too_late(letters: Letters) -> None:
    paid(letters)
    letters.run("policy meadow/2001 recalls=accept\nreturn a 40 id=R1\nrecall a")
    letters.town.settle()
    assert letters.run("recall a") == "RJCR RJCR ARDT"


def test_a_recall_before_the_verdict_cancels_the_payment(letters: Letters) -> None:
    letters.run("pay a harbor/1000 meadow/2001 40")
    letters.town.deliver(HARBOR, MEADOW)
    assert letters.run("recall a") == "CNCL ACCR"
    letters.town.settle()
    assert letters.statuses("a") == ["RJCT FOCR", "RJCT FOCR"]
    assert letters.balances() == NOTHING_MOVED


def test_what_is_for_the_other_shard_is_sent_there(letters: Letters, monkeypatch: pytest.MonkeyPatch) -> None:
    paid(letters)
    to_the_creditor = (
        "refused: elsewhere: this is for the creditor's bank, which is kept in payments/1: send it there"
    )
    to_the_debtor = "refused: elsewhere: this is for the debtor's bank, which is kept in payments/0: send it there"
    monkeypatch.setattr(Apart, "shard_for", lambda *_: HARBOR)
    for line in ("return a 1", "decide a accept", "decide-recall a accept"):
        assert letters.run(line) == to_the_creditor
    monkeypatch.setattr(Apart, "shard_for", lambda *_: MEADOW)
    assert letters.run("recall a") == to_the_debtor
    assert letters.run("pay a harbor/1000 meadow/2001 40") == "ACCC"


def test_followers_of_both_shards_are_told(letters: Letters) -> None:
    paid(letters)
    letters.settle("return a 10 id=R1\nrecall a\ndecide-recall a CUST")

    def kinds(shard: int) -> list[str]:
        events = letters.town.shards[shard].events
        return [event.kind for event in events if event.subject == uetr("a")]

    assert kinds(HARBOR) == ["instant.payment", "instant.return", *["instant.recall"] * 3]
    assert kinds(MEADOW) == ["instant.payment", "instant.return", *["instant.recall"] * 2]


def test_callers_may_not_say_what_shards_say(letters: Letters) -> None:
    with pytest.raises(Rejected, match="not a command of instant payments"):
        letters.town.shards[MEADOW].machine.vet(encode_message(Concluded(uetr("a"), "", 1)))


def hear(letters: Letters, shard: int, message: AnyMessage) -> None:
    """A message that a correct shard does not send."""
    machine = letters.town.shards[shard].machine
    machine.instant.receive(Received(f"payments/{1 - shard}", encode_message(message)), time_ns=1)


def test_a_shard_that_breaks_the_rules_stops_the_other(letters: Letters) -> None:
    letters.run("pay a harbor/1000 meadow/2002 40")
    letters.town.settle()
    with pytest.raises(Bug, match="only what everybody holds is committed"):
        hear(letters, MEADOW, Concluded(uetr("a"), "", 1))
    with pytest.raises(Bug, match="both shards know what was paid between them"):
        hear(letters, HARBOR, RecallAnswered(uetr("z"), Outcome.ACCEPTED, "", 1))
    with pytest.raises(Bug, match="only a recall is answered"):
        hear(letters, HARBOR, RecallAnswered(uetr("a"), Outcome.ACCEPTED, "", 1))


def test_what_is_not_held_is_not_given_back(letters: Letters) -> None:
    ledger = letters.town.shards[HARBOR].machine.accounting.ledger
    with pytest.raises(Bug, match="what is held is posted or given back"):
        void_half(ledger, Half(uetr("a"), PAYS, Party(0, 0), 1, MEADOW, 0), time_ns=1)
