"""Payments as one machine: a ledger, and ACH processing that moves money in it.

The first byte of a command or query says whose it is: the ledger's operations (`ledger.commands`) or ACH's
(`processing.messages`). Both work on the same accounts, so a deposit that entries post to is paid into and out of by
plain transfers too. What ACH keeps in order itself nobody else may touch: ids that begin with its byte are its own,
and so are clearing accounts.

    batch ──► let expire what is due ──► one step of ACH work ──► the requests, in order

Promise:    as of the ledger, and of ACH processing; neither can be made to break the other's promises.
Checked by: tests/payments/processing/test_machine.py, ropewalk.proving.conformance (machine checks)
"""

from collections.abc import Mapping
from itertools import groupby
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ropewalk.core.codec import checksum, encode_value
from ropewalk.core.machine import Batch, Outcome, Request, Saved
from ropewalk.data.shelf import Shelf
from ropewalk.errors import Damaged, Rejected
from ropewalk.systems.payments.ledger.commands import COMMANDS, Operation, decode, operation_of
from ropewalk.systems.payments.ledger.layout import ACCOUNT, TRANSFER, TransferFlags
from ropewalk.systems.payments.ledger.machine import LedgerMachine
from ropewalk.systems.payments.processing.books import RESERVED_BYTE, Holder
from ropewalk.systems.payments.processing.limits import USUAL_STEPS, Steps
from ropewalk.systems.payments.processing.messages import ACH, decode_command
from ropewalk.systems.payments.processing.processing import Processing

_BYTE: Final = np.uint64(56)
_PURPOSE: Final = np.uint64(48)
_CLEARING, _SETTLEMENT, _SUSPENSE = (
    np.uint64(RESERVED_BYTE << 8 | holder) for holder in (Holder.CLEARING, Holder.SETTLEMENT, Holder.SUSPENSE)
)
_LEDGER, _ACH = "ledger.", "ach."


class PaymentsMachine:
    """One partition of payments."""

    def __init__(self, shelf: Shelf, *, steps: Steps = USUAL_STEPS) -> None:
        self.ledger = LedgerMachine(shelf)
        self.processing = Processing(self.ledger.ledger, shelf, steps=steps)

    @property
    def name(self) -> str:
        """The service's name."""
        return "payments"

    @property
    def version(self) -> int:
        """The newest version of a record that this machine knows."""
        return 1

    def vet(self, command: bytes) -> None:
        """Raise Rejected unless the command can be read, and leaves alone what is ACH's own."""
        if command[:1] == ACH:
            decode_command(command)
        else:
            operation = operation_of(command, COMMANDS)
            if any(RESERVED_BYTE in command[highest] for highest in _HIGHEST_BYTES[operation]):
                _check_ids(*decode(command, COMMANDS))

    def apply(self, batch: Batch) -> Outcome:
        """Do what is due, then what each request asks."""
        self.ledger.ledger.expire(batch.time_ns)
        self.processing.work(time_ns=batch.time_ns)
        replies: list[bytes] = []
        for is_ach, group in groupby(batch.requests, key=_is_ach):
            requests = list(group)
            if is_ach:
                replies += [self._apply_ach(request, batch) for request in requests]
            else:
                replies += self.ledger.apply(Batch(batch.position, batch.time_ns, requests)).replies
        return Outcome(replies, self._wakes_at_ns(batch.time_ns))

    def read(self, query: bytes) -> bytes:
        """Answer a query. Raises Rejected if it can't be read, or names what is not there."""
        return self.processing.read(query) if query[:1] == ACH else self.ledger.read(query)

    def save(self) -> Saved:
        """The state, in parts that later batches do not change."""
        ledger, ach = self.ledger.save(), self.processing.save()
        parts = {f"{_LEDGER}{name}": part for name, part in ledger.parts.items()}
        parts |= {f"{_ACH}{name}": part for name, part in ach.parts.items()}
        return Saved(parts, [*ledger.blobs, *ach.blobs])

    def load(self, parts: Mapping[str, bytes | memoryview]) -> None:
        """Become what was saved."""
        for prefix, part in ((_LEDGER, self.ledger), (_ACH, self.processing)):
            part.load({name.removeprefix(prefix): value for name, value in parts.items() if name.startswith(prefix)})

    def digest(self) -> bytes:
        """16 bytes that are equal if and only if the states are."""
        ach = self.processing.save()
        named = [(name, checksum(part)) for name, part in sorted(ach.parts.items())]
        return checksum(self.ledger.digest(), encode_value((named, list(ach.blobs))))

    def check(self) -> None:
        """Raise Bug if an entry or a cent is not accounted for."""
        self.ledger.check()
        self.processing.check()

    def _apply_ach(self, request: Request, batch: Batch) -> bytes:
        try:
            return self.processing.apply(request.command, time_ns=batch.time_ns)
        except Rejected as error:
            raise Damaged(
                f"payments: a command in the record at position {batch.position} can't be read ({error}); "
                "nothing was skipped: start the newer program that wrote it"
            ) from error

    def _wakes_at_ns(self, time_ns: int) -> int | None:
        times = (self.ledger.ledger.wakes_at_ns, self.processing.wakes_at_ns(time_ns=time_ns))
        return min((time for time in times if time is not None), default=None)


def _is_ach(request: Request) -> bool:
    return request.command[:1] == ACH


def _check_ids(operation: Operation, rows: NDArray[np.void]) -> None:
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
        if (closing & ((purposes == _SETTLEMENT) | (purposes == _SUSPENSE))).any():
            raise Rejected("an institution's settlement and suspense accounts stay open: name another account")


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
