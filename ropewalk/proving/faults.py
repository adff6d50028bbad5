"""Faults that wrap a port: what a network and a disk may do to an engine, drawn from a seed.

    ANSWERED   as it should be
    REFUSED    not appended, and the writer is told so (a full disk)
    LOST       not appended, and the writer is not told
    APPENDED   appended, and the writer is not told
    REPEATED   appended twice
    LATE       the writer is not told, and it is appended later: after a repeat, or after the writer's death

Nothing in production knows of them; they work over any engine.

Checked by: tests/proving/test_faults.py
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from enum import Enum, auto
from random import Random
from typing import Any

import msgspec

from ropewalk.core.chain import Position
from ropewalk.data.log import Log, LogRecord
from ropewalk.data.snapshots import Snapshots
from ropewalk.errors import NotAccepted, OutcomeUnknown


class Fate(Enum):
    """What becomes of an append."""

    ANSWERED = auto()
    REFUSED = auto()
    LOST = auto()
    APPENDED = auto()
    REPEATED = auto()
    LATE = auto()


class Odds(msgspec.Struct, frozen=True):
    """How often things go wrong, as weights and chances, and how long things take, in seconds."""

    refused: float = 0.0
    lost: float = 0.0
    appended: float = 0.0
    repeated: float = 0.0
    late: float = 0.0
    snapshot_refused: float = 0.0
    snapshot_damaged: float = 0.0
    delay_max_s: float = 0.005
    late_max_s: float = 0.5

    def fate(self, random: Random) -> Fate:
        """Draw one."""
        weights = {
            Fate.REFUSED: self.refused,
            Fate.LOST: self.lost,
            Fate.APPENDED: self.appended,
            Fate.REPEATED: self.repeated,
            Fate.LATE: self.late,
        }
        weights[Fate.ANSWERED] = 1.0 - sum(weights.values())
        return random.choices(list(weights), list(weights.values()))[0]


NO_FAULTS = Odds()

Spawn = Callable[[Coroutine[Any, Any, None]], object]
"""Starts what goes on though its writer dies, like a packet that is already on its way."""


class FaultyLog:
    """A log behind a network."""

    def __init__(self, log: Log, random: Random, odds: Odds, *, spawn: Spawn) -> None:
        self._log = log
        self._random = random
        self._odds = odds
        self._spawn = spawn

    async def append(self, payload: bytes) -> Position:
        fate = self._odds.fate(self._random)
        try:
            await self._delay()
        except asyncio.CancelledError:
            # The writer dies while its packet is on the way: it may still arrive.
            if fate not in (Fate.REFUSED, Fate.LOST):
                self._spawn(self._append_late(payload))
            raise
        match fate:
            case Fate.REFUSED:
                raise NotAccepted("the disk is full", retry_after_s=0.01)
            case Fate.LOST:
                raise OutcomeUnknown("no answer")
            case Fate.LATE:
                self._spawn(self._append_late(payload))
                raise OutcomeUnknown("no answer")
            case Fate.APPENDED:
                await self._log.append(payload)
                raise OutcomeUnknown("no answer")
            case Fate.REPEATED:
                await self._log.append(payload)
        position = await self._log.append(payload)
        await self._delay()
        return position

    async def read(self, *, after: Position, limit: int) -> Sequence[LogRecord]:
        await self._delay()
        return await self._log.read(after=after, limit=self._random.randint(1, limit))

    async def last(self) -> Position:
        await self._delay()
        last = await self._log.last()
        await self._delay()
        return last

    async def trim(self, *, through: Position) -> None:
        await self._delay()
        await self._log.trim(through=through)

    async def close(self) -> None:
        await self._log.close()

    async def _append_late(self, payload: bytes) -> None:
        await asyncio.sleep(self._random.random() * self._odds.late_max_s)
        await self._log.append(payload)

    async def _delay(self) -> None:
        await asyncio.sleep(self._random.random() * self._odds.delay_max_s)


class FaultySnapshots:
    """Snapshots on a failing disk. A write that is cut off leaves nothing; one in a while rots after it was kept.

    Only the newest rots, and not two in a row: that is as much as keeping two snapshots is a remedy for.
    """

    def __init__(self, snapshots: Snapshots, random: Random, odds: Odds) -> None:
        self._snapshots = snapshots
        self._random = random
        self._odds = odds
        self._has_rotten = False

    async def write(self, position: Position, parts: Sequence[bytes | memoryview]) -> None:
        await self._delay()
        if self._random.random() < self._odds.snapshot_refused:
            raise NotAccepted("the disk is full", retry_after_s=0.01)
        whole = b"".join(parts)
        rots = not self._has_rotten and self._random.random() < self._odds.snapshot_damaged
        if rots and len(await self._snapshots.positions()) > 0:
            place = self._random.randrange(len(whole))
            whole = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
            self._has_rotten = True
        else:
            self._has_rotten = False
        await self._snapshots.write(position, [whole])
        await self._delay()

    async def read(self, position: Position, *, bytes_max: int | None = None) -> bytes:
        await self._delay()
        return await self._snapshots.read(position, bytes_max=bytes_max)

    async def positions(self) -> Sequence[Position]:
        return await self._snapshots.positions()

    async def remove(self, position: Position) -> None:
        await self._snapshots.remove(position)

    async def _delay(self) -> None:
        await asyncio.sleep(self._random.random() * self._odds.delay_max_s)
