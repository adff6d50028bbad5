"""The follower that sends a service's events to its endpoints: for each, one `Deliveries` that pulls, sends, records.

    events ──pull──► jobs ──send──► taken     the cursor moves on, and is recorded ten times a second
                      ▲        └──► failed    recorded with what it takes to send it again
                      └── waiting, due again

A change by an operator is an event of the webhooks' own log: the endpoint's deliveries are stopped, what is known is
recorded, and they begin again from there. So does everything if something goes wrong here.

Promise:    as of `ropewalk.communication.webhooks.delivery`: at least once, whatever is killed.
Not given:  that a message comes once: what was sent since the last record comes again, with the same id.
Checked by: tests/runtime/webhooks/test_deliveries.py, test_stops.py, test_kill.py
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Set
from contextlib import suppress
from http import HTTPStatus
from typing import Final, NamedTuple

import msgspec

from ropewalk.communication.cloudevents import MEDIA_TYPE, Origin, cloud_event
from ropewalk.communication.webhooks.delivery import message_key, room
from ropewalk.communication.webhooks.limits import (
    JITTER_PERCENT,
    LABEL_CHARACTERS_MAX,
    MESSAGE_BYTES_MAX,
    PROBE_EVERY_S,
    RECORD_EVERY_S,
    RETRY_AFTER_MAX_S,
)
from ropewalk.communication.webhooks.messages import (
    Attempt,
    Failed,
    ListEndpoints,
    Message,
    Recorded,
    Reply,
    State,
)
from ropewalk.communication.webhooks.outcomes import Outcomes
from ropewalk.communication.webhooks.sending import Answer, Sender, seconds_of
from ropewalk.communication.webhooks.signatures import ID, SIGNATURE, TIMESTAMP, secret_key, sign
from ropewalk.communication.webhooks.window import Window
from ropewalk.core.codec import encode_value
from ropewalk.core.feed import NumberedEvent
from ropewalk.core.limits import DEADLINE_DEFAULT_S
from ropewalk.core.machine import Request
from ropewalk.engines.system import new_request_ids
from ropewalk.errors import RopewalkError
from ropewalk.observability.metrics import WebhookMetrics
from ropewalk.runtime.leader import Leader
from ropewalk.runtime.node import Node
from ropewalk.runtime.tasks import open_tasks

LOG = logging.getLogger("ropewalk")

_BUSY_PAUSE_S: Final = 1.0
_LAST_RECORD_S: Final = 2.0
_NANOSECONDS: Final = 1_000_000_000
_REPLIES: Final = msgspec.msgpack.Decoder(Reply)
_STATES: Final = msgspec.msgpack.Decoder(list[State])


class Outside(NamedTuple):
    """What is reached from here and is not the same twice: receivers, the clock, draws of a number below another."""

    sender: Callable[[], Sender]
    clock_ns: Callable[[], int]
    draw: Callable[[int], int]


async def deliver(followed: Node, own: Node, outside: Outside, *, internal: Set[str]) -> None:
    """Send the events of `followed` to the endpoints that `own` keeps, until cancelled.

    Those of `internal` kinds go only to endpoints that name their kind.
    """
    sender = outside.sender()

    def deliveries(state: State) -> Deliveries:
        return Deliveries(state, followed, own, outside=outside, sender=sender, internal=internal)

    try:
        async with open_tasks() as tasks:
            await _keep_up(own, lambda state: tasks.create_task(deliveries(state).run()))
    finally:
        await sender.close()


async def _keep_up(own: Node, start: Callable[[State], "asyncio.Task[None]"]) -> None:
    """Have deliveries running for every endpoint that is enabled, with the settings that it has now."""
    running: dict[str, asyncio.Task[None]] = {}
    feed = own.leaders[0].partition.feed
    seen = feed.last
    while True:
        for state in await states_of(own):
            endpoint = state.endpoint.endpoint
            if endpoint not in running and not state.endpoint.disabled_because:
                running[endpoint] = start(state)
        while feed.last == seen:
            await own.leaders[0].wait_events(seen)
        # Those of later, while some are being stopped here, are for the next turn.
        changed = [each.event.subject for each in feed.behind(max(seen, feed.oldest - 1), limit=feed.last)]
        seen = feed.last
        stopped = [running.pop(each) for each in changed if each in running]
        for task in stopped:
            task.cancel()
        if stopped:
            # They record what they know, and the next ones begin there.
            await asyncio.wait(stopped)


async def states_of(own: Node) -> list[State]:
    """All endpoints and their progress."""
    read = await own.leaders[0].read(encode_value(ListEndpoints()))
    return _STATES.decode(read.answer)


class _Job(NamedTuple):
    """A message to send: `attempts` counts this one. With a window it is new, else it has waited."""

    event_id: str
    kind: str
    subject: str
    body: bytes
    attempts: int = 1
    window: Window | None = None
    number: int = 0
    is_probe: bool = False


class Deliveries:
    """What goes to one endpoint."""

    def __init__(
        self, state: State, followed: Node, own: Node, *, outside: Outside, sender: Sender, internal: Set[str]
    ) -> None:
        self._endpoint = state.endpoint
        self._keys = [secret_key(secret) for secret in state.endpoint.secrets]
        self._followed = followed
        self._own = own
        self._outside = outside
        self._unasked = internal - {*self._endpoint.kinds}
        self._sender = sender
        after, progress = state.progress.after, state.progress
        self._windows = {
            leader.identity.log_name: Window(after=after.get(leader.identity.log_name, 0))
            for leader in followed.leaders
        }
        self._known = {each.event_id for each in (*progress.waiting, *progress.dead)}
        self._waiting: Mapping[str, Failed] = {each.event_id: each for each in progress.waiting}
        self._room = room(progress)
        self._jobs: asyncio.Queue[_Job] = asyncio.Queue(self._endpoint.in_flight)
        self._outcomes = Outcomes(self._endpoint.endpoint, after, replays=progress.replays)
        self._metrics = WebhookMetrics(followed.service.name, self._endpoint.endpoint)
        self._metrics.waiting.set(len(progress.waiting))
        self._metrics.dead.set(len(progress.dead))
        self._records: list[Request] = []
        self._new_id = new_request_ids()
        self._new = 0
        self._tried: set[str] = set()
        self._paused_until_ns = 0
        self._probed_at_ns = outside.clock_ns()
        self._changed = asyncio.Event()
        self._eased = asyncio.Event()
        self._waiting_changed = asyncio.Event()

    async def run(self) -> None:
        """Deliver until cancelled, and record what is known then."""
        try:
            async with open_tasks() as tasks:
                for leader in self._followed.leaders:
                    tasks.create_task(self._pull(leader))
                for _ in range(self._endpoint.in_flight):
                    tasks.create_task(self._send())
                tasks.create_task(self._try_again())
                tasks.create_task(self._record_changes())
        finally:
            with suppress(RopewalkError):
                # If this is not recorded it is sent again, as after a crash.
                await self._record(deadline_s=_LAST_RECORD_S)
            self._metrics.forget()

    # New events.

    async def _pull(self, leader: Leader) -> None:
        log_name = leader.identity.log_name
        window, feed = self._windows[log_name], leader.partition.feed
        if window.taken > feed.last:
            LOG.error(
                "%s: event %d of %s was sent, and it has %d: it is another log, or was restored from an older "
                "backup; nothing of it is sent until you say where to begin, with `replay`",
                self._endpoint.endpoint,
                window.taken,
                log_name,
                feed.last,
            )
            return
        while True:
            if window.taken + 1 < feed.oldest:
                self._miss(window, log_name, through=feed.oldest - 1)
            for numbered in leader.events(window.taken):
                await self._wait_for_room(window)
                await self._offer(log_name, window, numbered)
            if window.taken == feed.last:
                await leader.wait_events(window.taken)

    async def _offer(self, log_name: str, window: Window, numbered: NumberedEvent) -> None:
        event = numbered.event
        origin = Origin(log_name, numbered.number, numbered.time_ns)
        is_taken = self._endpoint.takes(event.kind, event.subject) and event.kind not in self._unasked
        if not is_taken or origin.event_id in self._known:
            window.pass_over(numbered.number)
            self._changed.set()
            return
        window.take(numbered.number)
        self._new += 1
        body = cloud_event(origin, kind=event.kind, subject=event.subject, data=event.data)
        job = _Job(origin.event_id, event.kind, event.subject, body, window=window, number=numbered.number)
        await self._jobs.put(job)

    async def _wait_for_room(self, window: Window) -> None:
        """All that is under way may fail, and must be kept then."""
        while window.room == 0 or self._new + self._outcomes.failed >= self._room:
            self._eased.clear()
            await self._eased.wait()

    def _miss(self, window: Window, log_name: str, *, through: int) -> None:
        missed = through - window.taken
        LOG.warning(
            "%s: %d events of %s are no longer kept and were not sent", self._endpoint.endpoint, missed, log_name
        )
        self._outcomes.missed += missed
        window.pass_over(through)
        self._changed.set()

    # Messages that wait.

    async def _try_again(self) -> None:
        while True:
            letter, wait_ns = self._next_due()
            self._waiting_changed.clear()
            if letter is not None and wait_ns <= 0:
                await self._offer_again(letter)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(None if letter is None else wait_ns / _NANOSECONDS):
                    await self._waiting_changed.wait()

    def _next_due(self) -> tuple[Failed | None, int]:
        """The message that is to be sent next, and in how many nanoseconds."""
        letters = [each for each in self._waiting.values() if each.event_id not in self._tried]
        letter = min(letters, key=lambda each: each.due_ns, default=None)
        if letter is None:
            return None, 0
        due_ns = letter.due_ns
        if self._room == 0:
            due_ns = min(due_ns, self._probed_at_ns + int(PROBE_EVERY_S * _NANOSECONDS))
        return letter, due_ns - self._outside.clock_ns()

    async def _offer_again(self, letter: Failed) -> None:
        self._tried.add(letter.event_id)
        is_probe = letter.due_ns > self._outside.clock_ns()
        if is_probe:
            self._probed_at_ns = self._outside.clock_ns()
        key = message_key(self._endpoint.endpoint, letter.event_id)
        read = await self._own.leaders[0].read(encode_value(key))
        message = msgspec.msgpack.decode(read.answer, type=Message | None)
        if message is None:
            # The endpoint was removed, and this is stopped at once.
            return
        job = _Job(letter.event_id, letter.kind, letter.subject, message.body, letter.attempts + 1, is_probe=is_probe)
        await self._jobs.put(job)

    # Sending.

    async def _send(self) -> None:
        while True:
            job = await self._jobs.get()
            while (pause_ns := self._paused_until_ns - self._outside.clock_ns()) > 0:
                await asyncio.sleep(pause_ns / _NANOSECONDS)
            timestamp = self._outside.clock_ns() // _NANOSECONDS
            headers = {
                ID: job.event_id,
                TIMESTAMP: str(timestamp),
                SIGNATURE: sign(job.body, self._keys, message_id=job.event_id, timestamp=timestamp),
                "content-type": MEDIA_TYPE,
            }
            self._note(job, await self._sender.post(self._endpoint.url, headers=headers, body=job.body))

    def _note(self, job: _Job, answer: Answer) -> None:
        """What became of a message: said and done with in one step, so both are recorded together."""
        (self._metrics.taken if answer.is_taken else self._metrics.failed).inc()
        retry_after_s = seconds_of(answer.retry_after, now_s=self._outside.clock_ns() // _NANOSECONDS)
        if answer.is_busy:
            pause_ns = int(max(min(retry_after_s, RETRY_AFTER_MAX_S), _BUSY_PAUSE_S) * _NANOSECONDS)
            self._paused_until_ns = max(self._paused_until_ns, self._outside.clock_ns() + pause_ns)
        if answer.is_taken and job.window is None:
            self._outcomes.settle(job.event_id, was_held_up=self._room == 0)
        elif answer.is_taken:
            self._outcomes.delivered += 1
        elif job.is_probe and answer.status != HTTPStatus.GONE:
            self._tried.discard(job.event_id)
            self._waiting_changed.set()
        else:
            self._outcomes.fail(self._attempt(job, answer, retry_after_s), is_gone=answer.status == HTTPStatus.GONE)
        if job.window is not None:
            self._new -= 1
            job.window.finish(job.number)
        self._changed.set()
        self._eased.set()

    def _attempt(self, job: _Job, answer: Answer, retry_after_s: int) -> Attempt:
        is_kept = job.attempts == 1 and len(job.body) <= MESSAGE_BYTES_MAX
        return Attempt(
            event_id=job.event_id,
            kind=job.kind[:LABEL_CHARACTERS_MAX],
            subject=job.subject[:LABEL_CHARACTERS_MAX],
            attempts=job.attempts,
            why=answer.reason[:LABEL_CHARACTERS_MAX],
            jitter_percent=self._outside.draw(JITTER_PERCENT + 1),
            retry_after_s=retry_after_s,
            body=job.body if is_kept else b"",
        )

    # Records.

    async def _record_changes(self) -> None:
        while True:
            await self._changed.wait()
            await asyncio.sleep(RECORD_EVERY_S)
            self._changed.clear()
            await self._record()

    async def _record(self, *, deadline_s: float = DEADLINE_DEFAULT_S) -> None:
        """Record what is new; then it is known what waits, and how much more may fail."""
        commands = self._outcomes.take({log: window.through for log, window in self._windows.items()})
        self._records += [Request(self._new_id(), encode_value(command)) for command in commands]
        if not self._records:
            return
        while self._records:
            # If this is cut off it is not known whether it happened, and what comes next relies on it: it stays the
            # first, and its id makes that it happens once.
            answers = await self._own.submit(self._records[:1], deadline_s=deadline_s)
            del self._records[0]
        reply = _REPLIES.decode(answers.replies[0] or b"")
        if isinstance(reply, Recorded):
            self._waiting = {each.event_id: each for each in reply.waiting}
            self._room = reply.room
            self._metrics.waiting.set(len(reply.waiting))
            self._metrics.dead.set(reply.dead)
        self._tried -= self._outcomes.recorded()
        self._eased.set()
        self._waiting_changed.set()
