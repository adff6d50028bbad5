"""What queries answer: plain structs, of which JSON and tables can be made as they are.

Amounts are whole cents, times are nanoseconds since 1970 (UTC), dates are ISO 8601.

Checked by: tests/payments/processing/test_machine.py
"""

from collections.abc import Sequence

import msgspec


class InstitutionView(msgspec.Struct, frozen=True):
    """A bank: what it has settled so far, what it owes in the open window, what returns left in suspense.

    `ledger_id` is its settlement account in the ledger: cash comes to deposits from there, and leaves to there.
    """

    number: int
    ledger_id: str
    routing: str
    name: str
    settlement_cents: int
    clearing_cents: int
    suspense_cents: int


class AccountView(msgspec.Struct, frozen=True):
    """A customer's account. `ledger_id` is its id in the ledger; available is the balance less what is reserved.

    `frozen` are the sides on which nothing moves: debits, credits, both or none.
    """

    number: int
    ledger_id: str
    routing: str
    account: str
    name: str
    kind: str
    is_corporate: bool
    overdraft: bool
    restriction: str
    balance_cents: int
    available_cents: int
    frozen: str = "none"


class OriginatorView(msgspec.Struct, frozen=True):
    """A company that an institution sends files for."""

    number: int
    routing: str
    company_id: str
    name: str
    account: str


class StateCount(msgspec.Struct, frozen=True):
    """Entries and cents in one state."""

    entries: int
    debit_cents: int
    credit_cents: int


class FileView(msgspec.Struct, frozen=True):
    """An accepted file. `states` has accepted, pending, posted, returned and rejected.

    Of a file that is kept in several shards this is what one of them has of it. `parts` are its numbers in the others
    if this is the shard of its first batch; in another shard it is the number there.
    """

    file: int
    origin: str
    destination: str
    created: str
    modifier: str
    checksum: str
    time_ns: int
    batches: int
    entries: int
    debit_cents: int
    credit_cents: int
    states: dict[str, StateCount]
    next_due_ns: int | None
    parts: tuple[int, ...]


class EntryView(msgspec.Struct, frozen=True):
    """An entry and what has become of it. `reason` is an R-code, or a word if it never went out.

    `return_by` is the last day on which a return may settle: for the reason that it was returned for, or the usual
    two banking days; some reasons of consumers have sixty days.
    """

    row: int
    line: int
    trace: str
    entry_class: str
    company_id: str
    transaction_code: int
    kind: str
    side: str
    rdfi: str
    account: str
    individual_id: str
    name: str
    amount_cents: int
    state: str
    reason: str
    due_ns: int
    settled: str
    answered: str
    return_by: str
    marks: Sequence[str]


class PositionView(msgspec.Struct, frozen=True):
    """What an institution owed in a window, was owed, and so paid (less than zero: was paid)."""

    routing: str
    name: str
    owed_cents: int
    due_cents: int
    net_cents: int


class WindowView(msgspec.Struct, frozen=True):
    """A settlement window. `closed_ns` is 0 as long as it is waiting or being worked on."""

    window: int
    by_hand: bool
    asked_ns: int
    through_ns: int
    closed_ns: int
    settled: str
    posted: int
    returned: int
    rejected: int
    answers: int
    positions: Sequence[PositionView]


class ReturnFileView(msgspec.Struct, frozen=True):
    """A file that went out with a window; `GetReturnFile` has its bytes."""

    window: int
    routing: str
    part: int
    entries: int


class NoticeView(msgspec.Struct, frozen=True):
    """A notification of change, for the originator of the entry that it is about."""

    number: int
    file: int
    row: int
    trace: str
    company_id: str
    change_code: str
    corrected_data: str
    time_ns: int
    refused_code: str


class StatementLine(msgspec.Struct, frozen=True):
    """One transfer on an account: an amount below zero left it.

    `file` and `row` name the ACH entry that it is for, -1 if it is for none; `uetr` the instant payment, if it is.
    """

    timestamp: int
    transfer_id: str
    amount_cents: int
    pending: bool
    what: str
    file: int
    row: int
    uetr: str = ""


class StatementView(msgspec.Struct, frozen=True):
    """An account now, and what moved on it."""

    account: AccountView
    lines: Sequence[StatementLine]


class BalanceLine(msgspec.Struct, frozen=True):
    """All accounts for one purpose."""

    what: str
    accounts: int
    debit_cents: int
    credit_cents: int


class TrialBalance(msgspec.Struct, frozen=True):
    """The whole book: what is posted. It balances if both totals are equal, and they always are."""

    lines: Sequence[BalanceLine]
    debit_cents: int
    credit_cents: int


class Progress(msgspec.Struct, frozen=True):
    """What is left to do. `next_window` takes what is due next: it is open, or will be the next to open."""

    files: int
    entries_to_reserve: int
    entries_pending: int
    windows: int
    windows_open: int
    next_due_ns: int | None
    next_window: int
