"""What `transfers.lua` does with wrk, for machines that have no wrk.

    python -m benchmarks.http_client URL SECONDS CONNECTIONS

One process, one connection a caller, one request at a time on each. It costs the machine more than wrk does, so what
is measured with it is a little less.
"""

import asyncio
import json
import os
import sys
import time
from itertools import count
from random import Random
from urllib.parse import urlsplit

import numpy as np

_ACCOUNTS = int(os.environ["BENCH_ACCOUNTS"])
_ROUND = os.environ["BENCH_ROUND"]


async def main(url: str, *, seconds: float, connections: int) -> None:
    """Send transfers for so long, and print what `transfers.lua` prints."""
    address = urlsplit(url)
    random, numbers = Random(int(_ROUND)), count(1)
    took: list[float] = []
    refused: list[bytes] = []
    began = time.perf_counter()

    async def caller() -> None:
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        while time.perf_counter() < began + seconds:
            sent = time.perf_counter()
            writer.write(_request(random, next(numbers)))
            answer = await _answer(reader)
            took.append(time.perf_counter() - sent)
            if b'"created"' not in answer:
                refused.append(answer)
        writer.close()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(connections):
            tasks.create_task(caller())
    ran = time.perf_counter() - began
    p50, p99 = (round(float(np.percentile(took, percent)) * 1e6) for percent in (50, 99))
    found = {"requests": len(took), "microseconds": round(ran * 1e6), "failed": len(refused)}
    print(json.dumps({**found, "p50_us": p50, "p99_us": p99}))


def _request(random: Random, number: int) -> bytes:
    debit = random.randrange(_ACCOUNTS)
    credit = (debit + random.randrange(1, _ACCOUNTS)) % _ACCOUNTS
    transfer = {
        "id": f"{_ROUND}{number:012}",
        "debit_account_id": str(debit + 1),
        "credit_account_id": str(credit + 1),
        "amount": str(random.randint(1, 1_000)),
        "ledger": 1,
        "code": 1,
    }
    body = json.dumps([transfer]).encode()
    head = "POST /ledger/transfers HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def _answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    size = next(line for line in head.lower().splitlines() if line.startswith(b"content-length:"))
    return await reader.readexactly(int(size.split(b":")[1]))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], seconds=float(sys.argv[2]), connections=int(sys.argv[3])))
