"""`ropewalk webhooks` beside a real service and a real receiver."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from threading import Thread
from typing import ClassVar

import httpx
import pytest

from ropewalk.communication.webhooks.signatures import verify
from tests.cli.running import Running, asked, ropewalk, running


class Receiver(BaseHTTPRequestHandler):
    """Takes what comes while `status` says so."""

    got: ClassVar["Queue[tuple[dict[str, str], bytes]]"] = Queue()
    status: ClassVar[int] = 204

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(self.status)
        self.end_headers()
        self.got.put((dict(self.headers), body))

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def receiving(handler: type[Receiver]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def receiver() -> Iterator[str]:
    with receiving(Receiver) as url:
        yield url


@pytest.fixture
def service() -> Iterator[Running]:
    with running("serve", "tests.runtime.webhooks.shop:SERVICE") as service:
        yield service
        assert service.stop() == 0


def pay(service: Running, order: str) -> None:
    assert httpx.post(f"{service.url}/commands/Pay", json={"order": order}).status_code == 200


def test_endpoints_are_added_listed_and_looked_after(service: Running, receiver: str) -> None:
    words = ("webhooks", "add", receiver, "--id", "shop", "--kind", "order.paid", "--subject-prefix", "eu/")
    [added] = asked(service, *words)
    assert asked(service, *words) == [added]
    assert added["secret"] not in ropewalk("webhooks", "list", "--url", service.url, "--json").stdout
    pay(service, "us/1")
    pay(service, "eu/1")
    headers, body = Receiver.got.get(timeout=20)
    verify(body, headers, [added["secret"]], now_s=int(headers["webhook-timestamp"]))
    assert json.loads(body)["subject"] == "eu/1"
    [status] = asked(service, "webhooks", "list")
    assert (status["endpoint"], status["kinds"], status["dead"]) == ("shop", ["order.paid"], 0)
    assert asked(service, "webhooks", "rotate", "shop", "--keep", "60")[0]["secret"].startswith("whsec_")
    assert asked(service, "webhooks", "disable", "shop")[0]["disabled_because"] == "an operator disabled it"
    assert "disabled_because" not in asked(service, "webhooks", "enable", "shop")[0]
    assert asked(service, "webhooks", "waiting", "shop") == []
    assert asked(service, "webhooks", "dead", "shop") == []
    assert asked(service, "webhooks", "retry", "shop", "--all") == [{"count": 0}]
    assert asked(service, "webhooks", "drop", "shop", "event-1", "event-2") == [{"count": 0}]
    while asked(service, "webhooks", "list")[0]["behind"]:
        pass
    again = ropewalk("webhooks", "replay", "shop", "--after", "1", "--url", service.url).stdout
    assert again == "1 come again\n"
    assert json.loads(Receiver.got.get(timeout=20)[1])["subject"] == "eu/1"
    [late] = asked(service, "webhooks", "add", f"{receiver}late", "--after", "0=1")
    assert json.loads(Receiver.got.get(timeout=20)[1])["subject"] == "eu/1"
    asked(service, "webhooks", "remove", late["endpoint"])
    shown = ropewalk("webhooks", "list", "--url", service.url).stdout
    assert "shop" in shown
    assert "sending" in shown
    removed = ropewalk("webhooks", "remove", "shop", "--url", service.url).stdout
    assert removed == "shop is forgotten, with 0 messages that it did not take\n"
    assert asked(service, "webhooks", "list") == []


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("add", "nowhere"), 1, "write http:// or https://"),
        (("dead", "nobody"), 1, "there is no endpoint 'nobody': GET /webhooks lists them\n"),
        (("rotate", "nobody"), 1, "list them with `ropewalk webhooks list`"),
        (("retry", "nobody"), 2, "or give --all"),
        (("drop", "nobody", "event-1", "--all"), 2, "or give --all"),
        (("replay", "nobody", "--after", "1"), 1, "there is no endpoint 'nobody'"),
        (("replay", "nobody", "--after", "7=1"), 1, "there is no partition 7: orders has 1, from 0"),
        (("replay", "nobody", "--after", "one"), 2, "'one' is none: give N, or PARTITION=N"),
        (("replay", "nobody", "--after", "1", "--after", "2"), 2, "'1 2' is none: give N, or PARTITION=N"),
        (("replay", "nobody"), 2, "Missing option '--after'"),
    ],
)
def test_what_can_not_be_done_is_told_in_a_sentence(
    service: Running, words: tuple[str, ...], code: int, told: str
) -> None:
    done = ropewalk("webhooks", *words, "--url", service.url)
    assert done.returncode == code
    assert told in done.stderr
    assert "Traceback" not in done.stderr


class Busy(Receiver):
    """Says the first time that it can't now; keeps the keys that it was sent."""

    keys: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.keys.append(self.headers["idempotency-key"])
        self.send_response(503 if len(self.keys) % 2 else 200)
        self.end_headers()
        self.wfile.write(b'{"retry_after_s": 0}' if len(self.keys) % 2 else ANSWER)


SUMMARY = {"id": "t1", "saga": "trip", "state": "running", "waits_for": [], "changed_ns": 0, "stuck": "", "why": ""}
ANSWER = json.dumps({"endpoint": "a", "url": "http://a/", "secret": "s", "count": 1, **SUMMARY}).encode()


@pytest.mark.parametrize(
    "words",
    [
        ("webhooks", "add", "http://a/"),
        ("webhooks", "rotate", "a"),
        ("webhooks", "replay", "a", "--after", "1"),
        ("webhooks", "retry", "a", "--all"),
        ("saga", "retry", "t1"),
        ("saga", "compensate", "t1"),
        ("saga", "resolve", "t1", "hotel"),
    ],
)
def test_what_is_sent_again_has_the_same_key_and_what_is_said_again_another(words: tuple[str, ...]) -> None:
    Busy.keys.clear()
    with receiving(Busy) as url:
        for _ in range(2):
            done = ropewalk(*words, "--url", url)
            assert done.returncode == 0, done.stderr
    first, repeated, second, _ = Busy.keys
    assert first == repeated
    assert len({first, second, None}) == 3
