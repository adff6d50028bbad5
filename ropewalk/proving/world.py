"""A world: the real runtime over faulty storage, in virtual time, with everything drawn from one seed.

    clients ──► leaders (one, or two at once) ──► faulty log, faulty snapshots ──► what the disk holds

Leaders are cut off at any await, stopped, started beside one another, with clocks that disagree; appends are lost,
late, repeated, refused; snapshots fail and rot. Then the faults end, a last leader recovers, and what clients were
told is compared with the log (`ropewalk.proving.history`) and with replicas that begin at each place a replica can.

Promise:    the same seed gives the same world, so a failure is repeated by its seed.
Not given:  that a promise holds because no seed broke it.
Checked by: tests/proving/test_world.py, tests/canaries/
"""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from random import Random
from typing import Any

import msgspec

from ropewalk.core.chain import Position
from ropewalk.core.machine import Request
from ropewalk.core.partition import Partition
from ropewalk.data.engine import Storage
from ropewalk.data.log import Log
from ropewalk.data.reads import AtLeast, ReadLevel, Stale, Strong
from ropewalk.engines.memory import MemoryLog, MemoryShelf, MemorySnapshots
from ropewalk.errors import Damaged, NotAccepted, OutcomeUnknown, RopewalkError
from ropewalk.proving.faults import FaultyLog, FaultySnapshots, Odds
from ropewalk.proving.history import Acknowledged, Broken, History, Seen, check_history
from ropewalk.proving.virtual import Deadlock, VirtualLoop, run_virtual
from ropewalk.proving.workload import Workload
from ropewalk.runtime.calls import Bounds
from ropewalk.runtime.leader import Leader, lead
from ropewalk.runtime.recovery import catch_up, load_snapshot
from ropewalk.runtime.writer import Identity

CLIENTS = 4
REQUESTS_EACH = 40
ATTEMPTS_MAX = 300
SITES = 2
TRACE_LINES = 80

_BOUNDS = Bounds(batch_requests_max=6, queue_requests_max=12, snapshot_log_bytes=4_000)
_CLOCK_SKEW_S = 2.0


class Holds(msgspec.Struct, frozen=True):
    """Every promise held in this world; the counts say what it was put through, the trace how it ended."""

    seed: int
    acknowledged: int
    reads: int
    unknown: int
    crashes: int
    records: int
    skipped: int
    trace: Sequence[str]


class Breach(msgspec.Struct, frozen=True):
    """A promise was broken: which, and what happened last, one line each."""

    seed: int
    claim: str
    trace: Sequence[str]


def run_world(workload: Workload, seed: int) -> Holds | Breach:
    """Run the world of a seed to its end and judge it."""
    random = Random(seed)
    world = _World(workload, seed, random)
    shuffle = Random(random.random()) if random.random() < 0.5 else None
    logging.getLogger("ropewalk").setLevel(logging.CRITICAL)
    try:
        return run_virtual(world.run(), shuffle=shuffle)
    except (AssertionError, Deadlock, RopewalkError, ExceptionGroup) as error:
        return Breach(seed, _claim(error), world.trace[-TRACE_LINES:])


def _claim(error: Exception) -> str:
    """What was broken: the innermost error of a group."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"


class _KeptLog(MemoryLog):
    """A disk that also remembers what was trimmed, for the judges."""

    def __init__(self) -> None:
        super().__init__()
        self.all_payloads: list[bytes] = []

    async def append(self, payload: bytes) -> Position:
        self.all_payloads.append(payload)
        return await super().append(payload)


class _Site:
    """A machine with a disk: one process at a time, which finds there what the one before it left."""

    def __init__(self, number: int, log: Log, *, random: Random, odds: Odds) -> None:
        self.number = number
        self.log = log
        self.kept = MemorySnapshots()
        self.snapshots = FaultySnapshots(self.kept, random, odds)
        self.shelf = MemoryShelf()
        self.process: asyncio.Task[None] | None = None

    @property
    def is_up(self) -> bool:
        """True while a process runs here."""
        return self.process is not None and not self.process.done()


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


class _World:
    """One run."""

    def __init__(self, workload: Workload, seed: int, random: Random) -> None:
        self.trace: list[str] = []
        self._workload = workload
        self._seed = seed
        self._random = random
        self._odds = _draw_odds(random)
        self._log = _KeptLog()
        wanted: dict[int, Position] = {}
        self._sites = [
            _Site(number, _SharedLog(self._log, wanted, number), random=Random(random.random()), odds=self._odds)
            for number in range(SITES)
        ]
        self._pace_s = random.choice((0.05, 0.2, 0.6))
        self._history = History()
        self._leaders: list[Leader] = []
        self._unknown = self._crashes = 0

    async def run(self) -> Holds:
        """Everything, from the first request to the verdict."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            operator = tasks.create_task(self._operate())
            for request in self._workload.opening():
                await self._ask(request, gives_up=False)
            clients = [tasks.create_task(self._client()) for _ in range(CLIENTS)]
            for client in clients:
                await client
            self._note("the clients are done")
            operator.cancel()
        # The group has ended, and with it every append that was still on its way.
        return await self._judge()

    # What operators do: start, stop and kill leaders.

    async def _operate(self) -> None:
        self._sites[0].process = self._tasks.create_task(self._node(self._sites[0]))
        while True:
            await asyncio.sleep(self._random.random() * self._pace_s)
            site = self._random.choice(self._sites)
            if site.process is None or site.process.done():
                site.process = self._tasks.create_task(self._node(site))
            elif self._random.random() < 0.5:
                self._crashes += 1
                self._note(f"site {site.number} is cut off")
                site.process.cancel()

    async def _node(self, site: _Site) -> None:
        """A process: it leads for as long as it may."""
        skew_ns = int(self._random.uniform(-_CLOCK_SKEW_S, _CLOCK_SKEW_S) * 1e9)
        lives_s = self._random.random() * 4 * self._pace_s
        self._note(f"site {site.number} starts")
        log = FaultyLog(site.log, Random(self._random.random()), self._odds, spawn=self._spawn)
        try:
            async with self._leading(site, log, skew_ns=skew_ns) as leader:
                self._note(f"site {site.number} leads from {leader.partition.applied.position}")
                self._leaders.append(leader)
                try:
                    await asyncio.sleep(lives_s)
                finally:
                    self._leaders.remove(leader)
                    _check_end(leader, log)
                self._note(f"site {site.number} is asked to stop")
        except (NotAccepted, OutcomeUnknown) as error:
            self._note(f"site {site.number} can't lead: {error}")
        except Damaged as error:
            if not log.has_damaged:
                raise
            self._note(f"site {site.number} stops: {error}")
        self._note(f"site {site.number} has stopped")

    def _leading(self, site: _Site, log: Log, *, skew_ns: int) -> AbstractAsyncContextManager[Leader]:
        return lead(
            self._workload.machine(site.shelf),
            Storage(log, site.snapshots, site.shelf),
            Identity(self._workload.name, 0, self._random.randbytes(16)),
            now_ns=lambda: _loop().now_ns() + skew_ns,
            bounds=_BOUNDS,
        )

    def _spawn(self, late: Coroutine[Any, Any, None]) -> None:
        try:
            self._tasks.create_task(late)
        except RuntimeError:
            # The world ends because something is broken: nothing arrives any more.
            late.close()

    # What clients do: ask, ask again, read.

    async def _client(self) -> None:
        for _ in range(REQUESTS_EACH):
            await asyncio.sleep(self._random.random() * 0.02)
            await self._ask(self._workload.request(self._random), gives_up=True)
            if self._random.random() < 0.3:
                await self._look()

    async def _ask(self, request: Request, *, gives_up: bool) -> None:
        asked_s = _loop().time()
        for _ in range(ATTEMPTS_MAX):
            leader = self._any_leader()
            if leader is None:
                await asyncio.sleep(0.01)
                continue
            try:
                answers = await leader.submit([request], deadline_s=self._random.uniform(0.01, 2.0))
            except NotAccepted:
                await asyncio.sleep(self._random.random() * 0.02)
            except OutcomeUnknown:
                self._unknown += 1
                if gives_up and self._random.random() < 0.2:
                    return
            else:
                told = Acknowledged(request, answers.replies[0], answers.position, asked_s, _loop().time())
                self._history.acknowledged.append(told)
                self._note(f"{request.command.hex()[:24]} is answered at {answers.position}")
                return
        if not gives_up:
            raise Broken("a request without end is answered in the end")

    async def _look(self) -> None:
        leader = self._any_leader()
        if leader is None:
            return
        query = self._workload.query(self._random)
        last = self._history.last_position
        token = leader.token(last)
        levels: list[tuple[ReadLevel, Position]] = [
            (Strong(), last),
            (AtLeast(token), last),
            (Stale(self._random.random()), Position(0)),
        ]
        level, after = self._random.choice(levels)
        with suppress(NotAccepted):
            read = await leader.read(query, level=level, deadline_s=0.5)
            self._history.seen.append(Seen(query, read.answer, read.position, after))

    def _any_leader(self) -> Leader | None:
        return self._random.choice(self._leaders) if self._leaders else None

    # The end.

    async def _judge(self) -> Holds:
        verdict = check_history(self._history, self._log.all_payloads, self._workload)
        for site in self._sites:
            await self._compare_replicas(site, verdict.replica.digest())
        records = len(self._log.all_payloads)
        for site in self._sites:
            async with self._leading(site, site.log, skew_ns=0) as leader:
                leader.partition.machine.check()
        return Holds(
            seed=self._seed,
            acknowledged=len(self._history.acknowledged),
            reads=len(self._history.seen),
            unknown=self._unknown,
            crashes=self._crashes,
            records=records,
            skipped=records - verdict.counted,
            trace=self.trace[-TRACE_LINES:],
        )

    async def _compare_replicas(self, site: _Site, digest: bytes) -> None:
        """A replica that begins at any kept snapshot ends where one that begins at the first record does."""
        for position in await site.kept.positions():
            only = MemorySnapshots()
            await only.write(position, [await site.kept.read(position)])
            partition = Partition(self._workload.machine(site.shelf))
            recovered = await load_snapshot(partition, Storage(self._log, only, site.shelf))
            if recovered.damaged:
                continue
            await catch_up(partition, self._log)
            if partition.digest() != digest:
                raise Broken(f"a replica from site {site.number}'s snapshot at {position} equals one from the start")

    def _note(self, what: str) -> None:
        self.trace.append(f"{_loop().time():9.4f}  {what}")


def _check_end(leader: Leader, log: FaultyLog) -> None:
    """A leader may stop because another leads, no answer comes, or a record is damaged; not because of itself."""
    because = leader.stopped_because
    if isinstance(because, Damaged) and not log.has_damaged:
        raise because
    if "mend the machine" in str(because):
        raise Broken(f"no leader stops because of itself: {because}")


def _draw_odds(random: Random) -> Odds:
    """Some worlds are calm, some are rough, each in its own way."""
    rough = random.choice((0.0, 0.02, 0.1))
    chances = [random.random() * rough for _ in range(5)]
    return Odds(
        refused=chances[0],
        lost=chances[1],
        appended=chances[2],
        repeated=chances[3],
        late=chances[4],
        slow=random.choice((0.0, 0.0, 0.02)),
        read_damaged=random.choice((0.0, 0.0, 0.05)),
        snapshot_refused=random.choice((0.0, 0.3)),
        snapshot_damaged=random.choice((0.0, 0.3)),
        delay_max_s=random.choice((0.0, 0.002, 0.01)),
    )


def _loop() -> VirtualLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop
