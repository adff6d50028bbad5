"""The one loop: batch, append, admit, apply, reply.

        calls, mail ──► batch ──► append ─────────► admit ──► (next batch)
                                    │ meanwhile                │
                                    └ apply the one before     └► apply ──► reply, events, mail

While one append is under way the next batch fills (group commit) and the record before is applied, so the disk and
the processor work at the same time. A reply is sent when its record counts and is applied. An append whose outcome
is unknown is repeated with the same bytes: the chain skips all but the first.

Promise:    an acknowledged request took effect, at the position told, and no later leader's state is without it; a
            call that gets NotAccepted or Rejected has had no effect; what is accepted is answered.
Not given:  that a request whose outcome is unknown had an effect, or had none.
Checked by: tests/runtime/test_leader.py, ropewalk.proving.world
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager

from ropewalk.communication.admission import USUAL, Priority
from ropewalk.communication.transport import Transport
from ropewalk.core.chain import Position
from ropewalk.core.clock import VectorClock
from ropewalk.core.codec import Kind
from ropewalk.core.feed import NumberedEvent
from ropewalk.core.limits import DEADLINE_DEFAULT_S, EVENTS_READ_MAX
from ropewalk.core.machine import Machine, Request
from ropewalk.core.mailbox import Delivery
from ropewalk.core.partition import Partition
from ropewalk.data.engine import Storage
from ropewalk.data.reads import STRONG, AtLeast, ReadLevel, Stale
from ropewalk.errors import NotAccepted, OutcomeUnknown, RopewalkError
from ropewalk.observability.metrics import PartitionMetrics
from ropewalk.observability.traces import Step, record_steps
from ropewalk.runtime.calls import Answers, Bounds, Call, Calls
from ropewalk.runtime.checkpoints import Checkpoints
from ropewalk.runtime.courier import Courier
from ropewalk.runtime.listeners import Heard, Listeners
from ropewalk.runtime.mail import Arrival, Mail, letters_in
from ropewalk.runtime.readers import ReadAnswer, Readers
from ropewalk.runtime.recovery import catch_up, check_partitions, load_snapshot
from ropewalk.runtime.resilience_metrics import RESILIENCE
from ropewalk.runtime.tasks import open_tasks
from ropewalk.runtime.writer import Identity, Writer, Written

LOG = logging.getLogger("ropewalk")

_SWEEP_S, _POLL_S, _PROBE_S = 0.1, 0.01, 1.0


@asynccontextmanager
async def lead(
    machine: Machine,
    storage: Storage,
    identity: Identity,
    *,
    now_ns: Callable[[], int],
    bounds: Bounds | None = None,
    transport: Transport | None = None,
) -> AsyncIterator["Leader"]:
    """Recover a partition, open a term and lead it until the block ends; then answer what was accepted and stop.

    `now_ns` is the time that is proposed to the machine; `transport` carries its messages to other partitions, which
    wait in the outbox without one. An error that leaves the block, or a cancellation, stops the leader as a crash
    would: nothing that was acknowledged is lost, and what was accepted gets OutcomeUnknown. Raises Damaged if what
    is stored can't be trusted, and NotAccepted if another process leads.
    """
    leader = Leader(machine, storage, identity, now_ns=now_ns, bounds=bounds or Bounds(), transport=transport)
    await leader.recover()
    async with leading(leader):
        yield leader


@asynccontextmanager
async def leading(leader: "Leader") -> AsyncIterator[None]:
    """The second half of `lead`, for a leader that has opened its term."""
    async with open_tasks() as tasks:
        tasks.create_task(leader.run(tasks))
        yield
        await leader.stop()


class Leader:
    """Made by `lead`."""

    def __init__(
        self,
        machine: Machine,
        storage: Storage,
        identity: Identity,
        *,
        now_ns: Callable[[], int],
        bounds: Bounds,
        transport: Transport | None,
    ) -> None:
        self.identity = identity
        self.partition = Partition(machine)
        self.metrics = PartitionMetrics(identity.service, identity.partition)
        self.stopped_because: RopewalkError | None = None
        self._storage = storage
        self._now_ns = now_ns
        self._tasks: asyncio.TaskGroup
        self._loop = asyncio.get_running_loop()
        self._calls = Calls(bounds, now_s=self._loop.time)
        RESILIENCE.watch_calls(identity.service, identity.partition, self._calls)
        arrived, mailbox = self._calls.arrived, self.partition.mailbox
        courier = Courier(mailbox, transport, log_name=identity.log_name, arrived=arrived) if transport else None
        self._mail = Mail(mailbox, courier, bounds=bounds, arrived=arrived)
        self._listeners = Listeners(self.partition.feed)
        self.writer = Writer(self.partition, storage.log, identity, now_ns=now_ns)
        self._checkpoints = Checkpoints(storage, log_name=identity.log_name, every_bytes=bounds.snapshot_log_bytes)
        self._stopping = False
        self._drained = False
        self._ended = asyncio.Event()
        self._sweep: asyncio.TimerHandle | None = None
        self._written: Written | None = None
        self._term, self._retry_at_s = 0, 0.0
        self._readers, self._current_at_s = Readers(arrived=arrived), self._loop.time()

    async def submit(
        self, requests: Sequence[Request], *, deadline_s: float = DEADLINE_DEFAULT_S, priority: Priority = USUAL
    ) -> Answers:
        """Write requests into one record and return their replies once it counts and is applied.

        Rejected        a command can't be read, or the requests do not fit one record
        NotAccepted     nothing happened: more important calls fill the partition, or this process does not lead
        OutcomeUnknown  the deadline passed, or this process stopped, while the record was being written
        """
        self._check_serves()
        try:
            self._mail.check_room()
            call = self._calls.admit(requests, self.partition.machine.vet, deadline_s=deadline_s, priority=priority)
        except NotAccepted:
            self.metrics.not_accepted.inc(len(requests))
            raise
        self._sweep = self._sweep or self._loop.call_later(_SWEEP_S, self._expire_overdue)
        return await call.answers

    async def read(
        self, query: bytes, *, level: ReadLevel = STRONG, deadline_s: float = DEADLINE_DEFAULT_S
    ) -> ReadAnswer:
        """Answer a question from a state that satisfies `level`.

        Raises Rejected if the question can't be read, NotAccepted if no such state was reached in time.
        """
        try:
            async with asyncio.timeout(deadline_s):
                await self._wait_for(level)
        except TimeoutError:
            raise NotAccepted(f"{self.identity.log_name} did not reach {level} within {deadline_s:.3g} s") from None
        return ReadAnswer(self.partition.machine.read(query), self.partition.applied.position)

    async def deliver(self, delivery: Delivery) -> int:
        """Take in messages of another partition; return the number of its last one that is taken in.

        Raises NotAccepted if this process does not lead (any more), Rejected if they are for another partition.
        """
        self._check_serves()
        return await self._mail.offer(delivery, log_name=self.identity.log_name)

    def events(self, after: int, *, limit: int = EVENTS_READ_MAX) -> list[NumberedEvent]:
        """Events of this partition behind number `after`. Raises Rejected if one of them is kept no more."""
        return self.partition.feed.behind(after, limit=min(limit, EVENTS_READ_MAX))

    async def wait_events(self, after: int, *, deadline_s: float = DEADLINE_DEFAULT_S) -> None:
        """Return when there is an event behind number `after`, or the time has passed."""
        self._check_serves()
        await self._listeners.wait_behind(after, deadline_s=deadline_s)

    def waiting_for(self, subject: str) -> AbstractContextManager[Heard]:
        """Hear what happens to a subject from now on, until the block ends."""
        return self._listeners.subject(subject)

    @property
    def snapshot_failure(self) -> RopewalkError | None:
        """Why the last snapshot was not written."""
        return self._checkpoints.failure

    @property
    def waiting(self) -> int:
        """How many requests are accepted and not yet answered."""
        return self._calls.requests

    def token(self, position: Position) -> VectorClock:
        """The token of a reply: what a later read asks for with `AtLeast`."""
        return VectorClock({self.identity.log_name: position})

    async def recover(self) -> None:
        """Load the newest good snapshot, apply the tail of the log, and open a term."""
        recovered = await load_snapshot(self.partition, self._storage)
        for damaged in recovered.damaged:
            LOG.warning("%s: %s; an older one is used", self.identity.log_name, damaged.reason)
        await check_partitions(self.partition, self._storage.log, self.identity.place)
        self._checkpoints.log_bytes = await catch_up(self.partition, self._storage.log)
        self._listeners.tell()
        for damaged in recovered.damaged:
            await self._storage.snapshots.remove(damaged.position)
        self._checkpoints.newest = recovered.position
        self._term = await self.writer.open_term()

    async def run(self, tasks: asyncio.TaskGroup) -> None:
        """Serve calls until told to stop, or until something is wrong that no retry mends."""
        self._tasks = tasks
        self.metrics.leads.set(1)
        name = self.identity.log_name
        try:
            self._mail.carry(tasks)
            await self._serve()
            self._drained = True
            self._end(NotAccepted(f"{name} has stopped"))
        except asyncio.CancelledError:
            self._end(NotAccepted(f"{name} was cut off"))
            raise
        except RopewalkError as error:
            LOG.error("%s stopped after position %d: %s", name, self.partition.applied.position, error)
            self._end(error)
        except Exception as error:
            # The supervisor: whatever a machine raises stops its own partition and nothing else.
            where = f"{name} stopped after position {self.partition.applied.position}"
            LOG.exception(where)
            self._end(NotAccepted(f"{where}: {type(error).__name__}: {error}; mend the machine and start again"))

    async def stop(self) -> None:
        """Take no more calls, answer those that were accepted, save the state."""
        self._stopping = True
        self._calls.arrived.set()
        await self._ended.wait()
        checkpoints = self._checkpoints
        if self._drained and self.partition.applied.position > checkpoints.newest and not checkpoints.is_saving:
            await checkpoints.save(self.partition)

    # The loop.

    async def _serve(self) -> None:
        while True:
            # One turn for those who were just answered: what they ask next belongs into this record.
            await asyncio.sleep(0)
            if ahead := self._mail.take_ahead():
                self._apply_written()
                await self._catch_up()
                self._mail.check_sent(ahead)
            calls, arrivals = self._calls.take(), self._mail.take()
            if calls or arrivals or self._is_due():
                await self._write(calls, arrivals)
                if not self._calls.waiting:
                    self._apply_written()
            elif self._written is not None:
                self._apply_written()
            elif self._stopping:
                return
            elif self._readers.waiting:
                await self._catch_up()
            else:
                await self._wait_for_work()
            self._readers.release(through=self.partition.applied_through)
            if self._checkpoints.is_due and not self._stopping:
                self._tasks.create_task(self._checkpoints.save(self.partition))

    async def _wait_for_work(self) -> None:
        arrived, due_in_s = self._calls.arrived, self._due_in_s()
        arrived.clear()
        timer = None if due_in_s is None else self._loop.call_later(max(0.0, due_in_s), arrived.set)
        await arrived.wait()
        if timer is not None:
            timer.cancel()

    def _is_due(self) -> bool:
        # What the record before sets is known when it is applied, and it may be what is due now.
        if self._written is not None or self._stopping:
            return False
        due_in_s = self._due_in_s()
        return self._mail.wants_record or (due_in_s is not None and due_in_s <= 0)

    def _due_in_s(self) -> float | None:
        # No caller paces what a timer asks for: after a refusal it waits as long as a caller is told to.
        wakes_at_ns, retry_in_s = self.partition.wakes_at_ns, self._retry_at_s - self._loop.time()
        due_in_s = None if wakes_at_ns is None else max((wakes_at_ns - self._now_ns()) / 1e9, retry_in_s)
        if self.writer.failure is None:
            return due_in_s
        # Who reads in `health` that nothing can be written sends nothing: a record of no requests tells the end.
        # The time itself is taken from now: of a rounded difference too little might be left to wait for.
        probe_in_s = self._retry_at_s + _PROBE_S - self._loop.time()
        return probe_in_s if due_in_s is None else min(due_in_s, probe_in_s)

    async def _write(self, calls: Sequence[Call], arrivals: Sequence[Arrival]) -> None:
        """Make one record of these calls and deliveries durable, and apply the record before it meanwhile."""
        began_s, start_ns = self._loop.time(), self._now_ns()
        requests = [request for call in calls for request in call.requests]
        draft = self.writer.draft(Kind.BATCH, self._term, requests, notes=self._mail.notes(arrivals))
        append = self._tasks.create_task(self.writer.append(draft, give_up=lambda: self._gives_up(calls)))
        await asyncio.sleep(0)
        self._apply_written()
        appended = await append
        if isinstance(appended, NotAccepted):
            self._retry_at_s = self._loop.time() + appended.retry_after_s
            self._refuse(calls, arrivals, appended)
            return
        if isinstance(appended, RopewalkError):
            raise appended
        counted = await self.writer.read_through(appended, draft)
        if len(counted) != 1 or counted[0].link.checksum != draft.checksum:
            deposed = NotAccepted(f"{self.identity.log_name} is led by another process: ask that one")
            self._refuse(calls, arrivals, deposed)
            raise deposed
        step = Step("append", start_ns, self._now_ns())
        self._written = Written(counted[0], calls, arrivals, began_s, step)
        self._checkpoints.log_bytes += len(draft.payload)
        self.metrics.append_s.observe(self._loop.time() - began_s)

    def _apply_written(self) -> None:
        written = self._written
        if written is None:
            return
        self._written = None
        start_ns, start_s = self._now_ns(), self._loop.time()
        replies = self.partition.apply(written.stored)
        position, answered = written.stored.link.position, 0
        for call in written.calls:
            count = len(call.requests)
            call.answer(Answers(replies[answered : answered + count], position))
            answered += count
        end_s = self._loop.time()
        self._calls.finish(written.calls, took_s=end_s - written.began_s, append_s=written.append.took_s)
        self._calls.pace(applied=answered + letters_in(written.arrivals), took_s=end_s - start_s)
        self._mail.finish(written.arrivals)
        self._listeners.tell()
        if not self._stopping:
            self._mail.carry(self._tasks)
        self._current_at_s = written.began_s
        self.metrics.measure(position, answered, took_s=end_s - start_s, waiting=self._calls.requests)
        self._mail.measure(self.metrics, written.arrivals)
        steps = (written.append, Step("apply", start_ns, self._now_ns()))
        record_steps((call.span for call in written.calls), steps, position=position)

    # Reads.

    async def _wait_for(self, level: ReadLevel) -> None:
        if self.stopped_because is not None:
            raise self._refusal()
        match level:
            case AtLeast(token):
                position = token.at(self.identity.log_name)
            case Stale(max_age_s) if self._loop.time() - self._current_at_s <= max_age_s:
                return
            case _:
                position = await self._storage.log.last()
        if position > self.partition.applied_through:
            await self._readers.wait_until(position)

    async def _catch_up(self) -> None:
        """Read what the log holds beyond our own last append: a late repeat of ours, or another leader's records."""
        began_s = self._loop.time()
        await catch_up(self.partition, self._storage.log)
        if self.partition.term != self._term:
            raise NotAccepted(f"{self.identity.log_name} is led by another process: ask that one")
        self._current_at_s = began_s
        self._readers.release(through=self.partition.applied_through)
        if self._readers.waiting:
            await asyncio.sleep(_POLL_S)

    # Ends.

    def _gives_up(self, calls: Sequence[Call]) -> bool:
        """True if nobody waits any more for an append whose outcome is unknown."""
        has_ended = self.stopped_because is not None
        return has_ended or (self._stopping and all(call.answers.done() for call in calls))

    def _refuse(self, calls: Sequence[Call], arrivals: Sequence[Arrival], error: RopewalkError) -> None:
        for call in calls:
            call.fail(error)
        self._calls.finish(calls, took_s=0.0)
        self._mail.refuse(arrivals, error)

    def _check_serves(self) -> None:
        if self._stopping or self.stopped_because is not None:
            raise self._refusal()

    def _refusal(self) -> NotAccepted:
        return NotAccepted(str(self.stopped_because or f"{self.identity.log_name} is stopping"), retry_after_s=1.0)

    def _end(self, because: RopewalkError) -> None:
        self.stopped_because = because
        self._calls.fail_all(
            waiting=NotAccepted(f"nothing happened: {because}", retry_after_s=1.0),
            in_flight=OutcomeUnknown(f"it may have happened: {because}"),
        )
        refusal = self._refusal()
        self._readers.fail(refusal)
        self._mail.fail(refusal)
        self._listeners.fail(refusal)
        if self._sweep is not None:
            self._sweep.cancel()
        self.metrics.leads.set(0)
        self._ended.set()

    def _expire_overdue(self) -> None:
        self._calls.expire()
        self._sweep = self._loop.call_later(_SWEEP_S, self._expire_overdue) if self._calls.requests else None
