"""Random transfers among three shards whose mail is late, repeated and out of order, and who die at any moment.

After every step money is conserved, counting what is on its way; once all is delivered each transfer has one outcome.
"""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.payments.shards.checks import check_cut, check_rest, state_of
from tests.payments.shards.town import LIMITED, Row, Town, transfer

Action = tuple[Any, ...]

SHARDS = 3
FUNDS = 20

places = st.integers(0, SHARDS - 1)
rows = st.tuples(st.integers(1, 12), places, places, st.integers(1, 2), st.integers(1, 3), st.integers(1, 12))
"""An id, from which shard to which, from and to which account there (the third is not open), how much."""
actions = st.one_of(
    st.tuples(st.just("pay"), st.lists(rows, min_size=1, max_size=5)),
    st.tuples(st.just("pay together"), st.lists(rows, min_size=1, max_size=4)),
    st.tuples(st.just("deliver"), st.integers(0, 5), st.integers(1, 3), st.booleans()),
    *[st.tuples(st.just("deliver"), st.integers(0, 5), st.just(1), st.just(True))] * 4,
    st.tuples(st.just("crash"), places),
    st.tuples(st.just("wait"), st.sampled_from((1, 4, 6, 11))),
)


class Play:
    """A town in which the actions happen, and all that was ever asked of it."""

    def __init__(self) -> None:
        self.town = Town(SHARDS)
        self.asked: list[Row] = []
        self.accounts = [self.town.account(number, shard) for shard in range(SHARDS) for number in (1, 2)]
        banks = [self.town.account(9, shard) for shard in range(SHARDS)]
        self.town.open(self.accounts, flags=LIMITED)
        self.town.open(banks)
        for number, account in enumerate(self.accounts):
            shard = self.town.shard_of(account)
            self.town.pay(shard, transfer(900 + number, banks[shard], account, FUNDS))
        self.accounts += banks

    def act(self, action: Action) -> None:
        town = self.town
        match action:
            case ("pay", given):
                by_shard: dict[int, list[Row]] = {}
                for row in map(self._row, given):
                    by_shard.setdefault(town.shard_of(row["debit_account_id"]), []).append(row)
                for shard, some in by_shard.items():
                    town.pay(shard, *some)
            case ("pay together", given):
                some = [self._row(each) for each in given]
                town.pay_together(town.shard_of(some[0]["debit_account_id"]), *some)
            case ("deliver", which, count, is_told):
                lanes = town.lanes()
                if lanes:
                    town.deliver(*lanes[which % len(lanes)], count=count, is_told=is_told)
            case ("crash", shard):
                town.shards[shard].crash()
            case ("wait", seconds):
                town.wait(seconds)

    def _row(self, given: tuple[int, ...]) -> Row:
        number, source, target, payer, payee, amount = given
        row = transfer(number, self.town.account(payer, source), self.town.account(payee, target), amount)
        self.asked.append(row)
        return row


@settings(max_examples=100, deadline=None)
@given(st.lists(actions, min_size=1, max_size=30))
def test_whatever_happens_money_is_conserved_and_no_transfer_is_half_done(script: list[Action]) -> None:
    play = Play()
    for action in script:
        play.act(action)
        check_cut(play.town, play.accounts)
    play.town.settle()
    check_rest(play.town, play.accounts, {row["id"] for row in play.asked})


@settings(max_examples=50, deadline=None)
@given(st.lists(rows, min_size=1, max_size=6), st.lists(actions, max_size=12))
def test_whoever_asks_again_later_is_told_what_became_of_it(
    given_rows: list[tuple[int, ...]], script: list[Action]
) -> None:
    play = Play()
    play.act(("pay", given_rows))
    for action in script:
        if action[0] in ("deliver", "crash", "wait"):
            play.act(action)
    play.town.settle()
    for row in play.asked:
        shard = play.town.shard_of(row["debit_account_id"])
        state = state_of(play.town.shards[shard], row["id"])
        (told,) = play.town.pay(shard, row)
        if state in ("posted", "plain"):
            assert told == "exists" or told.startswith("exists_with_different"), (told, state)
        if state in ("voided", "failed"):
            assert told == "id_already_failed" or told.startswith("exists_with_different"), (told, state)
