"""One partition in a simulated world: its log, the sites that run its leaders, and what its clients were told.

    clients ──► leaders (one, or two at once) ──► faulty log, faulty snapshots ──► what the disk holds

Leaders are cut off at any await, stopped, started beside one another, with clocks that disagree and now and then with
a wrong number of partitions; appends are lost, late, repeated, refused; snapshots fail and rot. A world has one of
these (`ropewalk.proving.world`) or several that send each other messages (`ropewalk.proving.town`).

Checked by: tests/proving/test_world.py, tests/proving/test_town.py, tests/canaries/
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, suppress
from random import Random
from typing import Any

from ropewalk.communication.transport import Transport
from ropewalk.core.chain import Position
from ropewalk.core.machine import Machine, Request
from ropewalk.core.partition import Partition
from ropewalk.core.place import Place
from ropewalk.data.engine import Storage
from ropewalk.data.log import Log
from ropewalk.data.reads import AtLeast, ReadLevel, Stale, Strong
from ropewalk.data.shelf import Shelf
from ropewalk.engines.memory import MemoryLog, MemoryShelf, MemorySnapshots
from ropewalk.errors import Damaged, NotAccepted, OutcomeUnknown, Rejected
from ropewalk.proving.faults import FaultyLog, FaultySnapshots, Odds
from ropewalk.proving.history import Acknowledged, Broken, History, Seen
from ropewalk.proving.virtual import VirtualLoop
from ropewalk.runtime.calls import Bounds
from ropewalk.runtime.leader import Leader, lead
from ropewalk.runtime.recovery import catch_up, load_snapshot
from ropewalk.runtime.writer import Identity

ATTEMPTS_MAX = 300
SITES = 2

_BOUNDS = Bounds(batch_requests_max=6, queue_requests_max=12, outbox_messages_max=24, snapshot_log_bytes=4_000)
_CLOCK_SKEW_S = 2.0
_MISLED = 0.1


class Surroundings:
    """What all of one world share: its randomness, its faults, its tasks, and what is counted and told of it."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.odds = draw_odds(random)
        self.counts: Counter[str] = Counter()
        self.trace: list[str] = []
        self.tasks: asyncio.TaskGroup

    def note(self, what: str) -> None:
        """Add a line to the trace."""
        self.trace.append(f"{virtual_loop().time():9.4f}  {what}")

    def spawn(self, late: Coroutine[Any, Any, None]) -> None:
        """Let something go on though whoever began it dies."""
        try:
            self.tasks.create_task(late)
        except RuntimeError:
            # The world ends because something is broken: nothing arrives any more.
            late.close()


class Site:
    """A computer with a disk: one process at a time, which finds there what the one before it left."""

    def __init__(self, number: int, log: Log, *, random: Random, odds: Odds) -> None:
        self.number = number
        self.log = log
        self.kept = MemorySnapshots()
        self.snapshots = FaultySnapshots(self.kept, random, odds)
        self.shelf = MemoryShelf()
        self.process: asyncio.Task[None] | None = None


class _KeptLog(MemoryLog):
    """A disk that also remembers what was trimmed, for the judges."""

    def __init__(self) -> None:
        super().__init__()
        self.all_payloads: list[bytes] = []

    async def append(self, payload: bytes) -> Position:
        self.all_payloads.append(payload)
        return await super().append(payload)


class _SharedLog:
    """The log as one site sees it: what it wants to trim is trimmed when the other sites want that too."""

    def __init__(self, log: MemoryLog, wanted: dict[int, Position], number: int) -> None:
        self._log = log
        self._wanted = wanted
        self._number = number
        self.append = log.append
        self.read = log.read
        self.last = log.last
        self.skip = log.skip
        self.close = log.close
        wanted[number] = Position(0)

    async def trim(self, *, through: Position) -> None:
        self._wanted[self._number] = max(through, self._wanted[self._number])
        await self._log.trim(through=min(self._wanted.values()))


class SimulatedPartition:
    """One of them, with all that happens to it. `transport` is the way to others, faults and all."""

    def __init__(
        self,
        place: Place,
        machine: Callable[[Shelf, Place], Machine],
        surroundings: Surroundings,
        *,
        transport: Transport | None = None,
    ) -> None:
        self.place = place
        self.history = History()
        self.leaders: list[Leader] = []
        self.has_led = False
        self._machine = machine
        self._surroundings = surroundings
        self._random = surroundings.random
        self._transport = transport
        self._log = _KeptLog()
        wanted: dict[int, Position] = {}
        self.sites = [
            Site(
                number,
                _SharedLog(self._log, wanted, number),
                random=Random(self._random.random()),
                odds=surroundings.odds,
            )
            for number in range(SITES)
        ]
        self._pace_s = self._random.choice((0.05, 0.2, 0.6))

    @property
    def payloads(self) -> list[bytes]:
        """Every record that was ever appended."""
        return self._log.all_payloads

    def new_machine(self, shelf: Shelf | None = None) -> Machine:
        """One that has seen nothing."""
        return self._machine(shelf or MemoryShelf(), self.place)

    def any_leader(self) -> Leader | None:
        """A process that thinks it leads."""
        return self._random.choice(self.leaders) if self.leaders else None

    # What operators do: start, stop and kill leaders.

    async def operate(self) -> None:
        """Do that for ever."""
        self._start(self.sites[0])
        while True:
            await asyncio.sleep(self._random.random() * self._pace_s)
            site = self._random.choice(self.sites)
            if site.process is None or site.process.done():
                self._start(site)
            elif self._random.random() < 0.5:
                self._surroundings.counts["crashes"] += 1
                self._note(site, "is cut off")
                site.process.cancel()

    def _start(self, site: Site) -> None:
        site.process = self._surroundings.tasks.create_task(self._run(site))

    async def _run(self, site: Site) -> None:
        """A process: it leads for as long as it may."""
        skew_ns = int(self._random.uniform(-_CLOCK_SKEW_S, _CLOCK_SKEW_S) * 1e9)
        lives_s = self._random.random() * 4 * self._pace_s
        self._note(site, "starts")
        odds, spawn = self._surroundings.odds, self._surroundings.spawn
        log = FaultyLog(site.log, Random(self._random.random()), odds, spawn=spawn)
        try:
            if self._is_misled():
                await self._be_misled(site, log)
            else:
                await self._lead(site, log, skew_ns=skew_ns, lives_s=lives_s)
        except (NotAccepted, OutcomeUnknown) as error:
            self._note(site, f"can't lead: {error}")
        except Damaged as error:
            if not log.has_damaged:
                raise
            self._note(site, f"stops: {error}")
        self._note(site, "has stopped")

    async def _lead(self, site: Site, log: FaultyLog, *, skew_ns: int, lives_s: float) -> None:
        async with self.leading(site, log, skew_ns=skew_ns, transport=self._transport) as leader:
            self._note(site, f"leads from {leader.partition.applied.position}")
            self.has_led = True
            self.leaders.append(leader)
            try:
                await asyncio.sleep(lives_s)
            finally:
                self.leaders.remove(leader)
                self._check_end(leader, log)
            self._note(site, "is asked to stop")

    def _is_misled(self) -> bool:
        """True if this process is started with another number of partitions than there are, which must be refused."""
        return self.place.partitions > 1 and self.has_led and self._random.random() < _MISLED

    async def _be_misled(self, site: Site, log: FaultyLog) -> None:
        partitions = self.place.partitions + self._random.choice((-1, 1))
        self._note(site, f"is told that there are {partitions} partitions")
        self._surroundings.counts["misled"] += 1
        try:
            async with self.leading(site, log, partitions=partitions):
                raise Broken("nobody leads with another number of partitions than the service was created with")
        except Rejected as error:
            self._note(site, f"does not lead: {error}")

    def leading(
        self,
        site: Site,
        log: Log,
        *,
        skew_ns: int = 0,
        partitions: int | None = None,
        transport: Transport | None = None,
    ) -> AbstractAsyncContextManager[Leader]:
        """Lead from a site, by its clock and over this log."""
        identity = Identity(
            self.place.service,
            self.place.partition,
            self._random.randbytes(16),
            partitions or self.place.partitions,
        )
        return lead(
            self.new_machine(site.shelf),
            Storage(log, site.snapshots, site.shelf),
            identity,
            now_ns=lambda: virtual_loop().now_ns() + skew_ns,
            bounds=_BOUNDS,
            transport=transport,
        )

    def _check_end(self, leader: Leader, log: FaultyLog) -> None:
        """A leader may stop because another leads, no answer comes, or a record is damaged; not because of itself."""
        because = leader.stopped_because
        if isinstance(because, Damaged) and not log.has_damaged:
            raise because
        if "mend the machine" in str(because):
            raise Broken(f"no leader stops because of itself: {because}")
        self._surroundings.counts["deposed"] += "led by another" in str(because)

    # What clients do: ask, ask again, read.

    async def ask(self, request: Request, *, gives_up: bool) -> None:
        """Ask until there is an answer; with `gives_up`, perhaps not that long."""
        asked_s = virtual_loop().time()
        for _ in range(ATTEMPTS_MAX):
            leader = self.any_leader()
            if leader is None:
                await asyncio.sleep(0.01)
                continue
            try:
                answers = await leader.submit([request], deadline_s=self._random.uniform(0.01, 2.0))
            except NotAccepted:
                await asyncio.sleep(self._random.random() * 0.02)
            except OutcomeUnknown:
                self._surroundings.counts["unknown"] += 1
                if gives_up and self._random.random() < 0.2:
                    return
            else:
                told = Acknowledged(request, answers.replies[0], answers.position, asked_s, virtual_loop().time())
                self.history.acknowledged.append(told)
                what = f"{request.command.hex()[:24]} is answered at {answers.position}"
                self._surroundings.note(f"{self.place.log_name} {what}")
                return
        if not gives_up:
            raise Broken("a request without end is answered in the end")

    async def look(self, leader: Leader, query: bytes) -> None:
        """Read what some level allows."""
        last = self.history.last_position
        levels: list[tuple[ReadLevel, Position]] = [
            (Strong(), last),
            (AtLeast(leader.token(last)), last),
            (Stale(self._random.random()), Position(0)),
        ]
        level, after = self._random.choice(levels)
        with suppress(NotAccepted):
            read = await leader.read(query, level=level, deadline_s=0.5)
            self.history.seen.append(Seen(query, read.answer, read.position, after))

    # What judges do.

    async def check_replicas(self, digest: bytes) -> None:
        """A replica that begins at any kept snapshot ends where one that begins at the first record does."""
        for site in self.sites:
            for position in await site.kept.positions():
                await self._check_replica(site, position, digest=digest)

    async def _check_replica(self, site: Site, position: Position, *, digest: bytes) -> None:
        only = MemorySnapshots()
        await only.write(position, [await site.kept.read(position)])
        partition = Partition(self.new_machine(site.shelf))
        recovered = await load_snapshot(partition, Storage(self._log, only, site.shelf))
        if recovered.damaged:
            return
        await catch_up(partition, self._log)
        if partition.digest() != digest:
            where = f"site {site.number}'s snapshot at {position}"
            raise Broken(f"a replica of {self.place.log_name} from {where} equals one from the start")

    async def check_sites(self) -> None:
        """A leader recovers at every site."""
        for site in self.sites:
            async with self.leading(site, site.log) as leader:
                leader.partition.machine.check()

    def _note(self, site: Site, what: str) -> None:
        self._surroundings.note(f"{self.place.log_name} site {site.number} {what}")


def draw_odds(random: Random) -> Odds:
    """Some worlds are calm, some are rough, each in its own way."""
    rough = random.choice((0.0, 0.02, 0.1))
    chances = [random.random() * rough for _ in range(5)]
    return Odds(
        refused=chances[0],
        lost=chances[1],
        untold=chances[2],
        repeated=chances[3],
        late=chances[4],
        slow=random.choice((0.0, 0.0, 0.02)),
        read_damaged=random.choice((0.0, 0.0, 0.05)),
        snapshot_refused=random.choice((0.0, 0.3)),
        snapshot_damaged=random.choice((0.0, 0.3)),
        delay_max_s=random.choice((0.0, 0.002, 0.01)),
    )


def virtual_loop() -> VirtualLoop:
    """The loop of the world that is running."""
    loop = asyncio.get_running_loop()
    if not isinstance(loop, VirtualLoop):
        raise TypeError("a world runs in virtual time: use run_virtual")
    return loop
