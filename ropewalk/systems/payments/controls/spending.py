"""What may leave an account: how much at once, how much and how often in a day. Counted where money is about to move.

A row past a limit is made one that the ledger refuses for itself, so that it breaks its chain and leaves its id
unused; then its status is what it should be. What an account has asked for counts, also what is given back later or
refused for another reason: a limit errs on the safe side. A repeat of a transfer that is there is no new one.

Promise:    no more than its limits leaves an account by transfers of callers, by day (UTC), across shards too.
Not given:  the same for ACH entries, cards and instant payments, which have rules of their own.
Checked by: tests/payments/controls/test_controls.py
"""

from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from ropewalk.systems.payments.ledger.hot import ABSENT, STATE_SHIFT
from ropewalk.systems.payments.ledger.layout import ID, Rows, get
from ropewalk.systems.payments.ledger.ledger import Ledger
from ropewalk.systems.payments.ledger.statuses import TransferStatus
from ropewalk.systems.payments.shards.statuses import ShardStatus

DAY_NS: Final = 86_400 * 1_000_000_000
_UNUSED: Final = ABSENT >> STATE_SHIFT


class Limits(NamedTuple):
    """Of one account; zero is no limit."""

    transfer_cents: int
    day_cents: int
    day_count: int


class Spent(NamedTuple):
    """What has left an account on a day."""

    day: int
    cents: int
    transfers: int


_Saved = tuple[list[tuple[str, tuple[int, int, int]]], list[tuple[str, tuple[int, int, int]]]]
"""Limits, and what is spent, by account: ids are text, since they are too long for a number of MessagePack."""


class Spending:
    """All accounts with limits, by their ids in the ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._limits: dict[int, Limits] = {}
        self._spent: dict[int, Spent] = {}
        self._highs = np.zeros(0, "u8")

    def __len__(self) -> int:
        return len(self._limits)

    def limit(self, account: int, limits: Limits) -> None:
        """Set what may leave an account from now on; nothing but zeros lifts it."""
        if any(limits):
            self._limits[account] = limits
        else:
            self._limits.pop(account, None)
            self._spent.pop(account, None)
        self._note_highs()

    def is_limited(self, account: int) -> bool:
        """True if an account has limits."""
        return account in self._limits

    def concerns(self, rows: Rows) -> bool:
        """Whether any of these transfers (TRANSFER) may be from an account with limits: quick, and seldom wrong."""
        return bool(self._limits) and bool(np.isin(rows["debit_account_id_high"], self._highs).any())

    def refused(self, rows: Rows, *, time_ns: int) -> NDArray[np.bool_]:
        """Which of these transfers are past a limit; all others from such accounts count as spent."""
        past = np.zeros(rows.size, "?")
        if not self.concerns(rows):
            return past
        day = time_ns // DAY_NS
        for place in np.flatnonzero(np.isin(rows["debit_account_id_high"], self._highs)).tolist():
            row = rows[place]
            limits = self._limits.get(get(row, "debit_account_id"))
            if limits is not None and not self._exists(row):
                past[place] = not self._spend(get(row, "debit_account_id"), get(row, "amount"), limits, day=day)
        return past

    def create(self, rows: Rows, *, time_ns: int) -> Rows:
        """Create transfers of one request, but for those past a limit; return one RESULT each."""
        past = self.refused(rows, time_ns=time_ns)
        return told(self._ledger.create_transfers(spoilt(rows, past), time_ns=time_ns), past)

    def save(self) -> bytes:
        """All of it."""
        limits = [(f"{account}", tuple(each)) for account, each in sorted(self._limits.items())]
        spent = [(f"{account}", tuple(each)) for account, each in sorted(self._spent.items())]
        return msgspec.msgpack.encode((limits, spent))

    def load(self, saved: bytes | memoryview) -> None:
        """Become what was saved."""
        limits, spent = msgspec.msgpack.decode(saved, type=_Saved)
        self._limits = {int(account): Limits(*each) for account, each in limits}
        self._spent = {int(account): Spent(*each) for account, each in spent}
        self._note_highs()

    def _spend(self, account: int, cents: int, limits: Limits, *, day: int) -> bool:
        """Count a transfer if it is within the limits."""
        spent = self._spent.get(account, Spent(day, 0, 0))
        if spent.day != day:
            spent = Spent(day, 0, 0)
        after = Spent(day, spent.cents + cents, spent.transfers + 1)
        asked = (cents, after.cents, after.transfers)
        if any(limit and each > limit for limit, each in zip(limits, asked, strict=True)):
            return False
        self._spent[account] = after
        return True

    def _exists(self, row: np.void) -> bool:
        ids = np.array([(row["id_low"], row["id_high"])], ID)
        return bool(self._ledger.states_of(ids)[0] != _UNUSED)

    def _note_highs(self) -> None:
        self._highs = np.unique(np.array([account >> 64 for account in self._limits], "u8"))


def spoilt(rows: Rows, past: NDArray[np.bool_]) -> Rows:
    """Rows of which the ledger refuses those past a limit."""
    if not past.any():
        return rows
    spoilt_rows = rows.copy()
    spoilt_rows["code"][past] = 0
    return spoilt_rows


def told(results: Rows, past: NDArray[np.bool_]) -> Rows:
    """Results that say of what is past a limit that it is."""
    spoilt_here = past & (results["status"] == TransferStatus.CODE_MUST_NOT_BE_ZERO)
    results["status"][spoilt_here] = ShardStatus.EXCEEDS_LIMIT
    return results
