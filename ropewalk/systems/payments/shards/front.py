"""The ledger of one of several shards, as callers see it: ids of accounts name their shard, transfers may leave it.

    rows whose accounts are both here ──► the ledger, as they are
    plain ones to an account elsewhere ──► a transaction for each other shard, begun behind them
    other ones to an account elsewhere ──► refused with a status

A row is plain if it has no flags and no timeout and is in no chain. What is debited elsewhere is sent there at once.

Promise:    each row is answered, in order; results are those of a ledger that gets the rows of a request that stay
            here first, and then those that leave.
Checked by: tests/payments/shards/test_transfers.py
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ropewalk.errors import Rejected
from ropewalk.systems.payments.accounting import Accounting
from ropewalk.systems.payments.ledger.commands import COMMANDS, QUERIES, Operation, decode
from ropewalk.systems.payments.ledger.layout import RESULT, Rows, TransferFlags
from ropewalk.systems.payments.ledger.statuses import TransferStatus
from ropewalk.systems.payments.shards.addresses import (
    ACCOUNT_FIELDS,
    is_reserved,
    name_accounts,
    own_accounts,
    shards_of,
    to_full,
    to_short,
)
from ropewalk.systems.payments.shards.coordinating import begin_each, subject_of
from ropewalk.systems.payments.shards.state import State
from ropewalk.systems.payments.shards.statuses import ShardStatus

_LINKED: Final = np.uint16(TransferFlags.LINKED)
_RESOLVES: Final = np.uint16(TransferFlags.POST_PENDING_TRANSFER | TransferFlags.VOID_PENDING_TRANSFER)
_ACCOUNT_QUERIES: Final = (Operation.GET_ACCOUNT_TRANSFERS, Operation.GET_ACCOUNT_BALANCES)
_LOOKUPS: Final = (Operation.LOOKUP_TRANSFERS, Operation.LOOKUP_ACCOUNTS)


class Front:
    """One shard's. What it does with the ledger it has `accounting` do."""

    def __init__(self, accounting: Accounting, state: State) -> None:
        self._accounting = accounting
        self._state = state
        self._place = state.place

    def vet(self, command: bytes) -> None:
        """Raise Rejected unless the command can be read, belongs here, and leaves alone what other parts keep."""
        self._accounting.vet(command)
        operation, rows = decode(command, COMMANDS)
        if operation is Operation.CREATE_ACCOUNTS:
            self._check_kept_here(rows["id_high"])
            return
        for field in ACCOUNT_FIELDS:
            high = rows[f"{field}_high"]
            if (is_reserved(high) & (shards_of(high, self._place) < 0)).any():
                raise Rejected("an account that payments opened is named with its shard: take the id as it is shown")
        names_debit = (rows["flags"] & _RESOLVES == 0) | (rows["debit_account_id_high"] != 0)
        self._check_kept_here(rows["debit_account_id_high"][names_debit])

    def apply(self, commands: Sequence[bytes], *, time_ns: int) -> Sequence[bytes]:
        """Create accounts and transfers; return the encoded results of each command."""
        replies: list[bytes] = []
        for leaves, group in groupby(commands, key=self._leaves):
            if leaves:
                replies += [self._create_some(command, time_ns=time_ns) for command in group]
            else:
                replies += self._accounting.apply([self._as_own(command) for command in group], time_ns=time_ns)
        return replies

    def read(self, query: bytes) -> bytes:
        """Answer a query. Raises Rejected if it can't be read."""
        operation, asked = decode(query, QUERIES)
        field = "id_high" if operation in _LOOKUPS else "account_id_high" if operation in _ACCOUNT_QUERIES else ""
        if field:
            asked = asked.copy()
            asked[field] = to_short(asked[field], self._place)
        answer = self._accounting.read(bytes([operation]) + asked.tobytes())
        rows = np.frombuffer(answer, QUERIES[operation].answered)
        names = rows.dtype.names or ()
        if "debit_account_id_high" in names:
            return name_accounts(rows, self._place).tobytes()
        if "id_high" in names:
            rows = rows.copy()
            rows["id_high"] = to_full(rows["id_high"], self._place)
        return rows.tobytes()

    def _check_kept_here(self, high: NDArray[np.uint64]) -> None:
        elsewhere = np.flatnonzero(shards_of(high, self._place) != self._place.partition)
        if elsewhere.size:
            shard = int(shards_of(high[elsewhere[:1]], self._place)[0])
            raise Rejected(
                f"row {int(elsewhere[0])} names an account of shard {shard}, and this is {self._place.log_name}: "
                "send it to that shard"
            )

    def _leaves(self, command: bytes) -> bool:
        """Whether something in a command is for an account of another shard."""
        operation, rows = decode(command, COMMANDS)
        return operation is Operation.CREATE_TRANSFERS and bool(self._is_far(rows).any())

    def _is_far(self, rows: Rows) -> NDArray[np.bool_]:
        shards = shards_of(rows["credit_account_id_high"], self._place)
        return np.asarray((shards >= 0) & (shards != self._place.partition) & (rows["flags"] & _RESOLVES == 0))

    def _as_own(self, command: bytes) -> bytes:
        """A command that stays here, with the ids as the ledger knows them."""
        operation, rows = decode(command, COMMANDS)
        if operation is Operation.CREATE_ACCOUNTS or not any(
            is_reserved(rows[f"{field}_high"]).any() for field in ACCOUNT_FIELDS
        ):
            return command
        return bytes([operation]) + own_accounts(rows, self._place).tobytes()

    def _create_some(self, command: bytes, *, time_ns: int) -> bytes:
        """Create the rows that stay here, then begin to move those that leave."""
        _, rows = decode(command, COMMANDS)
        far = self._is_far(rows)
        chained = rows["flags"] & _LINKED != 0
        chained[1:] |= chained[:-1].copy()
        leaves = far & (rows["flags"] == 0) & (rows["timeout"] == 0) & ~chained
        results = np.zeros(rows.size, RESULT)
        stays = np.flatnonzero(~leaves)
        if stays.size:
            own = own_accounts(rows[stays], self._place)
            results[stays] = self._accounting.ledger.create_transfers(own, time_ns=time_ns)
        missing = far & (results["status"] == TransferStatus.CREDIT_ACCOUNT_NOT_FOUND)
        results["status"][missing] = ShardStatus.MUST_BE_PLAIN
        if leaves.any():
            results[leaves] = begin_each(self._state, rows[leaves], subject_of(rows), time_ns=time_ns)
        return results.tobytes()
