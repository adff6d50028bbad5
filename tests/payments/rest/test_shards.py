"""The ledger of several shards through its REST interface: one answer, wherever the accounts are."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest

from ropewalk.core.place import Place
from ropewalk.runtime.node import Node
from ropewalk.systems.payments.service import payments_with
from ropewalk.systems.payments.shards.addresses import shard_of
from tests.runtime.served import client_of, problem

SHARDS = 3
Story = Callable[[httpx.AsyncClient, Node], Awaitable[None]]


def account(number: int, shard: int) -> str:
    halves = (half << 64 for half in range(1, 1_000) if shard_of(half << 64, Place("payments", 0, SHARDS)) == shard)
    return str(next(halves) | number)


A, B, C = (account(1, shard) for shard in range(SHARDS))
NOBODY = account(7, 1)


def ask(story: Story) -> None:
    async def main() -> None:
        async with client_of(payments_with(shards=SHARDS)) as (client, node):
            accounts = [{"id": each, "ledger": 1, "code": 1} for each in (A, B, C)]
            opened = await client.post("/ledger/accounts", json=accounts)
            assert [each["status"] for each in opened.json()["results"]] == ["created"] * 3
            assert sorted(opened.headers["Ropewalk-Token"].split(",")) == [
                "payments/0:2", "payments/1:2", "payments/2:2",
            ]  # fmt: skip
            await story(client, node)

    asyncio.run(main())


def transfer(number: int, debit: str, credit: str, amount: int = 10, **more: object) -> dict[str, object]:
    return {
        "id": str(number), "debit_account_id": debit, "credit_account_id": credit, "amount": str(amount),
        "ledger": 1, "code": 1,
    } | more  # fmt: skip


async def statuses(client: httpx.AsyncClient, rows: list[dict[str, object]], **params: str) -> list[str]:
    done = await client.post("/ledger/transfers", json=rows, params=params)
    assert done.status_code == 200, done.text
    return [each["status"] for each in done.json()["results"]]


async def posted(client: httpx.AsyncClient, number: str) -> int:
    shown = (await client.get(f"/ledger/accounts/{number}")).json()
    assert shown["debits_pending"] == shown["credits_pending"] == "0"
    return int(shown["credits_posted"]) - int(shown["debits_posted"])


def test_rows_go_to_their_shards_and_answers_come_in_order_and_decided() -> None:
    async def story(client: httpx.AsyncClient, node: Node) -> None:
        rows = [transfer(1, A, B), transfer(2, B, C), transfer(3, C, A, 3), transfer(4, A, NOBODY), transfer(5, A, A)]
        assert await statuses(client, rows) == [
            "created", "created", "created", "credit_account_not_found", "accounts_must_be_different",
        ]  # fmt: skip
        assert [await posted(client, each) for each in (A, B, C)] == [-7, 0, 7]
        assert await statuses(client, rows[:4]) == ["exists", "exists", "exists", "id_already_failed"]

    ask(story)


def test_an_idempotency_key_gets_the_outcome_again() -> None:
    async def story(client: httpx.AsyncClient, node: Node) -> None:
        for expected in (["created"], ["exists"]):
            done = await client.post(
                "/ledger/transfers", json=[transfer(1, A, B)], headers={"Idempotency-Key": '"a key"'}
            )
            assert [each["status"] for each in done.json()["results"]] == expected
        assert await posted(client, B) == 10

    ask(story)


def test_all_together_or_none() -> None:
    async def story(client: httpx.AsyncClient, node: Node) -> None:
        ring = [transfer(1, A, B), transfer(2, B, C), transfer(3, C, A)]
        assert await statuses(client, ring, together="true") == ["created"] * 3
        assert await statuses(client, ring, together="true") == ["exists"] * 3
        broken = [transfer(4, A, B), transfer(5, B, NOBODY), transfer(6, C, A)]
        assert await statuses(client, broken, together="true") == [
            "linked_event_failed", "credit_account_not_found", "linked_event_failed",
        ]  # fmt: skip
        assert [await posted(client, each) for each in (A, B, C)] == [0, 0, 0]
        wrong = await client.post("/ledger/transfers", json=broken, params={"together": "maybe"})
        assert problem(wrong)["detail"] == "together is 'maybe': choose true or false"

    ask(story)


def test_a_chain_that_is_for_several_shards_is_refused_and_nothing_of_it_is_done() -> None:
    async def story(client: httpx.AsyncClient, node: Node) -> None:
        near, far = transfer(1, A, NOBODY, flags=["linked"]), transfer(2, B, A)
        chains = [[near, far], [near, far | {"flags": ["linked"]}, transfer(3, A, C)], [transfer(3, C, A), near, far]]
        for rows in chains:
            refused = await client.post("/ledger/transfers", json=rows)
            assert "are linked and are for shards 0 and 1: a chain is of one shard" in problem(refused)["detail"]
        accounts = [{"id": account(8, shard), "ledger": 1, "code": 1, "flags": ["linked"]} for shard in (0, 1)]
        refused = await client.post("/ledger/accounts", json=accounts)
        assert problem(refused)["detail"].startswith("rows 0 and 1 are linked")
        assert [await posted(client, each) for each in (A, B, C)] == [0, 0, 0]
        assert (await client.get(f"/ledger/accounts/{account(8, 0)}")).status_code == 404

    ask(story)


def test_what_can_never_be_done_anywhere_is_refused_before_any_of_it_is_done() -> None:
    async def story(client: httpx.AsyncClient, node: Node) -> None:
        refused = await client.post("/ledger/transfers", json=[transfer(1, A, B), transfer(0xAC << 120, B, C)])
        assert refused.status_code == 422
        assert "choose another id" in problem(refused)["detail"]
        assert await posted(client, B) == 0

    ask(story)


def test_a_pending_transfer_is_posted_where_it_is() -> None:
    async def story(client: httpx.AsyncClient, node: Node) -> None:
        other = account(2, 2)
        await client.post("/ledger/accounts", json=[{"id": other, "ledger": 1, "code": 1}])
        assert await statuses(client, [transfer(1, C, other, flags=["pending"])]) == ["created"]
        post: dict[str, object] = {"id": "2", "pending_id": "1", "amount": "10", "flags": ["post_pending_transfer"]}
        assert await statuses(client, [post, post | {"id": "3", "pending_id": "99"}]) == [
            "created", "pending_transfer_not_found",
        ]  # fmt: skip
        assert await posted(client, other) == 10

    ask(story)


def test_lookups_lists_and_histories_are_of_all_shards() -> None:
    async def story(client: httpx.AsyncClient, node: Node) -> None:
        await statuses(client, [transfer(number, *pair) for number, pair in enumerate([(A, B), (B, C)] * 3, start=1)])
        found = await client.post("/ledger/accounts/lookup", json=[C, NOBODY, A, C])
        assert [each["id"] for each in found.json()] == [C, A, C]
        found = await client.post("/ledger/transfers/lookup", json=["6", "99", "1"])
        sides = [(each["id"], each["debit_account_id"], each["credit_account_id"]) for each in found.json()]
        assert sides == [("6", B, C), ("1", A, B)]
        listed = (await client.get("/ledger/accounts", params={"ledger": "1", "code": "1"})).json()["items"]
        assert sorted(each["id"] for each in listed) == sorted((A, B, C))
        seen: list[str] = []
        after: dict[str, str] = {}
        while True:
            page = (await client.get("/ledger/transfers", params={"limit": "2", "code": "1", **after})).json()
            seen += [each["id"] for each in page["items"]]
            if page["next"] is None:
                break
            after = {"after": page["next"]}
        assert sorted(each for each in seen if len(each) == 1) == sorted(["1", "2", "3", "4", "5", "6"] * 2)
        history = (await client.get(f"/ledger/accounts/{B}/transfers", params={"side": "credits"})).json()
        assert {each["id"] for each in history["items"]} >= {"1", "3", "5"}

    ask(story)


def test_what_names_an_account_that_payments_opened_names_its_shard() -> None:
    async def story(client: httpx.AsyncClient, node: Node) -> None:
        nameless = str(0xAC01 << 112 | 1)
        refused = await client.post("/ledger/transfers", json=[transfer(1, A, nameless)])
        assert "named with its shard" in problem(refused)["detail"]

    ask(story)


@pytest.mark.parametrize("shards", [1, 2])
def test_a_ledger_of_any_number_of_shards_speaks_the_same(shards: int) -> None:
    async def main() -> None:
        async with client_of(payments_with(shards=shards)) as (client, _):
            accounts = [{"id": each, "ledger": 1, "code": 1} for each in (A, B)]
            await client.post("/ledger/accounts", json=accounts)
            rows = [transfer(1, A, B), transfer(2, A, B)]
            assert await statuses(client, rows, together="true") == ["created", "created"]
            assert await posted(client, B) == 20

    asyncio.run(main())
