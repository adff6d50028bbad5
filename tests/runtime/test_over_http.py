"""A service at a URL as a target: what its answers mean, what goes along, and a client over several of them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random

import httpcore
import httpx
import msgspec
import pytest

from ropewalk import open_engine, open_node
from ropewalk.communication.client import Client
from ropewalk.communication.deadlines import Deadline, deadline_in
from ropewalk.communication.outcomes import Sign, Unreachable, sign_of
from ropewalk.communication.retries import Nature
from ropewalk.core.limits import DEADLINE_MAX_S
from ropewalk.errors import NotAccepted, OutcomeUnknown, Rejected, RopewalkError
from ropewalk.runtime.calls import Bounds
from ropewalk.runtime.over_http import Question, ServiceAt, call, error_of, open_client, service_at
from ropewalk.runtime.problems import Problem
from ropewalk.runtime.server import serving
from tests.runtime.served import Add, counters

Handler = Callable[[httpx.Request], Coroutine[None, None, httpx.Response]]


def add(amount: int, *, key: str = "") -> Question:
    return Question("POST", "/commands/Add", body=msgspec.json.encode({"counter": "a", "amount": amount}), key=key)


@asynccontextmanager
async def node(*, bounds: Bounds | None = None) -> AsyncIterator[str]:
    async with open_node(counters(), open_engine("memory:"), bounds=bounds) as opened, serving(opened, port=0) as url:
        yield url


def soon(seconds: float = 5.0) -> Deadline:
    return deadline_in(seconds, now_s=asyncio.get_running_loop().time())


async def answered_by(handler: Handler, question: Question, *, deadline: Deadline | None = None) -> httpx.Response:
    """Ask a service that is not there: what it would be sent comes to `handler`."""
    service = ServiceAt(
        "there", lambda: httpx.AsyncClient(base_url="http://there", transport=httpx.MockTransport(handler))
    )
    try:
        return await service.send(question, deadline=deadline or soon())
    finally:
        await service.close()


def test_a_service_answers_and_a_repeat_with_the_same_key_gets_the_first_answer() -> None:
    async def main() -> None:
        async with node() as url, service_at(url) as service:
            first = await service.send(add(2, key="k1"), deadline=soon())
            again = await service.send(add(2, key="k1"), deadline=soon())
            third = await service.send(add(2, key="k2"), deadline=soon())
            assert [each.json()["reply"] for each in (first, again, third)] == [2, 2, 4]

    asyncio.run(main())


def test_what_is_refused_for_good_is_the_problem_that_the_service_tells_of() -> None:
    async def main() -> None:
        async with node() as url, service_at(url) as service:
            with pytest.raises(Problem) as refused:
                await service.send(Question("POST", "/commands/Add", body=b"{}"), deadline=soon())
            assert (refused.value.status, refused.value.name) == (422, "invalid_body")
            assert sign_of(refused.value) is Sign.WELL

    asyncio.run(main())


def test_a_full_partition_is_busy_and_says_when_to_come_back() -> None:
    async def main() -> None:
        async with node(bounds=Bounds(queue_requests_max=0)) as url, service_at(url) as service:
            with pytest.raises(NotAccepted) as refused:
                await service.send(add(1), deadline=soon())
            assert refused.value.retry_after_s > 0
            assert sign_of(refused.value) is Sign.BUSY

    asyncio.run(main())


def test_where_nothing_listens_nothing_happened_and_the_target_is_sick() -> None:
    async def main() -> None:
        async with service_at("http://127.0.0.1:1") as service:
            with pytest.raises(Unreachable, match=r"no service answers at http://127\.0\.0\.1:1"):
                await service.send(add(1), deadline=soon())

    asyncio.run(main())


def test_what_a_request_costs_does_not_grow_with_the_connections_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[httpcore.AsyncHTTPConnection] = []
    is_idle = httpcore.AsyncHTTPConnection.is_idle

    def counted(connection: httpcore.AsyncHTTPConnection) -> bool:
        looked_at.append(connection)
        return is_idle(connection)

    monkeypatch.setattr(httpcore.AsyncHTTPConnection, "is_idle", counted)

    async def main() -> None:
        async with node() as url, service_at(url) as service:
            await asyncio.gather(*[service.send(add(1), deadline=soon(30.0)) for _ in range(60)])
            looked_at.clear()
            await service.send(add(1), deadline=soon())
            assert len(looked_at) < 20

    asyncio.run(main())


def test_the_deadline_goes_along_and_is_never_longer_than_a_service_takes() -> None:
    async def main() -> None:
        told: list[float] = []

        async def handler(request: httpx.Request) -> httpx.Response:
            told.append(float(request.headers["Ropewalk-Deadline"]))
            return httpx.Response(200)

        await answered_by(handler, add(1), deadline=soon(7.0))
        await answered_by(handler, add(1), deadline=soon(10 * DEADLINE_MAX_S))
        assert 6.0 < told[0] <= 7.0
        assert told[1] == DEADLINE_MAX_S

    asyncio.run(main())


def test_an_answer_that_does_not_come_in_time_or_breaks_off_is_an_unknown_outcome() -> None:
    async def silent(_: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")

    async def broken(_: httpx.Request) -> httpx.Response:
        raise httpx.RemoteProtocolError("it closed the connection")

    async def main() -> None:
        with pytest.raises(OutcomeUnknown, match=r"lost \(it took too long\)"):
            await answered_by(silent, add(1), deadline=soon(0.01))
        with pytest.raises(OutcomeUnknown, match="it closed the connection"):
            await answered_by(broken, add(1))

    asyncio.run(main())


def test_an_answer_that_is_not_encoded_as_it_says_is_an_unknown_outcome() -> None:
    async def garbled(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(b"no gzip"))

    async def main() -> None:
        with pytest.raises(OutcomeUnknown, match="was lost"):
            await answered_by(garbled, add(1))

    asyncio.run(main())


@pytest.mark.parametrize("left_s", [-1.0, 0.0, 0.0005])
def test_with_a_deadline_that_is_too_near_nothing_is_sent(left_s: float) -> None:
    async def unasked(_: httpx.Request) -> httpx.Response:
        raise AssertionError("it was sent")

    async def main() -> None:
        with pytest.raises(NotAccepted, match="the deadline is too near to ask there: nothing was sent"):
            await answered_by(unasked, add(1), deadline=soon(left_s))

    asyncio.run(main())


@pytest.mark.parametrize("key", ["k\n1", "clé"])
def test_a_key_that_no_header_can_hold_is_refused_before_anything_is_sent(key: str) -> None:
    async def main() -> None:
        async with node() as url, service_at(url) as service:
            with pytest.raises(Rejected, match="nothing was sent"):
                await service.send(add(1, key=key), deadline=soon())

    asyncio.run(main())


@pytest.mark.parametrize("url", ["nonsense", "localhost:8080", "ftp://there", "http://", "http://[::1", ""])
def test_what_is_no_url_of_a_service_is_refused_before_anything_is_sent(url: str) -> None:
    async def main() -> None:
        with pytest.raises(Rejected, match="is no URL"):
            async with service_at(url):
                pytest.fail("nothing can be there")

    asyncio.run(main())


def answer(status: int, content: bytes) -> httpx.Response:
    return httpx.Response(status, content=content, request=httpx.Request("GET", "http://there/x"))


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (answer(503, b'{"type": "urn:ropewalk:problem:not_accepted", "detail": "full"}'), NotAccepted),
        (answer(429, b'{"type": "about:blank", "detail": "slow down"}'), NotAccepted),
        (answer(500, b'{"type": "urn:ropewalk:problem:stopped", "detail": "stopped"}'), OutcomeUnknown),
        (answer(504, b'{"type": "urn:ropewalk:problem:outcome_unknown", "detail": "late"}'), OutcomeUnknown),
        (answer(404, b'{"type": "urn:ropewalk:problem:not_found", "detail": "no"}'), Problem),
        (answer(503, b"<html>a proxy</html>"), OutcomeUnknown),
        (answer(404, b"<html>no such page</html>"), OutcomeUnknown),
        (answer(404, b"[]"), OutcomeUnknown),
        (answer(404, b'{"type": "\xff"}'), OutcomeUnknown),
        (answer(404, b"[" * 100_000), OutcomeUnknown),
        (answer(503, b'{"type": "about:blank", "retry_after_s": "soon"}'), OutcomeUnknown),
        (answer(503, b'{"type": "about:blank", "retry_after_s": null}'), OutcomeUnknown),
        (answer(499, b'{"type": "about:blank", "detail": "a status of a proxy"}'), OutcomeUnknown),
    ],
    ids=lambda value: f"{value.status_code} {value.content[:12]!r}" if isinstance(value, httpx.Response) else "",
)
def test_what_an_answer_says_of_whether_it_happened(response: httpx.Response, expected: type[RopewalkError]) -> None:
    error = error_of(response)
    assert type(error) is expected


def test_what_else_a_problem_says_is_kept() -> None:
    content = b'{"type": "urn:ropewalk:problem:version_differs", "detail": "it is 7", "current": {"version": 7}}'
    error = error_of(answer(409, content))
    assert isinstance(error, Problem)
    assert (error.name, error.more, str(error)) == ("version_differs", {"current": {"version": 7}}, "it is 7")


def test_a_client_over_two_services_of_which_one_is_away_does_everything_once() -> None:
    async def main() -> None:
        async with AsyncExitStack() as stack:
            here = await stack.enter_async_context(service_at(await stack.enter_async_context(node())))
            away = await stack.enter_async_context(service_at("http://127.0.0.1:1"))
            client = Client([away, here], draw=Random(1).random)
            for number in range(1, 21):
                response = await client.call(add(1, key=f"k{number}"), nature=Nature.REPEATABLE_WRITE)
                assert response.json()["reply"] == number
            assert client.state().retries > 0

    asyncio.run(main())


def test_a_command_is_told_as_it_is_and_its_reply_is_of_its_type() -> None:
    async def main() -> None:
        async with node() as url, open_client("counters", ["http://127.0.0.1:1", url]) as client:
            first = await call(client, Add("a", 2), reply=int, key="k1")
            again = await call(client, Add("a", 2), reply=int, key="k1")
            drawn = [(await call(client, Add("a", 2), reply=int)).reply for _ in range(2)]
            assert (first.reply, again.reply, drawn) == (2, 2, [4, 6])
            assert first.token.startswith("counters/0:")
            with pytest.raises(OutcomeUnknown, match="Add was applied, and its reply is not of the expected type"):
                await call(client, Add("a", 2), reply=str)
            with pytest.raises(Problem, match="another body"):
                await call(client, Add("a", 3), reply=int, key="k1")

    asyncio.run(main())
