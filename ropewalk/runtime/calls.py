"""The calls of one partition that are accepted and not yet answered: bounded, in order, each with a deadline.

    offer ──► waiting ──take──► in flight ──► answered

Past a bound a call is refused at once with `NotAccepted`, so a slow disk makes callers wait elsewhere and not here.

Promise:    every call that was accepted is answered once: with its replies, or with an error that says whether it
            happened.
Checked by: tests/runtime/test_calls.py, ropewalk.proving.world
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence

import msgspec
from opentelemetry import trace

from ropewalk.communication.admission import Admission, Priority, State
from ropewalk.communication.limits import ADMISSION_TARGET_S
from ropewalk.core import limits
from ropewalk.core.chain import Position
from ropewalk.core.machine import Request
from ropewalk.core.sessions import Reply
from ropewalk.errors import NotAccepted, OutcomeUnknown, Rejected, RopewalkError


class Bounds(msgspec.Struct, frozen=True):
    """How much a partition takes on: the constants of `ropewalk.core.limits`, or smaller ones in tests."""

    batch_requests_max: int = limits.BATCH_REQUESTS_MAX
    batch_bytes_max: int = limits.BATCH_BYTES_MAX
    queue_requests_max: int = limits.QUEUE_REQUESTS_MAX
    queue_bytes_max: int = limits.QUEUE_BYTES_MAX
    outbox_messages_max: int = limits.OUTBOX_MESSAGES_MAX
    outbox_bytes_max: int = limits.OUTBOX_BYTES_MAX
    snapshot_log_bytes: int = limits.SNAPSHOT_LOG_BYTES
    answer_target_s: float = ADMISSION_TARGET_S


class Answers(msgspec.Struct, frozen=True, gc=False):
    """What a call gets: a reply to each of its requests, and the position at which they took effect."""

    replies: Sequence[Reply]
    position: Position


class Call:
    """Requests of one caller that are written in one record."""

    __slots__ = ("answers", "bytes", "deadline_s", "offered_s", "requests", "span")

    def __init__(self, requests: Sequence[Request], *, deadline_s: float, answers: "asyncio.Future[Answers]") -> None:
        self.requests = requests
        self.offered_s = 0.0
        self.bytes = sum([len(request.command) for request in requests])
        self.deadline_s = deadline_s
        self.answers = answers
        self.span = trace.get_current_span()

    def answer(self, answers: Answers) -> None:
        """Give the caller its replies, unless it has gone or was told something else."""
        if not self.answers.done():
            self.answers.set_result(answers)

    def fail(self, error: RopewalkError) -> None:
        """Tell the caller why not."""
        if not self.answers.done():
            self.answers.set_exception(error)


class Calls:
    """All of them, for one partition. `now_s` is the event loop's clock."""

    def __init__(self, bounds: Bounds, *, now_s: Callable[[], float]) -> None:
        self._bounds = bounds
        self._now_s = now_s
        self._waiting: deque[Call] = deque()
        self._in_flight: dict[Call, None] = {}
        self._requests = 0
        self._bytes = 0
        self._seconds_per_request = 0.0
        self._paced_requests = float(bounds.batch_requests_max)
        self.admission = Admission(ceiling=bounds.queue_requests_max, target_s=bounds.answer_target_s)
        self.arrived = asyncio.Event()
        self.deadlines_passed = 0

    @property
    def requests(self) -> int:
        """How many requests are accepted and not yet answered."""
        return self._requests

    @property
    def waiting(self) -> int:
        """How many calls wait for a record."""
        return len(self._waiting)

    @property
    def state(self) -> State:
        """What is known about how much may be taken on."""
        return self.admission.state(self._now_s())

    def admit(
        self, requests: Sequence[Request], vet: Callable[[bytes], None], *, deadline_s: float, priority: Priority
    ) -> Call:
        """Accept requests of one caller. What there is no room for is refused before its commands are looked at.

        Raises Rejected if they can never fit a record or `vet` rejects one, NotAccepted if there is no room now.
        """
        self._check_room(len(requests), priority)
        for request in requests:
            vet(request.command)
        answers: asyncio.Future[Answers] = asyncio.get_running_loop().create_future()
        call = Call(requests, deadline_s=self._now_s() + deadline_s, answers=answers)
        self.offer(call)
        return call

    def offer(self, call: Call) -> None:
        """Accept a call. Raises Rejected if it can never fit a record, NotAccepted past a bound of the queue."""
        count = len(call.requests)
        if count > self._bounds.batch_requests_max or call.bytes > self._bounds.batch_bytes_max:
            raise Rejected(
                f"{count} requests of {call.bytes} bytes do not fit one record ({self._bounds.batch_requests_max} "
                f"requests, {self._bounds.batch_bytes_max} bytes): send them in several calls"
            )
        if (
            self._requests + count > self._bounds.queue_requests_max
            or self._bytes + call.bytes > self._bounds.queue_bytes_max
        ):
            raise NotAccepted(
                f"{self._requests} requests of {self._bytes} bytes wait already, and "
                f"{self._bounds.queue_requests_max} requests or {self._bounds.queue_bytes_max} bytes may",
                retry_after_s=self._drained_after_s,
            )
        call.offered_s = self._now_s()
        self._requests += count
        self._bytes += call.bytes
        self._waiting.append(call)
        self.arrived.set()

    def take(self) -> list[Call]:
        """The next calls that fit one record, in order of arrival. They are in flight until `finish`."""
        taken: list[Call] = []
        requests_max = min(self._bounds.batch_requests_max, self._paced_requests)
        requests = size = 0
        while self._waiting:
            call = self._waiting[0]
            requests += len(call.requests)
            size += call.bytes
            if taken and (requests > requests_max or size > self._bounds.batch_bytes_max):
                break
            self._waiting.popleft()
            if call.answers.done():
                self._release(call)
                requests -= len(call.requests)
                size -= call.bytes
            else:
                taken.append(call)
        self._in_flight.update(dict.fromkeys(taken))
        if not self._waiting:
            self.arrived.clear()
        return taken

    def finish(self, calls: Sequence[Call], *, took_s: float, append_s: float = 0.0) -> None:
        """These calls, the oldest first, are answered: make room. Their record took so long, its append alone so."""
        requests = sum([len(call.requests) for call in calls])
        if requests:
            now_s = self._now_s()
            self._seconds_per_request = took_s / requests
            self.admission.answered(
                took_s=now_s - calls[0].offered_s, append_s=append_s, requests=self._requests, now_s=now_s
            )
        for call in calls:
            self._release(call)
            del self._in_flight[call]

    def pace(self, *, applied: int, took_s: float) -> None:
        """So many requests and messages were applied in one step: no record takes in more than the next should hold.

        Who would be refused waits for that step. A call that is larger by itself has a record for itself.
        """
        if applied and took_s > 0:
            self._paced_requests = applied * limits.BATCH_APPLY_S / took_s

    def expire(self) -> None:
        """Tell the calls whose deadline has passed: those that wait did not happen, those in flight perhaps."""
        self._expire(self._waiting, NotAccepted("the deadline passed before this was written: nothing happened"))
        late = "the deadline passed while this was being written: it may yet happen"
        self._expire(self._in_flight, OutcomeUnknown(late))

    def fail_all(self, *, waiting: RopewalkError, in_flight: RopewalkError) -> None:
        """Answer every call with an error."""
        for call in self._in_flight:
            call.fail(in_flight)
        for call in self._waiting:
            call.fail(waiting)
        self._waiting.clear()
        self._in_flight.clear()
        self._requests = self._bytes = 0

    def _expire(self, calls: Iterable[Call], error: RopewalkError) -> None:
        now_s = self._now_s()
        for call in calls:
            if call.deadline_s <= now_s and not call.answers.done():
                self.deadlines_passed += 1
                call.fail(error)

    def _check_room(self, count: int, priority: Priority) -> None:
        calls = len(self._waiting) + len(self._in_flight) + 1
        if not self.admission.admits(priority, requests=self._requests + count, calls=calls, now_s=self._now_s()):
            raise NotAccepted(
                f"{self._requests} requests wait already, and {self.admission.part_of(priority)} "
                f"of {priority.name.lower()} calls are answered in time",
                retry_after_s=self._drained_after_s,
            )

    @property
    def _drained_after_s(self) -> float:
        return max(0.01, self._requests * self._seconds_per_request)

    def _release(self, call: Call) -> None:
        self._requests -= len(call.requests)
        self._bytes -= call.bytes
