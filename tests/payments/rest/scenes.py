"""What breaks others, asked over HTTP by many at once: each is a check that fails if money went wrong. Not a test."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from itertools import cycle, islice

import httpx

from ropewalk.core.place import Place
from ropewalk.systems.payments.shards.addresses import shard_of

Row = dict[str, object]
Check = Callable[[httpx.AsyncClient, int], Awaitable[None]]

CALLERS = 24
FUNDS = 100
AMOUNT = 10
PENDING, POST, VOID, LINKED = ["pending"], ["post_pending_transfer"], ["void_pending_transfer"], ["linked"]


def account(number: int, shards: int) -> str:
    """The n-th account: neighbours are in different shards, if there are several."""
    place = Place("payments", 0, shards)
    halves = (half << 64 for half in range(1, 1_000) if shard_of(half << 64, place) == number % shards)
    return str(next(halves) | number)


def transfer(number: int, debit: str, credit: str, amount: int = AMOUNT, flags: Sequence[str] = ()) -> Row:
    return {
        "id": str(number), "debit_account_id": debit, "credit_account_id": credit, "amount": str(amount),
        "ledger": 1, "code": 1, "flags": list(flags),
    }  # fmt: skip


def resolution(number: int, pending: int, flags: Sequence[str]) -> Row:
    amount = str(AMOUNT) if flags == POST else "0"
    return {"id": str(number), "pending_id": str(pending), "amount": amount, "flags": list(flags)}


async def opened(client: httpx.AsyncClient, shards: int) -> tuple[str, str, str]:
    """A payer with FUNDS and nothing more, and two payees: one beside it, one in another shard if there is one."""
    payer, near, far, cash = (account(number, shards) for number in (shards, 2 * shards, shards + 1, 3 * shards))
    limited: Row = {"id": payer, "ledger": 1, "code": 1, "flags": ["debits_must_not_exceed_credits"]}
    others: list[Row] = [{"id": each, "ledger": 1, "code": 1} for each in (near, far, cash)]
    await client.post("/ledger/accounts", json=[limited, *others])
    assert await asked(client, [transfer(900, cash, payer, FUNDS)]) == ["created"]
    return payer, near, far


async def asked(
    client: httpx.AsyncClient, rows: Sequence[Row], *, key: str = "", together: bool = False
) -> list[str]:
    """The statuses that one request is answered with."""
    headers = {"Idempotency-Key": f'"{key}"'} if key else {}
    done = await client.post(
        "/ledger/transfers", json=rows, headers=headers, params={"together": f"{together}".lower()}
    )
    done.raise_for_status()
    return [str(each["status"]) for each in done.json()["results"]]


async def at_once(client: httpx.AsyncClient, rows: Sequence[Row]) -> list[str]:
    """The statuses of rows that as many callers send at the same moment."""
    told = await asyncio.gather(*(asked(client, [row]) for row in rows))
    return [status for (status,) in told]


async def balances(client: httpx.AsyncClient, number: str) -> tuple[int, int]:
    """What an account has, and what of it is reserved."""
    shown = (await client.get(f"/ledger/accounts/{number}")).json()
    return int(shown["credits_posted"]) - int(shown["debits_posted"]), int(shown["debits_pending"])


async def pending_debits_never_allow_overspending(client: httpx.AsyncClient, shards: int) -> None:
    payer, near, far = await opened(client, shards)
    kinds = [(near, PENDING), (far, ()), (near, ())]
    rows = [
        transfer(number, payer, payee, flags=flags)
        for number, (payee, flags) in enumerate(islice(cycle(kinds), CALLERS), start=1)
    ]
    statuses = await at_once(client, rows)
    assert Counter(statuses) == {"created": FUNDS // AMOUNT, "exceeds_credits": CALLERS - FUNDS // AMOUNT}
    balance, reserved = await balances(client, payer)
    assert balance == reserved >= 0
    reserving = [row for row, status in zip(rows, statuses, strict=True) if status == "created" and row["flags"]]
    posts = [resolution(100 + place, int(str(row["id"])), POST) for place, row in enumerate(reserving)]
    assert set(await at_once(client, posts)) == {"created"}
    assert await balances(client, payer) == (0, 0)


async def concurrent_commits_end_in_one(client: httpx.AsyncClient, shards: int) -> None:
    payer, near, _ = await opened(client, shards)
    assert await asked(client, [transfer(1, payer, near, flags=PENDING)]) == ["created"]
    commits = [resolution(100 + number, 1, VOID if number % 3 == 2 else POST) for number in range(CALLERS)]
    statuses = await at_once(client, commits)
    assert statuses.count("created") == 1
    moved = AMOUNT if commits[statuses.index("created")]["flags"] == POST else 0
    already = "posted" if moved else "voided"
    assert set(statuses) == {"created", f"pending_transfer_already_{already}"}
    assert await balances(client, payer) == (FUNDS - moved, 0)
    assert await balances(client, near) == (moved, 0)


async def the_same_key_is_safe_for_ever(client: httpx.AsyncClient, shards: int) -> None:
    payer, near, far = await opened(client, shards)
    for number, payee in ((1, near), (2, far)):
        row = transfer(number, payer, payee)
        told = await asyncio.gather(*(asked(client, [row], key=f"key {number}") for _ in range(CALLERS)))
        assert {status for (status,) in told} <= {"created", "exists"}
        # Whoever forgets the key, service or caller, sends the same id once more: months later that still is known.
        assert set(await at_once(client, [row] * CALLERS)) == {"exists"}
    other = await client.post(
        "/ledger/transfers", json=[transfer(3, payer, near)], headers={"Idempotency-Key": '"key 1"'}
    )
    assert other.status_code == 422, "a key is for one request"
    too_much = transfer(4, payer, near, FUNDS)
    assert await asked(client, [too_much]) == ["exceeds_credits"]
    assert await asked(client, [transfer(901, near, payer, AMOUNT), transfer(902, far, payer, AMOUNT)]) == [
        "created", "created",
    ]  # fmt: skip
    assert await asked(client, [too_much]) == ["id_already_failed"], "no retry turns out otherwise"
    assert await balances(client, payer) == (FUNDS, 0)


async def bulk_is_all_or_nothing_or_goes_on(client: httpx.AsyncClient, shards: int) -> None:
    payer, near, far = await opened(client, shards)
    nobody = account(7 * shards, shards)
    rows = [transfer(1, payer, near), transfer(2, payer, nobody), transfer(3, payer, far)]
    assert await asked(client, rows, together=True) == [
        "linked_event_failed", "credit_account_not_found", "linked_event_failed",
    ]  # fmt: skip
    assert await balances(client, payer) == (FUNDS, 0)
    again = [{**row, "id": f"{10 + place}"} for place, row in enumerate(rows)]
    assert await asked(client, again) == ["created", "credit_account_not_found", "created"]
    assert await balances(client, payer) == (FUNDS - 2 * AMOUNT, 0)
    chain = [transfer(20, payer, near, flags=LINKED), transfer(21, payer, nobody)]
    assert await asked(client, [*chain, transfer(22, payer, near)]) == [
        "linked_event_failed", "credit_account_not_found", "created",
    ]  # fmt: skip
    whole = [transfer(30, payer, near), transfer(31, payer, far)]
    assert await asked(client, whole, together=True) == ["created", "created"]
    assert await balances(client, payer) == (FUNDS - 5 * AMOUNT, 0)


CHECKS: Sequence[Check] = (
    pending_debits_never_allow_overspending,
    concurrent_commits_end_in_one,
    the_same_key_is_safe_for_ever,
    bulk_is_all_or_nothing_or_goes_on,
)
