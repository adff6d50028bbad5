"""Services whose partitions are joined by mail that is late, repeated and overtaken, and which crash at any record.

Real partitions over real records, without a log, a clock or a network: each step is one record of one of them.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from ropewalk.core.chain import Position
from ropewalk.core.codec import Kind, Record, decode_record, encode_record, encode_value
from ropewalk.core.machine import NO_ID, Request
from ropewalk.core.mailbox import Delivery, Note, Receipt
from ropewalk.core.partition import Partition
from ropewalk.engines.memory import MemoryShelf
from ropewalk.runtime.service import Service

S = 10**9


class Step(NamedTuple):
    """What is done next: to which of the possible choices it is done is `number` modulo how many there are."""

    verb: str
    number: int


class Joined:
    """All partitions of a service and of those beside it."""

    def __init__(self, service: Service) -> None:
        self._shelves: dict[str, MemoryShelf] = {}
        self._services = {each.name: each for each in (service, *(each.service for each in service.followers))}
        self.partitions: dict[str, Partition] = {}
        for each in self._services.values():
            for number in range(each.partitions):
                self.partitions[f"{each.name}/{number}"] = self._opened(each, number)
        self.now_ns = 0
        self.unreachable: list[str] = []
        self._delivered: list[Delivery] = []

    def call(self, service: str, command: msgspec.Struct) -> Any:
        """What the partition of a command's key answers."""
        key = self._services[service].key(command)
        reply = self._write(self._log_of(service, key), [Request(NO_ID, encode_value(command))])
        return msgspec.msgpack.decode(reply)

    def submit(self, log: str, command: bytes) -> bytes:
        """What a partition answers to a command that its machine reads itself."""
        return self._write(log, [Request(NO_ID, command)])

    def read(self, service: str, query: object) -> Any:
        """The answer to a question, or to a key."""
        key = query if isinstance(query, str) else self._services[service].key(query)
        return msgspec.msgpack.decode(self.partitions[self._log_of(service, key)].machine.read(encode_value(query)))

    def events(self, service: str) -> list[tuple[str, str]]:
        """What a service has published: kinds and subjects."""
        return [
            (each.event.kind, each.event.subject)
            for number in range(self._services[service].partitions)
            for each in self.partitions[f"{service}/{number}"].feed.behind(0, limit=1_000)
        ]

    def do(self, step: Step) -> None:
        """One step: deliver what waits, bring something old again, crash, or let time pass."""
        match step:
            case Step("deliver", number):
                lanes = list(self._lanes())
                if lanes:
                    self._deliver(*lanes[number % len(lanes)], loses_receipt=number % 2 == 0)
            case Step("again", number) if self._delivered:
                again = self._delivered[number % len(self._delivered)]
                self._write(again.receiver, notes=[again])
            case Step("crash", number):
                self.crash([*self.partitions][number % len(self.partitions)])
            case Step("later", number):
                self.pass_time(number % 20)
            case Step("ahead", number):
                self.pass_time(number % 20, only=number)

    def crash(self, log: str) -> None:
        """A partition begins again from what it has saved."""
        name, number = log.split("/")
        fresh = Partition(self._machine(self._services[name], int(number)))
        before = self.partitions[log]
        fresh.load(before.save().parts)
        assert fresh.digest() == before.digest()
        self.partitions[log] = fresh

    def pass_time(self, seconds: int, *, only: int | None = None) -> None:
        """Seconds pass, and timers fire: of all partitions, or of one, whose clock is ahead of the others'."""
        now_ns = self.now_ns + seconds * S
        logs = [*self.partitions]
        if only is None:
            self.now_ns = now_ns
        for log in logs if only is None else [logs[only % len(logs)]]:
            partition = self.partitions[log]
            if partition.wakes_at_ns is not None and partition.wakes_at_ns <= now_ns:
                self._write(log, time_ns=now_ns)

    def settle(self, *, seconds: int = 0, steps_max: int = 10_000) -> int:
        """Deliver all that waits, for so many seconds; how many steps it took."""
        for taken in range(steps_max):
            lane = next(self._lanes(), None)
            if lane is not None:
                self._deliver(*lane)
            elif seconds > 0:
                self.pass_time(1)
                seconds -= 1
            else:
                return taken
        raise AssertionError(f"mail did not come to an end within {steps_max} steps")

    @property
    def is_quiet(self) -> bool:
        """True if no mail waits."""
        return next(self._lanes(), None) is None

    def _lanes(self) -> Iterator[tuple[str, str]]:
        for sender, partition in self.partitions.items():
            for receiver in sorted(partition.mailbox.receivers()):
                if receiver.split("/")[0] not in self.unreachable:
                    yield sender, receiver

    def _deliver(self, sender: str, receiver: str, *, loses_receipt: bool = False) -> None:
        mailbox = self.partitions[sender].mailbox
        through = self.partitions[receiver].mailbox.taken_in(sender)
        first, letters = mailbox.letters(receiver, after=through, count_max=1, bytes_max=1 << 20)
        if letters:
            delivery = Delivery(sender, receiver, first, letters)
            self._delivered.append(delivery)
            self._write(receiver, notes=[delivery])
            through += 1
        if not loses_receipt:
            self._write(sender, notes=[Receipt(receiver, through)])

    def _write(
        self, log: str, requests: Sequence[Request] = (), *, notes: Sequence[Note] = (), time_ns: int | None = None
    ) -> bytes:
        """One more record of a partition; the last reply."""
        partition = self.partitions[log]
        at_ns = self.now_ns if time_ns is None else time_ns
        record = Record(Kind.BATCH, 1, partition.term, at_ns, partition.head, bytes(16), requests, notes)
        replies = _feed(partition, record)
        partition.machine.check()
        return replies[-1] or b"" if replies else b""

    def _log_of(self, service: str, key: str) -> str:
        return self._services[service].log_of(key)

    def _opened(self, service: Service, number: int) -> Partition:
        partition = Partition(self._machine(service, number))
        _feed(partition, Record(Kind.TERM, 1, 1, 0, partition.head, bytes(16)))
        return partition

    def _machine(self, service: Service, number: int) -> Any:
        place = service.places[number]
        return service.machine(self._shelves.setdefault(place.log_name, MemoryShelf()), place)


def _feed(partition: Partition, record: Record) -> Sequence[bytes | None]:
    payload, _ = encode_record(record)
    stored = decode_record(Position(partition.read_through + 1), payload, machine_version_max=1)
    assert partition.admit(stored)
    return partition.apply(stored)
