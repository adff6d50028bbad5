"""The rules of the ledger once more, in plain Python: slow, short, and the judge of the fast one.

Read this to learn what a ledger does. State is dictionaries of immutable records; a linked chain is undone by going
back to a copy of them. Nothing here shares code with the compiled rules but the names of flags and statuses.

Checked by: tests/payments/ledger/test_properties.py compares it with the ledger; test_stories.py runs stories on both
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from ropewalk.systems.payments.ledger.guards import Limit, Sides
from ropewalk.systems.payments.ledger.layout import TIMESTAMP_MAX, WIDE_MAX, AccountFlags, TransferFlags
from ropewalk.systems.payments.ledger.oracle_guards import Guard, refused_by_freeze
from ropewalk.systems.payments.ledger.oracle_rules import (
    POST_OR_VOID,
    Account,
    Transfer,
    expires_at,
    refused_as_resolution,
    refused_by_balances,
    refused_by_closing,
    refused_by_fields,
    refused_by_pending,
    same_amount,
)
from ropewalk.systems.payments.ledger.statuses import TRANSIENT, AccountStatus, TransferStatus

_LIMITS = AccountFlags.DEBITS_MUST_NOT_EXCEED_CREDITS | AccountFlags.CREDITS_MUST_NOT_EXCEED_DEBITS


class Result(NamedTuple):
    """What became of one event."""

    timestamp: int
    status: int


@dataclass
class State:
    """Everything a ledger knows. `states` says what became of pending transfers, `failed` which ids are used up."""

    accounts: dict[int, Account] = field(default_factory=dict)
    transfers: dict[int, Transfer] = field(default_factory=dict)
    pending: dict[int, TransferStatus | None] = field(default_factory=dict)
    failed: set[int] = field(default_factory=set)
    balances: list[tuple[int, Account]] = field(default_factory=list)
    guards: dict[int, Guard] = field(default_factory=dict)

    def copy(self) -> "State":
        """One that does not change with this one."""
        return State(
            dict(self.accounts), dict(self.transfers), dict(self.pending), set(self.failed), list(self.balances),
            dict(self.guards),
        )  # fmt: skip


Event = Account | Transfer
Created = tuple[int, int]
"""A status, and the timestamp that goes with it."""


class Oracle:
    """A ledger that is easy to believe."""

    def __init__(self) -> None:
        self.state = State()
        self.last_timestamp = 0

    def create_accounts(self, events: Sequence[Account], *, time_ns: int, ends: Iterable[int] = ()) -> list[Result]:
        """Create accounts; `ends` are where each request's events end."""
        return self._create_all(events, time_ns=time_ns, ends=ends)

    def create_transfers(self, events: Sequence[Transfer], *, time_ns: int, ends: Iterable[int] = ()) -> list[Result]:
        """Create transfers; `ends` are where each request's events end."""
        return self._create_all(events, time_ns=time_ns, ends=ends)

    def expire(self, time_ns: int) -> None:
        """Give back what pending transfers reserved whose timeout has passed."""
        for transfer in self.state.transfers.values():
            is_pending = transfer.id in self.state.pending and self.state.pending[transfer.id] is None
            if is_pending and transfer.timeout and expires_at(transfer) <= time_ns:
                self.state.pending[transfer.id] = TransferStatus.PENDING_TRANSFER_EXPIRED
                self._give_back(transfer)
                self._uncount(transfer, transfer.amount, is_whole=True)
                self._reopen(transfer)

    def set_limit(self, account_id: int, limit: Limit) -> None:
        """Set the limit of an account."""
        self.state.guards[account_id] = self.state.guards.get(account_id, Guard()).limited(limit)

    def freeze(self, account_id: int, sides: Sides) -> None:
        """Freeze these sides of an account, and no others."""
        self.state.guards[account_id] = replace(self.state.guards.get(account_id, Guard()), sides=sides)

    def of_account(self, account_id: int) -> list[Transfer]:
        """The transfers of an account, oldest first."""
        return [t for t in self.state.transfers.values() if account_id in (t.debit_account_id, t.credit_account_id)]

    def balances_of(self, account_id: int) -> list[Account]:
        """What was kept of an account with flags.history: it, with the timestamp of each of its transfers."""
        return [
            replace(kept, timestamp=timestamp) for timestamp, kept in self.state.balances if kept.id == account_id
        ]

    def _create_all(self, events: Sequence[Event], *, time_ns: int, ends: Iterable[int]) -> list[Result]:
        self.last_timestamp = max(time_ns, self.last_timestamp + len(events))
        first = self.last_timestamp - len(events) + 1
        results: list[Result] = []
        begin = 0
        for end in tuple(ends) or (len(events),):
            results += self._create_request(events[begin:end], first=first + begin)
            begin = end
        return results

    def _create_request(self, events: Sequence[Event], *, first: int) -> list[Result]:
        """The events of one request, in chains of which each succeeds or fails as a whole."""
        results: list[Result] = []
        chain: int | None = None
        before: State | None = None
        last = len(events) - 1
        for index, event in enumerate(events):
            statuses = _statuses(event)
            linked = bool(event.flags & TransferFlags.LINKED)
            if linked and chain is None:
                chain, before = index, self.state.copy()
            now = first + index
            if linked and index == last:
                created: Created = statuses.LINKED_EVENT_CHAIN_OPEN, now
            elif chain is not None and before is None:
                created = statuses.LINKED_EVENT_FAILED, now
            else:
                created = self._create_in_request(event, events[0], now=now, request_timestamp=first + last)
            if created[0] != statuses.CREATED and before is not None and chain is not None:
                self.state, before = before, None
                for earlier in range(chain, index):
                    results[earlier] = Result(first + earlier, statuses.LINKED_EVENT_FAILED)
            if isinstance(event, Transfer) and created[0] in TRANSIENT:
                self.state.failed.add(event.id)
            results.append(Result(created[1], int(created[0])))
            if not linked:
                chain, before = None, None
        return results

    def _create_in_request(self, event: Event, first_event: Event, *, now: int, request_timestamp: int) -> Created:
        statuses = _statuses(event)
        flag = AccountFlags.IMPORTED if isinstance(event, Account) else TransferFlags.IMPORTED
        if bool(event.flags & flag) != bool(first_event.flags & flag):
            if event.flags & flag:
                return statuses.IMPORTED_EVENT_NOT_EXPECTED, now
            return statuses.IMPORTED_EVENT_EXPECTED, now
        if not event.flags & flag:
            if event.timestamp:
                return statuses.TIMESTAMP_MUST_BE_ZERO, now
        elif not 0 < event.timestamp <= TIMESTAMP_MAX:
            return statuses.IMPORTED_EVENT_TIMESTAMP_OUT_OF_RANGE, now
        elif event.timestamp >= request_timestamp:
            return statuses.IMPORTED_EVENT_TIMESTAMP_MUST_NOT_ADVANCE, now
        return self._create_account(event, now) if isinstance(event, Account) else self._create_transfer(event, now)

    # Accounts

    def _create_account(self, event: Account, now: int) -> Created:
        status = AccountStatus
        if event.reserved:
            return status.RESERVED_FIELD, now
        if event.flags >= 64:
            return status.RESERVED_FLAG, now
        if event.id == 0:
            return status.ID_MUST_NOT_BE_ZERO, now
        if event.id == WIDE_MAX:
            return status.ID_MUST_NOT_BE_INT_MAX, now
        if existing := self.state.accounts.get(event.id):
            for name in ("flags", "user_data_128", "user_data_64", "user_data_32", "ledger", "code"):
                if getattr(event, name) != getattr(existing, name):
                    return status[f"EXISTS_WITH_DIFFERENT_{name.upper()}"], now
            return status.EXISTS, existing.timestamp
        if event.flags & _LIMITS == _LIMITS:
            return status.FLAGS_ARE_MUTUALLY_EXCLUSIVE, now
        for name in ("debits_pending", "debits_posted", "credits_pending", "credits_posted"):
            if getattr(event, name):
                return status[f"{name.upper()}_MUST_BE_ZERO"], now
        if not event.ledger:
            return status.LEDGER_MUST_NOT_BE_ZERO, now
        if not event.code:
            return status.CODE_MUST_NOT_BE_ZERO, now
        timestamp = now
        if event.flags & AccountFlags.IMPORTED:
            timestamp = event.timestamp
            youngest = max((account.timestamp for account in self.state.accounts.values()), default=0)
            taken = {transfer.timestamp for transfer in self.state.transfers.values()}
            if timestamp <= youngest or timestamp in taken:
                return status.IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS, now
        self.state.accounts[event.id] = replace(event, timestamp=timestamp)
        return status.CREATED, timestamp

    # Transfers

    def _create_transfer(self, event: Transfer, now: int) -> Created:
        status = TransferStatus
        if event.flags >= 512:
            return status.RESERVED_FLAG, now
        if event.id == 0:
            return status.ID_MUST_NOT_BE_ZERO, now
        if event.id == WIDE_MAX:
            return status.ID_MUST_NOT_BE_INT_MAX, now
        if existing := self.state.transfers.get(event.id):
            compared = self._compared(event, existing)
            return compared, existing.timestamp if compared is status.EXISTS else now
        if event.id in self.state.failed:
            return status.ID_ALREADY_FAILED, now
        if event.flags & POST_OR_VOID:
            return self._resolve(event, now)
        return self._move(event, now)

    def _compared(self, event: Transfer, existing: Transfer) -> TransferStatus:
        """How a transfer differs from the one that has its id already."""
        status = TransferStatus
        for name in ("flags", "pending_id", "timeout"):
            if getattr(event, name) != getattr(existing, name):
                return status[f"EXISTS_WITH_DIFFERENT_{name.upper()}"]
        pending = self.state.transfers[event.pending_id] if event.pending_id else None
        for name in ("debit_account_id", "credit_account_id", "amount", "user_data_128", "user_data_64",
                     "user_data_32", "ledger", "code"):  # fmt: skip
            asked, kept = getattr(event, name), getattr(existing, name)
            if name == "amount":
                same = same_amount(event, existing, pending)
            elif pending is not None and asked == 0:
                # What a post or void leaves out is the pending transfer's.
                same = kept == getattr(pending, name)
            else:
                same = asked == kept
            if not same:
                return status[f"EXISTS_WITH_DIFFERENT_{name.upper()}"]
        return status.EXISTS

    def _move(self, event: Transfer, now: int) -> Created:
        """Create a transfer that moves its amount, or reserves it."""
        status = refused_by_fields(event)
        if status is not TransferStatus.CREATED:
            return status, now
        debit = self.state.accounts.get(event.debit_account_id)
        credit = self.state.accounts.get(event.credit_account_id)
        if debit is None:
            return TransferStatus.DEBIT_ACCOUNT_NOT_FOUND, now
        if credit is None:
            return TransferStatus.CREDIT_ACCOUNT_NOT_FOUND, now
        status = self._refused_by_accounts(event, debit, credit)
        if status is not TransferStatus.CREATED:
            return status, now
        amount = event.amount
        if event.flags & TransferFlags.BALANCING_DEBIT:
            amount = min(amount, max(debit.credits_posted - debit.debits_posted - debit.debits_pending, 0))
        if event.flags & TransferFlags.BALANCING_CREDIT:
            amount = min(amount, max(credit.debits_posted - credit.credits_posted - credit.credits_pending, 0))
        timestamp = event.timestamp or now
        status = refused_by_balances(event, (debit, credit), amount=amount, timestamp=timestamp)
        guard = self.state.guards.get(debit.id)
        if status is TransferStatus.CREATED and guard is not None:
            status = guard.against(amount, now)
        if status is not TransferStatus.CREATED:
            return status, now
        if guard is not None:
            self.state.guards[debit.id] = guard.counting(event, amount, now)
        if event.flags & TransferFlags.PENDING:
            self._change(debit.id, debits_pending=amount)
            self._change(credit.id, credits_pending=amount)
            self.state.pending[event.id] = None
            self._set_closed(event, is_closed=True)
        else:
            self._change(debit.id, debits_posted=amount)
            self._change(credit.id, credits_posted=amount)
        self._keep(replace(event, amount=amount, timestamp=timestamp))
        return TransferStatus.CREATED, timestamp

    def _refused_by_accounts(self, event: Transfer, debit: Account, credit: Account) -> TransferStatus:
        status = TransferStatus
        if debit.ledger != credit.ledger:
            return status.ACCOUNTS_MUST_HAVE_THE_SAME_LEDGER
        if event.ledger != debit.ledger:
            return status.TRANSFER_MUST_HAVE_THE_SAME_LEDGER_AS_ACCOUNTS
        if event.flags & TransferFlags.IMPORTED:
            if self._regresses(event.timestamp):
                return status.IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS
            if event.timestamp <= debit.timestamp:
                return status.IMPORTED_EVENT_TIMESTAMP_MUST_POSTDATE_DEBIT_ACCOUNT
            if event.timestamp <= credit.timestamp:
                return status.IMPORTED_EVENT_TIMESTAMP_MUST_POSTDATE_CREDIT_ACCOUNT
            if event.timeout:
                return status.IMPORTED_EVENT_TIMEOUT_MUST_BE_ZERO
        return self._refused_by_what_is_shut(debit, credit)

    def _refused_by_what_is_shut(self, debit: Account, credit: Account) -> TransferStatus:
        """Closed accounts, and then frozen ones."""
        closed = refused_by_closing(debit, credit)
        if closed is not TransferStatus.CREATED:
            return closed
        return refused_by_freeze(self.state.guards.get(debit.id), self.state.guards.get(credit.id))

    def _resolve(self, event: Transfer, now: int) -> Created:
        """Create a transfer that posts or voids a pending one."""
        status = refused_as_resolution(event)
        if status is not TransferStatus.CREATED:
            return status, now
        pending = self.state.transfers.get(event.pending_id)
        if pending is None:
            return TransferStatus.PENDING_TRANSFER_NOT_FOUND, now
        if not pending.flags & TransferFlags.PENDING:
            return TransferStatus.PENDING_TRANSFER_NOT_PENDING, now
        is_void = bool(event.flags & TransferFlags.VOID_PENDING_TRANSFER)
        amount = pending.amount if event.amount == (0 if is_void else WIDE_MAX) else event.amount
        status = refused_by_pending(event, pending, amount, is_void=is_void)
        if status is not TransferStatus.CREATED:
            return status, now
        if (outcome := self.state.pending[pending.id]) is not None:
            return outcome, now
        if pending.timeout and expires_at(pending) <= now:
            return TransferStatus.PENDING_TRANSFER_EXPIRED, now
        if event.flags & TransferFlags.IMPORTED and self._regresses(event.timestamp):
            return TransferStatus.IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS, now
        debit = self.state.accounts[pending.debit_account_id]
        credit = self.state.accounts[pending.credit_account_id]
        if not is_void:
            status = self._refused_by_what_is_shut(debit, credit)
            if status is not TransferStatus.CREATED:
                return status, now
        self._give_back(pending)
        self._uncount(pending, amount if is_void else pending.amount - amount, is_whole=is_void)
        if is_void:
            self._reopen(pending)
            self.state.pending[pending.id] = TransferStatus.PENDING_TRANSFER_ALREADY_VOIDED
        else:
            self._change(debit.id, debits_posted=amount)
            self._change(credit.id, credits_posted=amount)
            self.state.pending[pending.id] = TransferStatus.PENDING_TRANSFER_ALREADY_POSTED
        timestamp = event.timestamp or now
        inherited = {
            name: getattr(event, name) or getattr(pending, name)
            for name in ("debit_account_id", "credit_account_id", "user_data_128", "user_data_64", "user_data_32",
                         "ledger", "code")
        }  # fmt: skip
        self._keep(replace(event, amount=amount, timestamp=timestamp, **inherited))
        return TransferStatus.CREATED, timestamp

    def _regresses(self, timestamp: int) -> bool:
        """Whether an import is not later than every transfer, or is at the time of an account."""
        latest = max((transfer.timestamp for transfer in self.state.transfers.values()), default=0)
        return timestamp <= latest or timestamp in {account.timestamp for account in self.state.accounts.values()}

    # Effects

    def _change(self, account_id: int, **more: int) -> None:
        account = self.state.accounts[account_id]
        changed = {name: getattr(account, name) + amount for name, amount in more.items()}
        self.state.accounts[account_id] = replace(account, **changed)

    def _give_back(self, pending: Transfer) -> None:
        self._change(pending.debit_account_id, debits_pending=-pending.amount)
        self._change(pending.credit_account_id, credits_pending=-pending.amount)

    def _uncount(self, pending: Transfer, amount: int, *, is_whole: bool) -> None:
        guard = self.state.guards.get(pending.debit_account_id)
        if guard is not None:
            given_back = guard.giving_back(pending, amount, is_whole=is_whole)
            self.state.guards[pending.debit_account_id] = given_back

    def _reopen(self, pending: Transfer) -> None:
        self._set_closed(pending, is_closed=False)

    def _set_closed(self, pending: Transfer, *, is_closed: bool) -> None:
        for flag, account_id in (
            (TransferFlags.CLOSING_DEBIT, pending.debit_account_id),
            (TransferFlags.CLOSING_CREDIT, pending.credit_account_id),
        ):
            if pending.flags & flag:
                account = self.state.accounts[account_id]
                flags = account.flags & ~AccountFlags.CLOSED | (AccountFlags.CLOSED if is_closed else 0)
                self.state.accounts[account_id] = replace(account, flags=int(flags))

    def _keep(self, transfer: Transfer) -> None:
        """Record a transfer, and the balances of accounts with flags.history."""
        self.state.transfers[transfer.id] = transfer
        for account_id in (transfer.debit_account_id, transfer.credit_account_id):
            account = self.state.accounts[account_id]
            if account.flags & AccountFlags.HISTORY:
                self.state.balances.append((transfer.timestamp, account))


def _statuses(event: Event) -> type[AccountStatus] | type[TransferStatus]:
    return AccountStatus if isinstance(event, Account) else TransferStatus
