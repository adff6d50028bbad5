"""Following over HTTP: by number, waiting for what comes, and told when it is gone."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from ropewalk.core import feed
from ropewalk.runtime import following
from ropewalk.runtime.node import Node
from tests.runtime.served import client_of, problem
from tests.runtime.town import SOURCE, TARGET, Fill, Pay, town


def run(check: Callable[[httpx.AsyncClient, Node], Awaitable[None]]) -> None:
    async def main() -> None:
        async with client_of(town(1)) as (client, node):
            await node.call(Fill(SOURCE, 100))
            await check(client, node)

    asyncio.run(main())


async def pay(node: Node, *amounts: int) -> None:
    for amount in amounts:
        before = node.leaders[0].partition.feed.last
        await node.call(Pay(SOURCE, TARGET, amount))
        await node.leaders[0].wait_events(before)


async def events(client: httpx.AsyncClient, query: str) -> dict[str, Any]:
    answer: dict[str, Any] = (await client.get(f"/events/0?{query}")).json()
    return answer


def test_events_are_followed_from_any_number() -> None:
    async def check(client: httpx.AsyncClient, node: Node) -> None:
        await pay(node, 1, 2, 3)
        told = await events(client, "after=1&limit=1")
        [event] = told["events"]
        assert (event["number"], event["kind"], event["subject"], event["data"]) == (
            2,
            "brought",
            TARGET,
            [2, "town/0"],
        )
        assert told["last"] == 3
        assert (await events(client, "after=3"))["events"] == []
        assert (await client.get("/events")).json() == {"partitions": [{"partition": 0, "oldest": 1, "last": 3}]}

    run(check)


def test_an_answer_may_wait_for_the_next_event() -> None:
    async def check(client: httpx.AsyncClient, node: Node) -> None:
        told, _ = await asyncio.gather(events(client, "after=0&wait_s=10"), pay(node, 7))
        assert [event["data"][0] for event in told["events"]] == [7]
        assert (await events(client, "after=1&wait_s=0.01"))["events"] == []

    run(check)


def test_what_is_answered_at_once_is_bounded_and_the_rest_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def check(client: httpx.AsyncClient, node: Node) -> None:
        await pay(node, 1, 2, 3, 4, 5)
        size = node.leaders[0].events(0, limit=1)[0].event.size
        for bytes_max, count in ((2 * size, 2), (2 * size - 1, 1), (1, 1)):
            monkeypatch.setattr(following, "EVENTS_READ_BYTES", bytes_max)
            told = await events(client, "after=1")
            assert ([event["number"] for event in told["events"]], told["last"]) == ([2, 3][:count], 5)

    run(check)


def test_what_is_gone_is_said_to_be_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed.Feed.__init__, "__kwdefaults__", {"count_max": 2, "bytes_max": 1_000})

    async def check(client: httpx.AsyncClient, node: Node) -> None:
        await pay(node, 1, 2, 3, 4)
        gone = await client.get("/events/0?after=1")
        assert gone.status_code == 410
        assert "event 2 was asked for, and 3 is the oldest" in problem(gone)["detail"]
        assert len((await events(client, "after=2"))["events"]) == 2

    run(check)


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("/events/1", 404, "there is no partition 1: town has 1, from 0"),
        ("/events/x", 404, "there is no partition x"),
        ("/events/²", 404, "there is no partition ²"),
        (f"/events/{'9' * 5_000}", 404, "there is no partition 999"),
        (f"/events/0?after={'9' * 5_000}", 400, "after is '999"),
        ("/events/0?after=-1", 400, "after is '-1': give a whole number"),
        ("/events/0?limit=99999", 400, "limit is '99999'"),
        ("/events/0?wait_s=soon", 400, "wait_s is 'soon': give seconds"),
    ],
)
def test_what_cannot_be_asked_is_said(path: str, status: int, told: str) -> None:
    async def check(client: httpx.AsyncClient, _: Node) -> None:
        answer = await client.get(path)
        assert answer.status_code == status
        assert told in problem(answer)["detail"]

    run(check)


def test_what_waits_between_partitions_is_in_health_and_in_metrics() -> None:
    async def check(client: httpx.AsyncClient, node: Node) -> None:
        await pay(node, 1)
        [partition] = (await client.get("/health")).json()["partitions"]
        assert (partition["events"], partition["outbox"]) == (1, node.leaders[0].partition.mailbox.waiting)
        metrics = (await client.get("/metrics")).text
        assert 'ropewalk_messages_taken_in_total{partition="0",service="town"}' in metrics
        assert 'ropewalk_outbox_messages{partition="0",service="town"}' in metrics

    run(check)
