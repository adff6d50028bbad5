"""The port that a node listens on: taken, given back, and never left with an unanswered request."""

import asyncio
import socket

import httpx
import pytest
from starlette.types import Message

from ropewalk import open_engine, open_node
from ropewalk.errors import Rejected
from ropewalk.runtime.edge import Edge
from ropewalk.runtime.server import open_listener, serving
from tests.runtime.served import client_of, counters


def test_a_port_that_is_taken_is_told_with_its_number() -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            async with open_node(counters(), open_engine("memory:")) as node:
                with pytest.raises(Rejected, match=rf"port {port} \(another program does\): choose another port"):
                    await serving(node, port=port).__aenter__()

    asyncio.run(main())


def test_an_address_that_is_not_this_machines_is_what_is_to_be_changed() -> None:
    with pytest.raises(Rejected, match="choose another host"):
        open_listener("192.0.2.1", 0)


def test_a_stop_answers_what_was_accepted() -> None:
    async def main() -> list[httpx.Response]:
        async with asyncio.TaskGroup() as tasks, httpx.AsyncClient(timeout=20.0) as client:
            async with open_node(counters(), open_engine("memory:")) as node, serving(node, port=0) as url:
                body = {"counter": "a", "amount": 1}
                sent = [tasks.create_task(client.post(f"{url}/commands/Add", json=body)) for _ in range(20)]
                await sent[0]
                while not node.leaders[0].waiting and not all(each.done() for each in sent):
                    await asyncio.sleep(0)
            return [await each for each in sent if each.done() and not each.exception()]

    answers = asyncio.run(main())
    assert answers
    assert {each.status_code for each in answers} == {200}


def test_an_error_of_the_block_is_raised_as_itself() -> None:
    async def main() -> None:
        async with client_of(counters()):
            raise LookupError("of the block")

    with pytest.raises(LookupError, match="of the block"):
        asyncio.run(main())


def test_an_answer_does_not_wait_for_the_client_to_confirm_a_part_of_it() -> None:
    with open_listener("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_stop_does_not_wait_for_those_who_wait_for_events() -> None:
    async def main() -> httpx.Response:
        async with asyncio.TaskGroup() as tasks, httpx.AsyncClient(timeout=20.0) as client, asyncio.timeout(10):
            async with open_node(counters(), open_engine("memory:")) as node, serving(node, port=0) as url:
                waiting = tasks.create_task(client.get(f"{url}/events/0?wait_s=300"))
                while not node.leaders[0]._listeners._news._waiters:  # type: ignore[attr-defined]
                    await asyncio.sleep(0)
            return await waiting

    answer = asyncio.run(main())
    assert answer.status_code == 503
    assert "this is stopping" in answer.json()["detail"]


def test_who_is_cancelled_by_others_while_it_waits_is_cancelled() -> None:
    async def main() -> None:
        async with (
            asyncio.timeout(10),
            open_node(counters(), open_engine("memory:")) as node,
            asyncio.TaskGroup() as tasks,
        ):
            edge, sent = Edge(node), list[Message]()
            scope = {
                "type": "http",
                "method": "GET",
                "path": "/events/0",
                "headers": [],
                "query_string": b"wait_s=300",
            }

            async def receive() -> Message:
                return {"type": "http.request"}

            async def send(message: Message) -> None:
                sent.append(message)

            waiting = tasks.create_task(edge(scope, receive, send))
            while not node.leaders[0]._listeners._news._waiters:  # type: ignore[attr-defined]
                await asyncio.sleep(0)
            edge.close()
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert not sent

            await edge(scope, receive, send)
            assert sent[0]["status"] == 503, "it is not waited for at all when it stops"

    asyncio.run(main())
