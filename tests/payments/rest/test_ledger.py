"""The ledger through its REST interface."""

import asyncio
import re
from collections.abc import Awaitable, Callable

import httpx
import numpy as np

from ropewalk.systems.payments.ledger.layout import ACCOUNT, ID, RESULT, TRANSFER, get, ids_of, rows_of
from ropewalk.systems.payments.ledger.limits import ROWS_MAX
from ropewalk.systems.payments.ledger.statuses import TransferStatus
from ropewalk.systems.payments.service import payments
from tests.runtime.served import client_of, problem

Story = Callable[[httpx.AsyncClient], Awaitable[None]]
BYTES = {"Content-Type": "application/octet-stream"}
LARGE = 2**128 - 2


def ask(story: Story) -> None:
    async def main() -> None:
        async with client_of(payments) as (client, _):
            accounts = [{"id": str(number), "ledger": 1, "code": 1, "flags": ["history"]} for number in (1, 2, LARGE)]
            opened = await client.post("/ledger/accounts", json=accounts)
            assert [each["status"] for each in opened.json()["results"]] == ["created"] * 3
            await story(client)

    asyncio.run(main())


def transfer(number: int, *, amount: int = 10, debit: int = 1, credit: int = 2) -> dict[str, object]:
    return {
        "id": str(number),
        "debit_account_id": str(debit),
        "credit_account_id": str(credit),
        "amount": str(amount),
        "ledger": 1,
        "code": 1,
    }


def test_a_batch_is_answered_event_by_event_with_names_and_their_meaning() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        done = await client.post("/ledger/transfers", json=[transfer(1), transfer(1), transfer(2, credit=1)])
        assert done.status_code == 200
        statuses = [each["status"] for each in done.json()["results"]]
        assert statuses == ["created", "exists", "accounts_must_be_different"]
        assert done.json()["results"][2]["meaning"] == TransferStatus.ACCOUNTS_MUST_BE_DIFFERENT.meaning
        assert done.headers["Ropewalk-Token"] == "payments/0:3"

    ask(story)


def test_ids_and_amounts_keep_all_their_128_bits() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        amount = 2**127 + 1
        await client.post("/ledger/transfers", json=[transfer(LARGE, amount=amount, credit=LARGE)])
        shown = (await client.get(f"/ledger/transfers/{LARGE}")).json()
        assert (shown["id"], shown["amount"], shown["credit_account_id"]) == (str(LARGE), str(amount), str(LARGE))
        assert (await client.get(f"/ledger/accounts/{LARGE}")).json()["credits_posted"] == str(amount)

    ask(story)


def test_rows_come_and_go_as_the_ledger_lays_them_out() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        rows = rows_of(
            TRANSFER,
            [
                {"id": each, "debit_account_id": 1, "credit_account_id": 2, "amount": each, "ledger": 1, "code": 1}
                for each in range(1, ROWS_MAX + 1)
            ],
        )
        done = await client.post("/ledger/transfers", content=rows.tobytes(), headers=BYTES)
        assert done.headers["content-type"] == BYTES["Content-Type"]
        results = np.frombuffer(done.content, RESULT)
        assert results.size == ROWS_MAX
        assert set(results["status"].tolist()) == {TransferStatus.CREATED}
        found = await client.post("/ledger/accounts/lookup", content=ids_of([2, 99]).tobytes(), headers=BYTES)
        assert get(np.frombuffer(found.content, ACCOUNT)[0], "credits_posted") == ROWS_MAX * (ROWS_MAX + 1) // 2
        torn = await client.post("/ledger/transfers", content=bytes(ID.itemsize), headers=BYTES)
        assert "whole rows" in problem(torn)["detail"]

    ask(story)


def test_a_repeated_key_gets_the_first_answer_and_another_body_is_refused() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        headers = {"Idempotency-Key": "monday"}
        first = await client.post("/ledger/transfers", json=[transfer(1)], headers=headers)
        again = await client.post("/ledger/transfers", json=[transfer(1)], headers=headers)
        assert again.json() == first.json()
        assert again.json()["results"][0]["status"] == "created"
        other = await client.post("/ledger/transfers", json=[transfer(2)], headers=headers)
        assert other.status_code == 422
        assert (await client.get("/ledger/transfers/2")).status_code == 404

    ask(story)


def test_lists_come_in_pages_that_join_without_gap_or_overlap() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        await client.post("/ledger/transfers", json=[transfer(number, debit=1 + number % 2, credit=LARGE)
                                                     for number in range(1, 24)])  # fmt: skip
        for path, count in (("/ledger/transfers", 23), (f"/ledger/accounts/{LARGE}/transfers", 23)):
            oldest = await all_pages(client, path)
            assert oldest == [str(number) for number in range(1, count + 1)]
            assert await all_pages(client, path, order="newest") == oldest[::-1]
        assert len(await all_pages(client, "/ledger/accounts/2/transfers", side="debits")) == 12
        assert await all_pages(client, "/ledger/accounts/2/transfers", side="credits") == []
        balances = (await client.get("/ledger/accounts/2/balances?limit=1&order=newest")).json()["items"]
        assert balances[0]["debits_posted"] == "120"
        assert len((await client.get("/ledger/accounts?code=1&ledger=1")).json()["items"]) == 3
        assert (await client.get("/ledger/accounts?code=2")).json() == {"items": [], "next": None}

    ask(story)


async def all_pages(client: httpx.AsyncClient, path: str, **query: str) -> list[str]:
    ids: list[str] = []
    following: str | None = None
    while True:
        parameters = {**query, "limit": "5", **({} if following is None else {"after": following})}
        page = (await client.get(path, params=parameters)).json()
        ids += [each["id"] for each in page["items"]]
        following = page["next"]
        if following is None:
            return ids


def test_a_request_that_can_not_be_read_says_what_to_send_instead() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        bad = [
            ({**transfer(1), "amount": "-1"}, 422, "expected"),
            ({**transfer(1), "amount": str(2**128)}, 422, "128 bits"),
            ({**transfer(1), "flags": ["spinning"]}, 422, "there is no flag 'spinning'"),
            ({**transfer(1), "colour": "red"}, 422, "colour"),
        ]
        for body, status, told in bad:
            refused = await client.post("/ledger/transfers", json=[body])
            assert refused.status_code == status
            assert told in problem(refused)["detail"]
        for path in (
            "/ledger/accounts/abc",
            "/ledger/accounts?limit=0",
            "/ledger/accounts?after=x",
            "/ledger/transfers?order=best",
            "/ledger/accounts/1/transfers?side=top",
            f"/ledger/transfers?ledger={2**32}",
        ):
            assert problem(await client.get(path))["status"] == 400

    ask(story)


def test_the_document_describes_every_part_of_every_path() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        document = (await client.get("/openapi.json")).json()
        for path, methods in document["paths"].items():
            for operation in methods.values():
                described = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
                assert described == set(re.findall(r"{(\w+)}", path)), path

    ask(story)
