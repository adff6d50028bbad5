"""What a world's clients saw, and whether the log bears it out.

The log itself is the witness: it is read once more from the first record, by the chain's rule written down a second
time, a replica applies it, and a judge of few lines says what should have been answered.

Promise:    `check_history` raises Broken if an acknowledged request is lost, took effect twice or was answered
            otherwise than its place in the log demands; if a read saw what its level forbids; if two replicas differ.
Checked by: tests/canaries/
"""

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

import msgspec

from ropewalk.core.chain import START, Position
from ropewalk.core.codec import VERSION_MAX, Stored, decode_record
from ropewalk.core.machine import NO_ID, Batch, Machine, Outcome, Received, Request
from ropewalk.core.partition import Partition
from ropewalk.core.sessions import Reply
from ropewalk.proving.workload import Judge


class Broken(AssertionError):
    """A promise does not hold; the message is the claim and what was seen instead."""


class Acknowledged(msgspec.Struct, frozen=True):
    """A request that was answered. Times are the world's, in seconds; `asked_s` is that of the first attempt."""

    request: Request
    reply: Reply
    position: Position
    asked_s: float
    answered_s: float


class Seen(msgspec.Struct, frozen=True):
    """A read that was answered. `after` is the position that its level obliges it to have reached."""

    query: bytes
    answer: bytes
    position: Position
    after: Position


_Told = dict[tuple[Position, bytes, bytes], list[Reply]]
"""What the log answers to a request at a position: often one reply, more where it stands there more than once."""


class History(msgspec.Struct):
    """Everything that clients were told."""

    acknowledged: list[Acknowledged] = msgspec.field(default_factory=list)
    seen: list[Seen] = msgspec.field(default_factory=list)

    @property
    def last_position(self) -> Position:
        """The latest position at which a request was acknowledged so far."""
        return max((each.position for each in self.acknowledged), default=START)


@runtime_checkable
class LooksAtClients(Protocol):
    """A workload that also judges what its clients saw of one object, as they do: without the log."""

    def check_clients(self, acknowledged: Sequence[Acknowledged], written: Sequence[Request]) -> None:
        """Raise Broken if they saw what can't be. `written` requests took effect, told or not."""
        ...


class Reading:
    """A log, read once more: a replica applies each record that counts, and what it answers is compared.

    `next` is the record that `step` applies; None if every one is applied. `written` are the requests that count.
    """

    def __init__(self, payloads: Sequence[bytes], machine: Machine, *, judge: Judge | None, history: History) -> None:
        self.machine = machine
        self.counted = 0
        self.written: list[Request] = []
        self._observed = _Observed(machine)
        self.replica = Partition(self._observed)
        self._judge = judge
        self._history = history
        self._reads = _by_position(history.seen)
        self._answers: dict[bytes, tuple[bytes, bytes]] = {}
        self._told: _Told = {}
        self._time_ns = 0
        self._records = _counting(payloads)
        self.next = next(self._records, None)

    @property
    def outcome(self) -> Outcome:
        """What the machine made of the record that was applied last."""
        return self._observed.outcome

    def step(self, messages: Sequence[Received] = ()) -> None:
        """Apply the next record. `messages` are those in it that are to take effect, and no others are."""
        stored = self.next
        if stored is None:
            raise IndexError("every record is applied")
        self.next = next(self._records, None)
        self.counted += 1
        position, requests = stored.link.position, stored.record.requests
        self.written += requests
        self._time_ns = max(self._time_ns, stored.record.time_ns)
        replies = _apply(self.replica, stored)
        seen = self._observed.messages
        _require(
            list(seen) == list(messages), "each message takes effect once, in order", position=position, seen=seen
        )
        fresh = _fresh(requests, self._answers)
        own = [*self.outcome.replies[: len(messages)], *_replies_to(fresh, requests, replies)]
        expected = own
        if self._judge is not None:
            expected = list(self._judge.expect(Batch(position, self._time_ns, fresh, messages)))
        _require(expected == own, "the machine answers as its judge", position=position)
        for request, answer in zip(fresh, expected[len(messages) :], strict=True):
            if request.id != NO_ID:
                self._answers[request.id] = (request.command, answer)
        for request, reply in zip(requests, replies, strict=True):
            key = (position, request.id, request.command)
            self._told.setdefault(key, []).append(_first_answer(request, reply, self._answers))
        self.machine.check()
        for read in self._reads.get(position, ()):
            again = self.machine.read(read.query)
            _require(again == read.answer, "a read answers from the state at its position", position=position)

    def finish(self) -> None:
        """Compare what clients were told with all of it."""
        if self._judge is not None:
            self._judge.check(self.machine)
        _check_acknowledged(self._history.acknowledged, self._told)
        for read in self._history.seen:
            _require(read.position >= read.after, "a read sees what its level asks", read=read)


class _Observed:
    """A machine that lets see which messages it is given, and what it makes of a batch."""

    def __init__(self, machine: Machine) -> None:
        self.name = machine.name
        self.version = machine.version
        self.vet = machine.vet
        self.read = machine.read
        self.save = machine.save
        self.load = machine.load
        self.digest = machine.digest
        self.check = machine.check
        self.messages: Sequence[Received] = ()
        self.outcome = Outcome([])
        self._machine = machine

    def apply(self, batch: Batch) -> Outcome:
        self.messages = batch.messages
        self.outcome = self._machine.apply(batch)
        return self.outcome


def check_history(
    history: History, payloads: Sequence[bytes], machine: Machine, *, judge: Judge | None = None
) -> Reading:
    """Compare what clients were told with every record that was ever appended.

    Raises Broken, or Bug where the machine itself is wrong.
    """
    reading = Reading(payloads, machine, judge=judge, history=history)
    while reading.next is not None:
        reading.step()
    reading.finish()
    return reading


def _replies_to(fresh: Sequence[Request], requests: Sequence[Request], replies: Sequence[Reply]) -> list[bytes]:
    """The replies to the fresh requests among all of a record's."""
    waiting = {id(request): None for request in fresh}
    found = [reply for request, reply in zip(requests, replies, strict=True) if id(request) in waiting]
    return [reply if reply is not None else b"" for reply in found]


def _counting(payloads: Sequence[bytes]) -> Iterator[Stored]:
    """The records that count: the chain's rule once more, in three lines."""
    head = START
    for number, payload in enumerate(payloads, start=1):
        stored = decode_record(Position(number), payload, machine_version_max=VERSION_MAX)
        if stored.link.follows.position == head:
            head = stored.link.position
            yield stored


def _apply(replica: Partition, stored: Stored) -> Sequence[Reply]:
    # The replica is not told of skipped records: its own chain has nothing to skip.
    replica.read_through = Position(stored.link.position - 1)
    _require(replica.admit(stored), "what counts by the rule counts for a replica", position=stored.link.position)
    return replica.apply(stored)


def _fresh(requests: Sequence[Request], answers: dict[bytes, tuple[bytes, bytes]]) -> list[Request]:
    seen: dict[bytes, None] = {}
    fresh = []
    for request in requests:
        if request.id == NO_ID or (request.id not in answers and request.id not in seen):
            seen[request.id] = None
            fresh.append(request)
    return fresh


def _first_answer(request: Request, reply: Reply, answers: dict[bytes, tuple[bytes, bytes]]) -> Reply:
    if request.id == NO_ID:
        return reply
    command, first = answers[request.id]
    expected = first if command == request.command else None
    _require(reply == expected, "a repeated request gets the first answer", request=request.id.hex())
    return expected


def _check_acknowledged(acknowledged: Sequence[Acknowledged], told: _Told) -> None:
    for each in acknowledged:
        replies = told.get((each.position, each.request.id, each.request.command), [])
        _require(
            replies is not None and replies != [],
            "what was acknowledged is in the log at its position",
            position=each.position,
        )
        _require(each.reply in replies, "what was answered is what the log gives", position=each.position)
        replies.remove(each.reply)
    by_answer = sorted(acknowledged, key=lambda each: each.answered_s)
    by_question = sorted(acknowledged, key=lambda each: each.asked_s)
    answered = 0
    position = START
    for each in by_question:
        while answered < len(by_answer) and by_answer[answered].answered_s < each.asked_s:
            position = max(position, by_answer[answered].position)
            answered += 1
        _require(each.position >= position, "what was asked later takes effect later", position=each.position)


def _by_position(seen: Sequence[Seen]) -> dict[Position, list[Seen]]:
    grouped: dict[Position, list[Seen]] = {}
    for read in seen:
        grouped.setdefault(read.position, []).append(read)
    return grouped


def _require(holds: bool, claim: str, **facts: object) -> None:
    if not holds:
        shown = ", ".join(f"{name}={value!r}" for name, value in facts.items())
        raise Broken(f"{claim} [{shown}]")
