"""The HTTP engine: messages posted to receivers outside over HTTP/1.1, on connections that are kept open.

It parses with httptools, as uvicorn does. httpx was measured first: 600 messages a second on one core, most of it
spent in its connection pool; this sends sixty times as many.

Redirects are not followed. Private addresses are not refused: where endpoints are chosen by people who are not
trusted with what this machine can reach, send through a proxy that filters, or from a network of its own.

Checked by: tests/engines/test_http.py
"""

import asyncio
import ssl
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple, cast
from urllib.parse import urlsplit

import httptools

from ropewalk.communication.webhooks.limits import IDLE_CONNECTIONS_MAX, RESPONSE_BYTES_MAX, TIMEOUT_S
from ropewalk.communication.webhooks.sending import Answer

_URLS_REMEMBERED: Final = 256
_FINAL_STATUS: Final = 200
"""Answers below are on the way to the real one (100 Continue, 103 Early Hints)."""


class _Target(NamedTuple):
    """Where a URL leads: the server (host, port, whether over TLS), and the beginning of every request to it."""

    server: tuple[str, int, bool]
    head: str

    @property
    def is_tls(self) -> bool:
        return self.server[2]


class HttpSender:
    """Connections to any number of receivers, used for one message at a time each."""

    def __init__(self, *, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._idle: dict[tuple[str, int, bool], list[_Connection]] = {}
        self._tls: ssl.SSLContext | None = None

    async def post(self, url: str, *, headers: Mapping[str, str], body: bytes) -> Answer:
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        try:
            target = _target(url)
            request = f"{target.head}{lines}content-length: {len(body)}\r\n\r\n".encode("latin-1") + body
            async with asyncio.timeout(self._timeout_s):
                answer = await self._ask(target, request)
        except TimeoutError:
            return Answer(0, f"it did not answer within {self._timeout_s:g} s")
        except (OSError, ValueError, OverflowError) as error:
            # A name or a number that no server can have is found out by the library that looks it up.
            return Answer(0, f"it can't be reached: {error}")
        return answer

    async def close(self) -> None:
        for connections in self._idle.values():
            for connection in connections:
                connection.close()
        self._idle.clear()

    async def _ask(self, target: _Target, request: bytes) -> Answer:
        idle = self._idle.get(target.server, [])
        while idle:
            answer = await self._ask_on(idle.pop(), target, request)
            if answer is not None:
                return answer
            # The receiver closed it while nothing was asked, as it may: the question goes out on another one.
        if target.is_tls and self._tls is None:
            self._tls = ssl.create_default_context()
        host, port, _ = target.server
        _, connection = await asyncio.get_running_loop().create_connection(
            _Connection, host, port, ssl=self._tls if target.is_tls else None
        )
        return await self._ask_on(connection, target, request) or Answer(0, "it closed the connection unasked")

    async def _ask_on(self, connection: "_Connection", target: _Target, request: bytes) -> Answer | None:
        """The answer; None if the connection ended before anything came."""
        try:
            return await connection.ask(request)
        finally:
            self._put_back(target, connection)

    def _put_back(self, target: _Target, connection: "_Connection") -> None:
        idle = self._idle.setdefault(target.server, [])
        if connection.is_idle and len(idle) < IDLE_CONNECTIONS_MAX:
            idle.append(connection)
        else:
            connection.close()


class _Connection(asyncio.Protocol):
    """One connection, with at most one question under way."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._response = _Response()
        self._answer: asyncio.Future[Answer | None] | None = None
        self._is_open = True

    async def ask(self, request: bytes) -> Answer | None:
        """Send a request and return its answer; None if the connection ended before anything came."""
        if not self._is_open:
            return None
        self._response = _Response()
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    @property
    def is_idle(self) -> bool:
        """Whether another request may be sent on it."""
        return self._is_open and self._answer is None

    def close(self) -> None:
        """End it at once."""
        self._is_open = False
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._answer is None:
            # Nothing was asked: the next answer must not be taken for this.
            self.close()
            return
        self._response.feed(data)
        if self._response.is_over:
            self._finish(self._response.answer)
            if not self._response.keeps_connection:
                self.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._is_open = False
        # A body of unknown length ends with its connection.
        cut_off = Answer(0, f"it closed the connection within its answer ({error or 'end of file'})")
        self._finish(self._response.answer or (cut_off if error or self._response.has_begun else None))

    def _finish(self, answer: Answer | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(answer)
        self._answer = None


class _Response:
    """What comes back on a connection. httptools calls the methods that begin with `on`."""

    def __init__(self) -> None:
        self.answer: Answer | None = None
        self.has_begun = False
        self.is_over = False
        self.keeps_connection = False
        self._parser = httptools.HttpResponseParser(self)
        self._retry_after = ""
        self._body_bytes = 0

    def feed(self, data: bytes) -> None:
        """Read on. Afterwards there is an `answer` if its status is known, and it may be `over`."""
        self.has_begun = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.answer = self.answer or Answer(0, f"its answer is no HTTP: {error}")
            self.is_over = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"retry-after":
            self._retry_after = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= _FINAL_STATUS:
            self.answer = Answer(status, retry_after=self._retry_after)

    def on_body(self, piece: bytes) -> None:
        self._body_bytes += len(piece)
        self.is_over = self.is_over or self._body_bytes > RESPONSE_BYTES_MAX

    def on_message_complete(self) -> None:
        if self.answer is not None:
            self.keeps_connection = not self.is_over and self._parser.should_keep_alive()
            self.is_over = True


@lru_cache(maxsize=_URLS_REMEMBERED)
def _target(url: str) -> _Target:
    parts = urlsplit(url)
    is_tls = parts.scheme == "https"
    path = parts.path or "/"
    query = f"?{parts.query}" if parts.query else ""
    head = f"POST {path}{query} HTTP/1.1\r\nhost: {parts.netloc}\r\n"
    return _Target((parts.hostname or "", parts.port or (443 if is_tls else 80), is_tls), head)
