"""A ledger and its oracle side by side: each call goes to both, and what they answer must be the same."""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from ropewalk.engines.memory import MemoryShelf
from ropewalk.systems.payments.ledger.guards import Limit, Sides
from ropewalk.systems.payments.ledger.layout import (
    ACCOUNT,
    ACCOUNT_FILTER,
    QUERY_FILTER,
    TRANSFER,
    Rows,
    ids_of,
    record_of,
    rows_of,
)
from ropewalk.systems.payments.ledger.ledger import Ledger
from ropewalk.systems.payments.ledger.oracle import Oracle, Result
from ropewalk.systems.payments.ledger.oracle_rules import Account, Transfer
from ropewalk.systems.payments.ledger.statuses import AccountStatus, TransferStatus

BALANCE_FIELDS = ("debits_pending", "debits_posted", "credits_pending", "credits_posted", "timestamp")
START_NS = 1_000_000_000_000


class Both:
    """Segments of four rows, so that a handful of transfers is sealed and merged."""

    def __init__(self, *, segment_rows: int = 4, piece_entries: int = 8) -> None:
        self.sizes = {"segment_rows": segment_rows, "piece_entries": piece_entries}
        self.shelf = MemoryShelf()
        self.ledger = Ledger(self.shelf, **self.sizes)
        self.oracle = Oracle()
        self.time_ns = START_NS

    def create_accounts(self, *accounts: Account, ends: Sequence[int] = ()) -> list[str]:
        """The names of the statuses."""
        rows = self.ledger.create_accounts(_rows(ACCOUNT, accounts), time_ns=self.time_ns, ends=_ends(ends))
        expected = self.oracle.create_accounts(accounts, time_ns=self.time_ns, ends=ends)
        _same(rows, expected, AccountStatus)
        return [AccountStatus(result.status).name.lower() for result in expected]

    def create_transfers(self, *transfers: Transfer, ends: Sequence[int] = ()) -> list[str]:
        """The names of the statuses."""
        rows = self.ledger.create_transfers(_rows(TRANSFER, transfers), time_ns=self.time_ns, ends=_ends(ends))
        expected = self.oracle.create_transfers(transfers, time_ns=self.time_ns, ends=ends)
        _same(rows, expected, TransferStatus)
        return [TransferStatus(result.status).name.lower() for result in expected]

    def set_limit(self, account_id: int, limit: Limit) -> None:
        """Limit an account."""
        self.ledger.guards.set_limit(self._slot(account_id), limit, since=self.ledger.last_timestamp)
        self.oracle.set_limit(account_id, limit)

    def freeze(self, account_id: int, sides: Sides) -> None:
        """Freeze sides of an account."""
        self.ledger.guards.freeze(self._slot(account_id), sides)
        self.oracle.freeze(account_id, sides)

    def expire(self) -> None:
        """Let expire what is due."""
        while (wakes_at_ns := self.ledger.wakes_at_ns) is not None and wakes_at_ns <= self.time_ns:
            self.ledger.expire(self.time_ns, count_max=1)
        self.oracle.expire(self.time_ns)

    def restart(self) -> None:
        """Go on with a new ledger that loads what the old one saved."""
        digest = self.ledger.digest()
        parts = {name: bytes(part) for name, part in self.ledger.save().parts.items()}
        self.ledger = Ledger(self.shelf, **self.sizes)
        self.ledger.load(parts)
        assert self.ledger.digest() == digest

    def check(self) -> None:
        """The whole states are the same, as far as anybody can see, and the books balance."""
        state = self.oracle.state
        self.ledger.check()
        accounts = self.ledger.lookup_accounts(ids_of(state.accounts))
        assert [Account(**record_of(row)) for row in accounts] == list(state.accounts.values())
        transfers = self.ledger.lookup_transfers(ids_of(reversed(state.transfers)))
        assert [Transfer(**record_of(row)) for row in transfers][::-1] == list(state.transfers.values())
        everything = rows_of(QUERY_FILTER, [{"limit": 8_000}])[0]
        assert [row["timestamp"] for row in self.ledger.query_transfers(everything)] == [
            transfer.timestamp for transfer in state.transfers.values()
        ]
        for account_id in state.accounts:
            chosen = rows_of(ACCOUNT_FILTER, [{"account_id": account_id, "limit": 8_000, "flags": 3}])[0]
            of_account = self.ledger.account_transfers(chosen)
            assert [Transfer(**record_of(row)) for row in of_account] == self.oracle.of_account(account_id)
            assert [record_of(row) for row in self.ledger.account_balances(chosen)] == [
                {name: getattr(kept, name) for name in BALANCE_FIELDS} for kept in self.oracle.balances_of(account_id)
            ]

    def _slot(self, account_id: int) -> int:
        return int(self.ledger.slots_of(ids_of([account_id]))[0])


def _rows(dtype: np.dtype[np.void], records: Sequence[Account] | Sequence[Transfer]) -> Rows:
    return rows_of(dtype, [asdict(record) for record in records])


def _ends(ends: Sequence[int]) -> np.ndarray | None:
    return np.array(ends, "i8") if ends else None


def _same(rows: Rows, expected: list[Result], statuses: type[AccountStatus] | type[TransferStatus]) -> None:
    got = [(int(row["timestamp"]), statuses(int(row["status"])).name) for row in rows]
    assert got == [(result.timestamp, statuses(result.status).name) for result in expected]
