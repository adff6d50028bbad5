"""`kill -9` of the sender between deliveries, time after time: nothing is lost, and a repeat is seen as one."""

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from time import monotonic

import httpx

from tests.cli.running import Running, load_until_killed, running

KILLS = 8
CALLERS = 4
REFUSED = {f"order-{number}" for number in range(7, 300, 10)}
"""What the receiver never takes: so few that it is not held up."""


class Receiver(ThreadingHTTPServer):
    """Takes every message but some, and keeps the ids by subject."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.taken: dict[str, list[str]] = defaultdict(list)

    def handle_error(self, *_: object) -> None:
        """Connections of a sender that is killed are reset."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        subject = httpx.Response(200, content=body).json()["subject"]
        is_taken = subject not in REFUSED
        if is_taken:
            self.server.taken[subject].append(str(self.headers["webhook-id"]))
        self.send_response(204 if is_taken else 500)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def receiving() -> Iterator[Receiver]:
    with Receiver() as receiver:
        thread = threading.Thread(target=receiver.serve_forever)
        thread.start()
        try:
            yield receiver
        finally:
            receiver.shutdown()
            thread.join()


class Load:
    """Callers that pay orders, each once, until the service is killed."""

    def __init__(self) -> None:
        self.acknowledged: list[str] = []
        self._asked = 0
        self._lock = threading.Lock()

    def run(self, service: Running, *, seconds: float) -> None:
        load_until_killed(service, self._call, callers=CALLERS, seconds=seconds)

    def _call(self, service: Running) -> None:
        with httpx.Client(base_url=service.url, timeout=20.0) as client:
            while self._pay(client):
                pass

    def _pay(self, client: httpx.Client) -> bool:
        with self._lock:
            self._asked += 1
            order = f"order-{self._asked}"
        try:
            paid = client.post("/commands/Pay", json={"order": order})
        except httpx.TransportError:
            return False
        assert paid.status_code == 200, paid.text
        with self._lock:
            self.acknowledged.append(order)
        return True


def wait_behind(client: httpx.Client) -> None:
    """Return when the endpoint is done with every event."""
    until_s = monotonic() + 60
    while client.get("/webhooks").json()["items"][0]["behind"]:
        assert monotonic() < until_s, client.get("/webhooks").text


def add(service: Running, url: str) -> None:
    added = httpx.post(f"{service.url}/webhooks", json={"url": url, "endpoint": "a"})
    assert added.status_code == 200, added.text


def waiting_at_the_end(service: Running) -> set[str]:
    """What waits when the endpoint is done with every event."""
    with httpx.Client(base_url=service.url, timeout=20.0) as client:
        wait_behind(client)
        letters = client.get("/webhooks/a/waiting").json()["items"]
    return {letter["subject"] for letter in letters}


def test_killed_again_and_again_every_acknowledged_event_is_taken_or_waits(tmp_path: Path) -> None:
    load, random = Load(), Random(8)
    words = ("serve", "tests.runtime.webhooks.shop:SERVICE", "--engine", f"sqlite:{tmp_path}")
    with receiving() as receiver:
        for _ in range(KILLS):
            with running(*words) as service:
                add(service, receiver.url)
                load.run(service, seconds=random.uniform(0.1, 0.5))
        with running(*words) as service:
            waiting = waiting_at_the_end(service)
            assert service.stop() == 0
    acknowledged = set(load.acknowledged)
    assert acknowledged - REFUSED <= set(receiver.taken)
    assert acknowledged & REFUSED <= waiting <= REFUSED
    assert all(len(set(ids)) == 1 for ids in receiver.taken.values()), "a repeat has the id of the first"
    assert len(load.acknowledged) > KILLS * CALLERS
