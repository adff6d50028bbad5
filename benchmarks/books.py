"""The ledger of payments under load: accounts, and any number of transfers as calls.

Everything is drawn from a seed, so each run asks the same.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from ropewalk.core.machine import NO_ID, Request
from ropewalk.runtime.node import Node
from ropewalk.systems.payments.ledger.commands import Operation, decode_reply, encode
from ropewalk.systems.payments.ledger.layout import (
    ACCOUNT,
    TRANSFER,
    WIDE_MAX,
    AccountFlags,
    Rows,
    TransferFlags,
    split,
)
from ropewalk.systems.payments.ledger.limits import ROWS_MAX
from ropewalk.systems.payments.ledger.statuses import TransferStatus

TRANSFER_BYTES: Final = TRANSFER.itemsize

_FUNDS = 10**12
_ALL_OF_IT = split(WIDE_MAX)
_LAG_ROWS = 100_000
"""So many rows after a pending transfer it is posted or voided: by then it lies on the shelf."""


class Mix(msgspec.Struct, frozen=True):
    """What kind of transfers: plain ones between accounts drawn evenly, with rising ids, as TigerBeetle advises.

    `two_phase`       of all rows this share is pending, and as many post (four of five) or void an earlier one
    `is_limited`      every second account may not spend more than it has, and is given plenty
    `has_random_ids`  ids do not rise
    `busy`            every tenth transfer is to one of so many accounts, which pay nobody
    """

    two_phase: float = 0.0
    is_limited: bool = False
    has_random_ids: bool = False
    busy: int = 0


class Load:
    """An endless supply of transfers between `accounts` accounts, whose ids are 1, 2, 3…"""

    def __init__(self, accounts: int, mix: Mix) -> None:
        self.accounts_count = accounts
        self._mix = mix
        self._random = np.random.default_rng(2)
        self._made = 0
        self._pending: list[NDArray[np.uint64]] = []

    async def open_accounts(self, node: Node) -> None:
        """Create the accounts, and fund those that are limited."""
        for accounts in self.accounts():
            await _create(node, Operation.CREATE_ACCOUNTS, accounts)
        if self._mix.is_limited:
            limited = np.arange(2, self.accounts_count + 1, 2)
            for start in range(0, limited.size, ROWS_MAX):
                credited = limited[start : start + ROWS_MAX]
                rows = self._plain(credited.size)
                rows["debit_account_id_low"], rows["credit_account_id_low"] = 1, credited
                rows["amount_low"] = _FUNDS
                await _create(node, Operation.CREATE_TRANSFERS, rows)

    def accounts(self) -> Iterator[Rows]:
        """The accounts, as many at a time as one command takes."""
        for start in range(0, self.accounts_count, ROWS_MAX):
            rows = np.zeros(min(ROWS_MAX, self.accounts_count - start), ACCOUNT)
            rows["id_low"] = np.arange(start + 1, start + rows.size + 1)
            rows["ledger"] = rows["code"] = 1
            if self._mix.is_limited:
                rows["flags"][rows["id_low"] % 2 == 0] = AccountFlags.DEBITS_MUST_NOT_EXCEED_CREDITS
            yield rows

    def rows(self, count: int) -> Rows:
        """The next transfers."""
        rows = self._plain(count)
        if self._mix.two_phase:
            self._make_two_phase(rows)
        return rows

    def commands(self, count: int, *, size: int) -> list[bytes]:
        """So many commands, each with `size` transfers."""
        return [command for part in _parts(count, of=max(1, ROWS_MAX // size)) for command in self._some(part, size)]

    def _some(self, count: int, size: int) -> Iterable[bytes]:
        rows = self.rows(count * size)
        return (encode(Operation.CREATE_TRANSFERS, rows[start : start + size]) for start in range(0, rows.size, size))

    def _plain(self, count: int) -> Rows:
        rows = np.zeros(count, TRANSFER)
        rows["id_low"] = np.arange(self._made + 1, self._made + count + 1)
        self._made += count
        if self._mix.has_random_ids:
            rows["id_high"] = self._random.integers(1, 2**63, count)
        busy, others = self._mix.busy, self.accounts_count - self._mix.busy
        debit = self._random.integers(0, others, count)
        credit = busy + (debit + self._random.integers(1, others, count)) % others
        if busy:
            credit[::10] = self._random.integers(0, busy, credit[::10].size)
        rows["debit_account_id_low"], rows["credit_account_id_low"] = busy + debit + 1, credit + 1
        rows["amount_low"] = self._random.integers(1, 1_000, count)
        rows["ledger"] = rows["code"] = 1
        return rows

    def _make_two_phase(self, rows: Rows) -> None:
        """Turn the first rows into pending ones, and the last into the ends of earlier ones."""
        share = round(rows.size * self._mix.two_phase)
        rows["flags"][:share] = TransferFlags.PENDING
        self._pending.append(rows["id_low"][:share].copy())
        if len(self._pending) * rows.size <= _LAG_ROWS:
            return
        ends = rows[rows.size - share :]
        ends["pending_id_low"] = self._pending.pop(0)
        for field in ("debit_account_id_low", "credit_account_id_low", "ledger", "code"):
            ends[field] = 0
        voids = np.arange(share) % 5 == 0
        ends["flags"] = np.where(voids, TransferFlags.VOID_PENDING_TRANSFER, TransferFlags.POST_PENDING_TRANSFER)
        ends["amount_low"] = np.where(voids, 0, _ALL_OF_IT[0])
        ends["amount_high"] = np.where(voids, 0, _ALL_OF_IT[1])


def calls(node: Node, commands: Sequence[bytes]) -> Iterator[Callable[[], Awaitable[None]]]:
    """Each command as a call that fails unless all of its transfers were created."""
    for command in commands:

        async def call(command: bytes = command) -> None:
            answers = await node.submit([Request(NO_ID, command)])
            _check(Operation.CREATE_TRANSFERS, answers.replies[0])

        yield call


async def _create(node: Node, operation: Operation, rows: Rows) -> None:
    answers = await node.submit([Request(NO_ID, encode(operation, rows))])
    _check(operation, answers.replies[0])


def _check(operation: Operation, reply: bytes | None) -> None:
    statuses = decode_reply(operation, reply or b"")["status"]
    refused = statuses[statuses != TransferStatus.CREATED]
    if refused.size:
        raise AssertionError(f"{refused.size} of {statuses.size} refused, the first with status {refused[0]}")


def _parts(count: int, *, of: int) -> Iterable[int]:
    """A count in parts of at most `of`."""
    return (min(of, count - start) for start in range(0, count, of))
