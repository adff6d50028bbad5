"""Limits, freezes and reversals over HTTP, with accounts in one shard or in several."""

import asyncio
from typing import Any

import httpx
import pytest

from ropewalk.systems.payments.service import payments_with
from tests.payments.processing.town import HARBOR, MEADOW
from tests.runtime.served import client_of, problem

WHY = {"who": "ann", "why": "a reason"}


async def told(client: httpx.AsyncClient, path: str, body: object, *, method: str = "POST") -> Any:
    done = await client.request(method, path, json=body)
    assert done.status_code == 200, done.text
    return done.json()


async def paid(client: httpx.AsyncClient, number: int, debit: str, credit: str) -> str:
    row = {
        "id": f"{number}", "debit_account_id": debit, "credit_account_id": credit, "amount": "100", "ledger": 840,
        "code": 1,
    }  # fmt: skip
    (result,) = (await told(client, "/ledger/transfers", [row]))["results"]
    return str(result["status"])


@pytest.mark.parametrize("shards", [1, 2])
def test_limits_freezes_and_reversals_are_done_and_listed(shards: int) -> None:
    async def main() -> None:
        async with client_of(payments_with(shards=shards)) as (client, _):
            for bank in (HARBOR, MEADOW):
                await told(client, "/institutions", {"routing": bank, "name": bank})
                await told(client, "/accounts", [{"routing": bank, "number": "1", "overdraft": True}])
            harbor, meadow = [
                (await client.get(f"/institutions/{bank}/accounts/1")).json()["ledger_id"]
                for bank in (HARBOR, MEADOW)
            ]
            account = f"/institutions/{HARBOR}/accounts/1"
            await told(client, f"{account}/limits", WHY | {"day_cents": 150}, method="PUT")
            assert await paid(client, 1, harbor, meadow) == "created"
            assert await paid(client, 2, harbor, meadow) == "exceeds_window_limit"
            await told(client, f"{account}/freeze", WHY)
            assert await paid(client, 3, meadow, harbor) == "credit_account_frozen"
            assert problem(await client.post(f"{account}/freeze", json=WHY))["status"] == 409
            await told(client, f"{account}/unfreeze", WHY)
            await told(client, "/ledger/transfers/1/reversal", WHY | {"amount": "30", "reference": "A"})
            again = await client.post("/ledger/transfers/1/reversal", json=WHY | {"amount": "30", "reference": "A"})
            assert problem(again)["status"] == 409
            await told(client, "/ledger/transfers/1/reversal", WHY)
            assert problem(await client.post("/ledger/transfers/1/reversal", json=WHY))["status"] == 422
            assert problem(await client.post("/ledger/transfers/99/reversal", json=WHY))["status"] == 404
            listed = (await client.get("/controls")).json()["items"]
            assert sorted(each["what"] for each in listed) == ["freeze", "limits", "reverse", "reverse", "unfreeze"]
            assert {each["who"] for each in listed} == {"ann"}
            about = (await client.get("/controls", params={"routing": HARBOR, "number": "1"})).json()["items"]
            assert [each["what"] for each in about] == ["limits", "freeze", "unfreeze"]
            shown = (await client.get(f"{account}/controls")).json()
            assert (shown["day_cents"], shown["spent_cents"], shown["frozen"]) == (150, 100, "none")
            assert problem(await client.get(f"{account}9/controls"))["status"] == 404

    asyncio.run(main())


def test_of_two_transfers_with_one_id_none_is_taken_for_the_other() -> None:
    async def main() -> None:
        async with client_of(payments_with(shards=2)) as (client, _):
            for bank in (HARBOR, MEADOW):
                await told(client, "/institutions", {"routing": bank, "name": bank})
                opened = [{"routing": bank, "number": number, "overdraft": True} for number in "12"]
                await told(client, "/accounts", opened)
                ids = [
                    (await client.get(f"/institutions/{bank}/accounts/{number}")).json()["ledger_id"]
                    for number in "12"
                ]
                assert await paid(client, 1, *ids) == "created"
            refused = problem(await client.post("/ledger/transfers/1/reversal", json=WHY))
            assert (refused["status"], refused["type"]) == (409, "urn:ropewalk:problem:several")

    asyncio.run(main())


def test_what_cannot_be_is_refused_with_a_status() -> None:
    async def main() -> None:
        async with client_of(payments_with(shards=1)) as (client, _):
            await told(client, "/institutions", {"routing": HARBOR, "name": HARBOR})
            await told(client, "/accounts", [{"routing": HARBOR, "number": "1"}])
            account = f"/institutions/{HARBOR}/accounts/1"
            for limit in (-1, 2**63, 2**70):
                refused = await client.put(f"{account}/limits", json=WHY | {"day_cents": limit})
                assert problem(refused)["status"] == 422
            await told(client, f"{account}/limits", WHY | {"day_cents": 2**63 - 1}, method="PUT")
            assert problem(await client.post(f"{account}%00/freeze", json=WHY))["status"] == 404
            for half in ({"routing": HARBOR}, {"number": "1"}):
                assert problem(await client.get("/controls", params=half))["status"] == 400

    asyncio.run(main())
