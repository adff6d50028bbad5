"""ACH through its REST interface: from opened accounts to settled files, returns and a book that balances."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from ropewalk.systems.payments.ach import read, samples
from ropewalk.systems.payments.processing.books import USD
from ropewalk.systems.payments.service import payments
from tests.payments.rest.town import bank, open_everything
from tests.runtime.served import client_of, problem

Story = Callable[[httpx.AsyncClient], Awaitable[None]]


def ask(story: Story) -> None:
    async def main() -> None:
        async with client_of(payments) as (client, _):
            await open_everything(client)
            await story(client)

    asyncio.run(main())


async def settled(client: httpx.AsyncClient) -> dict[str, Any]:
    """The next window, when it has closed."""
    started = (await client.post("/windows")).json()
    while True:
        window: dict[str, Any] = (await client.get(f"/windows/{started['window']}")).json()
        if window["closed_ns"]:
            return window


def test_files_become_settled_accounts_and_returns_and_the_book_balances() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        for content in (samples.payroll(), samples.utility()):
            accepted = await client.post("/files", content=content)
            assert accepted.status_code == 200
        assert accepted.json()["file"] == 1
        window = await settled(client)
        assert sum(each["net_cents"] for each in window["positions"]) == 0
        files = (await client.get("/files")).json()["items"]
        assert [each["file"] for each in files] == [0, 1]
        for file in files:
            ended = sum(file["states"][state]["entries"] for state in ("posted", "returned", "rejected"))
            assert ended == file["entries"]
        returned = (await client.get("/files/1/entries?state=returned")).json()["items"]
        assert {each["reason"] for each in returned} >= {"R01", "R02", "R03"}
        book = (await client.get("/reports/trial-balance")).json()
        assert book["debit_cents"] == book["credit_cents"] > 0
        assert (await client.get("/reports/progress")).json()["entries_pending"] == 0
        await returns_are_valid(client, window["window"])

    async def returns_are_valid(client: httpx.AsyncClient, window: int) -> None:
        listed = (await client.get(f"/windows/{window}/returns")).json()
        assert listed
        for each in listed:
            content = await client.get(f"/windows/{window}/returns/{each['routing']}/{each['part']}")
            assert f"returns-{window}-{each['routing']}-{each['part']}.ach" in content.headers["content-disposition"]
            assert read(content.content).is_valid

    ask(story)


def test_a_statement_shows_what_moved_in_pages() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        await client.post("/files", content=samples.payroll())
        await settled(client)
        employer = samples.ROPE_WORKS.account
        path = f"/institutions/{employer.routing_number}/accounts/{employer.number}"
        first = (await client.get(f"{path}/statement?limit=15")).json()
        rest = (await client.get(f"{path}/statement?after={first['next']}")).json()
        lines = [*first["items"], *rest["items"]]
        assert rest["next"] is None
        moved = sum(each["amount_cents"] for each in lines if not each["pending"])
        assert moved == (await client.get(path)).json()["balance_cents"] == first["account"]["balance_cents"]
        assert len({each["transfer_id"] for each in lines}) == len(lines)

    ask(story)


def test_the_same_file_is_accepted_once_and_another_of_its_name_is_refused() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        content = samples.payroll()
        assert (await client.post("/files", content=content)).json()["repeated"] is False
        assert (await client.post("/files", content=content)).json()["repeated"] is True
        other = await client.post("/files", content=content.replace(b"ROPE WORKS INC", b"ROPE WORKS LTD"))
        assert other.status_code == 409
        assert problem(other)["type"] == "urn:ropewalk:problem:other_bytes"

    ask(story)


def test_a_broken_file_is_refused_with_each_of_its_errors() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        refused = problem(await client.post("/files", content=samples.broken()))
        assert refused["status"] == 422
        assert refused["errors_total"] == len(refused["errors"]) == len(read(samples.broken()).errors)
        assert set(refused["errors"][0]) == {"line", "record", "field", "code", "message"}
        foreign = problem(await client.post("/files", content=b'<?xml version="1.0"?>'))
        assert foreign["detail"].startswith("the file has 1 error, and nothing of it was taken")

    ask(story)


def test_an_account_that_is_restricted_sends_entries_back_until_it_is_not() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        person = samples.ACCOUNTS[len(samples.ORIGINATORS)]
        path = f"/institutions/{person.routing_number}/accounts/{person.number}"
        assert (await client.put(f"{path}/restriction", json={"restriction": "frozen"})).status_code == 200
        assert (await client.get(path)).json()["restriction"] == "frozen"
        await client.post("/files", content=samples.payroll())
        await settled(client)
        returned = (await client.get("/files/0/entries?state=returned")).json()["items"]
        assert [(each["account"], each["reason"]) for each in returned] == [(person.number, "R16")] * len(returned)
        assert (await client.put(f"{path}/restriction", json={"restriction": "none"})).status_code == 200
        assert problem(await client.put(f"{path}/restriction", json={"restriction": "cold"}))["status"] == 422

    ask(story)


def test_what_is_not_there_is_404_and_what_is_there_already_is_409() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        for path in (
            "/files/7",
            "/files/7/entries",
            "/windows/7",
            "/windows/7/returns",
            "/windows/7/returns/991000128/0",
            "/institutions/000000000/accounts/1",
            f"/institutions/{bank(0)}/accounts/none/statement",
        ):
            assert problem(await client.get(path))["status"] == 404, path
        assert problem(await client.post("/windows"))["type"].endswith(":nothing_due")
        other = await client.post("/institutions", json={"routing": bank(0), "name": "ANOTHER NAME"})
        assert problem(other)["status"] == 409
        nowhere = await client.post("/accounts", json=[{"routing": "000000000", "number": "1"}])
        assert problem(nowhere)["type"].endswith(":unknown_institution")
        for path in ("/files/x", "/files?limit=1001", "/files/0/entries?state=lost"):
            assert problem(await client.get(path))["status"] == 400

    ask(story)


def test_lists_come_in_pages() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        for path, count in (("/accounts", len(samples.ACCOUNTS)), ("/institutions", 4), ("/originators", 6)):
            numbers: list[int] = []
            query = "?limit=2"
            while query:
                page = (await client.get(path + query)).json()
                numbers += [each["number"] for each in page["items"]]
                query = f"?limit=2&after={page['next']}" if page["next"] else ""
            assert numbers == list(range(count))

    ask(story)


def test_a_deposit_is_an_account_of_the_ledger_too() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        bank = (await client.get("/institutions?limit=1")).json()["items"][0]
        before = (await client.get("/accounts?limit=1")).json()["items"][0]
        paid = {"id": "77", "debit_account_id": before["ledger_id"], "credit_account_id": bank["ledger_id"],
                "amount": "5", "ledger": USD, "code": 1}  # fmt: skip
        done = await client.post("/ledger/transfers", json=[paid])
        assert done.json()["results"][0]["status"] == "created"
        after = (await client.get("/accounts?limit=1")).json()["items"][0]
        assert after["balance_cents"] == before["balance_cents"] - 5
        settled = (await client.get("/institutions?limit=1")).json()["items"][0]["settlement_cents"]
        assert settled == bank["settlement_cents"] - 5
        path = f"/institutions/{before['routing']}/accounts/{before['account']}/statement"
        line = (await client.get(path)).json()["items"][-1]
        assert (await client.get(f"/ledger/transfers/{line['transfer_id']}")).json()["amount"] == "5"

    ask(story)
