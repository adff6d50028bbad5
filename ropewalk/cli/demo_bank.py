"""What the demonstration does, without how it looks: payments opened, fed with files and cards, settled and loaded.

It asks over HTTP and over the card port, as any program would; only the burst goes to the shards directly.

Checked by: tests/cli/test_demo.py
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import count, groupby, islice
from time import perf_counter
from typing import Any, NamedTuple, TypeVar

import httpx
import msgspec
import numpy as np

from ropewalk.core.machine import NO_ID, Request
from ropewalk.core.place import Place
from ropewalk.errors import invariant
from ropewalk.runtime.node import Node
from ropewalk.systems.payments.ach.samples import ACCOUNTS, INSTITUTIONS, ORIGINATORS, Account, bulk_accounts
from ropewalk.systems.payments.cards.client import CardClient
from ropewalk.systems.payments.ledger.commands import Operation, decode_reply, encode
from ropewalk.systems.payments.ledger.layout import ACCOUNT, TRANSFER, Rows
from ropewalk.systems.payments.ledger.limits import ROWS_MAX
from ropewalk.systems.payments.ledger.statuses import AccountStatus, TransferStatus
from ropewalk.systems.payments.processing.books import USD
from ropewalk.systems.payments.processing.limits import ACCOUNTS_OPENED_MAX
from ropewalk.systems.payments.processing.messages import FileAccepted, FileError
from ropewalk.systems.payments.processing.views import (
    AccountView,
    EntryView,
    FileView,
    InstitutionView,
    Progress,
    ReturnFileView,
    TrialBalance,
    WindowView,
)
from ropewalk.systems.payments.shards.addresses import shards_of

T = TypeVar("T")

BULK_ACCOUNTS = 10_000
BURST_ACCOUNTS = 10_000
BURST_CALLERS = 2
CARD = "9912345678901239"
"""A card number that no network gives out: it begins with 99."""

_BURST_FIRST_ID = 1_000_000
_POLL_S = 0.02
_PIECE_BYTES = 1_048_576


class Burst(msgspec.Struct, frozen=True):
    """How many transfers have been made, in how many seconds."""

    transfers: int
    seconds: float


class FileRefused(NamedTuple):
    """What is wrong with a file that was refused."""

    errors: Sequence[FileError]


class DemoBank:
    """Payments on a node that `client` asks, and one person at the counter."""

    def __init__(self, node: Node, client: httpx.AsyncClient) -> None:
        self._node = node
        self._client = client

    async def open(self) -> int:
        """Open the samples' banks, accounts and companies, and pay in; return how many accounts there are."""
        for bank in INSTITUTIONS:
            await self.post("/institutions", {"routing": bank.routing_number, "name": bank.name})
        accounts = sorted([*ACCOUNTS, *bulk_accounts(BULK_ACCOUNTS)], key=_bank_of)
        for _, of_bank in groupby(accounts, key=_bank_of):
            for some in _pieces(of_bank, ACCOUNTS_OPENED_MAX):
                await self.post("/accounts", [_new_account(account) for account in some])
        for each in ORIGINATORS:
            home = each.account
            company = {"company_id": each.company_identification, "name": each.name}
            await self.post(
                "/originators", {"routing": home.routing_number, "account_number": home.number, **company}
            )
        await self._pay_in(ACCOUNTS)
        for account in ACCOUNTS:
            if account.status != "open":
                path = f"/institutions/{account.routing_number}/accounts/{account.number}/restriction"
                await self._done(await self._client.put(path, json={"restriction": account.status}))
        return len(accounts)

    async def submit(self, content: bytes, *, on_part: Callable[[int], None]) -> FileAccepted | FileRefused:
        """Submit a file; `on_part` is told how many bytes have gone."""

        async def pieces() -> AsyncIterator[bytes]:
            for start in range(0, len(content), _PIECE_BYTES):
                piece = content[start : start + _PIECE_BYTES]
                yield piece
                on_part(len(piece))

        headers = {"content-type": "application/octet-stream"}
        answer = await self._client.post("/files", content=pieces(), headers=headers)
        if answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY:
            return FileRefused(msgspec.convert(answer.json()["errors"], list[FileError]))
        return msgspec.convert(await self._done(answer), FileAccepted)

    async def settle(self) -> list[WindowView]:
        """Run window after window by hand until nothing is due; return them."""
        await self._until(lambda progress: progress.entries_to_reserve == 0)
        windows: list[WindowView] = []
        while True:
            answer = await self._client.post("/windows", json={})
            if answer.is_client_error:
                return windows
            started = await self._done(answer)
            await self._until(lambda progress: progress.windows_open == 0)
            windows.append(await self._get(f"/windows/{started['window']}", WindowView))

    async def files(self) -> list[FileView]:
        """All files that were accepted."""
        return await self._items("/files", FileView)

    async def returned(self, file: int) -> list[EntryView]:
        """The first entries of a file that came back."""
        return await self._items(f"/files/{file}/entries?state=returned", EntryView)

    async def return_files(self, window: int) -> list[ReturnFileView]:
        """The files that went out with a window."""
        answer = await self._done(await self._client.get(f"/windows/{window}/returns"))
        return msgspec.convert(answer["items"] if isinstance(answer, dict) else answer, list[ReturnFileView])

    async def trial_balance(self) -> TrialBalance:
        """All debits and all credits, over all shards."""
        return await self._get("/reports/trial-balance", TrialBalance)

    async def account(self, account: Account) -> AccountView:
        """A customer's account as it is now."""
        return await self._get(f"/institutions/{account.routing_number}/accounts/{account.number}", AccountView)

    def shard_of(self, account: Account) -> int:
        """The shard that an account is kept in."""
        return self._node.service.partition_of(account.routing_number)

    async def transfer(self, number: int, *, payer: Account, payee: Account, cents: int) -> str:
        """Move money from one customer to another, wherever both are; return what became of it."""
        debit, credit = await self.account(payer), await self.account(payee)
        row = _transfer(number, debit.ledger_id, credit.ledger_id, cents=cents)
        return str((await self.post("/ledger/transfers", [row]))["results"][0]["status"])

    async def burst(self, seconds: float, *, on_batch: Callable[[Burst], None]) -> Burst:
        """Make plain transfers in every shard for so long, from some callers at once; `on_batch` is told of each."""
        numbers = iter(range(1 << 40))
        done = 0
        halves = _halves(self._node.service.partitions)
        for shard, high in enumerate(halves):
            await self._open_burst_accounts(shard, high)
        began_s = perf_counter()

        async def caller(shard: int, high: int) -> None:
            nonlocal done
            while perf_counter() - began_s < seconds:
                rows = _random_transfers(next(numbers), high)
                reply = await self._submit(shard, encode(Operation.CREATE_TRANSFERS, rows))
                results = decode_reply(Operation.CREATE_TRANSFERS, reply)
                created = int((results["status"] == TransferStatus.CREATED).sum())
                invariant(created == rows.size, "every transfer of the burst is made", created=created)
                done += created
                on_batch(Burst(done, perf_counter() - began_s))

        async with asyncio.TaskGroup() as tasks:
            for shard, high in enumerate(halves):
                for _ in range(BURST_CALLERS):
                    tasks.create_task(caller(shard, high))
        return Burst(done, perf_counter() - began_s)

    async def _submit(self, shard: int, command: bytes) -> bytes:
        answers = await self._node.submit([Request(NO_ID, command)], partition=shard)
        reply = answers.replies[0]
        invariant(reply is not None, "a request without an id is answered")
        return reply or b""

    async def post(self, path: str, body: object) -> Any:
        """What is answered to a body sent to a path."""
        return await self._done(await self._client.post(path, json=body))

    async def _get(self, path: str, kind: type[T]) -> T:
        return msgspec.convert(await self._done(await self._client.get(path)), kind)

    async def _items(self, path: str, kind: type[T]) -> list[T]:
        page = await self._done(await self._client.get(path))
        return [msgspec.convert(item, kind) for item in page["items"]]

    async def _done(self, answer: httpx.Response) -> Any:
        invariant(answer.is_success, "what the demonstration itself asks is done", answer=answer.text[:500])
        return answer.json()

    async def _until(self, holds: Callable[[Progress], bool]) -> None:
        while not holds(await self._get("/reports/progress", Progress)):
            await asyncio.sleep(_POLL_S)

    async def _pay_in(self, accounts: Sequence[Account]) -> None:
        """Cash, from the bank's own account with the operator."""
        banks = {bank.routing: bank.ledger_id for bank in await self._items("/institutions", InstitutionView)}
        deposits = []
        for number, account in enumerate(accounts, start=1):
            if account.opening_cents:
                view = await self.account(account)
                cash = banks[account.routing_number]
                deposits.append(_transfer(number, cash, view.ledger_id, cents=account.opening_cents))
        await self.post("/ledger/transfers", deposits)

    async def _open_burst_accounts(self, shard: int, high: int) -> None:
        for some in _pieces(range(BURST_ACCOUNTS), ROWS_MAX):
            rows = np.zeros(len(some), ACCOUNT)
            rows["id_low"], rows["id_high"] = np.array(some, "u8") + _BURST_FIRST_ID, high
            rows["ledger"], rows["code"] = USD, 1
            reply = await self._submit(shard, encode(Operation.CREATE_ACCOUNTS, rows))
            statuses = decode_reply(Operation.CREATE_ACCOUNTS, reply)["status"]
            invariant(bool((statuses == AccountStatus.CREATED).all()), "the burst has accounts of its own")


class DemoTerminal:
    """A shop's terminal at which `CARD` is shown."""

    def __init__(self, client: CardClient) -> None:
        self._client = client
        self._traces = count(1)

    async def ask(self, kind: str, cents: int, *, name: str = "") -> tuple[Mapping[str, str], str]:
        """Send a message about the card; return its answer, and the name by which a later message means this one."""
        trace, now = f"{next(self._traces):06}", datetime.now(UTC)
        fields = {
            "t": kind, "2": CARD, "3": "000000", "4": f"{cents:012}", "7": f"{now:%m%d%H%M%S}", "11": trace,
            "32": "99", "41": "ROPEWALK", "49": "840",
        }  # fmt: skip
        answer = await self._client.ask({**fields, "90": name} if name else fields)
        return answer, f"{kind}{trace}{fields['7']}{fields['32']:0>11}{0:011}"


async def issue_card(bank: DemoBank, account: Account) -> None:
    """Issue `CARD` for an account."""
    path = f"/institutions/{account.routing_number}"
    await bank.post(f"{path}/card-programmes", {"bin": CARD[:6]})
    await bank.post(f"{path}/cards", [{"number": CARD, "account_number": account.number, "expires": "3012"}])


def _bank_of(account: Account) -> str:
    return account.routing_number


def _new_account(account: Account) -> dict[str, object]:
    return {
        "routing": account.routing_number,
        "number": account.number,
        "name": account.name,
        "kind": account.kind,
        "is_corporate": account.is_corporate,
    }


def _transfer(number: int, debit: str, credit: str, *, cents: int) -> dict[str, object]:
    return {
        "id": str(number), "debit_account_id": debit, "credit_account_id": credit, "amount": str(cents),
        "ledger": USD, "code": 1,
    }  # fmt: skip


def _halves(shards: int) -> list[int]:
    """For each shard an upper half of ids whose accounts are kept there."""
    place = Place("", 0, shards)
    found: dict[int, int] = {}
    for high in count():
        found.setdefault(int(shards_of(np.array([high], "u8"), place)[0]), high)
        if len(found) == shards:
            return [found[shard] for shard in range(shards)]
    return []


def _random_transfers(number: int, high: int) -> Rows:
    """The transfers of one request: ids that were not used before, accounts that differ."""
    random = np.random.default_rng(number)
    rows = np.zeros(ROWS_MAX, TRANSFER)
    debit = random.integers(0, BURST_ACCOUNTS, ROWS_MAX, "u8")
    rows["id_low"] = np.arange(ROWS_MAX, dtype="u8") + np.uint64(_BURST_FIRST_ID + number * ROWS_MAX)
    rows["debit_account_id_low"] = debit + _BURST_FIRST_ID
    rows["credit_account_id_low"] = (debit + random.integers(1, BURST_ACCOUNTS, ROWS_MAX, "u8")) % np.uint64(
        BURST_ACCOUNTS
    ) + np.uint64(_BURST_FIRST_ID)
    rows["debit_account_id_high"] = rows["credit_account_id_high"] = high
    rows["amount_low"] = random.integers(1, 1_000, ROWS_MAX, "u8")
    rows["ledger"], rows["code"] = USD, 1
    return rows


def _pieces(items: "Iterator[T] | Sequence[T] | range", size: int) -> Iterator[list[Any]]:
    iterator = iter(items)
    while piece := list(islice(iterator, size)):
        yield piece
