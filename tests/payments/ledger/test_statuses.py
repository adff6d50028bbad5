"""Each status is reached by an event that is wrong in that one way."""

from dataclasses import replace

import pytest

from ropewalk.systems.payments.ledger.guards import Limit, Sides
from ropewalk.systems.payments.ledger.layout import TIMESTAMP_MAX, WIDE_MAX
from ropewalk.systems.payments.ledger.oracle_rules import Account, Transfer
from ropewalk.systems.payments.ledger.statuses import TRANSIENT, AccountStatus, TransferStatus
from tests.payments.ledger.both import START_NS, Both

NEW = Account(id=50, ledger=1, code=1, user_data_128=1, user_data_64=1, user_data_32=1)
IMPORT = replace(NEW, flags=16, timestamp=START_NS + 90)
NOW_NS = START_NS + 100

ACCOUNT_EVENTS = {
    "created": [NEW],
    "linked_event_failed": [replace(NEW, flags=1), replace(NEW, id=0)],
    "linked_event_chain_open": [replace(NEW, flags=1)],
    "imported_event_expected": [IMPORT, NEW],
    "imported_event_not_expected": [NEW, IMPORT],
    "timestamp_must_be_zero": [replace(NEW, timestamp=1)],
    "imported_event_timestamp_out_of_range": [replace(IMPORT, timestamp=TIMESTAMP_MAX + 1)],
    "imported_event_timestamp_must_not_advance": [replace(IMPORT, timestamp=NOW_NS)],
    "reserved_field": [replace(NEW, reserved=1)],
    "reserved_flag": [replace(NEW, flags=64)],
    "id_must_not_be_zero": [replace(NEW, id=0)],
    "id_must_not_be_int_max": [replace(NEW, id=WIDE_MAX)],
    "exists_with_different_flags": [NEW, replace(NEW, flags=2)],
    "exists_with_different_user_data_128": [NEW, replace(NEW, user_data_128=2)],
    "exists_with_different_user_data_64": [NEW, replace(NEW, user_data_64=2)],
    "exists_with_different_user_data_32": [NEW, replace(NEW, user_data_32=2)],
    "exists_with_different_ledger": [NEW, replace(NEW, ledger=2)],
    "exists_with_different_code": [NEW, replace(NEW, code=2)],
    "exists": [NEW, NEW],
    "flags_are_mutually_exclusive": [replace(NEW, flags=6)],
    "debits_pending_must_be_zero": [replace(NEW, debits_pending=2**64)],
    "debits_posted_must_be_zero": [replace(NEW, debits_posted=1)],
    "credits_pending_must_be_zero": [replace(NEW, credits_pending=1)],
    "credits_posted_must_be_zero": [replace(NEW, credits_posted=2**64)],
    "ledger_must_not_be_zero": [replace(NEW, ledger=0)],
    "code_must_not_be_zero": [replace(NEW, code=0)],
    "imported_event_timestamp_must_not_regress": [replace(IMPORT, timestamp=START_NS - 5)],
}

# Accounts 1 to 4 have no flags but those of their rows in `opened`; 5 belongs to ledger 2; 6 is closed; 9 to 12 are
# guarded.
MOVE = Transfer(id=90, debit_account_id=1, credit_account_id=2, amount=5, ledger=1, code=1)
PENDING = replace(MOVE, flags=2)
POST = Transfer(id=91, pending_id=90, amount=WIDE_MAX, flags=4)
VOID = replace(POST, amount=0, flags=8)
PAST = replace(MOVE, flags=256, timestamp=START_NS + 90)

TRANSFER_EVENTS = {
    "created": [MOVE],
    "linked_event_failed": [replace(MOVE, flags=1), replace(MOVE, id=0)],
    "linked_event_chain_open": [replace(MOVE, flags=1)],
    "imported_event_expected": [PAST, MOVE],
    "imported_event_not_expected": [MOVE, PAST],
    "timestamp_must_be_zero": [replace(MOVE, timestamp=1)],
    "imported_event_timestamp_out_of_range": [replace(PAST, timestamp=0)],
    "imported_event_timestamp_must_not_advance": [replace(PAST, timestamp=NOW_NS)],
    "reserved_flag": [replace(MOVE, flags=512)],
    "id_must_not_be_zero": [replace(MOVE, id=0)],
    "id_must_not_be_int_max": [replace(MOVE, id=WIDE_MAX)],
    "exists_with_different_flags": [MOVE, replace(MOVE, flags=2)],
    "exists_with_different_pending_id": [PENDING, POST, replace(POST, pending_id=80)],
    "exists_with_different_timeout": [PENDING, replace(PENDING, timeout=1)],
    "exists_with_different_debit_account_id": [MOVE, replace(MOVE, debit_account_id=3)],
    "exists_with_different_credit_account_id": [MOVE, replace(MOVE, credit_account_id=3)],
    "exists_with_different_amount": [MOVE, replace(MOVE, amount=6)],
    "exists_with_different_user_data_128": [MOVE, replace(MOVE, user_data_128=2**64)],
    "exists_with_different_user_data_64": [MOVE, replace(MOVE, user_data_64=1)],
    "exists_with_different_user_data_32": [MOVE, replace(MOVE, user_data_32=1)],
    "exists_with_different_ledger": [MOVE, replace(MOVE, ledger=2)],
    "exists_with_different_code": [MOVE, replace(MOVE, code=2)],
    "exists": [MOVE, MOVE],
    "id_already_failed": [replace(MOVE, credit_account_id=99), MOVE],
    "flags_are_mutually_exclusive": [PENDING, replace(POST, flags=12)],
    "debit_account_id_must_not_be_zero": [replace(MOVE, debit_account_id=0)],
    "debit_account_id_must_not_be_int_max": [replace(MOVE, debit_account_id=WIDE_MAX)],
    "credit_account_id_must_not_be_zero": [replace(MOVE, credit_account_id=0)],
    "credit_account_id_must_not_be_int_max": [replace(MOVE, credit_account_id=WIDE_MAX)],
    "accounts_must_be_different": [replace(MOVE, credit_account_id=1)],
    "pending_id_must_be_zero": [replace(MOVE, pending_id=1)],
    "pending_id_must_not_be_zero": [replace(POST, pending_id=0)],
    "pending_id_must_not_be_int_max": [replace(POST, pending_id=WIDE_MAX)],
    "pending_id_must_be_different": [replace(POST, pending_id=91)],
    "timeout_reserved_for_pending_transfer": [replace(MOVE, timeout=1)],
    "closing_transfer_must_be_pending": [replace(MOVE, flags=64)],
    "ledger_must_not_be_zero": [replace(MOVE, ledger=0)],
    "code_must_not_be_zero": [replace(MOVE, code=0)],
    "debit_account_not_found": [replace(MOVE, debit_account_id=99)],
    "credit_account_not_found": [replace(MOVE, credit_account_id=99)],
    "accounts_must_have_the_same_ledger": [replace(MOVE, credit_account_id=5)],
    "transfer_must_have_the_same_ledger_as_accounts": [replace(MOVE, ledger=2)],
    "pending_transfer_not_found": [POST],
    "pending_transfer_not_pending": [MOVE, POST],
    "pending_transfer_has_different_debit_account_id": [PENDING, replace(POST, debit_account_id=3)],
    "pending_transfer_has_different_credit_account_id": [PENDING, replace(POST, credit_account_id=3)],
    "pending_transfer_has_different_ledger": [PENDING, replace(POST, ledger=2)],
    "pending_transfer_has_different_code": [PENDING, replace(POST, code=2)],
    "exceeds_pending_transfer_amount": [PENDING, replace(POST, amount=6)],
    "pending_transfer_has_different_amount": [PENDING, replace(VOID, amount=4)],
    "pending_transfer_already_posted": [PENDING, POST, replace(VOID, id=92)],
    "pending_transfer_already_voided": [PENDING, VOID, replace(POST, id=92)],
    "pending_transfer_expired": [replace(POST, pending_id=80)],
    "imported_event_timestamp_must_not_regress": [replace(PAST, timestamp=START_NS - 2)],
    "imported_event_timestamp_must_postdate_debit_account": [
        replace(PAST, timestamp=START_NS + 10, debit_account_id=7)
    ],
    "imported_event_timestamp_must_postdate_credit_account": [
        replace(PAST, timestamp=START_NS + 10, credit_account_id=7)
    ],
    "imported_event_timeout_must_be_zero": [replace(PAST, flags=258, timeout=1)],
    "debit_account_already_closed": [replace(MOVE, debit_account_id=6)],
    "credit_account_already_closed": [replace(MOVE, credit_account_id=6)],
    "debit_account_frozen": [replace(MOVE, debit_account_id=9)],
    "credit_account_frozen": [replace(MOVE, credit_account_id=10)],
    "overflows_debits_pending": [replace(PENDING, amount=2**127), replace(PENDING, id=91, amount=2**127)],
    "overflows_credits_pending": [
        replace(PENDING, amount=2**127),
        replace(PENDING, id=91, debit_account_id=3, amount=2**127),
    ],
    "overflows_debits_posted": [replace(MOVE, amount=2**127), replace(MOVE, id=91, amount=2**127)],
    "overflows_credits_posted": [
        replace(MOVE, amount=2**127),
        replace(MOVE, id=91, debit_account_id=3, amount=2**127),
    ],
    "overflows_debits": [replace(PENDING, amount=2**127), replace(MOVE, id=91, amount=2**127)],
    "overflows_credits": [replace(PENDING, amount=2**127), replace(MOVE, id=91, debit_account_id=3, amount=2**127)],
    "overflows_timeout": [replace(PENDING, id=91, timeout=2**32 - 1)],
    "exceeds_credits": [replace(MOVE, debit_account_id=4)],
    "exceeds_debits": [replace(MOVE, credit_account_id=8)],
    "exceeds_transfer_limit": [replace(MOVE, debit_account_id=11, amount=7)],
    "exceeds_window_limit": [replace(MOVE, debit_account_id=11, amount=6)],
    "exceeds_window_count": [replace(MOVE, debit_account_id=12)],
}


GUARDED = range(9, 13)


def opened(*, start_ns: int = START_NS) -> Both:
    both = Both()
    both.time_ns = start_ns
    flags = {4: 2, 6: 32, 8: 4}
    accounts = [
        Account(id=n, ledger=2 if n == 5 else 1, code=1, flags=flags.get(n, 0))
        for n in (1, 2, 3, 4, 5, 6, 8, *GUARDED)
    ]
    both.create_accounts(*accounts)
    both.create_transfers(replace(PENDING, id=80, amount=0, timeout=1))
    both.freeze(9, Sides.DEBITS)
    both.freeze(10, Sides.CREDITS)
    both.set_limit(11, Limit(transfer_max=6, window_s=60, amount_max=5))
    both.set_limit(12, Limit(window_s=60, count_max=0))
    both.time_ns = start_ns + 30
    both.create_accounts(Account(id=7, ledger=1, code=1))
    both.time_ns = start_ns + 100
    return both


@pytest.mark.parametrize("status", AccountStatus, ids=lambda status: status.name.lower())
def test_account_status(status):
    both = opened()
    events = ACCOUNT_EVENTS[status.name.lower()]
    ends = list(range(1, len(events) + 1)) if status.name.startswith("EXISTS") else ()
    assert status.name.lower() in both.create_accounts(*events, ends=ends)
    both.check()


@pytest.mark.parametrize("status", TransferStatus, ids=lambda status: status.name.lower())
def test_transfer_status(status):
    both = opened(start_ns=TIMESTAMP_MAX - 2**60 if status is TransferStatus.OVERFLOWS_TIMEOUT else START_NS)
    if status is TransferStatus.PENDING_TRANSFER_EXPIRED:
        both.time_ns += 1_000_000_000
    assert status.name.lower() in both.create_transfers(*TRANSFER_EVENTS[status.name.lower()])
    both.check()


@pytest.mark.parametrize("status", sorted(TRANSIENT), ids=lambda status: status.name.lower())
def test_an_id_that_failed_for_a_passing_reason_is_used_up(status):
    both = opened()
    (event,) = TRANSFER_EVENTS[status.name.lower()]
    both.create_transfers(event)
    both.restart()
    assert both.create_transfers(replace(MOVE, id=event.id)) == ["id_already_failed"]


def test_statuses_stand_in_the_order_of_precedence():
    assert list(TRANSFER_EVENTS) == [status.name.lower() for status in TransferStatus]
    assert list(ACCOUNT_EVENTS) == [status.name.lower() for status in AccountStatus]
