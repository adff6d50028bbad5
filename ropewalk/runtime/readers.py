"""The readers that wait until a partition has applied its log up to a position.

Checked by: tests/runtime/test_reads.py
"""

import asyncio

import msgspec

from ropewalk.core.chain import Position
from ropewalk.errors import RopewalkError


class ReadAnswer(msgspec.Struct, frozen=True, gc=False):
    """What a read gets: the machine's answer, and the position of the state that gave it."""

    answer: bytes
    position: Position


class Readers:
    """All of one partition. `arrived` wakes the loop that will release them."""

    def __init__(self, *, arrived: asyncio.Event) -> None:
        self._arrived = arrived
        self._waiting: list[tuple[Position, asyncio.Future[None]]] = []

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    async def wait_until(self, position: Position) -> None:
        """Return when everything up to `position` is applied."""
        reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((position, reached))
        self._arrived.set()
        await reached

    def release(self, *, through: Position) -> None:
        """Let those go on whose position is reached, and forget those who went away."""
        waiting = []
        for position, reached in self._waiting:
            if reached.done():
                continue
            if position <= through:
                reached.set_result(None)
            else:
                waiting.append((position, reached))
        self._waiting = waiting

    def fail(self, error: RopewalkError) -> None:
        """Tell all of them that it will not be reached here."""
        for _, reached in self._waiting:
            if not reached.done():
                reached.set_exception(error)
        self._waiting.clear()
