"""The ledger under faults, judged by its oracle: few accounts, tight limits, few ids, so that transfers collide.

Segments are of a few rows, so that a run of a hundred transfers is sealed, merged, saved and recovered many times.

Checked by: tests/proving/test_world.py
"""

from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from random import Random

import numpy as np

from ropewalk.core.machine import NO_ID, Batch, Machine, Request
from ropewalk.core.place import Place
from ropewalk.data.shelf import Shelf
from ropewalk.errors import invariant
from ropewalk.systems.payments.ledger.commands import COMMANDS, Operation, decode, encode
from ropewalk.systems.payments.ledger.layout import (
    ACCOUNT,
    RESULT,
    TRANSFER,
    AccountFlags,
    TransferFlags,
    ids_of,
    record_of,
    rows_of,
)
from ropewalk.systems.payments.ledger.ledger import Ledger
from ropewalk.systems.payments.ledger.machine import LedgerMachine
from ropewalk.systems.payments.ledger.oracle import Oracle, Result
from ropewalk.systems.payments.ledger.oracle_rules import Account, Transfer

_LIMITED = AccountFlags.DEBITS_MUST_NOT_EXCEED_CREDITS
_BANK, _CUSTOMERS = 1, (2, 3, 4, 5)
_IDS_MAX = 150
_KINDS = (
    TransferFlags(0),
    TransferFlags(0),
    TransferFlags.PENDING,
    TransferFlags.POST_PENDING_TRANSFER,
    TransferFlags.VOID_PENDING_TRANSFER,
    TransferFlags.BALANCING_DEBIT,
)


class LedgerWorkload:
    """The workload."""

    name = "ledger"

    def machine(self, shelf: Shelf, _: Place) -> Machine:
        return LedgerMachine(shelf, ledger=Ledger(shelf, segment_rows=8, piece_entries=8))

    def opening(self) -> Sequence[Request]:
        accounts = [Account(id=_BANK, ledger=1, code=1)]
        accounts += [Account(id=number, ledger=1, code=1, flags=_LIMITED) for number in _CUSTOMERS]
        rows = rows_of(ACCOUNT, [asdict(account) for account in accounts])
        return [Request(NO_ID, encode(Operation.CREATE_ACCOUNTS, rows))]

    def request(self, random: Random) -> Request:
        transfers = [asdict(_transfer(random)) for _ in range(random.choice((1, 1, 1, 3)))]
        if len(transfers) > 1 and random.random() < 0.5:
            transfers[0]["flags"] |= TransferFlags.LINKED
        request_id = random.choice((NO_ID, random.randbytes(16)))
        return Request(request_id, encode(Operation.CREATE_TRANSFERS, rows_of(TRANSFER, transfers)))

    def query(self, random: Random) -> bytes:
        if random.random() < 0.5:
            return encode(Operation.LOOKUP_ACCOUNTS, ids_of(random.sample((_BANK, *_CUSTOMERS), 2)))
        return encode(Operation.LOOKUP_TRANSFERS, ids_of([random.randint(1, _IDS_MAX) for _ in range(5)]))

    def judge(self) -> "_Judge":
        return _Judge()


class _Judge:
    """The oracle, fed with the rows of each request."""

    def __init__(self) -> None:
        self._oracle = Oracle()

    def expect(self, batch: Batch) -> Sequence[bytes]:
        self._oracle.expire(batch.time_ns)
        replies: list[bytes] = []
        # Requests of one kind that stand together get their timestamps together.
        for code, requests in groupby(batch.requests, key=lambda request: request.command[0]):
            decoded = [decode(request.command, COMMANDS)[1] for request in requests]
            records = [record_of(row) for rows in decoded for row in rows]
            ends = np.cumsum([rows.size for rows in decoded]).tolist()
            if code == Operation.CREATE_ACCOUNTS:
                accounts = [Account(**record) for record in records]
                results = self._oracle.create_accounts(accounts, time_ns=batch.time_ns, ends=ends)
            else:
                transfers = [Transfer(**record) for record in records]
                results = self._oracle.create_transfers(transfers, time_ns=batch.time_ns, ends=ends)
            replies += [_reply(results[end - rows.size : end]) for end, rows in zip(ends, decoded, strict=True)]
        return replies

    def check(self, machine: Machine) -> None:
        assert isinstance(machine, LedgerMachine)
        state = self._oracle.state
        accounts = machine.ledger.lookup_accounts(ids_of(state.accounts))
        transfers = machine.ledger.lookup_transfers(ids_of(state.transfers))
        invariant(
            [Account(**record_of(row)) for row in accounts] == list(state.accounts.values()),
            "the oracle has the same accounts",
        )
        invariant(
            [Transfer(**record_of(row)) for row in transfers] == list(state.transfers.values()),
            "the oracle has the same transfers",
        )


def _transfer(random: Random) -> Transfer:
    flags = random.choice(_KINDS)
    debit, credit = random.sample((_BANK, *_CUSTOMERS), 2)
    resolves = bool(flags & (TransferFlags.POST_PENDING_TRANSFER | TransferFlags.VOID_PENDING_TRANSFER))
    return Transfer(
        id=random.randint(1, _IDS_MAX),
        debit_account_id=0 if resolves else debit,
        credit_account_id=0 if resolves else credit,
        amount=0 if resolves and random.random() < 0.5 else random.randint(0, 12),
        pending_id=random.randint(1, _IDS_MAX) if resolves else 0,
        timeout=random.choice((0, 1)) if flags & TransferFlags.PENDING else 0,
        ledger=0 if resolves else 1,
        code=0 if resolves else 1,
        flags=flags,
    )


def _reply(results: Sequence[Result]) -> bytes:
    rows = [{"timestamp": result.timestamp, "status": result.status} for result in results]
    return rows_of(RESULT, rows).tobytes()
