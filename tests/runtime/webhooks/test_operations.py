"""Looking after webhooks over HTTP."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from ropewalk.communication.webhooks.signatures import verify
from ropewalk.core.limits import EVENTS_KEPT
from ropewalk.engines.memory import MemoryEngine
from ropewalk.runtime.edge import document_of
from ropewalk.runtime.node import open_node
from ropewalk.runtime.server import serving
from ropewalk.runtime.webhooks.deliveries import states_of
from tests.runtime.served import problem
from tests.runtime.webhooks.receiver import TAKEN, Receiver, answer, receiving
from tests.runtime.webhooks.shop import Shop, numbered, orders

Story = Callable[[httpx.AsyncClient, Shop, Receiver], Awaitable[None]]


def ask(story: Story, *, partitions: int = 1) -> None:
    async def main() -> None:
        async with (
            receiving() as receiver,
            open_node(orders(partitions=partitions), MemoryEngine()) as node,
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


def test_an_endpoint_begins_behind_the_event_that_is_named_or_in_each_partition_behind_its_own() -> None:
    async def story(client: httpx.AsyncClient, shop: Shop, receiver: Receiver) -> None:
        await shop.pay(*numbered(10))
        await post(client, "", url=receiver.url, endpoint="a", after=7)
        await shop.wait_behind()
        assert receiver.subjects == dict.fromkeys(numbered(10)[7:], 1)

    async def divided(client: httpx.AsyncClient, shop: Shop, receiver: Receiver) -> None:
        await shop.pay(*numbered(40))
        lasts = [each["last"] for each in (await client.get("/events")).json()["partitions"]]
        await post(client, "", url=receiver.url, endpoint="a", after={"0": lasts[0] - 2, "1": lasts[1] - 1})
        await shop.wait_behind()
        assert len(receiver.got) == 3
        await post(client, "", url=receiver.url, endpoint="b", after={"0": lasts[0] - 2}, from_oldest=True)
        await shop.wait_behind("b")
        assert len(receiver.got) == 3 + 2 + lasts[1]
        unclear = await client.post("/webhooks", json={"url": receiver.url, "after": 3})
        assert "3 may be of any of 2 partitions: name them" in problem(unclear)["detail"]
        unknown = await client.post("/webhooks", json={"url": receiver.url, "after": {"2": 3}})
        assert "there is no partition 2: orders has 2, from 0" in problem(unknown)["detail"]

    ask(story)
    ask(divided, partitions=2)


def test_an_endpoint_is_set_back_and_gets_again_what_is_behind_whatever_was_on_its_way() -> None:
    async def story(client: httpx.AsyncClient, shop: Shop, receiver: Receiver) -> None:
        await post(client, "", url=receiver.url, endpoint="a")
        await shop.pay(*numbered(20))
        # They are taken, and that is not recorded yet: the record comes when the endpoint is set back.
        await receiver.wait_until(lambda: len(receiver.subjects) == 20)
        await post(client, "/a/replay", after=0)
        await receiver.wait_until(lambda: set(receiver.subjects.values()) == {2})
        await shop.wait_behind()
        assert len({got.event_id for got in receiver.got}) == 20
        assert await post(client, "/a/replay", after=15) == {"count": 5}
        await shop.wait_behind()
        assert receiver.subjects == dict.fromkeys(numbered(15), 2) | dict.fromkeys(numbered(20)[15:], 3)
        refused = await client.post("/webhooks/a/replay", json={"after": 21})
        assert (refused.status_code, problem(refused)["type"]) == (422, "urn:ropewalk:problem:not_yet")

    ask(story)


def test_events_that_are_kept_no_more_are_not_replayed_and_the_answer_says_from_where_they_can_be() -> None:
    async def story(client: httpx.AsyncClient, shop: Shop, receiver: Receiver) -> None:
        for _ in range(EVENTS_KEPT // 8_192):
            await shop.pay(*["order"] * 8_192)
        await shop.pay("order", "order")
        await post(client, "", url=receiver.url, endpoint="a", subject_prefix="none")
        gone = await client.post("/webhooks/a/replay", json={"after": 1})
        assert gone.status_code == 410
        assert (
            "event 2 of orders/0 is kept no more, 3 is the oldest that is: give 2 or more" in problem(gone)["detail"]
        )
        assert await post(client, "/a/replay", after=2) == {"count": EVENTS_KEPT}

    ask(story)


def test_with_a_key_an_endpoint_is_added_once_and_a_secret_drawn_once() -> None:
    async def story(client: httpx.AsyncClient, shop: Shop, receiver: Receiver) -> None:
        async def twice(path: str, key: str, **body: object) -> Any:
            first, again = [
                await client.post(f"/webhooks{path}", json=body, headers={"Idempotency-Key": key}) for _ in range(2)
            ]
            assert first.status_code == 200, first.text
            assert again.json() == first.json()
            return again.json()

        added = await twice("", "add", url=receiver.url)
        other = await twice("", "another", url=receiver.url)
        assert added["endpoint"] != other["endpoint"]
        assert added["secret"] != other["secret"]
        assert len(await listed(client)) == 2
        rotated = await twice(f"/{added['endpoint']}/rotate", "rotate")
        assert rotated["secret"] not in (added["secret"], other["secret"])
        [state] = [each for each in await states_of(shop.webhooks) if each.endpoint.endpoint == added["endpoint"]]
        assert state.endpoint.secrets == (rotated["secret"], added["secret"])
        await shop.pay("order-1")
        await shop.wait_behind(added["endpoint"])
        assert await twice(f"/{added['endpoint']}/replay", "replay", after=0) == {"count": 1}
        await shop.wait_behind(added["endpoint"])
        assert (await shop.state(added["endpoint"])).progress.replays == 1
        assert await twice(f"/{added['endpoint']}/remove", "remove") == {"count": 0}
        # Also the answer about one that is there no more.
        assert await twice("", "add", url=receiver.url) == added
        assert len(await listed(client)) == 1
        reused = await client.post(
            "/webhooks", json={"url": receiver.url, "from_oldest": True}, headers={"Idempotency-Key": "add"}
        )
        assert (reused.status_code, problem(reused)["type"]) == (422, "urn:ropewalk:problem:key_reused")

    ask(story)


def test_the_same_key_of_two_services_draws_two_secrets() -> None:
    secrets = []

    async def story(client: httpx.AsyncClient, shop: Shop, receiver: Receiver) -> None:
        added = await client.post("/webhooks", json={"url": receiver.url}, headers={"Idempotency-Key": "add"})
        secrets.append(added.json()["secret"])

    ask(story)
    ask(story)
    assert secrets[0] != secrets[1]


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
