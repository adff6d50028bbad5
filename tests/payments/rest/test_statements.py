"""Statements over HTTP: pages of JSON as ever, camt.053 and CSV by what is accepted, by days."""

import asyncio
import csv
from collections.abc import Awaitable, Callable
from datetime import date
from io import StringIO

import httpx
import pytest
from lxml import etree

from ropewalk.systems.payments.iso20022 import samples
from ropewalk.systems.payments.processing.books import Holder, account_id
from ropewalk.systems.payments.processing.limits import PAGE_MAX
from ropewalk.systems.payments.rest import statements
from ropewalk.systems.payments.service import payments
from tests.payments.rest.town import open_everything, told
from tests.runtime.served import client_of, problem

Story = Callable[[httpx.AsyncClient], Awaitable[None]]
ADA, BARBARA = ("/institutions/991000122/accounts/20000000", "/institutions/992000231/accounts/20000001")
NAMES = {"s": "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"}


def ask(story: Story) -> None:
    async def main() -> None:
        async with client_of(payments) as (client, _):
            await open_everything(client)
            await story(client)

    asyncio.run(main())


async def as_csv(client: httpx.AsyncClient, account: str, query: str = "") -> list[dict[str, str]]:
    answer = await client.get(f"{account}/statement{query}", headers={"accept": "text/csv"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/csv")
    return list(csv.DictReader(StringIO(answer.text)))


async def as_camt(client: httpx.AsyncClient, account: str, query: str = "") -> list[str]:
    """The opening, closing and available balance, signed, and how many entries there are."""
    answer = await client.get(f"{account}/statement{query}", headers={"accept": "application/xml"})
    assert answer.status_code == 200, answer.text
    root = etree.fromstring(answer.content)
    balances = [
        ("-" if side.text == "DBIT" else "") + (amount.text or "")
        for amount, side in zip(
            root.findall(".//s:Bal/s:Amt", NAMES), root.findall(".//s:Bal/s:CdtDbtInd", NAMES), strict=True
        )
    ]
    return [*balances, str(len(root.findall(".//s:Ntry", NAMES)))]


def test_a_statement_is_json_unless_something_else_is_accepted() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        await client.post("/instant/messages", content=samples.credit_transfer())
        for accept in ("application/json", "*/*", "text/html"):
            page = (await client.get(f"{ADA}/statement?limit=1", headers={"accept": accept})).json()
            assert ([line["what"] for line in page["items"]], page["next"] is None) == (["code 1"], False)
        rest = (await client.get(f"{ADA}/statement?after={page['next']}")).json()
        assert [(line["what"], line["amount_cents"], line["uetr"]) for line in rest["items"]] == [
            ("instant_out", -51_74, samples.UETR)
        ]

    ask(story)


def test_camt_053_and_csv_add_up_from_nothing_to_the_balance() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        await client.post("/instant/messages", content=samples.credit_transfer())
        await client.post("/instant/messages", content=samples.partial_return())
        assert await as_camt(client, ADA) == ["0.00", "4968.26", "4968.26", "3"]
        rows = await as_csv(client, ADA)
        assert [(row["what"], row["amount"], row["balance"]) for row in rows] == [
            ("code 1", "5000.00", "5000.00"),
            ("instant_out", "-51.74", "4948.26"),
            ("instant_return_in", "20.00", "4968.26"),
        ]
        assert [row["uetr"] for row in rows] == ["", samples.UETR, samples.UETR]

    ask(story)


def test_what_is_reserved_is_not_available_and_what_is_posted_later_is_an_entry() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        await client.put(f"{BARBARA}/instant-policy", json={"arrivals": "ask", "who": "OPS"})
        await client.post("/instant/messages", content=samples.credit_transfer())
        assert await as_camt(client, ADA) == ["0.00", "5000.00", "4948.26", "1"]
        decision = {"accept": True, "who": "OPS"}
        await client.post(f"/instant/payments/{samples.UETR}/decision", json=decision)
        assert await as_camt(client, ADA) == ["0.00", "4948.26", "4948.26", "2"]
        assert [row["what"] for row in await as_csv(client, ADA)] == ["code 1", "instant_post"]

    ask(story)


def test_days_that_are_over_or_to_come_have_their_balances() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        past, future = "2020-01-01", "2100-01-01"
        assert await as_camt(client, ADA, f"?to={past}") == ["0.00", "0.00", "0.00", "0"]
        assert await as_camt(client, ADA, f"?from={past}&to={future}") == ["0.00", "5000.00", "5000.00", "1"]
        assert await as_camt(client, ADA, f"?from={future}") == ["5000.00", "5000.00", "5000.00", "0"]
        assert await as_csv(client, ADA, f"?from={future}") == []

    ask(story)


def test_a_statement_of_many_pages_is_whole_and_one_of_too_many_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(client: httpx.AsyncClient) -> None:
        rows = [
            {
                "id": str(10_000 + number),
                "debit_account_id": str(account_id(Holder.DEPOSIT, 6)),
                "credit_account_id": str(account_id(Holder.DEPOSIT, 7)),
                "amount": "1",
                "ledger": 840,
                "code": 2,
            }
            for number in range(2 * PAGE_MAX)
        ]
        await told(client, "/ledger/transfers", rows)
        assert await as_camt(client, ADA) == ["0.00", "4980.00", "4980.00", str(2 * PAGE_MAX + 1)]
        monkeypatch.setattr(statements, "STATEMENT_LINES_MAX", PAGE_MAX)
        refused = problem(await client.get(f"{ADA}/statement", headers={"accept": "text/csv"}))
        assert (refused["status"], refused["type"]) == (422, "urn:ropewalk:problem:statement_too_long")

    ask(story)


def test_a_day_that_is_none_is_refused() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        accept = {"accept": "text/csv"}
        for query in (
            "from=yesterday",
            "to=2026-13-01",
            "from=1969-12-31",
            "to=9999-12-31",
            "from=2026-02-02&to=2026-02-01",
        ):
            assert problem(await client.get(f"{ADA}/statement?{query}", headers=accept))["status"] == 400
        nobody = await client.get("/institutions/991000122/accounts/1/statement", headers=accept)
        assert problem(nobody)["status"] == 404

    ask(story)


def test_the_days_of_a_statement_begin_at_midnight_utc() -> None:
    assert statements._begins_ns(date(1970, 1, 2)) == 86_400_000_000_000
