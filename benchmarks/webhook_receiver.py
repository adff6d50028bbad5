"""A receiver of webhooks: uvicorn, and an application that verifies each message and takes it.

    python -m benchmarks.webhook_receiver SECRET

Prints its URL on one line.
"""

import asyncio
import socket
import sys
import time
from typing import Any

import uvicorn

from ropewalk.communication.webhooks.signatures import verify


class Receiver:
    """An ASGI application. What can't be verified ends the connection with an error, and so the measurement."""

    def __init__(self, secret: str) -> None:
        self._secrets = [secret]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Take one message."""
        pieces, has_more = [], True
        while has_more:
            message = await receive()
            pieces.append(message.get("body", b""))
            has_more = message.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        verify(b"".join(pieces), headers, self._secrets, now_s=time.time())
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def main(secret: str) -> None:
    """Serve until killed."""
    listener = socket.create_server(("127.0.0.1", 0))
    print(f"http://127.0.0.1:{listener.getsockname()[1]}/", flush=True)
    config = uvicorn.Config(Receiver(secret), http="httptools", ws="none", lifespan="off", log_level="error")
    asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))


if __name__ == "__main__":
    main(sys.argv[1])
