"""The ledger as a machine of its own, driven by a log: what `ropewalk serve` and the benchmarks run.

Requests that create transfers and stand next to each other in a batch are applied in one go, since most of what a
small request costs is the call. Each still is a request of its own: no linked chain crosses into the next.

Promise:    replies are those of a ledger that gets the requests one by one; pending transfers expire before the
            requests of the first batch whose time has come.
Checked by: tests/payments/ledger/test_machine.py, ropewalk.proving.conformance (machine checks)
"""

from collections.abc import Mapping, Sequence
from itertools import groupby, pairwise

import numpy as np

from ropewalk.core.machine import Batch, Outcome, Saved
from ropewalk.data.shelf import Shelf
from ropewalk.errors import Damaged, Rejected
from ropewalk.systems.payments.ledger.commands import COMMANDS, QUERIES, Operation, decode, operation_of
from ropewalk.systems.payments.ledger.ledger import Ledger


class LedgerMachine:
    """A ledger that reads commands and queries from bytes (`commands`)."""

    def __init__(self, shelf: Shelf, *, ledger: Ledger | None = None) -> None:
        self.ledger = ledger or Ledger(shelf)

    @property
    def name(self) -> str:
        """The service's name."""
        return "ledger"

    @property
    def version(self) -> int:
        """The newest version of a record that this machine knows."""
        return 1

    def vet(self, command: bytes) -> None:
        """Raise Rejected unless the command can be read."""
        operation_of(command, COMMANDS)

    def apply(self, batch: Batch) -> Outcome:
        """Let expire what is due, then do what each request asks."""
        self.ledger.expire(batch.time_ns)
        try:
            replies = self.create([request.command for request in batch.requests], time_ns=batch.time_ns)
        except Rejected as error:
            raise Damaged(
                f"ledger: a command in the record at position {batch.position} can't be read ({error}); "
                "nothing was skipped: start the newer program that wrote it"
            ) from error
        return Outcome(replies, self.ledger.wakes_at_ns)

    def create(self, commands: Sequence[bytes], *, time_ns: int) -> list[bytes]:
        """Do what each command asks; return the encoded replies. Raises Rejected if one can't be read."""
        replies: list[bytes] = []
        for operation, group in groupby(commands, key=lambda command: operation_of(command, COMMANDS)):
            replies.extend(self._create(operation, list(group), time_ns))
        return replies

    def read(self, query: bytes) -> bytes:
        """Answer a query. Raises Rejected if it can't be read."""
        operation, rows = decode(query, QUERIES)
        match operation:
            case Operation.LOOKUP_ACCOUNTS:
                answer = self.ledger.lookup_accounts(rows)
            case Operation.LOOKUP_TRANSFERS:
                answer = self.ledger.lookup_transfers(rows)
            case Operation.GET_ACCOUNT_TRANSFERS:
                answer = self.ledger.account_transfers(rows[0])
            case Operation.GET_ACCOUNT_BALANCES:
                answer = self.ledger.account_balances(rows[0])
            case Operation.QUERY_ACCOUNTS:
                answer = self.ledger.query_accounts(rows[0])
            case Operation.QUERY_TRANSFERS:
                answer = self.ledger.query_transfers(rows[0])
            case unknown:
                raise Rejected(f"{unknown.name} is no query: send it as a command")
        return answer.tobytes()

    def save(self) -> Saved:
        """The state, in parts that later batches do not change."""
        return self.ledger.save()

    def load(self, parts: Mapping[str, bytes | memoryview]) -> None:
        """Become what was saved."""
        self.ledger.load(parts)

    def digest(self) -> bytes:
        """16 bytes that are equal if and only if the states are."""
        return self.ledger.digest()

    def check(self) -> None:
        """Raise Bug if the books do not balance."""
        self.ledger.check()

    def _create(self, operation: Operation, commands: Sequence[bytes], time_ns: int) -> list[bytes]:
        """Apply the rows of some requests at once, and cut the results apart again."""
        dtype = COMMANDS[operation].sent
        rows = np.frombuffer(b"".join([memoryview(command)[1:] for command in commands]), dtype)
        ends = np.cumsum([len(command) // dtype.itemsize for command in commands])
        if operation is Operation.CREATE_ACCOUNTS:
            results = self.ledger.create_accounts(rows, time_ns=time_ns, ends=ends)
        else:
            results = self.ledger.create_transfers(rows, time_ns=time_ns, ends=ends)
        whole = results.tobytes()
        bounds = [0, *(ends * results.itemsize).tolist()]
        return [whole[start:stop] for start, stop in pairwise(bounds)]
