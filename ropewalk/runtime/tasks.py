"""Tasks that run beside a block of code and end with it: an `asyncio.TaskGroup` whose error is one error.

    async with beside(follow(node)):         cancelled when the block ends
        ...

    async with open_tasks() as tasks:        waited for when the block ends
        tasks.create_task(serve())

A group wraps what its block raised, though the writer of the block knows nothing of the tasks and catches
`NotAccepted`, not a group that holds it. So the error that stopped the rest is raised as itself.

Promise:    an error of the block, or of a task, is raised as it is, with its cause, when all have ended; what else
            was raised meanwhile is in its notes. Whoever is cancelled meanwhile is cancelled.
Checked by: tests/runtime/test_tasks.py
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, cast


@asynccontextmanager
async def open_tasks() -> AsyncIterator[asyncio.TaskGroup]:
    """Tasks that are started in the block, and waited for when it ends. An error stops all of them."""
    own = cast("asyncio.Task[object]", asyncio.current_task())
    cancellations = own.cancelling()
    try:
        async with _Tasks() as tasks:
            yield tasks
            # In the block: for an error in here, a group takes back what it cancels its own task with.
            while tasks.running:
                await asyncio.wait(tasks.running)
    except BaseExceptionGroup as group:
        first, *others = group.exceptions
    else:
        return
    for other in others:
        first.add_note(f"and then: {other!r}")
    if own.cancelling() > cancellations:
        # A group forgets that others cancelled it while it ended for an error (CPython 116720): who catches the error
        # and tries again would never end.
        raise asyncio.CancelledError from first
    # Raised out here: within the handler it would lose its own cause, or get the group as its context.
    raise first


class _Tasks(asyncio.TaskGroup):
    """A group that knows which of its tasks still run."""

    def __init__(self) -> None:
        super().__init__()
        self.running: set[asyncio.Task[Any]] = set()

    def create_task(self, *args: Any, **options: Any) -> "asyncio.Task[Any]":
        task = super().create_task(*args, **options)
        self.running.add(task)
        task.add_done_callback(self.running.discard)
        return task


@asynccontextmanager
async def beside(*running: Coroutine[object, object, object]) -> AsyncIterator[None]:
    """Run these as long as the block does."""
    async with open_tasks() as tasks:
        started = [tasks.create_task(each) for each in running]
        yield
        for task in started:
            task.cancel()
