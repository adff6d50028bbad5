"""Transactions over HTTP: what is done, what is refused and why, what is listed."""

import asyncio
from functools import partial
from typing import Any

import httpx
import pytest

from ropewalk.coordination.transactions.machine import Rules
from ropewalk.engines.memory import MemoryEngine
from ropewalk.proving.workloads.accounts import Deposit, bank
from ropewalk.runtime.edge import document_of
from ropewalk.runtime.node import open_node
from ropewalk.runtime.server import serving
from ropewalk.runtime.transactions import service
from tests.runtime.served import problem

MOVE = {"id": "m1", "source": "ada", "target": "bob", "amount": 4}


def ended(answer: dict[str, Any]) -> tuple[str, str, bool]:
    return answer["decision"], answer["why"], answer["has_ended"]


def test_a_transaction_over_http_is_done_once_and_shown_and_listed() -> None:
    async def main() -> None:
        async with (
            open_node(bank(4), MemoryEngine()) as node,
            serving(node, port=0) as url,
            httpx.AsyncClient(base_url=url, timeout=20.0) as client,
        ):
            await client.post("/commands/Deposit", json={"account": "ada", "amount": 10})
            for _ in range(2):
                moved = (await client.post("/transactions/Move", json=MOVE)).json()
                assert ended(moved) == ("committed", "", True)
            poor = (await client.post("/transactions/Move", json=MOVE | {"id": "m2", "amount": 99})).json()
            assert ended(poor) == ("aborted", "insufficient_funds", True)
            assert (await client.get("/state/bob")).json()["value"]["balance"] == 4
            assert (await client.get("/transactions/m1")).json() == moved
            assert (await client.get("/transactions")).json() == {"items": [], "next": None}
            listed = (await client.get("/transactions", params={"open": "false", "limit": 1})).json()
            assert ([each["id"] for each in listed["items"]], listed["next"]) == (["m1"], "m1")
            behind = (await client.get("/transactions", params={"open": "false", "after": "m1"})).json()
            assert ([each["id"] for each in behind["items"]], behind["next"]) == (["m2"], None)

    asyncio.run(main())


def test_a_transaction_with_a_key_is_told_how_it_is_and_the_key_serves_no_other() -> None:
    async def main() -> None:
        async with (
            open_node(bank(4), MemoryEngine()) as node,
            serving(node, port=0) as url,
            httpx.AsyncClient(base_url=url, timeout=20.0, headers={"Idempotency-Key": "k"}) as client,
        ):
            await node.call(Deposit("ada", 10))
            first, again = [(await client.post("/transactions/Move", json=MOVE)).json() for _ in range(2)]
            assert ended(first) == ("committed", "", True)
            assert again == first
            # The same part of the coordinator remembers the key, so the id is one of its own.
            mine = node.followers["bank-transactions"].service.partition_of
            id_ = next(f"n{number}" for number in range(99) if mine(f"n{number}") == mine("m1"))
            other = await client.post("/transactions/Move", json=MOVE | {"id": id_})
            assert (other.status_code, problem(other)["type"]) == (422, "urn:ropewalk:problem:key_reused")
            assert (await client.get("/state/bob")).json()["value"]["balance"] == 4

    asyncio.run(main())


def test_one_transaction_too_many_is_refused_for_now_and_under_a_key_for_good(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(service, "Rules", partial(Rules, transactions_max=0))

    async def main() -> None:
        async with (
            open_node(bank(2), MemoryEngine()) as node,
            serving(node, port=0) as url,
            httpx.AsyncClient(base_url=url, timeout=20.0) as client,
        ):
            assert (await client.post("/transactions/Move", json=MOVE)).status_code == 503
            for _ in range(2):
                full = await client.post("/transactions/Move", json=MOVE, headers={"Idempotency-Key": "k"})
                assert (full.status_code, problem(full)["type"]) == (507, "urn:ropewalk:problem:full")

    asyncio.run(main())


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "name"),
    [
        ("POST", "/transactions/Move", MOVE | {"amount": 5}, 409, "id_used"),
        ("POST", "/transactions/Move", MOVE | {"id": ""}, 422, "bad_id"),
        ("GET", "/transactions/m9", None, 404, "unknown"),
        ("GET", "/transactions?limit=many", None, 400, "bad_request"),
        ("GET", "/transactions?limit=0", None, 422, "rejected"),
    ],
)
def test_what_is_refused_is_a_problem_with_its_reason(
    method: str, path: str, body: dict[str, object] | None, status: int, name: str
) -> None:
    async def main() -> None:
        async with (
            open_node(bank(2), MemoryEngine()) as node,
            serving(node, port=0) as url,
            httpx.AsyncClient(base_url=url, timeout=20.0) as client,
        ):
            await client.post("/transactions/Move", json=MOVE)
            answer = await client.request(method, path, json=body)
            assert answer.status_code == status
            assert problem(answer)["type"] == f"urn:ropewalk:problem:{name}"

    asyncio.run(main())


def test_what_can_be_asked_is_documented() -> None:
    paths = document_of(bank(2))["paths"]
    assert {"/transactions/Move", "/transactions/{id}", "/transactions"} <= {*paths}
