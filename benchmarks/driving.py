"""Callers inside the process, each waiting for the answer to one call before it makes the next."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator

from benchmarks.measures import Round

Call = Callable[[], Awaitable[None]]


async def drive(calls: Iterator[Call], *, callers: int, work_per_call: int) -> Round:
    """Let so many callers make the calls, each in turn. Every call is awaited and counted."""
    took: list[float] = []
    began = time.perf_counter()

    async def caller() -> None:
        for call in calls:
            start = time.perf_counter()
            await call()
            took.append(time.perf_counter() - start)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(callers):
            tasks.create_task(caller())
    return Round(len(took) * work_per_call, time.perf_counter() - began, took)
