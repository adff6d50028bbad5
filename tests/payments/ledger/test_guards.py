"""Limits and freezes of single accounts, as the ledger keeps them whatever is asked of it."""

from itertools import accumulate
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ropewalk.engines.memory import MemoryShelf
from ropewalk.errors import NotAccepted
from ropewalk.systems.payments.ledger import guards
from ropewalk.systems.payments.ledger.guards import NEITHER, Guards, Limit, Sides
from ropewalk.systems.payments.ledger.layout import ACCOUNT, TRANSFER, rows_of
from ropewalk.systems.payments.ledger.ledger import Ledger
from ropewalk.systems.payments.ledger.statuses import TransferStatus

SECOND_NS = 1_000_000_000
WINDOW_S = 48
START_NS = 1_000 * SECOND_NS
PAYER, PAYEE = 0, 1


def opened() -> Ledger:
    ledger = Ledger(MemoryShelf(), segment_rows=64)
    accounts = [{"id": each, "ledger": 1, "code": 1} for each in (1, 2, 3)]
    ledger.create_accounts(rows_of(ACCOUNT, accounts), time_ns=START_NS)
    return ledger


def limited(limit: Limit) -> Ledger:
    ledger = opened()
    ledger.guards.set_limit(PAYER, limit, since=ledger.last_timestamp)
    return ledger


def pay(ledger: Ledger, number: int, amount: int, *, time_ns: int, **fields: int) -> str:
    """The status of one transfer from account 1 to account 2."""
    row = {"debit_account_id": 1, "credit_account_id": 2, "ledger": 1, "code": 1} | {"amount": amount} | fields
    (status,) = ledger.create_transfers(rows_of(TRANSFER, [{"id": number, **row}]), time_ns=time_ns)[
        "status"
    ].tolist()
    return TransferStatus(status).name.lower()


def resolve(ledger: Ledger, number: int, pending: int, *, amount: int, flags: int, time_ns: int) -> str:
    row = {"id": number, "pending_id": pending, "amount": amount, "flags": flags}
    (status,) = ledger.create_transfers(rows_of(TRANSFER, [row]), time_ns=time_ns)["status"].tolist()
    return TransferStatus(status).name.lower()


def most_in_a_window(debits: list[tuple[int, int]], window_ns: int) -> int:
    """The most that was debited in any window of that length, whenever it begins: times and amounts, in order."""
    totals = [0, *accumulate(amount for _, amount in debits)]
    times = np.array([time for time, _ in debits], "i8")
    begins = np.searchsorted(times, times - window_ns, side="right")
    return max((totals[end + 1] - totals[begin] for end, begin in enumerate(begins.tolist())), default=0)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), amount_max=st.integers(1, 60), count_max=st.integers(0, 12))
def test_no_window_whenever_it_begins_has_more_debits_than_the_limit_allows(
    seed: int, amount_max: int, count_max: int
) -> None:
    random, time_ns = Random(seed), START_NS
    ledger = limited(Limit(window_s=WINDOW_S, amount_max=amount_max, count_max=count_max))
    debits = []
    for number in range(1, 120):
        time_ns += random.choice([1, SECOND_NS, 5 * SECOND_NS, WINDOW_S * SECOND_NS // 2])
        amount = random.randint(0, 20)
        if pay(ledger, number, amount, time_ns=time_ns) == "created":
            debits.append((time_ns, amount))
    assert most_in_a_window(debits, WINDOW_S * SECOND_NS) <= amount_max
    assert most_in_a_window([(time, 1) for time, _ in debits], WINDOW_S * SECOND_NS) <= count_max
    ledger.check()


def test_what_is_a_window_and_a_piece_old_counts_no_more() -> None:
    ledger = limited(Limit(window_s=WINDOW_S, amount_max=10))
    piece_ns = WINDOW_S * SECOND_NS // 24
    assert pay(ledger, 1, 10, time_ns=START_NS) == "created"
    assert pay(ledger, 2, 1, time_ns=START_NS + 24 * piece_ns) == "exceeds_window_limit"
    assert pay(ledger, 3, 10, time_ns=START_NS + 25 * piece_ns) == "created"


def test_a_debit_counts_when_it_is_reserved_and_only_once() -> None:
    ledger = limited(Limit(window_s=WINDOW_S, amount_max=10, count_max=3))
    assert pay(ledger, 1, 6, time_ns=START_NS, flags=2) == "created"
    assert pay(ledger, 2, 5, time_ns=START_NS) == "exceeds_window_limit"
    assert resolve(ledger, 3, 1, amount=6, flags=4, time_ns=START_NS) == "created"
    assert pay(ledger, 4, 4, time_ns=START_NS) == "created"
    assert ledger.guards.used(PAYER, time_ns=START_NS) == (10, 2)


@pytest.mark.parametrize(
    ("ending", "left"), [("void", (0, 0)), ("expire", (0, 0)), ("post a part", (4, 1)), ("break its chain", (0, 0))]
)
def test_what_is_not_taken_is_given_back(ending: str, left: tuple[int, int]) -> None:
    ledger = limited(Limit(window_s=WINDOW_S, amount_max=10))
    if ending == "break its chain":
        rows = [
            {
                "id": 1,
                "debit_account_id": 1,
                "credit_account_id": 2,
                "amount": 10,
                "ledger": 1,
                "code": 1,
                "flags": 1,
            },
            {"id": 2, "debit_account_id": 1, "credit_account_id": 2, "amount": 1, "ledger": 1, "code": 1},
        ]
        assert (ledger.create_transfers(rows_of(TRANSFER, rows), time_ns=START_NS)["status"] != 0xFFFFFFFF).all()
    else:
        assert pay(ledger, 1, 10, time_ns=START_NS, flags=2, timeout=1) == "created"
    match ending:
        case "void":
            assert resolve(ledger, 2, 1, amount=0, flags=8, time_ns=START_NS) == "created"
        case "expire":
            ledger.expire(START_NS + 2 * SECOND_NS)
        case "post a part":
            assert resolve(ledger, 2, 1, amount=4, flags=4, time_ns=START_NS) == "created"
    assert ledger.guards.used(PAYER, time_ns=START_NS + 2 * SECOND_NS) == left
    ledger.check()


def test_what_was_reserved_before_there_was_a_limit_is_not_given_back_to_it() -> None:
    ledger = opened()
    assert pay(ledger, 1, 10, time_ns=START_NS, flags=2) == "created"
    ledger.guards.set_limit(PAYER, Limit(window_s=WINDOW_S, amount_max=10), since=ledger.last_timestamp)
    assert pay(ledger, 2, 10, time_ns=START_NS) == "created"
    assert resolve(ledger, 3, 1, amount=0, flags=8, time_ns=START_NS) == "created"
    assert pay(ledger, 4, 1, time_ns=START_NS) == "exceeds_window_limit"


def test_a_limit_goes_on_counting_when_its_numbers_change_and_anew_when_its_window_does() -> None:
    ledger = limited(Limit(window_s=WINDOW_S, amount_max=10))
    assert pay(ledger, 1, 8, time_ns=START_NS) == "created"
    ledger.guards.set_limit(PAYER, Limit(window_s=WINDOW_S, amount_max=9, count_max=5), since=ledger.last_timestamp)
    assert pay(ledger, 2, 2, time_ns=START_NS) == "exceeds_window_limit"
    ledger.guards.set_limit(PAYER, Limit(window_s=2 * WINDOW_S, amount_max=9), since=ledger.last_timestamp)
    assert pay(ledger, 3, 9, time_ns=START_NS) == "created"


@pytest.mark.parametrize("sides", [NEITHER, Sides.DEBITS, Sides.CREDITS, Sides.DEBITS | Sides.CREDITS])
def test_a_freeze_stops_its_sides_of_everything_but_a_void_and_what_is_held(sides: Sides) -> None:
    ledger = opened()
    for number in (1, 2):
        assert pay(ledger, number, 5, time_ns=START_NS, flags=2) == "created"
    held = rows_of(
        TRANSFER,
        [{"id": 3, "debit_account_id": 1, "credit_account_id": 2, "amount": 5, "ledger": 1, "code": 1, "flags": 2}],
    )
    ledger.hold(held, np.full((1, 2), -1, "i8"), time_ns=START_NS)
    ledger.guards.freeze(PAYER, sides)
    paid = "debit_account_frozen" if sides & Sides.DEBITS else "created"
    taken = "credit_account_frozen" if sides & Sides.CREDITS else "created"
    assert pay(ledger, 10, 1, time_ns=START_NS) == paid
    assert pay(ledger, 11, 0, time_ns=START_NS, flags=2) == paid
    assert pay(ledger, 12, 1, time_ns=START_NS, debit_account_id=2, credit_account_id=1) == taken
    assert resolve(ledger, 13, 1, amount=5, flags=4, time_ns=START_NS) == paid
    assert resolve(ledger, 14, 2, amount=0, flags=8, time_ns=START_NS) == "created"
    kept = rows_of(TRANSFER, [{"id": 15, "pending_id": 3, "amount": 5, "flags": 4}])
    assert ledger.hold(kept, np.full((1, 2), -1, "i8"), time_ns=START_NS)["status"][0] == TransferStatus.CREATED


def test_what_is_said_to_be_allowed_is_and_no_more() -> None:
    ledger = limited(Limit(transfer_max=7, window_s=WINDOW_S, amount_max=10, count_max=3))
    time_ns = START_NS
    for number, (most, amount) in enumerate([(7, 5), (5, 3), (2, 2), (-1, 0)], start=1):
        room = ledger.guards.room(PAYER, time_ns=time_ns)
        assert room.amount == most
        said = ledger.guards.against(PAYER, PAYEE, most + 1, time_ns=time_ns)
        assert said is room.against
        assert pay(ledger, 10 * number, most + 1, time_ns=time_ns) == said.name.lower()
        if most >= 0:
            assert pay(ledger, number, amount, time_ns=time_ns) == "created"


def test_a_guard_that_allows_everything_is_let_go_and_the_others_stay_what_they_were() -> None:
    guards_of = Guards()
    slots = [4, 900, 17, 2]
    for slot in slots:
        guards_of.set_limit(slot, Limit(transfer_max=slot), since=1)
    guards_of.set_limit(4, None, since=2)
    guards_of.freeze(17, Sides.DEBITS)
    guards_of.freeze(17, NEITHER)
    loaded = Guards()
    loaded.load(guards_of.save())
    for each in (guards_of, loaded):
        each.check()
        assert [each.limit_of(slot) for slot in slots] == [
            None, Limit(transfer_max=900), Limit(transfer_max=17), Limit(transfer_max=2),
        ]  # fmt: skip
    for slot in slots:
        loaded.set_limit(slot, None, since=3)
    assert loaded.in_use is None


def test_accounts_without_a_guard_are_seen_to_have_none_before_anything_is_done() -> None:
    ledger = limited(Limit(transfer_max=5))
    plan = np.array([(PAYEE, 2), (-1, 5_000_000)], [("debit", "i4"), ("credit", "i4")])
    events = np.zeros(2, TRANSFER)
    assert ledger.guards.concerned(events, plan) is None
    plan["credit"][1] = PAYER
    assert ledger.guards.concerned(events, plan) is not None


def test_there_are_no_more_guards_than_there_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "GUARDS_MAX", 1)
    guards_of = Guards()
    guards_of.freeze(1, Sides.DEBITS)
    guards_of.freeze(1, Sides.CREDITS)
    with pytest.raises(NotAccepted, match="1 accounts are guarded"):
        guards_of.freeze(2, Sides.DEBITS)


def test_guards_are_of_their_ledger_and_outlive_it() -> None:
    ledger = limited(Limit(window_s=WINDOW_S, amount_max=10))
    assert pay(ledger, 1, 8, time_ns=START_NS) == "created"
    parts = {name: bytes(part) for name, part in ledger.save().parts.items()}
    again = Ledger(MemoryShelf(), segment_rows=64)
    again.load(parts)
    assert again.digest() == ledger.digest()
    assert pay(again, 2, 3, time_ns=START_NS) == "exceeds_window_limit"
    del parts["guards"]
    older = Ledger(MemoryShelf(), segment_rows=64)
    older.load(parts)
    assert pay(older, 2, 3, time_ns=START_NS) == "created"


def test_the_most_in_a_window_is_found() -> None:
    assert most_in_a_window([(0, 3), (9, 4), (10, 5)], 10) == 9
    assert most_in_a_window([], 10) == 0
