"""Pending transfers expire in the order of their time, and no call lets more expire than it was told to."""

from ropewalk.engines.memory import MemoryShelf
from ropewalk.systems.payments.ledger.layout import ACCOUNT, TRANSFER, get, ids_of, rows_of
from ropewalk.systems.payments.ledger.ledger import Ledger

SECOND_NS = 1_000_000_000
TIMEOUTS_S = [3, 1, 0, 2, 1, 5, 0, 1]


def reserved(ledger: Ledger) -> int:
    return get(ledger.lookup_accounts(ids_of([1]))[0], "debits_pending")


def with_pending() -> Ledger:
    """Transfers of which each reserves a bit of its own, so that it shows which are left; most are sealed."""
    ledger = Ledger(MemoryShelf(), segment_rows=3, piece_entries=8)
    ledger.create_accounts(rows_of(ACCOUNT, [{"id": n, "ledger": 1, "code": 1} for n in (1, 2)]), time_ns=1)
    common = {"debit_account_id": 1, "credit_account_id": 2, "ledger": 1, "code": 1, "flags": 2}
    for n, timeout in enumerate(TIMEOUTS_S):
        row = common | {"id": n + 1, "amount": 1 << n, "timeout": timeout}
        ledger.create_transfers(rows_of(TRANSFER, [row]), time_ns=10 + n)
    return ledger


def left_at(time_ns: int) -> int:
    pending = enumerate(TIMEOUTS_S)
    return sum(1 << n for n, timeout in pending if timeout == 0 or 10 + n + timeout * SECOND_NS > time_ns)


def test_each_expires_when_its_time_has_come():
    ledger = with_pending()
    while (time_ns := ledger.wakes_at_ns) is not None:
        ledger.expire(time_ns - 1)
        assert reserved(ledger) == left_at(time_ns - 1)
        ledger.expire(time_ns)
        assert reserved(ledger) == left_at(time_ns)
        ledger.check()
    assert reserved(ledger) == 1 << 2 | 1 << 6, "those without a timeout stay"


def test_a_bounded_call_begins_with_the_earliest():
    ledger = with_pending()
    gone = []
    while ledger.expire(9 * SECOND_NS, count_max=2):
        gone.append(2 ** len(TIMEOUTS_S) - 1 - reserved(ledger))
    assert gone == [1 << 1 | 1 << 4, 1 << 1 | 1 << 4 | 1 << 7 | 1 << 3, 255 - (1 << 2 | 1 << 6)]


def test_what_was_posted_does_not_expire():
    ledger = with_pending()
    post = {"id": 20, "pending_id": 1, "amount": 2**128 - 1, "flags": 4}
    ledger.create_transfers(rows_of(TRANSFER, [post]), time_ns=20)
    ledger.expire(9 * SECOND_NS)
    account = ledger.lookup_accounts(ids_of([1]))[0]
    assert (get(account, "debits_posted"), get(account, "debits_pending")) == (1, 1 << 2 | 1 << 6)
    assert ledger.wakes_at_ns is None
