"""The banks, accounts and companies of the samples, opened over HTTP. Not a test."""

import asyncio

import httpx

from ropewalk.systems.payments.ach import samples
from ropewalk.systems.payments.processing.books import USD, Holder, account_id

RESTRICTIONS = {"closed": "closed", "frozen": "frozen"}


def bank(number: int) -> str:
    return samples.INSTITUTIONS[number].routing_number


async def open_everything(client: httpx.AsyncClient) -> None:
    for institution in samples.INSTITUTIONS:
        await told(client, "/institutions", {"routing": institution.routing_number, "name": institution.name})
    accounts = [
        {
            "routing": each.routing_number,
            "number": each.number,
            "name": each.name,
            "kind": each.kind,
            "is_corporate": each.is_corporate,
        }
        for each in samples.ACCOUNTS
    ]
    await told(client, "/accounts", accounts)
    for originator in samples.ORIGINATORS:
        company = {
            "routing": originator.account.routing_number,
            "company_id": originator.company_identification,
            "name": originator.name,
            "account_number": originator.account.number,
        }
        await told(client, "/originators", company)
    await told(client, "/ledger/transfers", list(opening_transfers()))
    for each in samples.ACCOUNTS:
        if each.status in RESTRICTIONS:
            path = f"/institutions/{each.routing_number}/accounts/{each.number}/restriction"
            assert (await client.put(path, json={"restriction": RESTRICTIONS[each.status]})).status_code == 200


def open_everything_at(url: str) -> None:
    """The same, at a service in a process of its own."""

    async def main() -> None:
        async with httpx.AsyncClient(base_url=url) as client:
            await open_everything(client)

    asyncio.run(main())


def opening_transfers() -> list[dict[str, object]]:
    routings = [institution.routing_number for institution in samples.INSTITUTIONS]
    return [
        {
            "id": str(1_000 + slot),
            "debit_account_id": str(account_id(Holder.SETTLEMENT, routings.index(each.routing_number))),
            "credit_account_id": str(account_id(Holder.DEPOSIT, slot)),
            "amount": str(each.opening_cents),
            "ledger": USD,
            "code": 1,
        }
        for slot, each in enumerate(samples.ACCOUNTS)
        if each.opening_cents
    ]


async def told(client: httpx.AsyncClient, path: str, body: object) -> None:
    done = await client.post(path, json=body)
    assert done.status_code == 200, done.text
    assert all(each["status"] == "created" for each in done.json().get("results", ())), done.text
