"""So many callers over HTTP, each with a session and a lock of its own, which it acquires and releases in turn.

    python -m benchmarks.lock_client SERVICE URL SECONDS CALLERS

SERVICE is `ropewalk` or `etcd`. One process, one connection a caller, one request at a time on each; every answer is
looked at. It prints what it found as JSON, as `transfers.lua` does.
"""

import asyncio
import base64
import json
import sys
import time
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

import numpy as np
import uvloop


class Locks(Protocol):
    """How one caller speaks to a service."""

    async def begin(self) -> None:
        """Open a session that outlives the measurement."""
        ...

    async def acquire_and_release(self) -> None:
        """Both, each with its answer. Raises AssertionError if the lock was not had."""
        ...


class Connection(asyncio.Protocol):
    """One request at a time over HTTP/1.1."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._received = b""
        self._transport: asyncio.Transport
        self._answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports write without being asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        size = int(head.lower().partition(b"\r\ncontent-length:")[2].split(b"\r\n", 1)[0])
        if len(body) >= size:
            self._received = b""
            assert head.startswith(b"HTTP/1.1 200"), (head, body)
            self._answer.set_result(body)

    def connection_lost(self, error: Exception | None) -> None:
        if not self._answer.done():
            self._answer.set_exception(error or ConnectionError("the service closed the connection"))

    def request(self, path: str, body: object) -> bytes:
        """The bytes of a request, to be sent any number of times."""
        content = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\n"
        return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content

    async def ask(self, request: bytes) -> bytes:
        """The body of the answer."""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        """Hang up."""
        self._answer.cancel()
        self._transport.close()


class Ropewalk:
    """Ropewalk's coordination service."""

    def __init__(self, connection: Connection, number: int) -> None:
        self._connection = connection
        mine = {"name": f"bench/{number}", "session": f"caller-{number}"}
        self._open = connection.request(
            "/sessions/open", {"space": "bench", "session": mine["session"], "ttl_ms": 600_000}
        )
        self._acquire = connection.request("/claims/acquire", mine)
        self._release = connection.request("/claims/release", mine)

    async def begin(self) -> None:
        await self._connection.ask(self._open)

    async def acquire_and_release(self) -> None:
        held = await self._connection.ask(self._acquire)
        assert b'"Held"' in held, held
        await self._connection.ask(self._release)


class Etcd:
    """etcd's lock service through its JSON gateway: a lease a caller, as its own clients do."""

    def __init__(self, connection: Connection, number: int) -> None:
        self._connection = connection
        self._name = base64.b64encode(f"bench/{number}".encode()).decode()
        self._lock = b""

    async def begin(self) -> None:
        granted = await self._connection.ask(self._connection.request("/v3/lease/grant", {"TTL": 600}))
        lease = json.loads(granted)["ID"]
        self._lock = self._connection.request("/v3/lock/lock", {"name": self._name, "lease": lease})

    async def acquire_and_release(self) -> None:
        locked: dict[str, Any] = json.loads(await self._connection.ask(self._lock))
        await self._connection.ask(self._connection.request("/v3/lock/unlock", {"key": locked["key"]}))


SERVICES = {"ropewalk": Ropewalk, "etcd": Etcd}


async def main(service: str, url: str, *, seconds: float, callers: int) -> None:
    """Let them run for so long, and print how often they had their lock."""
    address = urlsplit(url)
    took: list[float] = []
    loop = asyncio.get_running_loop()

    async def caller(number: int, ready: asyncio.Barrier) -> None:
        _, connection = await loop.create_connection(
            lambda: Connection(address.netloc), address.hostname, address.port
        )
        locks: Locks = SERVICES[service](connection, number)
        await locks.begin()
        await ready.wait()
        until = time.perf_counter() + seconds
        while (sent := time.perf_counter()) < until:
            await locks.acquire_and_release()
            took.append(time.perf_counter() - sent)
        connection.close()

    ready = asyncio.Barrier(callers + 1)
    async with asyncio.TaskGroup() as tasks:
        for number in range(callers):
            tasks.create_task(caller(number, ready))
        await ready.wait()
        began = time.perf_counter()
    ran = time.perf_counter() - began
    p50, p99 = (round(float(np.percentile(took, percent)) * 1e6) for percent in (50, 99))
    print(json.dumps({"locks": len(took), "microseconds": round(ran * 1e6), "p50_us": p50, "p99_us": p99}))


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2], seconds=float(sys.argv[3]), callers=int(sys.argv[4])))
