"""A log whose appends wait while its gate is closed."""

import asyncio

from ropewalk.core.chain import Position
from ropewalk.engines.memory import MemoryLog


class GatedLog(MemoryLog):
    """Its gate is open at first."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()

    async def append(self, payload: bytes) -> Position:
        await self.gate.wait()
        return await super().append(payload)
