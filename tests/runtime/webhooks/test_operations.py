"""Looking after webhooks over HTTP."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from ropewalk.communication.webhooks.signatures import verify
from ropewalk.engines.memory import MemoryEngine
from ropewalk.runtime.edge import document_of
from ropewalk.runtime.node import open_node
from ropewalk.runtime.server import serving
from tests.runtime.served import problem
from tests.runtime.webhooks.receiver import TAKEN, Receiver, answer, receiving
from tests.runtime.webhooks.shop import Shop, orders

Story = Callable[[httpx.AsyncClient, Shop, Receiver], Awaitable[None]]


def ask(story: Story) -> None:
    async def main() -> None:
        async with (
            receiving() as receiver,
            open_node(orders(), MemoryEngine()) as node,
            serving(node, port=0) as url,
            httpx.AsyncClient(base_url=url, timeout=20.0) as client,
        ):
            await story(client, Shop(node), receiver)

    asyncio.run(main())


async def post(client: httpx.AsyncClient, path: str, **body: object) -> Any:
    answered = await client.post(f"/webhooks{path}", json=body)
    assert answered.status_code == 200, answered.text
    return answered.json()


async def listed(client: httpx.AsyncClient, path: str = "") -> Any:
    answered = await client.get(f"/webhooks{path}")
    assert answered.status_code == 200, answered.text
    return answered.json()["items"]


def test_an_endpoint_is_added_with_a_secret_that_verifies_what_arrives_and_is_not_shown_again() -> None:
    async def story(client: httpx.AsyncClient, shop: Shop, receiver: Receiver) -> None:
        added = await post(client, "", url=receiver.url)
        await shop.pay("order-1")
        await shop.wait_behind(added["endpoint"])
        [got] = receiver.got
        verify(got.body, got.headers, [added["secret"]], now_s=int(got.headers["webhook-timestamp"]))
        [status] = await listed(client)
        assert (status["status"], status["delivered"], status["behind"]) == ("sending", 1, 0)
        assert added["secret"] not in (await client.get("/webhooks")).text

    ask(story)


def test_an_endpoint_may_begin_with_the_oldest_event_that_is_kept() -> None:
    async def story(client: httpx.AsyncClient, shop: Shop, receiver: Receiver) -> None:
        await shop.pay("order-1")
        await post(client, "", url=receiver.url, endpoint="new")
        await post(client, "", url=receiver.url, endpoint="all", from_oldest=True)
        await shop.wait_behind("all")
        assert receiver.subjects == {"order-1": 1}

    ask(story)


def test_settings_are_changed_a_secret_is_rotated_and_an_endpoint_is_switched_and_removed() -> None:
    async def story(client: httpx.AsyncClient, shop: Shop, receiver: Receiver) -> None:
        first = await post(client, "", url="http://127.0.0.1:9/", endpoint="a", in_flight=2)
        changed = await post(client, "/a/change", url=receiver.url, kinds=["order.paid"])
        assert (changed["url"], changed["kinds"], changed["in_flight"]) == (receiver.url, ["order.paid"], 2)
        assert "secret" not in changed
        rotated = await post(client, "/a/rotate", keep_s=60)
        assert rotated["secret"] != first["secret"]
        assert (await post(client, "/a/disable"))["disabled_because"] == "an operator disabled it"
        assert (await listed(client))[0]["status"] == "disabled"
        await shop.pay("order-1")
        assert (await listed(client))[0]["behind"] == 1
        await post(client, "/a/enable")
        await shop.wait_behind()
        for secret in (first["secret"], rotated["secret"]):
            [got] = receiver.got
            verify(got.body, got.headers, [secret], now_s=int(got.headers["webhook-timestamp"]))
        assert await post(client, "/a/remove") == {"count": 0}
        assert await listed(client) == []

    ask(story)


def test_what_was_not_taken_is_listed_with_the_reason_and_retried_or_dropped() -> None:
    async def story(client: httpx.AsyncClient, shop: Shop, receiver: Receiver) -> None:
        receiver.answers = lambda _: answer(500)
        await post(client, "", url=receiver.url, endpoint="a")
        await shop.pay("order-1")
        await shop.wait_behind()
        [letter] = await listed(client, "/a/waiting")
        assert (letter["subject"], letter["kind"], letter["why"]) == ("order-1", "order.paid", "it answered 500")
        assert await listed(client, "/a/dead") == []
        # Larger than what is kept for a further attempt, so it is a dead letter at once.
        await shop.pay("x" * 140_000)
        await shop.wait_behind()
        [dead] = await listed(client, "/a/dead")
        receiver.answers = lambda _: TAKEN
        assert await post(client, "/a/retry", event_ids=[dead["event_id"]]) == {"count": 0}
        assert await post(client, "/a/drop", event_ids=["other"]) == {"count": 0}
        assert await post(client, "/a/drop") == {"count": 1}
        assert await listed(client, "/a/dead") == []

    ask(story)


def test_the_same_endpoint_may_be_added_again_and_another_of_that_id_is_refused() -> None:
    async def story(client: httpx.AsyncClient, shop: Shop, receiver: Receiver) -> None:
        first = await post(client, "", url=receiver.url, endpoint="a")
        assert await post(client, "", url=receiver.url, endpoint="a") == first
        other = await client.post("/webhooks", json={"url": "http://127.0.0.1:9/", "endpoint": "a"})
        assert problem(other)["status"] == 409

    ask(story)


@pytest.mark.parametrize(
    ("path", "body", "status", "told"),
    [
        ("", {"url": "ftp://a/"}, 422, "write http:// or https://"),
        ("", {"url": "http://a/", "secret": "whsec_eA=="}, 422, "the secret has 1 bytes: take 24 to 64"),
        ("", {"url": "http://a/", "kind": "paid"}, 422, "unknown field `kind`"),
        ("", {}, 422, "missing required field `url`"),
        ("/b/enable", {}, 404, "there is no endpoint 'b'"),
        ("/b/retry", {}, 404, "there is no endpoint 'b'"),
    ],
)
def test_a_request_that_can_not_be_done_is_a_problem_that_says_why(
    path: str, body: dict[str, object], status: int, told: str
) -> None:
    async def story(client: httpx.AsyncClient, shop: Shop, receiver: Receiver) -> None:
        refused = await client.post(f"/webhooks{path}", json=body)
        assert refused.status_code == status
        assert told in problem(refused)["detail"]

    ask(story)


def test_letters_of_an_endpoint_that_is_not_there_are_not_found() -> None:
    async def story(client: httpx.AsyncClient, shop: Shop, receiver: Receiver) -> None:
        assert problem(await client.get("/webhooks/b/dead"))["status"] == 404

    ask(story)


def test_the_operations_are_in_the_document_of_the_service() -> None:
    paths = document_of(orders())["paths"]
    assert isinstance(paths, dict)
    assert {"/webhooks", "/webhooks/{endpoint}/dead", "/webhooks/{endpoint}/rotate"} <= set(paths)
