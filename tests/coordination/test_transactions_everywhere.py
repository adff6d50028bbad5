"""No transaction is half done: with mail late, repeated and overtaken, clocks apart, and a crash at every record."""

import itertools
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ropewalk.coordination import commit
from ropewalk.coordination.commit import Commit, Decision
from ropewalk.coordination.transactions import machine
from ropewalk.coordination.transactions.messages import GetTransaction
from ropewalk.core.mailbox import Mailbox
from ropewalk.proving.workloads.accounts import Deposit, Move, bank
from tests.coordination.joined import Joined, Step

NAMES = ("ada", "bob", "cleo", "eve")
BALANCE = 5
PARTITIONS = 3
TRANSACTIONS = "bank-transactions"

VERBS = st.sampled_from(["move", "move", "deliver", "deliver", "deliver", "again", "crash", "later", "ahead"])
STEPS = st.lists(st.builds(Step, VERBS, st.integers(0, 9_999)), max_size=60)


def opened() -> Joined:
    joined = Joined(bank(PARTITIONS))
    for name in NAMES:
        joined.call("bank", Deposit(name, BALANCE))
    return joined


def move_of(number: int) -> Move:
    source, target = list(itertools.permutations(NAMES, 2))[number % 12]
    return Move(f"m{number}", source, target, 1 + number % 7)


def run(steps: list[Step]) -> None:
    """Do the steps; then let all mail arrive, and judge."""
    joined, moves = opened(), {}
    for step in steps:
        if step.verb == "move":
            move = move_of(step.number)
            moves[move.id] = move
            joined.call(TRANSACTIONS, move)
        else:
            joined.do(step)
        look(joined)
    joined.settle(seconds=30)
    judge(joined, list(moves.values()))


def look(joined: Joined) -> None:
    """What is true at any moment."""
    for name in NAMES:
        account = joined.read("bank", name)
        assert account["balance"] + sum(min(amount, 0) for amount in account["held"].values()) >= 0


def judge(joined: Joined, moves: list[Move]) -> dict[str, str]:
    """What is true when all mail has arrived: every transaction has ended, and its parts are all done or none is."""
    expected = dict.fromkeys(NAMES, BALANCE)
    decisions = {}
    for move in moves:
        progress = joined.read(TRANSACTIONS, GetTransaction(move.id))
        assert progress["has_ended"], progress
        decisions[move.id] = progress["decision"]
        if progress["decision"] == Decision.COMMITTED:
            expected[move.source] -= move.amount
            expected[move.target] += move.amount
    accounts = {name: joined.read("bank", name) for name in NAMES}
    assert all(account["held"] == {} for account in accounts.values())
    assert {name: account["balance"] for name, account in accounts.items()} == expected
    return decisions


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_no_transaction_is_half_done_however_mail_comes_and_whatever_crashes(steps: list[Step]) -> None:
    run(steps)


GOOD, POOR = Move("good", "ada", "bob", 4), Move("poor", "bob", "ada", 99)


@pytest.mark.parametrize("move", [GOOD, POOR], ids=lambda move: move.id)
def test_a_crash_at_any_record_of_any_partition_ends_in_the_same_outcome(move: Move) -> None:
    """Enumerated: every partition, before every step, with all that was delivered brought again."""
    whole = opened()
    whole.call(TRANSACTIONS, move)
    steps = whole.settle()
    outcome = judge(whole, [move])
    for at, log in itertools.product(range(steps + 1), whole.partitions):
        joined = opened()
        joined.call(TRANSACTIONS, move)
        for _ in range(at):
            joined.do(Step("deliver", 1))
        joined.crash(log)
        for number in range(at):
            joined.do(Step("again", number))
        joined.settle()
        assert judge(joined, [move]) == outcome


@pytest.mark.parametrize("delivered", range(9))
def test_a_deadline_at_any_moment_ends_in_one_outcome(delivered: int) -> None:
    joined = opened()
    joined.call(TRANSACTIONS, GOOD)
    for _ in range(delivered):
        joined.do(Step("deliver", 1))
    joined.pass_time(60)
    joined.settle()
    judge(joined, [GOOD])


def plans(count: int) -> list[list[Step]]:
    random = Random(7)
    verbs = ["move", "deliver", "deliver", "again", "crash", "ahead"]
    return [[Step(random.choice(verbs), random.randrange(10_000)) for _ in range(40)] for _ in range(count)]


def is_found() -> bool:
    for plan in plans(30):
        try:
            run(plan)
        except (AssertionError, KeyError):
            return True
    return False


def test_without_a_planted_bug_nothing_is_found() -> None:
    assert not is_found()


def test_a_commit_after_the_first_yes_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def vote(given: Commit, participant: str, *, refusal: str = "") -> Commit:
        after = commit.vote(given, participant, refusal=refusal)
        is_first = given.decision is Decision.UNDECIDED and not refusal
        return commit.vote(after, after.silent[0]) if is_first and after.silent else after

    monkeypatch.setattr(machine, "vote", vote)
    assert is_found()


def test_a_decision_that_is_not_told_to_all_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "to_tell", lambda before, after: commit.to_tell(before, after)[:1])
    assert is_found()


def test_a_late_yes_that_is_left_alone_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def vote(given: Commit, participant: str, *, refusal: str = "") -> Commit:
        after = commit.vote(given, participant, refusal=refusal)
        return commit.confirm(after, participant) if given.decision is Decision.ABORTED else after

    monkeypatch.setattr(machine, "vote", vote)
    assert is_found()


def test_mail_that_takes_effect_twice_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    taken_in = Mailbox.taken_in
    monkeypatch.setattr(Mailbox, "taken_in", lambda mailbox, sender: max(0, taken_in(mailbox, sender) - 1))
    assert is_found()
