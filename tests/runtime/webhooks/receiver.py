"""A real receiver on loopback: it answers as it is told to, and keeps what it was sent and verified."""

import asyncio
import json
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

TAKEN = b"HTTP/1.1 204 No Content\r\n\r\n"
CLOSED = b""
"""The connection is closed instead of an answer."""


def answer(status: int, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"content-length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


class Got(NamedTuple):
    """A message as it arrived."""

    headers: dict[str, str]
    body: bytes

    @property
    def event_id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(self.body)
        return event

    @property
    def subject(self) -> str:
        return str(self.event["subject"])


Answers = Callable[[Got], bytes | None]
"""What to answer to a message; None to never answer."""


class Receiver:
    """Made by `receiving`."""

    def __init__(self) -> None:
        self.url = ""
        self.answers: Answers = lambda _: TAKEN
        self.got: list[Got] = []
        self.connections = 0
        self.at_once = 0
        self.at_once_most = 0
        self._arrived = asyncio.Event()
        self._open: dict[asyncio.StreamWriter, asyncio.Future[None]] = {}

    @property
    def subjects(self) -> Counter[str]:
        """How often each subject arrived."""
        return Counter(got.subject for got in self.got)

    async def wait_until(self, holds: Callable[[], bool]) -> None:
        """Return when that is so, after some message."""
        async with asyncio.timeout(20):
            while not holds():
                self._arrived.clear()
                await self._arrived.wait()

    async def wait_for(self, count: int) -> None:
        """Return when so many more have come."""
        enough = len(self.got) + count
        await self.wait_until(lambda: len(self.got) >= enough)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        ended = self._open[writer] = asyncio.get_running_loop().create_future()
        try:
            while (got := await _message(reader)) is not None:
                self.at_once += 1
                self.at_once_most = max(self.at_once_most, self.at_once)
                # Others come meanwhile, if they may.
                await asyncio.sleep(0)
                self.got.append(got)
                told = self.answers(got)
                self._arrived.set()
                if told is None:
                    await reader.read()
                    return
                self.at_once -= 1
                writer.write(told)
                if not told:
                    return
        finally:
            writer.close()
            del self._open[writer]
            ended.set_result(None)

    async def close(self) -> None:
        """End all connections."""
        ends = list(self._open.values())
        for writer in self._open:
            writer.transport.abort()
        await asyncio.gather(*ends)


async def _message(reader: asyncio.StreamReader) -> Got | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    lines = [line.split(": ", 1) for line in head.split("\r\n")[1:] if line]
    headers = {name.lower(): value for name, value in lines}
    return Got(headers, await reader.readexactly(int(headers["content-length"])))


@asynccontextmanager
async def receiving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """A receiver on a free port until the block ends."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    receiver.url = f"https://localhost:{port}/hook" if tls else f"http://127.0.0.1:{port}/hook"
    try:
        yield receiver
    finally:
        server.close()
        await receiver.close()
