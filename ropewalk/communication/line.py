"""The line before one target: a bulkhead whose waiting callers are tasks, in their order, each until its deadline.

Promise:    a caller who stops waiting, or goes away while a place is being handed to it, frees that place for the
            next.
Checked by: tests/communication/test_line.py
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ropewalk.communication.bulkhead import Bulkhead, Entry
from ropewalk.errors import NotAccepted

_Place = asyncio.Future[None]


class Line:
    """Who waits for a place at the target `name`."""

    def __init__(self, name: str, bulkhead: Bulkhead) -> None:
        self.name = name
        self.bulkhead = bulkhead
        self._queue: deque[_Place] = deque()

    @asynccontextmanager
    async def place(self, *, wait_s: float) -> AsyncIterator[None]:
        """Hold a place for as long as the block runs. Raises NotAccepted if there is none within `wait_s`."""
        match self.bulkhead.enter():
            case Entry.REFUSED:
                counted = f"{self.bulkhead.running} calls to {self.name} are under way, {self.bulkhead.waiting} wait"
                raise NotAccepted(f"{counted}, and no more may: nothing was sent")
            case Entry.WAITS:
                await self._wait_in_line(wait_s)
            case Entry.RUNS:
                pass
        try:
            yield
        finally:
            self._leave()

    async def _wait_in_line(self, wait_s: float) -> None:
        place: _Place = asyncio.get_running_loop().create_future()
        self._queue.append(place)
        has_place = False
        try:
            async with asyncio.timeout(wait_s):
                await place
            has_place = True
        except TimeoutError:
            raise NotAccepted(f"the deadline passed in the line before {self.name}: nothing was sent") from None
        finally:
            if not has_place:
                self._give_up(place)

    def _give_up(self, place: _Place) -> None:
        if place in self._queue:
            self._queue.remove(place)
            self.bulkhead.give_up()
        else:
            # The place was handed over in the same turn in which its caller stopped waiting.
            self._leave()

    def _leave(self) -> None:
        if not self.bulkhead.leave():
            return
        place = self._queue.popleft()
        if not place.done():
            place.set_result(None)
