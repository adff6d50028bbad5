"""Sagas over HTTP: started by callers, looked after by operators."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import httpx
import pytest

from ropewalk.coordination.sagas.machine import Rules
from ropewalk.engines.memory import MemoryEngine
from ropewalk.proving.workloads.travel import Stock, travel
from ropewalk.runtime.edge import document_of
from ropewalk.runtime.node import Node, open_node
from ropewalk.runtime.sagas import service
from ropewalk.runtime.sagas.calls import wait_saga
from ropewalk.runtime.server import serving
from tests.runtime.served import problem

Story = Callable[[httpx.AsyncClient, Node], Awaitable[None]]
TRIP = {"id": "t1", "saga": "trip", "input": {"id": "t1", "flight": "F1", "hotel": "H1"}}


def ask(story: Story) -> None:
    async def main() -> None:
        async with (
            open_node(travel(), MemoryEngine()) as node,
            serving(node, port=0) as url,
            httpx.AsyncClient(base_url=url, timeout=20.0) as client,
        ):
            await node.call(Stock("F1", 1))
            await node.followers["hotels"].call(Stock("H1", 1))
            await story(client, node)

    asyncio.run(main())


def test_a_saga_is_started_and_shown_and_listed() -> None:
    async def story(client: httpx.AsyncClient, node: Node) -> None:
        for _ in range(2):
            answer = await client.post("/sagas", json=TRIP)
            assert answer.status_code == 200
        await wait_saga(node, "t1")
        view = (await client.get("/sagas/t1")).json()
        assert view["summary"]["state"] == "completed"
        assert [step["state"] for step in view["steps"]] == ["done"] * 3
        assert view["history"][0]["what"] == "started"
        listed = (await client.get("/sagas", params={"state": "completed", "limit": 1})).json()
        assert ([each["id"] for each in listed["items"]], listed["next"]) == (["t1"], "t1")
        assert (await client.get("/sagas", params={"after": "t1"})).json() == {"items": [], "next": None}

    ask(story)


def test_an_operator_looks_after_a_stuck_saga() -> None:
    async def story(client: httpx.AsyncClient, node: Node) -> None:
        await client.post("/sagas", json=TRIP)
        await wait_saga(node, "t1")
        await client.post("/commands/Close", json={"house": "F1"})
        turned = await client.post("/sagas/t1/compensate", json={"who": "ada", "why": "the customer called"})
        assert turned.json()["state"] == "compensating"
        await wait_saga(node, "t1")
        assert (await client.get("/sagas?state=stuck")).json()["items"][0]["stuck"] == "flight is not undone: closed"
        await client.post("/sagas/t1/retry", json={"who": "ada"})
        await wait_saga(node, "t1")
        seen_to = {"step": "flight", "who": "ben", "why": "refunded by phone"}
        assert (await client.post("/sagas/t1/resolve", json=seen_to)).json()["state"] == "compensated"

    ask(story)


def test_what_an_operator_does_with_a_key_is_done_once_and_answered_as_the_first_time() -> None:
    async def story(client: httpx.AsyncClient, node: Node) -> None:
        async def done(path: str, key: str, body: dict[str, Any]) -> Any:
            answers = [await client.post(path, json=body, headers={"Idempotency-Key": key}) for _ in range(2)]
            assert [each.status_code for each in answers] == [200, 200]
            assert answers[0].json() == answers[1].json()
            return answers[0].json()

        assert (await done("/sagas", "start", TRIP))["state"] == "running"
        await wait_saga(node, "t1")
        await client.post("/commands/Close", json={"house": "F1"})
        await done("/sagas/t1/compensate", "turn", {"who": "ada", "why": "the customer called"})
        await wait_saga(node, "t1")
        assert (await done("/sagas/t1/retry", "again", {"who": "ada"}))["state"] == "compensating"
        await wait_saga(node, "t1")
        seen_to = {"step": "flight", "who": "ben", "why": "refunded by phone"}
        assert (await done("/sagas/t1/resolve", "done", seen_to))["state"] == "compensated"
        done_by = [each["who"] for each in (await client.get("/sagas/t1")).json()["history"] if each["who"]]
        assert done_by == ["ada", "ada", "ben"]
        other = await client.post("/sagas/t1/retry", json={"who": "ben"}, headers={"Idempotency-Key": "again"})
        assert (other.status_code, problem(other)["type"]) == (422, "urn:ropewalk:problem:key_reused")

    ask(story)


def test_one_saga_too_many_is_refused_for_now_and_under_a_key_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "Rules", partial(Rules, sagas_max=0))

    async def story(client: httpx.AsyncClient, _: Node) -> None:
        assert (await client.post("/sagas", json=TRIP)).status_code == 503
        for _ in range(2):
            full = await client.post("/sagas", json=TRIP, headers={"Idempotency-Key": "k"})
            assert (full.status_code, problem(full)["type"]) == (507, "urn:ropewalk:problem:full")

    ask(story)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "name"),
    [
        ("POST", "/sagas", TRIP | {"saga": "cruise"}, 422, "unknown_saga"),
        ("POST", "/sagas", TRIP | {"input": 7}, 422, "bad_input"),
        (
            "POST",
            "/sagas",
            TRIP | {"input": {"id": "t1", "flight": "F1", "hotel": "H1", "hotle": ""}},
            422,
            "bad_input",
        ),
        ("POST", "/sagas", TRIP | {"input": {"id": "t1", "flight": "F2", "hotel": "H1"}}, 409, "id_used"),
        ("POST", "/sagas", {"id": "t1"}, 422, "invalid_body"),
        ("GET", "/sagas/t9", None, 404, "unknown"),
        ("GET", "/sagas?state=lost", None, 400, "bad_request"),
        ("GET", "/sagas?limit=0", None, 422, "rejected"),
        ("POST", "/sagas/t1/retry", {"who": "ada"}, 409, "not_stuck"),
        ("POST", "/sagas/t1/resolve", {"step": "x", "who": "ada", "why": "y"}, 422, "unknown_step"),
        ("POST", "/sagas/t1/compensate", {"who": "ada"}, 422, "bad_words"),
        ("POST", "/sagas/t9/retry", {"who": "ada"}, 404, "unknown"),
    ],
)
def test_what_is_refused_is_a_problem_with_its_reason(
    method: str, path: str, body: dict[str, Any] | None, status: int, name: str
) -> None:
    async def story(client: httpx.AsyncClient, node: Node) -> None:
        await client.post("/sagas", json=TRIP)
        await wait_saga(node, "t1")
        answer = await client.request(method, path, json=body)
        assert (answer.status_code, problem(answer)["type"]) == (status, f"urn:ropewalk:problem:{name}")

    ask(story)


def test_what_can_be_asked_is_documented() -> None:
    document: dict[str, Any] = document_of(travel())
    assert {"/sagas", "/sagas/{id}", "/sagas/{id}/retry", "/sagas/{id}/resolve"} <= {*document["paths"]}
    new = document["components"]["schemas"]["New_trip"]["properties"]
    assert new["saga"] == {"enum": ["trip"]}
    assert new["input"] == {"$ref": "#/components/schemas/Trip"}
