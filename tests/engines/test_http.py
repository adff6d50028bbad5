"""The HTTP sender, against a real receiver on loopback that does whatever receivers do."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from ropewalk.communication.webhooks.limits import RESPONSE_BYTES_MAX
from ropewalk.communication.webhooks.sending import Answer
from ropewalk.engines.http import HttpSender
from tests.runtime.webhooks.receiver import CLOSED, TAKEN, Receiver, answer, receiving

CERTIFICATE = Path(__file__).parent / "localhost.pem"
HEADERS = {"webhook-id": "event-1"}
Story = Callable[[Receiver, HttpSender], Awaitable[None]]


def play(story: Story, *, timeout_s: float = 10.0) -> None:
    async def main() -> None:
        sender = HttpSender(timeout_s=timeout_s)
        async with receiving() as receiver:
            await story(receiver, sender)
            await sender.close()

    asyncio.run(main())


def post(sender: HttpSender, url: str, body: bytes = b"{}") -> Awaitable[Answer]:
    return sender.post(url, headers=HEADERS, body=body)


def test_messages_arrive_as_they_were_given_and_share_one_connection() -> None:
    async def story(receiver: Receiver, sender: HttpSender) -> None:
        for number in range(20):
            assert (await post(sender, receiver.url, b"x" * number)).status == 204
        assert [len(got.body) for got in receiver.got] == list(range(20))
        assert receiver.got[0].headers["webhook-id"] == "event-1"
        assert receiver.got[0].headers["host"] in receiver.url
        assert receiver.connections == 1

    play(story)


def test_messages_at_the_same_time_have_connections_of_their_own() -> None:
    async def story(receiver: Receiver, sender: HttpSender) -> None:
        answers = await asyncio.gather(*(post(sender, receiver.url) for _ in range(8)))
        assert {each.status for each in answers} == {204}
        assert receiver.connections == receiver.at_once_most == 8

    play(story)


@pytest.mark.parametrize(
    ("told", "status", "why"),
    [
        (answer(200, body=b"ok"), 200, ""),
        (answer(302, "location: /elsewhere"), 302, ""),
        (answer(500, body=b"<h1>sorry</h1>"), 500, ""),
        (b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + TAKEN, 204, ""),
        (b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200, ""),
        (answer(200, body=bytes(RESPONSE_BYTES_MAX + 1)), 200, ""),
        (b"SSH-2.0-OpenSSH_9.6\r\n", 0, "its answer is no HTTP"),
        (CLOSED, 0, "it closed the connection"),
    ],
)
def test_every_answer_is_told_for_what_it_is_and_the_next_message_is_not_harmed(
    told: bytes, status: int, why: str
) -> None:
    async def story(receiver: Receiver, sender: HttpSender) -> None:
        receiver.answers = lambda _: told
        first = await post(sender, receiver.url)
        assert first.status == status
        assert why in first.why
        receiver.answers = lambda _: TAKEN
        assert (await post(sender, receiver.url)).status == 204
        assert {got.headers["webhook-id"] for got in receiver.got} == {"event-1"}

    play(story)


def test_a_redirect_is_not_followed() -> None:
    async def story(receiver: Receiver, sender: HttpSender) -> None:
        receiver.answers = lambda _: answer(307, f"location: {receiver.url}")
        assert not (await post(sender, receiver.url)).is_taken
        assert len(receiver.got) == 1

    play(story)


def test_a_receiver_that_never_answers_is_left_after_the_time_it_has() -> None:
    async def story(receiver: Receiver, sender: HttpSender) -> None:
        receiver.answers = lambda _: None
        told = await post(sender, receiver.url)
        assert (told.status, told.why) == (0, "it did not answer within 0.05 s")

    play(story, timeout_s=0.05)


def test_a_connection_that_was_closed_while_it_was_idle_is_not_a_failure() -> None:
    async def story(receiver: Receiver, sender: HttpSender) -> None:
        receiver.answers = lambda _: answer(200) if len(receiver.got) % 2 else CLOSED
        assert (await post(sender, receiver.url)).status == 200
        # The receiver closes the connection when it is used again, without an answer: another one is tried.
        assert (await post(sender, receiver.url)).status == 200
        assert receiver.connections == 2
        assert len(receiver.got) == 3

    play(story)


def test_retry_after_is_passed_on() -> None:
    async def story(receiver: Receiver, sender: HttpSender) -> None:
        receiver.answers = lambda _: answer(429, "Retry-After: 17")
        told = await post(sender, receiver.url)
        assert (told.status, told.retry_after, told.is_busy) == (429, "17", True)
        receiver.answers = lambda _: answer(500)
        assert (await post(sender, receiver.url)).retry_after == ""

    play(story)


def test_a_receiver_that_is_not_there_and_a_name_that_is_none_are_answers() -> None:
    async def story(receiver: Receiver, sender: HttpSender) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            told = await post(sender, f"http://127.0.0.1:{unused.getsockname()[1]}/")
        assert told.status == 0
        assert "it can't be reached" in told.reason
        assert "it can't be reached" in (await post(sender, "http://no-such-host.invalid/")).reason

    play(story)


@pytest.mark.parametrize(
    "url",
    [
        "http://a..b/",
        f"http://{'a' * 64}.example/",
        "http://127.0.0.1:99999/",
        "http://[::zz]/",
        "http://\u2603/\u2603",
    ],
)
def test_a_name_or_a_port_that_no_server_can_have_is_an_answer(url: str) -> None:
    async def story(_: Receiver, sender: HttpSender) -> None:
        assert "it can't be reached" in (await post(sender, url)).reason

    play(story)


def test_a_receiver_without_tls_gets_nothing_over_https() -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(TAKEN)
        writer.close()

    async def main() -> None:
        async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            told = await post(HttpSender(), f"https://127.0.0.1:{port}/")
        assert told.status == 0
        assert "it can't be reached" in told.reason

    asyncio.run(main())


def test_a_message_goes_over_tls_to_whom_the_system_trusts_and_to_nobody_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(CERTIFICATE)

    async def main() -> None:
        async with receiving(tls) as receiver:
            stranger = HttpSender()
            told = await post(stranger, receiver.url)
            assert "certificate verify failed" in told.reason
            monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
            trusting = HttpSender()
            for _ in range(3):
                assert (await post(trusting, receiver.url)).status == 204
            assert len(receiver.got) == 3
            await trusting.close()

    asyncio.run(main())
