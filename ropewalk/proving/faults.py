"""Faults that wrap a port: what a network and a disk may do to an engine, drawn from a seed.

    ANSWERED   as it should be
    REFUSED    not done, and the caller is told so (a full disk, nobody who leads)
    LOST       not done, and the caller is not told
    UNTOLD     done, and the caller is not told
    REPEATED   done twice
    LATE       the caller is not told, and it is done later: after a repeat, or after the caller's death
    OVERTAKEN  done, and an older one again behind it

Nothing in production knows of them; they work over any engine.

Checked by: tests/proving/test_faults.py
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from enum import Enum, auto
from random import Random
from typing import Any, Final

import msgspec

from ropewalk.communication.transport import Transport
from ropewalk.core.chain import Position
from ropewalk.core.mailbox import Delivery
from ropewalk.data.log import Log, LogRecord
from ropewalk.data.snapshots import Snapshots
from ropewalk.errors import NotAccepted, OutcomeUnknown

_CARRIED_KEPT: Final = 50
"""Deliveries of a way that may come again when they are old."""


class Fate(Enum):
    """What becomes of an append to a log, or of a delivery to another partition."""

    ANSWERED = auto()
    REFUSED = auto()
    LOST = auto()
    UNTOLD = auto()
    REPEATED = auto()
    LATE = auto()
    OVERTAKEN = auto()


class Odds(msgspec.Struct, frozen=True):
    """How often things go wrong, as weights and chances, and how long things take, in seconds."""

    refused: float = 0.0
    lost: float = 0.0
    untold: float = 0.0
    repeated: float = 0.0
    late: float = 0.0
    overtaken: float = 0.0
    slow: float = 0.0
    read_damaged: float = 0.0
    snapshot_refused: float = 0.0
    snapshot_damaged: float = 0.0
    delay_max_s: float = 0.005
    slow_max_s: float = 1.0
    late_max_s: float = 0.5

    def fate(self, random: Random) -> Fate:
        """Draw one."""
        weights = {
            Fate.REFUSED: self.refused,
            Fate.LOST: self.lost,
            Fate.UNTOLD: self.untold,
            Fate.REPEATED: self.repeated,
            Fate.LATE: self.late,
            Fate.OVERTAKEN: self.overtaken,
        }
        weights[Fate.ANSWERED] = 1.0 - sum(weights.values())
        return random.choices(list(weights), list(weights.values()))[0]

    def delay_s(self, random: Random) -> float:
        """Draw how long something takes; now and then a disk or a network stalls."""
        return random.random() * (self.slow_max_s if random.random() < self.slow else self.delay_max_s)


Spawn = Callable[[Coroutine[Any, Any, None]], object]
"""Starts what goes on though its caller dies, like a packet that is already on its way."""


class FaultyLog:
    """A log behind a network, and on a disk that may return other bytes than it was given."""

    def __init__(self, log: Log, random: Random, odds: Odds, *, spawn: Spawn) -> None:
        self._log = log
        self._random = random
        self._odds = odds
        self._spawn = spawn
        self.has_damaged = False

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
            case Fate.UNTOLD:
                await self._log.append(payload)
                raise OutcomeUnknown("no answer")
            case Fate.REPEATED:
                await self._log.append(payload)
        position = await self._log.append(payload)
        await self._delay()
        return position

    async def read(self, *, after: Position, limit: int) -> Sequence[LogRecord]:
        await self._delay()
        records = list(await self._log.read(after=after, limit=self._random.randint(1, limit)))
        if records and self._random.random() < self._odds.read_damaged:
            self.has_damaged = True
            place = self._random.randrange(len(records))
            records[place] = records[place]._replace(payload=_changed(records[place].payload, self._random))
        return records

    async def last(self) -> Position:
        await self._delay()
        last = await self._log.last()
        await self._delay()
        return last

    async def trim(self, *, through: Position) -> None:
        await self._delay()
        await self._log.trim(through=through)

    async def skip(self, *, through: Position) -> None:
        await self._log.skip(through=through)

    async def close(self) -> None:
        await self._log.close()

    async def _append_late(self, payload: bytes) -> None:
        await asyncio.sleep(self._random.random() * self._odds.late_max_s)
        await self._log.append(payload)

    async def _delay(self) -> None:
        await asyncio.sleep(self._odds.delay_s(self._random))


class FaultySnapshots:
    """Snapshots on a failing disk. A write that is cut off leaves nothing; some that are kept are torn, or rot.

    Only the newest is harmed, and not two in a row: that is as much as keeping two snapshots is a remedy for.
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
            is_torn = self._random.random() < 0.5
            whole = whole[: self._random.randrange(len(whole))] if is_torn else _changed(whole, self._random)
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
        await asyncio.sleep(self._odds.delay_s(self._random))


class FaultyTransport:
    """A way between partitions that loses, repeats and mixes up what it carries.

    `cut` holds pairs of log names, sender and receiver: nothing goes from one to the other. `fates` counts.
    """

    def __init__(self, transport: Transport, random: Random, odds: Odds, *, spawn: Spawn) -> None:
        self._transport = transport
        self._random = random
        self._odds = odds
        self._spawn = spawn
        self._carried: deque[Delivery] = deque(maxlen=_CARRIED_KEPT)
        self.cut: set[tuple[str, str]] = set()
        self.fates: Counter[Fate] = Counter()

    async def deliver(self, delivery: Delivery) -> int:
        fate = self._odds.fate(self._random)
        if (delivery.sender, delivery.receiver) in self.cut:
            fate = Fate.LOST
        self.fates[fate] += 1
        try:
            await self._delay()
        except asyncio.CancelledError:
            # The sender dies while its packet is on the way: it may still arrive.
            if fate not in (Fate.REFUSED, Fate.LOST):
                self._spawn(self._arrive_late(delivery))
            raise
        match fate:
            case Fate.REFUSED:
                raise NotAccepted("nobody leads there", retry_after_s=0.01)
            case Fate.LOST:
                raise OutcomeUnknown("no answer")
            case Fate.LATE:
                self._spawn(self._arrive_late(delivery))
                raise OutcomeUnknown("no answer")
            case Fate.REPEATED:
                self._spawn(self._arrive_late(delivery))
            case Fate.OVERTAKEN if self._carried:
                self._spawn(self._arrive_late(self._random.choice(self._carried)))
        through = await self._transport.deliver(delivery)
        self._carried.append(delivery)
        await self._delay()
        if fate is Fate.UNTOLD:
            raise OutcomeUnknown("no answer")
        return through

    async def _arrive_late(self, delivery: Delivery) -> None:
        await asyncio.sleep(self._random.random() * self._odds.late_max_s)
        # Nobody waits for an answer any more, whichever it is.
        with suppress(NotAccepted, OutcomeUnknown):
            await self._transport.deliver(delivery)

    async def _delay(self) -> None:
        await asyncio.sleep(self._odds.delay_s(self._random))


def _changed(stored: bytes, random: Random) -> bytes:
    """The same with one bit of another value."""
    place = random.randrange(len(stored))
    return stored[:place] + bytes([stored[place] ^ 1 << random.randrange(8)]) + stored[place + 1 :]
