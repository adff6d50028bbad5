"""Whatever is asked in whatever order: money is conserved, moves once, and what is told is what has moved."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ropewalk.systems.payments.instant import books, paying
from ropewalk.systems.payments.instant.record import Record
from tests.payments.instant.story import Story

TOWN = """
bank harbor
bank meadow
account harbor/1000 cents=10
account meadow/2000
account meadow/2001
policy meadow/2001 arrivals=ask recalls=accept
"""
ACCOUNTS = ("harbor/1000", "meadow/2000", "meadow/2001")

letters, cents = st.sampled_from("abc"), st.integers(1, 6).map(lambda units: f"{units}")
accounts = st.sampled_from(ACCOUNTS)
decisions = st.sampled_from(["accept", "NARR"])

LINES = st.one_of(
    st.tuples(st.just("pay"), letters, accounts, accounts, cents),
    st.tuples(st.just("return"), letters, cents, st.sampled_from(["id=1", "id=2", "id=3"])),
    st.tuples(st.just("recall"), letters, st.sampled_from(["1", "2"])),
    st.tuples(st.just("decide"), letters, decisions),
    st.tuples(st.just("decide-recall"), letters, decisions),
    st.tuples(st.just("restrict"), accounts, st.sampled_from(["none", "frozen", "closed"])),
    st.tuples(st.just("wait"), st.sampled_from(["1", "10", "20"])),
)


class Told:
    """What the answers say has moved: the balance that each account must have."""

    def __init__(self) -> None:
        self.balances = {"harbor/1000": 10.0, "meadow/2000": 0.0, "meadow/2001": 0.0}
        self.paid: dict[str, tuple[str, str, float]] = {}
        self.asked: dict[str, tuple[str, str, float]] = {}
        self.returned: dict[tuple[str, str], float] = {}

    def see(self, line: Sequence[str], answer: str) -> None:
        """Take note of an answer."""
        match (*line, answer):
            case ["pay", letter, debtor, creditor, amount, "ACCC" | "PDNG" as status]:
                self.asked.setdefault(letter, (debtor, creditor, float(amount)))
                if status == "ACCC":
                    self.move(letter)
            case ["decide", letter, "accept", "ACCC"]:
                self.move(letter)
            case ["return", letter, amount, name, "ACSC"] if (letter, name) not in self.returned:
                self.back(letter, name, float(amount))
            case ["recall", letter, *_, answer] | ["decide-recall", letter, *_, answer] if answer.startswith("IPAY"):
                left = self.paid[letter][2] - sum(amount for (of, _), amount in self.returned.items() if of == letter)
                self.back(letter, "recall", left) if left else None

    def move(self, letter: str) -> None:
        """A payment has moved, if it has not before."""
        if letter not in self.paid:
            debtor, creditor, amount = self.paid[letter] = self.asked[letter]
            self.balances[debtor] -= amount
            self.balances[creditor] += amount

    def back(self, letter: str, name: str, amount: float) -> None:
        """Part of it went back."""
        debtor, creditor, _ = self.paid[letter]
        self.returned[letter, name] = self.returned.get((letter, name), 0) + amount
        self.balances[debtor] += amount
        self.balances[creditor] -= amount


def play(lines: Sequence[Sequence[str]], *, kept: int) -> None:
    """Do each line, and compare every account with what the answers said."""
    story = Story()
    story.run(f"keep {kept}{TOWN}")
    told = Told()
    for line in lines:
        told.see(line, story.run(" ".join(line)))
        balances = {account: story.run(f"balances {account}").split(": ")[1].split(",")[0] for account in ACCOUNTS}
        assert {name: float(shown) for name, shown in balances.items()} == told.balances, line
    story.run("wait 20")
    assert "reserved" not in story.run("balances harbor/1000 meadow/2000 meadow/2001")


@settings(max_examples=150, deadline=None)
@given(st.lists(LINES, max_size=30), st.sampled_from([1, 2, 100]))
def test_what_is_answered_is_what_has_moved(lines: list[tuple[str, ...]], kept: int) -> None:
    play(lines, kept=kept)


def test_a_payment_that_moves_again_when_it_is_let_go_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = iter(range(1_000, 2_000))
    monkeypatch.setattr(Record, "_remembered", lambda *_: None)
    monkeypatch.setattr(books, "transfer_id", lambda *_: next(ids))
    pay = [("pay", letter, *ACCOUNTS[:2], "1") for letter in "aba"]
    with pytest.raises(AssertionError):
        play(pay, kept=1)


def test_a_rejection_that_keeps_what_was_reserved_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paying, "void", lambda *_, **__: None)
    with pytest.raises(AssertionError):
        play([("pay", "a", ACCOUNTS[0], ACCOUNTS[2], "2")], kept=1)
