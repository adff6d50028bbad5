"""What an Idempotency-Key does over HTTP: the first answer again, also to who asks before there is one."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import msgspec
import pytest

from ropewalk.data.engine import Storage
from ropewalk.engines.memory import MemoryEngine
from ropewalk.proving.workloads.accounts import bank
from ropewalk.proving.workloads.travel import travel
from ropewalk.runtime.edge import document_of
from ropewalk.runtime.node import open_node
from ropewalk.runtime.operations import IDEMPOTENCY_KEY, TOKEN
from ropewalk.runtime.server import serving
from ropewalk.runtime.service import Service
from ropewalk.systems.coordination.service import coordination
from ropewalk.systems.payments.cards.tokens import new_key
from ropewalk.systems.payments.rest.cards import card_operations
from ropewalk.systems.payments.service import payments
from tests.runtime.gated import GatedLog
from tests.runtime.served import client_of, counters, problem
from tests.runtime.webhooks.shop import orders


def ask(story: Callable[[httpx.AsyncClient], Awaitable[None]]) -> None:
    async def main() -> None:
        async with client_of(counters()) as (client, _):
            await story(client)

    asyncio.run(main())


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0)


class Gated(MemoryEngine):
    """An engine of one partition, whose log has a gate."""

    def __init__(self) -> None:
        super().__init__()
        self.log = GatedLog()

    async def open(self, service: str, partition: int) -> Storage:
        return (await super().open(service, partition))._replace(log=self.log)


CARDS = msgspec.structs.replace(payments, operations=(*payments.operations, *card_operations(new_key())))
NAMED_OTHERWISE = {
    "/claims/acquire": "a claim is named by what is claimed and the session, which may ask again",
    "/saga-tasks/take": "who has a task is in no log: one whose answer was lost is given again later",
    "/saga-tasks/extend": "the tasks are named, and are had for so long from the last time that it is said",
}


@pytest.mark.parametrize(
    "service", [counters(), bank(2), travel(), orders(), coordination, CARDS], ids=lambda s: s.name
)
def test_whatever_changes_something_takes_a_key(service: Service) -> None:
    document = msgspec.convert(document_of(service), Any)
    changing = 0
    for path, methods in document["paths"].items():
        for operation in (methods[method] for method in methods if method != "get"):
            taken = {parameter["name"] for parameter in operation["parameters"]}
            # Who may ask for what an earlier answer was based on reads, with a body that no URL would hold.
            if TOKEN not in taken and path not in NAMED_OTHERWISE:
                changing += 1
                assert IDEMPOTENCY_KEY in taken, path
    assert changing > 0


def test_an_idempotency_key_gets_the_first_answer_again_and_refuses_another_body() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        for _ in range(3):
            done = await client.post(
                "/commands/Add", json={"counter": "a", "amount": 5}, headers={"Idempotency-Key": "k"}
            )
            assert done.json()["reply"] == 5
        other = await client.post(
            "/commands/Add", json={"counter": "a", "amount": 6}, headers={"Idempotency-Key": "k"}
        )
        assert other.status_code == 422
        assert problem(other)["type"] == "urn:ropewalk:problem:key_reused"
        assert (await client.get(problem(other)["documentation"])).status_code == 200
        assert (await client.get("/state/a")).json()["value"] == 5

    ask(story)


def test_an_idempotency_key_is_the_same_with_quotes_and_without() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        body = {"counter": "a", "amount": 5}
        for key in ('"k 1"', "k 1", '"k 1"'):
            done = await client.post("/commands/Add", json=body, headers={"Idempotency-Key": key})
            assert done.json()["reply"] == 5
        for number, key in enumerate((r'"a\"b"', r'"a\\b"', "!", "8e03978e-40d5-43e8-bc93-6894a57f9324"), start=2):
            done = await client.post("/commands/Add", json=body, headers={"Idempotency-Key": key})
            assert done.json()["reply"] == 5 * number

    ask(story)


def test_what_is_no_idempotency_key_is_a_problem_and_nothing_happens() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        for key in ("", '""', '"open', '"', r'"a\b"', '"a"b"', '"a";p=1', '"caf\u00e9"', "caf\u00e9", "a\tb"):
            headers = {"Idempotency-Key": key.encode("latin-1")}
            refused = await client.post("/commands/Add", json={"counter": "a", "amount": 5}, headers=headers)
            assert refused.status_code == 400, key
            assert problem(refused)["type"] == "urn:ropewalk:problem:bad_key"
        twice = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
        refused = await client.post("/commands/Add", json={"counter": "a", "amount": 5}, headers=twice)
        assert "2 Idempotency-Key headers were given" in problem(refused)["detail"]
        assert (await client.get("/state/a")).json()["value"] is None

    ask(story)


def test_repeats_that_overtake_the_first_answer_wait_for_it() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        body, headers = {"counter": "a", "amount": 5}, {"Idempotency-Key": '"once"'}
        async with asyncio.TaskGroup() as tasks:
            repeats = [tasks.create_task(client.post("/commands/Add", json=body, headers=headers)) for _ in range(20)]
        assert {repeat.result().json()["reply"] for repeat in repeats} == {5}

    ask(story)


def test_who_lost_the_connection_and_asks_again_while_the_first_is_under_way_gets_its_answer() -> None:
    async def main() -> None:
        engine, headers = Gated(), {"Idempotency-Key": '"once"'}

        async def add() -> httpx.Response:
            async with httpx.AsyncClient(base_url=url, timeout=20.0) as client:
                return await client.post("/commands/Add", json={"counter": "a", "amount": 5}, headers=headers)

        async with open_node(counters(), engine) as node, serving(node, port=0) as url, asyncio.TaskGroup() as tasks:
            engine.log.gate.clear()
            first = tasks.create_task(add())
            await until(lambda: node.leaders[0].waiting == 1)
            first.cancel()
            again = tasks.create_task(add())
            await until(lambda: node.leaders[0].waiting == 2)
            engine.log.gate.set()
            assert (await again).json()["reply"] == 5
            assert (await node.get("a")).value == 5

    asyncio.run(main())
