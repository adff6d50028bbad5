"""Cards over HTTP: programmes, cards, their states, and what is refused; no answer shows a whole number."""

import asyncio

import httpx
import msgspec

from ropewalk import open_engine, open_node
from ropewalk.runtime.edge import Edge
from ropewalk.runtime.service import Service
from ropewalk.systems.payments.ach import samples
from ropewalk.systems.payments.cards.tokens import card_number, new_key
from ropewalk.systems.payments.machine import PaymentsMachine
from ropewalk.systems.payments.rest.ach import ACH_OPERATIONS
from ropewalk.systems.payments.rest.cards import card_operations
from ropewalk.systems.payments.service import payments_with
from tests.payments.processing.town import HARBOR, MEADOW
from tests.runtime.served import client_of, problem

NUMBER = card_number("400000123456789")
CARD = {"number": NUMBER, "account_number": "7", "expires": "2912", "limit_cents": 100_00}


async def talk() -> list[httpx.Response]:
    operations = (*ACH_OPERATIONS, *card_operations(new_key()))
    service = Service("payments", lambda shelf, place: PaymentsMachine(shelf, place=place), operations=operations)
    async with open_node(service, open_engine("memory:")) as node:
        transport = httpx.ASGITransport(app=Edge(node))
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            await client.post("/institutions", json={"routing": HARBOR, "name": "HARBOR"})
            await client.post("/accounts", json=[{"routing": HARBOR, "number": "7"}])
            at = f"/institutions/{HARBOR}"
            key = {"Idempotency-Key": '"one"'}
            return [
                await client.post(f"{at}/card-programmes", json={"bin": "400000", "stand_in_cents": 50_00}),
                await client.get(f"{at}/card-programmes"),
                await client.get(f"/institutions/{MEADOW}/card-programmes"),
                await client.post(f"{at}/cards", json=[CARD], headers=key),
                await client.post(f"{at}/cards", json=[CARD], headers=key),
                await client.post(f"{at}/cards", json=[CARD]),
                await client.post(f"{at}/cards/state", json={"number": NUMBER, "state": "lost"}),
                await client.get(f"{at}/cards"),
                await client.get("/card-stand-ins?disputed=true"),
                await client.post(f"{at}/cards", json=[{**CARD, "expires": "3012"}]),
                await client.post(f"{at}/cards", json=[{**CARD, "number": "4000001234567890"}]),
                await client.post(f"{at}/cards", json=[{**CARD, "account_number": "8"}]),
                await client.post(f"{at}/cards", json=[{**CARD, "expires": 2912}]),
                await client.post(f"{at}/cards", json=[CARD | {"limit_cents": 1}], headers=key),
                await client.post(f"{at}/cards/state", json={"number": NUMBER, "state": "melted"}),
                await client.post(f"/institutions/{MEADOW}/card-programmes", json={"bin": "500000"}),
                await client.get("/card-stand-ins?disputed=perhaps"),
            ]


def test_cards_are_issued_shown_and_refused() -> None:
    answers = asyncio.run(talk())
    assert [each.status_code for each in answers] == [200] * 9 + [409, 422, 404, 422, 422, 422, 404, 400]
    assert answers[1].json() == [
        {"bin": "400000", "routing": HARBOR, "hold_days": 7, "stand_in_minor": 50_00, "stand_in_day_minor": 0}
    ]
    assert answers[2].json() == []
    assert [each.json()["repeated"] for each in answers[3:6]] == [False, False, True]
    [card] = answers[7].json()["items"]
    assert (card["masked"], card["state"], card["limit_minor"]) == (f"400000******{NUMBER[-4:]}", "lost", 100_00)
    assert answers[8].json() == []
    assert [each for each in answers if NUMBER in each.text or "4000001234567890" in each.text] == []


def test_two_banks_of_different_shards_do_not_issue_the_same_cards() -> None:
    async def main() -> list[httpx.Response]:
        service = payments_with(shards=2)
        issuing = msgspec.structs.replace(service, operations=(*service.operations, *card_operations(new_key())))
        async with client_of(issuing) as (client, _):
            routings = [institution.routing_number for institution in samples.INSTITUTIONS]
            for routing in routings:
                await client.post("/institutions", json={"routing": routing, "name": "BANK"})
            first = routings[0]
            other = next(each for each in routings if service.partition_of(each) != service.partition_of(first))
            return [
                await client.post(f"/institutions/{routing}/card-programmes", json={"bin": "400000"})
                for routing in (first, other, first)
            ]

    answers = asyncio.run(main())
    assert [each.status_code for each in answers] == [200, 409, 200]
    assert "400000 are issued by" in problem(answers[1])["detail"]
