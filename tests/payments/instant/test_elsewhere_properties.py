"""Payments between two shards whose mail is late, repeated and overtaken, and who die at any moment.

At every moment each shard's accounts hold what its payments say has moved there. Once all is delivered, nothing is
undecided or reserved, no money is made or lost, and both shards of a payment tell the same.
"""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ropewalk.systems.payments.instant import hearing, payments_elsewhere, returns_elsewhere
from ropewalk.systems.payments.instant.halves import post_half
from ropewalk.systems.payments.instant.messages import PaymentView
from tests.payments.instant.desks import Apart
from tests.payments.instant.story import Story, uetr

TOWN = """
bank harbor
bank meadow
account harbor/1000 cents=10
account harbor/1001
account meadow/2000
account meadow/2001
policy meadow/2000 recalls=accept
policy meadow/2001 arrivals=ask
"""
FUNDS = 10_00
ACCOUNTS = ("harbor/1000", "harbor/1001", "meadow/2000", "meadow/2001")
LETTERS = "ab"
STEPS_MAX = 40

letters, amounts = st.sampled_from(LETTERS), st.integers(1, 4).map(str)
accounts = st.sampled_from(ACCOUNTS)
decisions = st.sampled_from(["accept", "accept", "NARR"])
pays = st.tuples(st.just("pay"), letters, st.just(ACCOUNTS[0]), st.sampled_from(ACCOUNTS[2:]), amounts)
pays_any = st.tuples(st.just("pay"), letters, accounts, accounts, amounts)
returns = st.tuples(st.just("return"), letters, amounts, st.sampled_from(["id=1", "id=2", "id=3"]))
recalls = st.tuples(st.just("recall"), letters, st.sampled_from(["1", "2"]))
decides = st.tuples(st.sampled_from(["decide", "decide-recall"]), letters, decisions)
deliveries = st.tuples(st.just("deliver"), st.integers(0, 1), st.integers(1, 3), st.booleans())
settling = st.just(("settle",))
others = st.one_of(
    st.tuples(st.just("restrict"), accounts, st.sampled_from(["none", "none", "frozen", "closed"])),
    st.tuples(st.just("wait"), st.sampled_from(["1", "10", "20"])),
    st.tuples(st.just("crash"), st.integers(0, 1)),
)
ACTIONS = st.one_of(pays, pays_any, *[returns, recalls, decides, settling] * 2, *[deliveries] * 4, others)


class Play:
    """A town in which the actions happen."""

    def __init__(self, *, kept: int) -> None:
        self.desk = Apart(kept)
        self.story = Story(lambda _: self.desk)
        self.story.run(TOWN)
        self.town = self.desk.town
        self.desk.delivers = False

    def act(self, action: Sequence[Any]) -> None:
        match action:
            case ("deliver", which, count, is_told):
                lanes = self.town.lanes()
                if lanes:
                    self.town.deliver(*lanes[which % len(lanes)], count=count, is_told=is_told)
            case ("settle",):
                self.town.settle()
            case ("crash", shard):
                self.town.shards[shard].crash()
            case _:
                self.story.run(" ".join(action))
        self.check()

    def end(self) -> None:
        """Deliver all, and let the time of all that waits pass."""
        self.town.settle()
        self.story.run("wait 20")
        self.town.settle()
        self.check()
        self.check_rest()

    def check(self) -> None:
        """Accounts hold what the payments of their shard say."""
        moved = dict.fromkeys(ACCOUNTS, 0) | {ACCOUNTS[0]: FUNDS}
        for view in self.views():
            if view.status == "ACCC":
                left = view.amount_cents - view.returned_cents
                if view.direction != "in":
                    moved[named(view.debtor_account)] -= left
                if view.direction != "out":
                    moved[named(view.creditor_account)] += left
        assert {name: self.balance(name) for name in ACCOUNTS} == moved

    def check_rest(self) -> None:
        assert "reserved" not in self.story.run(f"balances {' '.join(ACCOUNTS)}")
        assert sum(map(self.balance, ACCOUNTS)) == FUNDS, "no money is made or lost"
        for letter in LETTERS:
            ours, theirs = (self.desk.view(shard, uetr(letter)) for shard in self.desk.all())
            for view in (ours, theirs):
                assert view is None or view.status != "PDNG", "nothing is undecided"
            if ours and theirs and {ours.direction, theirs.direction} == {"in", "out"}:
                assert outcome(ours, theirs) == outcome(theirs, ours), "both shards tell the same"

    def views(self) -> list[PaymentView]:
        found = (self.desk.view(shard, uetr(letter)) for shard in self.desk.all() for letter in LETTERS)
        return [view for view in found if view is not None]

    def balance(self, name: str) -> int:
        shown = self.story.run(f"balances {name}").split(": ")[1].split(",")[0]
        return round(float(shown) * 100)


def named(number: str) -> str:
    """The account with a number, which only one bank has."""
    return next(account for account in ACCOUNTS if account.endswith(number))


def outcome(view: PaymentView, other: PaymentView) -> tuple[object, ...]:
    """What a shard says of a payment as the other one does, but for what one of them may have let go.

    A recall that cancels a payment is the debtor's shard's own: the other one sees the payment rejected.
    """
    is_whole = bool(view.history and other.history) and view.status == "ACCC"
    recall = (view.recall.outcome, view.recall.reason) if view.recall and is_whole else None
    moved = [(each.number, each.amount_cents) for each in view.returns]
    return (view.status, view.reason, view.amount_cents, moved, recall)


def play(script: Sequence[Sequence[Any]], *, kept: int = 100) -> None:
    playing = Play(kept=kept)
    for action in script:
        playing.act(action)
    playing.end()


PAY = ("pay", "a", "harbor/1000", "meadow/2000", "4")
PAID: tuple[Any, ...] = (PAY, ("settle",))


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([(PAY,), PAID]), st.lists(ACTIONS, min_size=5, max_size=30), st.sampled_from([1, 100]))
def test_whatever_happens_no_payment_is_half_done(first: tuple[Any, ...], script: list[Any], kept: int) -> None:
    play([*first, *script], kept=kept)


HAPPENINGS: dict[str, list[tuple[Any, ...]]] = {
    "0 dies": [("crash", 0)],
    "1 dies": [("crash", 1)],
    "all die": [("crash", 0), ("crash", 1)],
    "20 s": [("wait", "20")],
    "20 s, all die": [("wait", "20"), ("crash", 0), ("crash", 1)],
}
CASES: dict[str, list[tuple[Any, ...]]] = {
    "accepted": [PAY],
    "rejected there": [("restrict", "meadow/2000", "closed"), PAY],
    "a person": [("pay", "a", "harbor/1000", "meadow/2001", "4"), ("settle",), ("decide", "a", "accept")],
    "returned": [*PAID, ("return", "a", "3", "id=1"), ("return", "a", "1", "id=2")],
    "return refused there": [*PAID, ("restrict", "harbor/1000", "closed"), ("return", "a", "3", "id=1")],
    "recalled": [*PAID, ("recall", "a", "1")],
    "recalled at once": [PAY, ("recall", "a", "1")],
}


@pytest.mark.parametrize("is_told", [True, False], ids=["answer told", "answer lost"])
@pytest.mark.parametrize("happening", HAPPENINGS)
@pytest.mark.parametrize("case", CASES)
def test_whatever_happens_between_two_letters_there_is_one_outcome(case: str, happening: str, is_told: bool) -> None:
    for step in range(STEPS_MAX):
        playing = Play(kept=100)
        for action in CASES[case]:
            playing.act(action)
        steps = deliver_all(playing, step, HAPPENINGS[happening], is_told=is_told)
        playing.end()
        if step >= steps:
            return
    raise AssertionError("the letters never end")


def deliver_all(playing: Play, step: int, happening: list[tuple[Any, ...]], *, is_told: bool) -> int:
    """Deliver one letter after the other, of which something happens behind one; return how many they are."""
    steps = 0
    while playing.town.lanes():
        playing.act(("deliver", steps, 1, is_told or steps != step))
        for action in happening if steps == step else []:
            playing.act(action)
        steps += 1
    return steps


OVER, BACK = ("deliver", 0, 1, True), ("deliver", 0, 1, True)


def test_a_creditor_s_shard_that_pays_what_was_rejected_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def pay_anyway(record: Any, sender: int, message: Any, *, time_ns: int) -> None:
        with monkeypatch.context() as planted:
            planted.setattr(payments_elsewhere, "void_half", post_half)
            payments_elsewhere.hear_concluded(record, sender, message, time_ns=time_ns)

    script = [PAY, OVER, ("wait", "20")]
    play(script)
    monkeypatch.setattr(hearing, "hear_concluded", pay_anyway)
    with pytest.raises(AssertionError):
        play(script)


def test_a_late_verdict_that_is_heard_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def hear_always(record: Any, sender: int, verdict: Any, *, time_ns: int) -> None:
        del sender
        payment = record.find(verdict.uetr)
        payments_elsewhere.conclude_leaving(record, payment, verdict.reason, time_ns=time_ns)

    script = [PAY, OVER, ("wait", "20"), BACK]
    play(script)
    monkeypatch.setattr(hearing, "hear_verdict", hear_always)
    with pytest.raises((AssertionError, KeyError)):
        play(script)


def test_a_debtor_s_shard_that_does_not_tell_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    tell = payments_elsewhere.tell

    def tell_no_rejection(record: Any, shard: int, message: Any) -> None:
        if not getattr(message, "time_ns", 0) or not message.reason:
            tell(record, shard, message)

    script = [("restrict", "meadow/2000", "closed"), PAY]
    play(script)
    monkeypatch.setattr(payments_elsewhere, "tell", tell_no_rejection)
    with pytest.raises(AssertionError, match="nothing is undecided"):
        play(script)


def test_a_return_that_comes_without_having_been_held_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    script = [PAY, OVER, BACK, OVER, ("return", "a", "3", "id=1")]
    play(script)
    monkeypatch.setattr(returns_elsewhere, "hold_half", lambda *_, **__: 0xFFFFFFFF)
    with pytest.raises(AssertionError):
        play(script)
