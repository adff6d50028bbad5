"""A transfer from one shard to another, step by step: what is held, what is decided, what callers are told."""

import msgspec
import pytest

from ropewalk.errors import Bug, Rejected
from ropewalk.systems.payments.ledger.commands import Operation, decode_reply, encode
from ropewalk.systems.payments.ledger.layout import ACCOUNT, get, ids_of, rows_of
from ropewalk.systems.payments.shards.messages import Guarded, Held, IsDecided, Outcome
from ropewalk.systems.payments.shards.messages import encode as encode_between
from ropewalk.systems.payments.shards.participating import hear_outcome
from tests.payments.shards.town import LIMITED, Row, Town, guarded, name_of, outcome, transfer, undecided

LINKED, PENDING, POST, VOID, CLOSING_CREDIT = 1, 2, 4, 8, 128


@pytest.fixture
def town() -> Town:
    """Two shards; in each a payer with 100 and a payee, and a bank that all money comes from."""
    town = Town()
    town.open([of(town, 1), at(town, 1), of(town, 2), at(town, 2)], flags=LIMITED)
    town.open([of(town, 9), at(town, 9)])
    assert town.pay(0, transfer(900, of(town, 9), of(town, 1), 100)) == ["created"]
    assert town.pay(1, transfer(901, at(town, 9), at(town, 1), 100)) == ["created"]
    return town


def of(town: Town, number: int) -> int:
    """An account of shard 0."""
    return town.account(number, 0)


def at(town: Town, number: int) -> int:
    """An account of shard 1."""
    return town.account(number, 1)


def across(town: Town, number: int, amount: int, **more: int) -> Row:
    return transfer(number, of(town, 1), at(town, 2), amount, **more)


def test_money_is_held_on_both_sides_and_moves_on_both(town: Town) -> None:
    assert town.pay(0, across(town, 1, 30)) == ["prepared"]
    assert town.balance(of(town, 1)) == (100, 30, 0)
    town.deliver(0, 1)
    assert town.balance(at(town, 2)) == (0, 0, 30)
    town.deliver(1, 0)
    assert town.balance(of(town, 1)) == (70, 0, 0)
    assert town.decided(0) == [["created"]]
    town.deliver(0, 1)
    assert town.balance(at(town, 2)) == (30, 0, 0)
    assert undecided(town) == 0


def test_what_the_payer_can_not_pay_never_leaves(town: Town) -> None:
    assert town.pay(0, across(town, 1, 101)) == ["exceeds_credits"]
    assert town.lanes() == []


def test_pending_debits_never_allow_overspending(town: Town) -> None:
    assert town.pay(0, across(town, 1, 60), across(town, 2, 60)) == ["prepared", "exceeds_credits"]
    assert town.pay(0, transfer(3, of(town, 1), of(town, 2), 41)) == ["exceeds_credits"]
    town.settle()
    assert town.balance(of(town, 1)) == (40, 0, 0)


def test_what_the_payee_refuses_is_given_back(town: Town) -> None:
    assert town.pay(0, transfer(1, of(town, 1), at(town, 7), 30), across(town, 2, 5)) == ["prepared", "prepared"]
    town.settle()
    assert town.decided(0) == [["credit_account_not_found", "created"]]
    assert town.balance(of(town, 1)) == (95, 0, 0)


def test_a_transfer_that_is_asked_again_tells_its_outcome_and_moves_nothing(town: Town) -> None:
    refused = transfer(2, of(town, 1), at(town, 7), 30)
    town.pay(0, across(town, 1, 30), refused)
    assert town.pay(0, across(town, 1, 30), refused) == ["exists_undecided", "exists_undecided"]
    town.settle()
    assert town.pay(0, across(town, 1, 30), refused) == ["exists", "id_already_failed"]
    assert town.balance(of(town, 1)) == (70, 0, 0)


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"amount": 31}, "exists_with_different_amount"),
        ({"credit_account_id": 0}, "exists_with_different_credit_account_id"),
        ({"user_data_128": 5}, "exists_with_different_user_data_128"),
        ({"code": 7}, "exists_with_different_code"),
    ],
)
def test_the_same_id_with_other_fields_is_told_for_ever(town: Town, changed: Row, status: str) -> None:
    again = across(town, 1, 30) | changed
    again["credit_account_id"] = again["credit_account_id"] or at(town, 3)
    town.pay(0, across(town, 1, 30))
    assert town.pay(0, again) == [status]
    town.settle()
    assert town.pay(0, again) == [status]


def test_nobody_else_posts_or_voids_what_is_held(town: Town) -> None:
    town.pay(0, across(town, 1, 30))
    town.deliver(0, 1)
    for shard, side in ((0, of(town, 1)), (1, 0)):
        for number, flag in ((5, POST), (6, VOID)):
            row = transfer(number, side, 0, 0, pending_id=1, flags=flag, ledger=0, code=0)
            assert town.pay(shard, row) == ["pending_transfer_not_pending"]
    town.settle()
    assert town.balance(at(town, 2)) == (30, 0, 0)


def test_an_account_that_closes_after_the_vote_gets_what_was_promised(town: Town) -> None:
    town.pay(0, across(town, 1, 30))
    town.deliver(0, 1)
    closing = transfer(5, at(town, 9), at(town, 2), 0, flags=PENDING | CLOSING_CREDIT)
    assert town.pay(1, closing) == ["created"]
    town.settle()
    assert town.balance(at(town, 2)) == (30, 0, 0)
    town.pay(0, across(town, 6, 1))
    town.settle()
    assert town.decided(0)[-1] == ["credit_account_already_closed"]


def test_only_plain_transfers_cross(town: Town) -> None:
    chain = (across(town, 1, 1, flags=LINKED), transfer(2, of(town, 1), of(town, 2), 1), across(town, 3, 1))
    assert town.pay(0, *chain) == ["must_be_plain", "linked_event_failed", "prepared"]
    last_of_chain = (transfer(4, of(town, 1), of(town, 2), 1, flags=LINKED), across(town, 5, 1))
    assert town.pay(0, *last_of_chain) == ["linked_event_failed", "must_be_plain"]
    assert town.pay(0, across(town, 6, 1, flags=PENDING)) == ["must_be_plain"]
    town.settle()
    assert town.balance(of(town, 1)) == (99, 0, 0)


def test_what_crosses_never_expires(town: Town) -> None:
    row, other = across(town, 1, 1, timeout=1), transfer(2, of(town, 1), of(town, 2), 1)
    assert town.pay(0, row, other) == ["timeout_reserved_for_pending_transfer", "created"]
    assert town.pay_together(0, row, across(town, 3, 1)) == [
        "timeout_reserved_for_pending_transfer", "linked_event_failed",
    ]  # fmt: skip
    assert (town.lanes(), town.balance(of(town, 1))) == ([], (99, 0, 0))


def test_what_is_sent_to_the_wrong_shard_is_refused(town: Town) -> None:
    with pytest.raises(Rejected, match="row 0 names an account of shard 0, and this is payments/1: send it to that"):
        town.pay(1, across(town, 1, 1))
    with pytest.raises(Rejected, match="send it to that shard"):
        town.ask(
            1, encode(Operation.CREATE_ACCOUNTS, rows_of(ACCOUNT, [{"id": of(town, 5), "ledger": 1, "code": 1}]))
        )


def test_a_vote_that_does_not_come_is_not_waited_for(town: Town) -> None:
    town.pay(0, across(town, 1, 30))
    town.wait(5)
    assert town.decided(0) == [["not_decided_in_time"]]
    assert town.balance(of(town, 1)) == (100, 0, 0)
    town.settle()
    assert (town.balance(at(town, 2)), undecided(town)) == ((0, 0, 0), 0)
    assert town.pay(0, across(town, 1, 30)) == ["id_already_failed"]


def test_a_vote_that_comes_late_changes_nothing(town: Town) -> None:
    town.pay(0, across(town, 1, 30))
    town.deliver(0, 1)
    town.wait(5)
    town.deliver(1, 0)
    assert (town.balance(of(town, 1)), town.balance(at(town, 2))) == ((100, 0, 0), (0, 0, 30))
    town.settle()
    assert (town.balance(at(town, 2)), undecided(town)) == ((0, 0, 0), 0)


def test_a_hold_past_its_time_asks_and_goes_on_holding_until_it_is_told(town: Town) -> None:
    town.pay(0, across(town, 1, 30))
    town.deliver(0, 1)
    town.deliver(1, 0)
    for _ in range(3):
        town.wait(10)
        assert town.balance(at(town, 2)) == (0, 0, 30)
    assert town.lanes() == [(0, 1), (1, 0)]
    town.settle()
    assert (town.balance(at(town, 2)), undecided(town)) == ((30, 0, 0), 0)


def test_a_coordinator_that_is_away_is_asked_once_and_again_when_it_has_answered(town: Town) -> None:
    town.pay(0, across(town, 1, 30))
    town.deliver(0, 1)
    town.deliver(1, 0)
    for _ in range(5):
        town.wait(10)
    assert town.shards[1].mailbox.waiting == 1
    town.deliver(1, 0)
    hear_outcome(town.shards[1].machine.shards.state, 0, Outcome(1, is_decided=False))
    town.shards[1].crash()
    town.wait(10)
    assert town.shards[1].mailbox.waiting == 1
    town.settle()
    assert (town.balance(at(town, 2)), undecided(town)) == ((30, 0, 0), 0)


def test_a_shard_that_does_not_vote_is_asked_for_no_more_than_the_bound(town: Town) -> None:
    for number in range(1, 5):
        assert town.pay(0, across(town, number, 1)) == ["prepared"]
        town.wait(5)
    waiting = town.shards[0].mailbox.waiting
    town.shards[0].crash()
    both = (across(town, 5, 1), transfer(6, of(town, 1), of(town, 2), 1))
    assert town.pay(0, *both) == ["too_many_undecided", "created"]
    assert town.pay_together(0, across(town, 5, 1)) == ["too_many_undecided"]
    assert town.shards[0].mailbox.waiting == waiting == 8
    town.settle()
    assert town.pay(0, across(town, 5, 1)) == ["prepared"]
    town.settle()
    assert (town.balance(at(town, 2)), undecided(town)) == ((1, 0, 0), 0)


def test_a_shard_that_does_not_vote_keeps_nobody_from_the_others() -> None:
    town = Town(3)
    a, b, c = (town.account(1, shard) for shard in range(3))
    town.open([a, b, c])
    for number in range(1, 5):
        assert town.pay(0, transfer(number, a, b, 1)) == ["prepared"]
        town.wait(5)
    assert town.pay(0, transfer(5, a, b, 1), transfer(6, a, c, 7)) == ["too_many_undecided", "prepared"]
    town.deliver(0, 2, count=2)
    town.deliver(2, 0)
    town.deliver(0, 2)
    assert town.balance(c) == (7, 0, 0)


def test_an_answer_that_contradicts_the_order_of_messages_stops_the_shard(town: Town) -> None:
    town.pay(0, across(town, 1, 30))
    town.deliver(0, 1)
    state = town.shards[1].machine.shards.state
    hear_outcome(state, 0, Outcome(1, is_decided=False))
    with pytest.raises(Bug, match="a decision arrives before the answer that there is one"):
        hear_outcome(state, 0, Outcome(1, is_decided=True))


def test_past_the_bound_transfers_across_are_answered_at_once_and_may_be_sent_again(town: Town) -> None:
    for number in range(1, 5):
        assert town.pay(0, across(town, number, 1)) == ["prepared"]
    both = (across(town, 5, 1), transfer(6, of(town, 1), of(town, 2), 1))
    assert town.pay(0, *both) == ["too_many_undecided", "created"]
    assert town.pay_together(0, across(town, 5, 1)) == ["too_many_undecided"]
    town.settle()
    assert town.pay(0, across(town, 5, 1)) == ["prepared"]


def test_all_or_nothing_over_three_shards() -> None:
    town = Town(3)
    a, b, c = (town.account(1, shard) for shard in range(3))
    town.open([a, b, c])
    ring = (transfer(1, a, b, 10), transfer(2, b, c, 20), transfer(3, c, a, 30))
    assert town.pay_together(0, *ring) == ["prepared"] * 3
    town.settle()
    assert town.decided(0) == [["created"] * 3]
    assert [town.balance(each)[0] for each in (a, b, c)] == [20, -10, -10]
    assert town.pay_together(0, *ring) == ["exists", "prepared", "exists"]
    town.settle()
    assert town.decided(0)[-1] == ["exists"] * 3
    assert (undecided(town), [town.balance(each)[0] for each in (a, b, c)]) == (0, [20, -10, -10])


def test_one_refusal_anywhere_undoes_all_of_it(town: Town) -> None:
    rows = (across(town, 1, 30), transfer(2, at(town, 2), of(town, 2), 1), transfer(3, of(town, 1), of(town, 2), 5))
    assert town.pay_together(0, *rows) == ["prepared"] * 3
    town.settle()
    assert town.decided(0) == [["linked_event_failed", "exceeds_credits", "linked_event_failed"]]
    assert [town.balance(each) for each in (of(town, 1), of(town, 2), at(town, 2))] == [(100, 0, 0), *[(0, 0, 0)] * 2]
    assert town.pay(0, rows[0]) == ["id_already_failed"]


def test_a_refusal_at_home_is_told_at_once(town: Town) -> None:
    assert town.pay_together(0, across(town, 1, 30), across(town, 2, 80)) == [
        "linked_event_failed",
        "exceeds_credits",
    ]
    assert town.pay_together(0, across(town, 3, 1), across(town, 4, 1, flags=PENDING)) == [
        "linked_event_failed", "must_be_plain",
    ]  # fmt: skip
    assert (town.lanes(), town.balance(of(town, 1))) == ([], (100, 0, 0))


def test_all_or_nothing_in_one_shard_is_a_chain_and_needs_nobody(town: Town) -> None:
    rows = (transfer(1, of(town, 1), of(town, 2), 30), transfer(2, of(town, 2), of(town, 1), 31))
    assert town.pay_together(0, *rows) == ["linked_event_failed", "exceeds_credits"]
    assert town.pay_together(0, rows[0], transfer(3, of(town, 2), of(town, 1), 30)) == ["created", "created"]
    assert undecided(town) == 0


def test_both_sides_name_both_accounts(town: Town) -> None:
    town.pay(0, across(town, 1, 30, user_data_64=7))
    town.settle()
    for shard in town.shards:
        query = encode(Operation.LOOKUP_TRANSFERS, ids_of([1]))
        (row,) = decode_reply(Operation.LOOKUP_TRANSFERS, shard.machine.read(query))
        assert (get(row, "debit_account_id"), get(row, "credit_account_id")) == (of(town, 1), at(town, 2))
        assert (get(row, "amount"), get(row, "user_data_64")) == (30, 7)


def test_a_guarded_read_names_what_is_undecided_on_the_account_and_nothing_else(town: Town) -> None:
    town.pay(0, across(town, 1, 30))
    town.deliver(0, 1)

    def held(account: int) -> list[Held]:
        ids = ids_of([account])
        query = Guarded(encode(Operation.LOOKUP_ACCOUNTS, ids), ids.tobytes())
        return guarded(town.shards[1].machine.read(encode_between(query))).held

    assert held(at(town, 2)) == [Held(0, 1)]
    assert held(at(town, 1)) == []
    is_decided = encode_between(IsDecided(1))
    assert not outcome(town.shards[0].machine.read(is_decided)).is_decided
    town.deliver(1, 0)
    assert outcome(town.shards[0].machine.read(is_decided)).is_decided
    assert held(at(town, 2)) == [Held(0, 1)]
    town.settle()
    assert held(at(town, 2)) == []
    with pytest.raises(Rejected, match="can't be inside another"):
        town.shards[0].machine.read(encode_between(Guarded(is_decided, b"")))


def test_what_cannot_be_read_is_refused_with_a_reason(town: Town) -> None:
    machine = town.shards[0].machine
    with pytest.raises(Rejected, match="not a command about transfers between shards"):
        machine.vet(encode_between(IsDecided(1)))
    with pytest.raises(Rejected, match="takes 1 to 8190 rows of 128 bytes and was given 5 bytes"):
        machine.vet(b"\x2c" + msgspec.msgpack.encode(("create_together", b"hello")))
    with pytest.raises(Rejected, match="not a query about what is between shards"):
        machine.read(b"\x2c\x00")


def test_statuses_have_numbers_that_a_ledger_never_answers() -> None:
    assert [name_of(number) for number in (1001, 1005, 46)] == ["prepared", "not_decided_in_time", "exists"]
