"""Every state of a two-phase commit, enumerated: whoever dies there, and whatever is lost, there is one outcome.

A run is one letter after the other until none waits. Between any two of its records something happens: one shard
dies, or all; the answer to a delivery is lost; time passes, so that a decision or a question is due. Each such run,
and each with two such things, ends with one outcome in every shard, and with the caller told that one.
"""

from collections.abc import Callable, Iterator
from itertools import combinations_with_replacement, product
from typing import NamedTuple

import pytest

from tests.payments.shards.checks import check_cut, check_rest, state_of
from tests.payments.shards.town import LIMITED, Row, Town, transfer

FUNDS = 10
STEPS_MAX = 40


class Interruption(NamedTuple):
    """What happens before the step with that number."""

    step: int
    what: str


HAPPENINGS = ("0 dies", "1 dies", "all die", "answer lost", "answer lost, sender dies", "5 s", "10 s")


def town_of(shards: int) -> Town:
    town = Town(shards)
    for shard in range(shards):
        payer, bank = town.account(1, shard), town.account(9, shard)
        town.open([payer], flags=LIMITED)
        town.open([bank])
        town.pay(shard, transfer(900 + shard, bank, payer, FUNDS))
    return town


def rows_of_one(town: Town) -> list[Row]:
    """A transfer that goes through, and one that the payee's shard refuses."""
    payer = town.account(1, 0)
    return [transfer(1, payer, town.account(1, 1), 3), transfer(2, payer, town.account(7, 1), 3)]


def rows_of_ring(town: Town) -> list[Row]:
    """Each shard pays the next one."""
    shards = range(len(town.shards))
    payers = [town.account(1, shard) for shard in shards]
    return [transfer(1 + shard, payers[shard], payers[(shard + 1) % len(shards)], 3 + shard) for shard in shards]


def rows_of_broken_ring(town: Town) -> list[Row]:
    """Each shard pays the next one, and one of them can't."""
    return [*rows_of_ring(town)[:-1], rows_of_ring(town)[-1] | {"amount": FUNDS + 5}]


class Case(NamedTuple):
    """How many shards, what is asked, and whether all of it or each on its own."""

    shards: int
    rows: Callable[[Town], list[Row]]
    together: bool


CASES = {
    "each on its own": Case(2, rows_of_one, together=False),
    "all together": Case(2, rows_of_ring, together=True),
    "all together, three shards": Case(3, rows_of_ring, together=True),
    "all together, one can't": Case(3, rows_of_broken_ring, together=True),
}


def run(case: Case, interruptions: tuple[Interruption, ...]) -> tuple[Town, int]:
    """The town after a run, and how many steps it took."""
    town = town_of(case.shards)
    pay = town.pay_together if case.together else town.pay
    rows = case.rows(town)
    pay(0, *rows)
    step = 0
    while town.lanes() and step < STEPS_MAX:
        happening = [each.what for each in interruptions if each.step == step]
        lane = town.lanes()[step % len(town.lanes())]
        is_told = not any(what.startswith("answer lost") for what in happening)
        town.deliver(*lane, is_told=is_told)
        for what in happening:
            interrupt(town, what, sender=lane[0])
        check_cut(town, accounts_of(town))
        step += 1
    return town, step


def interrupt(town: Town, what: str, *, sender: int) -> None:
    match what:
        case "0 dies" | "1 dies":
            town.shards[int(what[0])].crash()
        case "all die":
            for shard in town.shards:
                shard.crash()
        case "answer lost, sender dies":
            town.shards[sender].crash()
        case "5 s" | "10 s":
            town.wait(int(what.removesuffix(" s")))


def accounts_of(town: Town) -> list[int]:
    return [town.account(number, shard) for shard in range(len(town.shards)) for number in (1, 9)]


def check_outcome(case: Case, town: Town) -> None:
    """One outcome everywhere, and it is what the caller was told."""
    rows = case.rows(town)
    check_rest(town, accounts_of(town), [row["id"] for row in rows])
    (told,) = town.decided(0)
    for row, status in zip(rows, told, strict=True):
        states = {state_of(town.shards[town.shard_of(row[f"{side}_account_id"])], row["id"]) for side in SIDES}
        assert ("posted" in states) == (status == "created"), (row, states, status)
    if case.together:
        assert len({status == "created" for status in told}) == 1, ("all or nothing", told)


SIDES = ("debit", "credit")


def interruptions(steps: int) -> Iterator[Interruption]:
    return (Interruption(step, what) for step, what in product(range(steps), HAPPENINGS))


@pytest.mark.parametrize("name", CASES)
def test_whatever_happens_in_any_state_there_is_one_outcome(name: str) -> None:
    case = CASES[name]
    _, steps = run(case, ())
    assert steps >= 3
    for each in interruptions(steps):
        town, _ = run(case, (each,))
        town.settle()
        check_outcome(case, town)


def test_whatever_two_things_happen_there_is_one_outcome() -> None:
    case = CASES["each on its own"]
    _, steps = run(case, ())
    for pair in combinations_with_replacement(interruptions(steps), 2):
        town, _ = run(case, pair)
        town.settle()
        check_outcome(case, town)


def test_a_shard_that_was_away_for_long_finds_its_money_decided() -> None:
    case = CASES["all together, three shards"]
    _, steps = run(case, ())
    for step in range(steps):
        town, _ = run(case, (Interruption(step, "10 s"), Interruption(step, "all die"), Interruption(step, "10 s")))
        town.settle()
        check_outcome(case, town)
