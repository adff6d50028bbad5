"""The ledger as a part of payments: callers may do everything with it but what its other parts keep in order.

Ids that begin with the reserved byte are given out by them, and clearing accounts are moved by entries and
windows only; deposits, settlement and suspense accounts are paid into and out of by plain transfers too.

Checked by: tests/payments/processing/test_machine.py
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ropewalk.core.machine import Received, Saved
from ropewalk.data.shelf import Shelf
from ropewalk.errors import Rejected
from ropewalk.systems.payments.ledger.commands import COMMANDS, Operation, decode, operation_of
from ropewalk.systems.payments.ledger.layout import ACCOUNT, TRANSFER, Rows, TransferFlags
from ropewalk.systems.payments.ledger.ledger import Ledger
from ropewalk.systems.payments.ledger.machine import LedgerMachine
from ropewalk.systems.payments.processing.books import RESERVED_BYTE, Holder

_BYTE: Final = np.uint64(56)
_PURPOSE: Final = np.uint64(48)
_CLEARING, _SETTLEMENT, _SUSPENSE, _CARDS, _SHARD = (
    np.uint64(RESERVED_BYTE << 8 | holder)
    for holder in (Holder.CLEARING, Holder.SETTLEMENT, Holder.SUSPENSE, Holder.CARDS, Holder.SHARD)
)


class Accounting:
    """The ledger of one partition. `machine` reads commands and queries from bytes."""

    def __init__(self, shelf: Shelf, *, ledger: Ledger | None = None) -> None:
        self.machine = LedgerMachine(shelf, ledger=ledger)

    @property
    def ledger(self) -> Ledger:
        """What all parts work on."""
        return self.machine.ledger

    def vet(self, command: bytes) -> None:
        """Raise Rejected unless the command can be read, and leaves alone what other parts keep in order."""
        operation = operation_of(command, COMMANDS)
        if any(RESERVED_BYTE in command[highest] for highest in _HIGHEST_BYTES[operation]):
            check_ids(*decode(command, COMMANDS))

    def work(self, *, time_ns: int) -> None:
        """Let pending transfers expire whose time has come."""
        self.ledger.expire(time_ns)

    def receive(self, received: Received, *, time_ns: int) -> bytes:
        """Nobody sends the ledger anything: what is between ledgers is a part of its own."""
        raise Rejected(f"a ledger takes no messages, and {received.sender} sent one at {time_ns}")

    def apply(self, commands: Sequence[bytes], *, time_ns: int) -> Sequence[bytes]:
        """Create accounts and transfers; return the encoded results of each command."""
        return self.machine.create(commands, time_ns=time_ns)

    def wakes_at_ns(self, *, time_ns: int) -> int | None:
        """When the next pending transfer expires, whatever the time is now."""
        del time_ns
        return self.ledger.wakes_at_ns

    def read(self, query: bytes) -> bytes:
        """Answer a query. Raises Rejected if it can't be read."""
        return self.machine.read(query)

    def save(self) -> Saved:
        """Accounts and transfers, in parts that later batches do not change."""
        return self.ledger.save()

    def load(self, parts: Mapping[str, bytes | memoryview]) -> None:
        """Become what was saved."""
        self.ledger.load(parts)

    def check(self) -> None:
        """Raise Bug if the books do not balance."""
        self.ledger.check()


def check_ids(operation: Operation, rows: Rows) -> None:
    """Raise Rejected if rows use ids that ACH gives out, or move money over a clearing account."""
    if operation is Operation.CREATE_ACCOUNTS:
        if _is_reserved(rows["id_high"]).any():
            raise Rejected(_KEPT)
        return
    if (_is_reserved(rows["id_high"]) | _is_reserved(rows["pending_id_high"])).any():
        raise Rejected(_KEPT)
    closing = rows["flags"] & (TransferFlags.CLOSING_DEBIT | TransferFlags.CLOSING_CREDIT) != 0
    for side in ("debit", "credit"):
        purposes = rows[f"{side}_account_id_high"] >> _PURPOSE
        if (purposes == _CLEARING).any():
            raise Rejected("clearing accounts are moved by entries and settlement windows only: name another account")
        if (purposes == _SHARD).any():
            raise Rejected("what shards owe each other is moved by transfers between them only: name another account")
        if (closing & np.isin(purposes, (_SETTLEMENT, _SUSPENSE, _CARDS))).any():
            raise Rejected("an institution's settlement, suspense and cards accounts stay open: name another account")


def _highest_byte(dtype: np.dtype[np.void], field: str) -> slice:
    """Where the highest byte of a 128-bit field is in each row of a command, behind its first byte."""
    _, offset, *_ = dtype.fields[f"{field}_high"] if dtype.fields else (None, 0)
    return slice(1 + offset + 7, None, dtype.itemsize)


_HIGHEST_BYTES: Final = {
    Operation.CREATE_ACCOUNTS: [_highest_byte(ACCOUNT, "id")],
    Operation.CREATE_TRANSFERS: [
        _highest_byte(TRANSFER, field) for field in ("id", "pending_id", "debit_account_id", "credit_account_id")
    ],
}
"""In these it is seen whether a command names an id of ACH at all: for one transfer, in a twentieth of the time."""


def _is_reserved(high: NDArray[np.uint64]) -> NDArray[np.bool_]:
    return np.asarray(high >> _BYTE == RESERVED_BYTE)


_KEPT: Final = f"ids whose highest byte is {RESERVED_BYTE:#x} are given out by ACH processing: choose another id"
