"""What the demonstration does, without how it looks: payments opened, fed with files, settled and loaded.

Checked by: tests/cli/test_demo.py
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from time import perf_counter
from typing import TypeVar

import msgspec
import numpy as np

from ropewalk.core.codec import checksum
from ropewalk.core.machine import NO_ID, Request
from ropewalk.errors import invariant
from ropewalk.runtime.node import Node
from ropewalk.systems.payments.ach.samples import ACCOUNTS, INSTITUTIONS, ORIGINATORS, Account, bulk_accounts
from ropewalk.systems.payments.ledger.commands import Operation, decode_reply, encode
from ropewalk.systems.payments.ledger.layout import ACCOUNT, TRANSFER, Rows, rows_of
from ropewalk.systems.payments.ledger.limits import ROWS_MAX
from ropewalk.systems.payments.ledger.statuses import AccountStatus, TransferStatus
from ropewalk.systems.payments.processing import messages
from ropewalk.systems.payments.processing.books import USD, Holder, account_id
from ropewalk.systems.payments.processing.limits import ACCOUNTS_OPENED_MAX, PART_BYTES_MAX
from ropewalk.systems.payments.processing.views import (
    AccountView,
    EntryView,
    FileView,
    Progress,
    ReturnFileView,
    TrialBalance,
    WindowView,
)

T = TypeVar("T")

BULK_ACCOUNTS = 10_000
BURST_ACCOUNTS = 10_000
BURST_CALLERS = 4
_BURST_FIRST_ID = 1_000_000
_POLL_S = 0.02


class Burst(msgspec.Struct, frozen=True):
    """How many transfers have been made, in how many seconds."""

    transfers: int
    seconds: float


class DemoBank:
    """Payments on a node, and one person at the counter."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def do(self, command: messages.AnyCommand) -> messages.AnyReply:
        """What becomes of an ACH command."""
        return messages.decode_reply(await self._submit(messages.encode_command(command)))

    async def ask(self, query: messages.AnyQuery, kind: type[T]) -> T:
        """The answer to an ACH query."""
        read = await self._node.leaders[0].read(messages.encode_query(query))
        return msgspec.msgpack.decode(read.answer, type=kind)

    async def open(self) -> int:
        """Open the samples' banks, accounts and companies, and pay in; return how many accounts there are."""
        for bank in INSTITUTIONS:
            await self._done(messages.OpenInstitution(bank.routing_number, bank.name))
        accounts = [*ACCOUNTS, *bulk_accounts(BULK_ACCOUNTS)]
        for some in _pieces(accounts, ACCOUNTS_OPENED_MAX):
            await self._done(messages.OpenAccounts([_new_account(account) for account in some]))
        for each in ORIGINATORS:
            home = each.account
            await self._done(
                messages.OpenOriginator(home.routing_number, each.company_identification, each.name, home.number)
            )
        await self._pay_in(ACCOUNTS)
        for account in ACCOUNTS:
            if account.status != "open":
                await self._done(messages.RestrictAccount(account.routing_number, account.number, account.status))
        return len(accounts)

    async def submit(self, content: bytes, *, on_part: Callable[[int], None]) -> messages.AnyReply:
        """Submit a file, in parts if it is large; `on_part` is told the bytes of each."""
        if len(content) <= PART_BYTES_MAX:
            reply = await self.do(messages.SubmitFile(content))
            on_part(len(content))
            return reply
        upload = checksum(content)
        starts = range(0, len(content), PART_BYTES_MAX)
        for part, start in enumerate(starts):
            piece = content[start : start + PART_BYTES_MAX]
            await self._done(messages.SendPart(upload, part, piece))
            on_part(len(piece))
        return await self.do(messages.SubmitFile(upload=upload, parts=len(starts)))

    async def settle(self) -> list[WindowView]:
        """Run window after window by hand until nothing is due; return them."""
        await self._until(lambda progress: progress.entries_to_reserve == 0)
        windows: list[WindowView] = []
        while True:
            reply = await self.do(messages.RunWindow())
            if not isinstance(reply, messages.WindowStarted):
                return windows
            await self._until(lambda progress: progress.windows_open == 0)
            windows.append(await self.ask(messages.GetWindow(reply.window), WindowView))

    async def files(self) -> list[FileView]:
        """All files that were accepted."""
        return await self.ask(messages.ListFiles(), list[FileView])

    async def returned(self, file: int) -> list[EntryView]:
        """The first entries of a file that came back."""
        return await self.ask(messages.ListEntries(file, state="returned"), list[EntryView])

    async def return_files(self, window: int) -> list[ReturnFileView]:
        """The files that went out with a window."""
        return await self.ask(messages.ListReturnFiles(window), list[ReturnFileView])

    async def trial_balance(self) -> TrialBalance:
        """All debits and all credits."""
        return await self.ask(messages.GetTrialBalance(), TrialBalance)

    async def burst(self, seconds: float, *, on_batch: Callable[[Burst], None]) -> Burst:
        """Make plain transfers for so long, from some callers at once; `on_batch` is told what is done so far."""
        await self._open_burst_accounts()
        numbers = iter(range(1 << 40))
        done = 0
        began_s = perf_counter()

        async def caller() -> None:
            nonlocal done
            while perf_counter() - began_s < seconds:
                rows = _random_transfers(next(numbers))
                results = decode_reply(
                    Operation.CREATE_TRANSFERS, await self._submit(encode(Operation.CREATE_TRANSFERS, rows))
                )
                created = int((results["status"] == TransferStatus.CREATED).sum())
                invariant(created == rows.size, "every transfer of the burst is made", created=created)
                done += created
                on_batch(Burst(done, perf_counter() - began_s))

        async with asyncio.TaskGroup() as tasks:
            for _ in range(BURST_CALLERS):
                tasks.create_task(caller())
        return Burst(done, perf_counter() - began_s)

    async def _submit(self, command: bytes) -> bytes:
        answers = await self._node.submit([Request(NO_ID, command)])
        reply = answers.replies[0]
        invariant(reply is not None, "a request without an id is answered")
        return reply or b""

    async def _done(self, command: messages.AnyCommand) -> None:
        reply = await self.do(command)
        invariant(isinstance(reply, messages.Done), "the demonstration's own commands are sound", reply=reply)

    async def _until(self, holds: Callable[[Progress], bool]) -> None:
        while not holds(await self.ask(messages.GetProgress(), Progress)):
            await asyncio.sleep(_POLL_S)

    async def _pay_in(self, accounts: Sequence[Account]) -> None:
        """Cash, from the bank's own account with the operator."""
        routings = [bank.routing_number for bank in INSTITUTIONS]
        deposits = []
        for number, account in enumerate(accounts, start=1):
            if account.opening_cents == 0:
                continue
            query = messages.GetAccount(account.routing_number, account.number)
            view = await self.ask(query, AccountView)
            deposits.append(
                {
                    "id": number,
                    "debit_account_id": account_id(Holder.SETTLEMENT, routings.index(account.routing_number)),
                    "credit_account_id": int(view.ledger_id),
                    "amount": account.opening_cents,
                    "ledger": USD,
                    "code": 1,
                }
            )
        await self._submit(encode(Operation.CREATE_TRANSFERS, rows_of(TRANSFER, deposits)))

    async def _open_burst_accounts(self) -> None:
        for some in _pieces(range(BURST_ACCOUNTS), ROWS_MAX):
            rows = np.zeros(len(some), ACCOUNT)
            rows["id_low"] = np.array(some, "u8") + _BURST_FIRST_ID
            rows["ledger"], rows["code"] = USD, 1
            reply = await self._submit(encode(Operation.CREATE_ACCOUNTS, rows))
            statuses = decode_reply(Operation.CREATE_ACCOUNTS, reply)["status"]
            invariant(bool((statuses == AccountStatus.CREATED).all()), "the burst has accounts of its own")


def _new_account(account: Account) -> messages.NewAccount:
    return messages.NewAccount(
        account.routing_number,
        account.number,
        name=account.name,
        kind=account.kind,
        is_corporate=account.is_corporate,
    )


def _random_transfers(number: int) -> Rows:
    """The transfers of one request: ids that were not used before, accounts that differ."""
    random = np.random.default_rng(number)
    rows = np.zeros(ROWS_MAX, TRANSFER)
    debit = random.integers(0, BURST_ACCOUNTS, ROWS_MAX, "u8")
    rows["id_low"] = np.arange(ROWS_MAX, dtype="u8") + np.uint64(_BURST_FIRST_ID + number * ROWS_MAX)
    rows["debit_account_id_low"] = debit + _BURST_FIRST_ID
    rows["credit_account_id_low"] = (debit + random.integers(1, BURST_ACCOUNTS, ROWS_MAX, "u8")) % np.uint64(
        BURST_ACCOUNTS
    ) + np.uint64(_BURST_FIRST_ID)
    rows["amount_low"] = random.integers(1, 1_000, ROWS_MAX, "u8")
    rows["ledger"], rows["code"] = USD, 1
    return rows


def _pieces(items: Sequence[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while piece := list(islice(iterator, size)):
        yield piece
