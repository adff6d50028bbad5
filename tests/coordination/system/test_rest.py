"""The coordination service as a program in any language meets it."""

import asyncio
from typing import Any

import httpx
import pytest

from ropewalk import open_engine, open_node
from ropewalk.coordination.recipes.limits import VALUE_BYTES_MAX
from ropewalk.runtime.edge import document_of
from ropewalk.runtime.server import serving
from ropewalk.systems.coordination.catalogue import OFFERS
from ropewalk.systems.coordination.service import coordination
from tests.coordination.system.served import over_http


async def posted(http: httpx.AsyncClient, path: str, **body: object) -> dict[str, Any]:
    told: dict[str, Any] = (await http.post(path, json=body)).json()
    return told


async def found(http: httpx.AsyncClient, path: str, **query: str) -> Any:
    return (await http.get(path, params=query)).json()


def test_a_lock_is_one_request_and_a_wait_is_one_more() -> None:
    async def main() -> None:
        async with over_http() as (_, http), asyncio.TaskGroup() as tasks:
            wanted = {"name": "orders/42", "ttl_ms": 10_000}
            first = await posted(http, "/claims/acquire", session="ada", **wanted)
            assert first["type"] == "Held"
            assert await posted(http, "/claims/acquire", session="ben", **wanted) == {"type": "Busy", "waiting": 0}
            waiting = tasks.create_task(posted(http, "/claims/acquire", session="ben", wait_s=20, **wanted))
            while not (claims := await found(http, "/claims", name="orders/42"))["queue"]:
                await asyncio.sleep(0)
            assert [each["session"] for each in claims["queue"]] == ["ben"]
            assert await posted(http, "/claims/release", name="orders/42", session="ada") == {"type": "Done"}
            second = await waiting
            assert second["type"] == "Held"
            assert second["token"] > first["token"]

    asyncio.run(main())


def test_who_waits_and_loses_the_session_is_told() -> None:
    async def main() -> None:
        async with over_http() as (_, http), asyncio.TaskGroup() as tasks:
            wanted = {"name": "orders/42", "ttl_ms": 10_000, "wait_s": 20}
            await posted(http, "/claims/acquire", session="ada", **wanted)
            waiting = tasks.create_task(http.post("/claims/acquire", json={"session": "ben", **wanted}))
            while not (await found(http, "/claims", name="orders/42"))["queue"]:
                await asyncio.sleep(0)
            await posted(http, "/sessions/end", space="orders", session="ben")
            response = await waiting
            assert response.status_code == 410
            assert response.json()["type"] == "urn:ropewalk:problem:session_expired"

    asyncio.run(main())


def test_sessions_are_opened_kept_alive_shown_and_ended() -> None:
    async def main() -> None:
        async with over_http() as (_, http):
            opened = await posted(http, "/sessions/open", space="orders", session="ada", ttl_ms=5_000)
            assert opened == {"type": "Alive", "ttl_ms": 5_000}
            assert await posted(http, "/sessions/keep-alive", space="orders", session="ada") == opened
            await posted(http, "/claims/acquire", name="orders/1", session="ada")
            shown = await found(http, "/sessions", space="orders", session="ada")
            assert shown == {"state": "open", "ttl_ms": 5_000, "claims": ["lock:orders/1"]}
            assert await posted(http, "/sessions/end", space="orders", session="ada") == {"type": "Done"}
            late = await http.post("/sessions/keep-alive", json={"space": "orders", "session": "ada"})
            assert late.status_code == 404

    asyncio.run(main())


@pytest.mark.parametrize(
    ("path", "body", "status", "name"),
    [
        ("/claims/acquire", {"name": "/orders", "session": "ada", "ttl_ms": 1_000}, 422, "bad_name"),
        ("/claims/acquire", {"name": "/orders", "session": "ada", "wait_s": 1}, 400, "bad_request"),
        ("/claims/acquire", {"name": "a#b", "session": "ada", "ttl_ms": 1_000}, 422, "bad_name"),
        ("/claims/acquire", {"name": "orders/1", "session": "ada"}, 404, "session_unknown"),
        ("/claims/acquire", {"name": "orders/1"}, 422, "invalid_body"),
        ("/claims/release", {"name": "orders/1", "session": "ada"}, 409, "not_claimed"),
        ("/config/set", {"name": "app/a", "value": "x" * (VALUE_BYTES_MAX + 1)}, 422, "too_large"),
        ("/config/set", {"name": "app/a", "value": "x", "version": 7}, 409, "version_differs"),
        ("/config/delete", {"name": "app/a"}, 404, "unknown"),
        ("/counters/set", {"name": "hits/a", "value": 1, "expected": 2}, 409, "value_differs"),
        ("/counters/add", {"name": "hits/a", "amount": 2**63}, 422, "bad_number"),
    ],
)
def test_a_refusal_says_why(path: str, body: dict[str, object], status: int, name: str) -> None:
    async def main() -> None:
        async with over_http() as (_, http):
            response = await http.post(path, json=body)
            assert response.status_code == status, response.text
            assert response.json()["type"] == f"urn:ropewalk:problem:{name}"

    asyncio.run(main())


def test_who_waits_in_a_queue_of_a_service_that_stops_is_not_told_that_nothing_happened() -> None:
    async def main() -> None:
        async with asyncio.TaskGroup() as tasks, httpx.AsyncClient() as http:
            async with open_node(coordination, open_engine("memory:")) as node, serving(node, port=0) as url:
                wanted = {"name": "orders/42", "ttl_ms": 10_000, "wait_s": 20}
                await posted(http, f"{url}/claims/acquire", session="ada", **wanted)
                body = {"session": "ben", **wanted}
                waiting = tasks.create_task(http.post(f"{url}/claims/acquire", json=body))
                while not (await found(http, f"{url}/claims", name="orders/42"))["queue"]:
                    await asyncio.sleep(0)
            assert waiting.result().json()["type"] == "urn:ropewalk:problem:outcome_unknown"

    asyncio.run(main())


def test_a_repeat_with_the_same_key_counts_once() -> None:
    async def main() -> None:
        async with over_http() as (_, http):
            for _ in range(2):
                headers = {"Idempotency-Key": "visit 7"}
                told = await http.post("/counters/add", json={"name": "hits/today"}, headers=headers)
                assert told.json() == {"type": "Counted", "value": 1}

    asyncio.run(main())


def test_changes_are_waited_for_from_a_number_on() -> None:
    async def main() -> None:
        async with over_http() as (_, http), asyncio.TaskGroup() as tasks:
            await posted(http, "/config/set", name="app/limit", value="10")
            told = await found(http, "/changes", name="app/", after="0")
            assert [each["value"] for each in told["changes"]] == ["10"]
            coming = tasks.create_task(found(http, "/changes", name="app/", after=str(told["next"]), wait_s="20"))
            await posted(http, "/config/set", name="app/limit", value="11")
            assert [each["value"] for each in (await coming)["changes"]] == ["11"]
            assert (await found(http, "/changes", name="app/"))["changes"] == []
            assert (await http.get("/changes", params={"name": "app/", "after": "99"})).status_code == 410
            for bad in ({"after": "-1"}, {"after": "x"}, {"wait_s": "nan"}, {"wait_s": "-1"}):
                assert (await http.get("/changes", params={"name": "app/", **bad})).status_code == 400

    asyncio.run(main())


def test_who_asks_for_changes_that_are_kept_no_more_is_told() -> None:
    async def main() -> None:
        async with open_node(coordination, open_engine("memory:")) as node, serving(node, port=0) as url:
            node.leaders[0].partition.feed._count_max = 2
            async with httpx.AsyncClient(base_url=url) as http:
                for number in range(4):
                    await posted(http, "/config/set", name="app/limit", value=str(number))
                late = await http.get("/changes", params={"name": "app/", "after": "0"})
                assert late.status_code == 410
                assert late.json()["type"] == "urn:ropewalk:problem:changes_forgotten"

    asyncio.run(main())


def test_what_is_kept_is_there_after_a_restart(tmp_path: Any) -> None:
    async def main(told: list[dict[str, Any]]) -> None:
        async with over_http(engine=f"sqlite:{tmp_path}") as (_, http):
            wanted = {"name": "orders/42", "session": "ada", "ttl_ms": 60_000}
            told.append(await posted(http, "/claims/acquire", **wanted))

    told: list[dict[str, Any]] = []
    asyncio.run(main(told))
    asyncio.run(main(told))
    assert told[0] == told[1]


def test_every_offer_is_described() -> None:
    paths = document_of(coordination)["paths"]
    assert isinstance(paths, dict)
    assert [offer.path for offer in OFFERS if offer.method.lower() not in paths.get(offer.path, {})] == []
