"""Instant payments between banks of different shards over HTTP: asked and answered as if there were one shard."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import msgspec
import pytest

from ropewalk.core.mailbox import Delivery, Letter
from ropewalk.data.reads import STRONG
from ropewalk.errors import RopewalkError
from ropewalk.runtime.node import Node
from ropewalk.systems.payments.ach import samples as ach
from ropewalk.systems.payments.instant.elsewhere import RecallAnswered, encode_message
from ropewalk.systems.payments.instant.messages import GetReport, encode_query
from ropewalk.systems.payments.instant.record import Outcome
from ropewalk.systems.payments.iso20022 import samples
from ropewalk.systems.payments.iso20022.model import Resolution, StatusReport
from ropewalk.systems.payments.iso20022.reading import read
from ropewalk.systems.payments.service import payments_with
from tests.payments.rest.test_instant import BARBARA, PAYMENT, XML, policy, sent, status
from tests.runtime.served import client_of, problem

SHARDS = 2
ADA = "/institutions/991000122/accounts/20000000"
Story = Callable[[httpx.AsyncClient, Node], Awaitable[None]]


def ask(story: Story) -> None:
    """Harbor keeps Ada, who may overdraw, and Cordage keeps Barbara, each in its shard."""

    async def main() -> None:
        async with client_of(payments_with(shards=SHARDS)) as (client, node):
            homes = [node.service.partition_of(bank.routing_number) for bank in (ach.HARBOR, ach.CORDAGE)]
            assert homes == [0, 1]
            for bank, number in ((ach.HARBOR, "20000000"), (ach.CORDAGE, "20000001")):
                await client.post("/institutions", json={"routing": bank.routing_number, "name": bank.name})
                account = {"routing": bank.routing_number, "number": number, "name": "ONE", "overdraft": True}
                assert (await client.post("/accounts", json=[account])).status_code == 200
            await story(client, node)

    asyncio.run(main())


async def balances(client: httpx.AsyncClient) -> list[int]:
    return [(await client.get(account)).json()["balance_cents"] for account in (ADA, BARBARA)]


def test_who_is_told_that_a_payment_is_accepted_sees_it_on_both_sides() -> None:
    async def story(client: httpx.AsyncClient, node: Node) -> None:
        answer = await sent(client, samples.credit_transfer())
        assert status(answer) == ("ACCC", [])
        assert await balances(client) == [-51_74, 51_74]
        assert await sent(client, samples.credit_transfer()) == answer
        assert await sent(client, samples.status_request()) == answer
        assert status(read((await client.get(PAYMENT, headers=XML)).content)) == ("ACCC", [])
        assert (await client.get(PAYMENT)).json()["direction"] == "out"
        (listed,) = (await client.get("/instant/payments")).json()
        assert listed["direction"] == "out"
        (line,) = (await client.get(f"{BARBARA}/statement", headers={"accept": "text/csv"})).text.splitlines()[1:]
        assert line.split(",")[1:3] == ["instant_in_post", "51.74"]

    ask(story)


def test_its_token_asks_both_shards() -> None:
    async def story(client: httpx.AsyncClient, node: Node) -> None:
        answer = await client.post(
            "/instant/messages", content=samples.credit_transfer(), headers={"content-type": "application/xml"}
        )
        names = [each.partition(":")[0] for each in answer.headers["Ropewalk-Token"].split(",")]
        assert sorted(names) == ["payments/0", "payments/1"]

    ask(story)


def test_a_payment_to_nobody_there_is_rejected_from_there() -> None:
    async def story(client: httpx.AsyncClient, node: Node) -> None:
        assert status(await sent(client, samples.credit_transfer_to_nobody())) == ("RJCT", ["AC03"])
        assert await balances(client) == [0, 0]

    ask(story)


def test_returns_and_a_recall_find_the_shard_that_decides() -> None:
    async def story(client: httpx.AsyncClient, node: Node) -> None:
        await sent(client, samples.credit_transfer())
        assert status(await sent(client, samples.partial_return())) == ("ACSC", [])
        assert status(await sent(client, samples.partial_return())) == ("ACSC", [])
        assert await balances(client) == [-31_74, 31_74]
        assert status(await sent(client, samples.recall())) == ("PDCR", [])
        decision = {"accept": True, "who": "GRACE OF CORDAGE", "why": "paid twice"}
        resolution = read((await client.post(f"{PAYMENT}/recall/decision", json=decision)).content).message
        assert isinstance(resolution, Resolution)
        assert resolution.confirmation == "IPAY"
        assert await balances(client) == [0, 0]
        assert read((await client.get(f"{PAYMENT}/recall")).content).message == resolution
        assert status(await sent(client, samples.recall())) == ("ACCR", [])
        assert (await client.get(f"{PAYMENT}/returns/1")).status_code == 200
        shown = (await client.get(PAYMENT)).json()
        assert [note["who"] for note in shown["history"]][3] == "GRACE OF CORDAGE"

    ask(story)


def test_a_person_far_away_decides_and_hears_what_was_decided() -> None:
    async def story(client: httpx.AsyncClient, node: Node) -> None:
        assert (await policy(client, arrivals="ask")).status_code == 200
        assert status(await sent(client, samples.credit_transfer())) == ("PDNG", [])
        decision = {"accept": True, "who": "GRACE"}
        decided = read((await client.post(f"{PAYMENT}/decision", json=decision)).content)
        assert status(decided) == ("ACCC", [])
        again = problem(await client.post(f"{PAYMENT}/decision", json=decision))
        assert (again["status"], again["detail"]) == (409, "the payment is decided: it is ACCC")
        assert await balances(client) == [-51_74, 51_74]

    ask(story)


def test_while_the_other_shard_is_away_the_answer_is_pending_and_then_told_to_whoever_asks() -> None:
    async def story(client: httpx.AsyncClient, node: Node) -> None:
        away = node.leaders[1]
        wrong = encode_message(RecallAnswered(samples.UETR, Outcome.ACCEPTED, "", 1))
        with pytest.raises(RopewalkError):
            await away.deliver(Delivery("payments/0", "payments/1", 1, [Letter(wrong)]))
        headers = {"content-type": "application/xml", "Ropewalk-Deadline": "0.5"}
        answer = await client.post("/instant/messages", content=samples.credit_transfer(), headers=headers)
        assert status(read(answer.content)) == ("PDNG", [])
        view = GetReport(samples.UETR)
        told = await node.leaders[0].read(encode_query(view), level=STRONG, deadline_s=5)
        assert msgspec.msgpack.decode(told.answer, type=StatusReport).status == "PDNG"

    ask(story)


def test_a_request_that_is_repeated_by_its_key_is_told_what_it_came_to() -> None:
    async def story(client: httpx.AsyncClient, node: Node) -> None:
        async def keyed(content: bytes, key: str) -> tuple[str, list[str]]:
            headers = {"content-type": "application/xml", "Idempotency-Key": f'"{key}"'}
            return status(read((await client.post("/instant/messages", content=content, headers=headers)).content))

        await policy(client, recalls="accept")
        for _ in range(2):
            assert await keyed(samples.credit_transfer(), "pay") == ("ACCC", [])
            assert await keyed(samples.partial_return(), "return") == ("ACSC", [])
            assert await keyed(samples.recall(), "recall") == ("ACCR", [])
        assert await balances(client) == [0, 0]

    ask(story)


def test_a_decision_that_is_repeated_by_its_key_is_told_what_it_came_to() -> None:
    async def story(client: httpx.AsyncClient, node: Node) -> None:
        async def decide(path: str) -> tuple[str, list[str]]:
            headers = {"Idempotency-Key": f'"{path}"'}
            decision = {"accept": True, "who": "GRACE"}
            return status(read((await client.post(f"{PAYMENT}/{path}", json=decision, headers=headers)).content))

        await policy(client, arrivals="ask")
        await sent(client, samples.credit_transfer())
        assert [await decide("decision") for _ in range(2)] == [("ACCC", [])] * 2
        await sent(client, samples.recall())
        assert [await decide("recall/decision") for _ in range(2)] == [("ACCR", [])] * 2

    ask(story)


def test_decisions_about_nothing_are_told_so() -> None:
    async def story(client: httpx.AsyncClient, node: Node) -> None:
        for path in ("decision", "recall/decision"):
            assert (
                problem(await client.post(f"{PAYMENT}/{path}", json={"accept": True, "who": "OPS"}))["status"] == 404
            )
        assert status(await sent(client, samples.partial_return())) == ("RJCT", ["AG09"])
        assert status(await sent(client, samples.recall())) == ("RJCR", ["NOOR"])

    ask(story)
