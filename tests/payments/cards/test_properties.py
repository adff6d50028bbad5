"""Random messages, repeated, reordered and at odds with each other, are answered as the oracle answers them."""

import msgspec
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ropewalk.systems.payments.cards import authorising
from ropewalk.systems.payments.cards.books import available, deposit, found
from ropewalk.systems.payments.cards.commands import Answer, Authorise, Complete, Movement, Origin, Reverse
from ropewalk.systems.payments.cards.masking import masked
from ropewalk.systems.payments.cards.reasons import Reason
from ropewalk.systems.payments.ledger.layout import ACCOUNT, TRANSFER, get
from tests.payments.cards.bank import KEY, Bank, number_of, total_of
from tests.payments.cards.oracle import Oracle

CARDS = [number_of(card) for card in range(4)]
"""Two are of one account, one of another, and the last was never issued."""

ACCOUNTS = {KEY.token(CARDS[0]): 0, KEY.token(CARDS[1]): 0, KEY.token(CARDS[2]): 1}
CENTS = 20

origins = st.integers(0, 7).map(lambda trace: Origin("17", "1125120000", f"{trace:06}"))
cards = st.sampled_from([0, 0, 1, 2, 2, 3]).map(lambda card: (KEY.token(CARDS[card]), masked(CARDS[card])))
amounts = st.sampled_from([0, 1, 3, 5, 8, 8, 13])
references = st.sampled_from(["", "A", "B"])


@st.composite
def movements(draw: st.DrawFn) -> Movement:
    """A message about one of few cards, named as one of few others may be."""
    origin, (token, shown), amount = draw(origins), draw(cards), draw(amounts)
    match draw(st.sampled_from(["authorise", "authorise", "purchase", "complete", "reverse"])):
        case "complete":
            original = draw(st.none() | origins)
            return Complete(origin, token, shown, amount, "840", draw(references), original)
        case "reverse":
            return Reverse(origin, token, shown, amount, "840")
        case kind:
            return Authorise(
                origin, token, shown, amount, "840", draw(references), posts=kind == "purchase",
                takes_part=draw(st.booleans()),
            )  # fmt: skip


batches = st.lists(st.lists(movements(), min_size=1, max_size=6), max_size=8)


def bank() -> Bank:
    one = Bank()
    one.open()
    for number, account in [("7", 0), ("8", 1)]:
        one.account(number, CENTS)
        for card in range(3):
            if ACCOUNTS[KEY.token(CARDS[card])] == account:
                one.issue(card, account=number)
    return one


def answers(one: Bank, batch: list[Movement]) -> list[tuple[Reason, int]]:
    replies = one.batch(batch)
    told = [(Reason(reply.reason), reply.amount_minor) for reply in replies if isinstance(reply, Answer)]
    assert len(told) == len(batch)
    return told


@settings(deadline=None, max_examples=300)
@given(batches)
def test_messages_are_answered_as_the_oracle_answers_them(given_batches: list[list[Movement]]) -> None:
    one, oracle = bank(), Oracle(dict(ACCOUNTS), {0: CENTS, 1: CENTS})
    for batch in given_batches:
        assert answers(one, batch) == [oracle.do(command) for command in batch]
        for account, balance in oracle.balances.items():
            assert one.balance(account) == (balance, oracle.held.get(account, 0))
        assert total_of(one) == 0


@settings(deadline=None)
@given(batches, st.integers(0, 8))
def test_repeats_of_requests_move_nothing_and_get_the_first_answer(
    given_batches: list[list[Movement]], restart_at: int
) -> None:
    one = bank()
    first: dict[Movement, tuple[Reason, int]] = {}
    for number, batch in enumerate(given_batches):
        if number == restart_at:
            one = restarted(one)
        for command, told in zip(batch, answers(one, batch), strict=True):
            first.setdefault(command, told)
    before = [one.balance(account) for account in (0, 1)]
    for command, told in first.items():
        if not isinstance(command, Reverse):
            assert answers(one, [command]) == [told]
    assert [one.balance(account) for account in (0, 1)] == before


def restarted(one: Bank) -> Bank:
    """The same bank from what it saved."""
    other = Bank()
    other.machine.load(one.machine.save().parts)
    assert other.cards.save() == one.cards.save()
    return other


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**63), st.integers(0, 2**63), st.integers(0, 2**63))
@example(0, 0, 0)
def test_rows_are_read_as_the_ledger_lays_them_out(asked: int, amount: int, note: int) -> None:
    one = bank()
    row = np.zeros(1, TRANSFER)
    row["id_low"], row["amount_low"] = 12345, amount % 15 + 1
    row["debit_account_id_low"], row["debit_account_id_high"] = deposit(0) & (2**64 - 1), deposit(0) >> 64
    row["credit_account_id_low"], row["credit_account_id_high"] = deposit(1) & (2**64 - 1), deposit(1) >> 64
    row["user_data_64"], row["user_data_32"], row["ledger"], row["code"] = asked, note % 2**32, 840, 9
    row["user_data_128_high"] = note
    row["flags"] = 2
    assert one.ledger.create_transfers(row, time_ns=one.time_ns)["status"].tolist() == [0xFFFFFFFF]
    (kept,) = one.ledger.lookup_transfers(np.array([(12345, 0)], [("id_low", "<u8"), ("id_high", "<u8")]))
    made = found(one.ledger, [12345])[12345]
    assert (made.debit, made.credit) == (deposit(0), deposit(1))
    assert (made.amount, made.asked, made.note, made.code, made.flags) == (
        amount % 15 + 1, asked, note % 2**32, 9, 2,
    )  # fmt: skip
    assert (made.token, made.timestamp) == (get(kept, "user_data_128"), int(kept["timestamp"]))
    assert available(one.ledger, [deposit(0)]) == {deposit(0): CENTS - made.amount}
    assert ACCOUNT.itemsize == 128


def test_a_bank_that_forgets_what_it_answered_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A canary: without its memory a message that comes again is taken for new."""
    one, oracle = bank(), Oracle(dict(ACCOUNTS), {0: CENTS, 1: CENTS})
    command = Authorise(Origin("17", "1125120000", "000001"), KEY.token(CARDS[0]), masked(CARDS[0]), 2 * CENTS, "840")
    assert answers(one, [command]) == [oracle.do(command)]
    monkeypatch.setattr(authorising, "answer_again", lambda *_: None)
    other = msgspec.structs.replace(command, amount_minor=1)
    assert answers(one, [other]) != [oracle.do(other)]
