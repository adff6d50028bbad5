"""What a leader writes: records that follow the last one that counts, appended until their outcome is known.

Repeating an append is always safe, because the chain skips every repeat. So an unknown outcome is answered by
appending the same bytes again, and what came of it all is seen by reading what lies between.

Promise:    of the records that this writes for one head at most one counts, and `read_through` tells which.
Checked by: tests/runtime/test_leader.py, ropewalk.proving.world
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from itertools import chain, repeat

import msgspec

from ropewalk.core.chain import Link, Position
from ropewalk.core.codec import Kind, Record, Stored, encode_record
from ropewalk.core.limits import APPEND_RETRY_DELAYS_S, TERM_ATTEMPTS_MAX
from ropewalk.core.machine import Request
from ropewalk.core.mailbox import Note, Opening
from ropewalk.core.partition import Partition
from ropewalk.core.place import Place, log_name
from ropewalk.data.log import Log
from ropewalk.errors import NotAccepted, OutcomeUnknown, RopewalkError
from ropewalk.observability.traces import Step
from ropewalk.runtime.calls import Call
from ropewalk.runtime.mail import Arrival
from ropewalk.runtime.recovery import read_records

LOG = logging.getLogger("ropewalk")


class Identity(msgspec.Struct, frozen=True):
    """Which of a service's partitions is led, and by whom: `writer` is 16 bytes that name the process in the log."""

    service: str
    partition: int
    writer: bytes
    partitions: int = 1

    @property
    def place(self) -> Place:
        """Which of how many it is."""
        return Place(self.service, self.partition, self.partitions)

    @property
    def log_name(self) -> str:
        """The name of this log in a token."""
        return log_name(self.service, self.partition)


class Draft(msgspec.Struct, frozen=True):
    """A record that has no position yet, and its bytes."""

    record: Record
    payload: bytes
    checksum: bytes


class Written(msgspec.Struct, frozen=True):
    """A record that counts and is not yet applied, the calls and deliveries in it, and what it took to write it."""

    stored: Stored
    calls: Sequence[Call]
    arrivals: Sequence[Arrival]
    began_s: float
    append: Step


class Writer:
    """One leader's pen. `failure` says why nothing can be written: an append was refused, or its repeat failed."""

    def __init__(self, partition: Partition, log: Log, identity: Identity, *, now_ns: Callable[[], int]) -> None:
        self._partition = partition
        self._log = log
        self._identity = identity
        self._now_ns = now_ns
        self.failure: RopewalkError | None = None

    def draft(self, kind: Kind, term: int, requests: Sequence[Request], *, notes: Sequence[Note] = ()) -> Draft:
        """A record that follows the last one that counts."""
        record = Record(
            kind=kind,
            machine_version=self._partition.machine.version,
            term=term,
            time_ns=self._now_ns(),
            follows=self._partition.head,
            writer=self._identity.writer,
            requests=requests,
            notes=notes,
        )
        payload, checksum = encode_record(record)
        return Draft(record, payload, checksum)

    async def append(self, draft: Draft, *, give_up: Callable[[], bool]) -> Position | RopewalkError:
        """Append until the outcome is known, or `give_up` says that nobody waits for it.

        Errors are returned and not raised, since this runs as a task beside the loop: NotAccepted is definite.
        """
        appended = await self._append(draft, give_up=give_up)
        name, failed_before = self._identity.log_name, self.failure is not None
        self.failure = appended if isinstance(appended, NotAccepted) else None
        if self.failure is not None and not failed_before:
            LOG.warning("%s can't be written to: %s; it is tried again and again", name, self.failure)
        elif failed_before and isinstance(appended, int):
            LOG.warning("%s can be written to again", name)
        return appended

    async def _append(self, draft: Draft, *, give_up: Callable[[], bool]) -> Position | RopewalkError:
        try:
            return await self._log.append(draft.payload)
        except OutcomeUnknown as error:
            unknown = error
        except RopewalkError as error:
            return error
        for delay_s in chain(APPEND_RETRY_DELAYS_S, repeat(APPEND_RETRY_DELAYS_S[-1])):
            if give_up():
                break
            await asyncio.sleep(delay_s)
            try:
                return await self._log.append(draft.payload)
            except (OutcomeUnknown, NotAccepted) as error:
                # A definite no to this attempt says nothing about the first one.
                self.failure = error
                LOG.warning("%s: repeating an append whose outcome is unknown: %s", self._identity.log_name, error)
            except RopewalkError as error:
                return error
        return unknown

    async def read_through(self, position: Position, mine: Draft) -> list[Stored]:
        """Admit the log through `position`, where `mine` was appended; return the records that count."""
        partition = self._partition
        counted = []
        if position > partition.read_through + 1:
            version = partition.machine.version
            before = Position(position - 1)
            async for stored, _ in read_records(
                self._log, after=partition.read_through, through=before, machine_version_max=version
            ):
                if partition.admit(stored):
                    counted.append(stored)
        stored = Stored(Link(position, mine.checksum, mine.record.follows), mine.record)
        if partition.admit(stored):
            counted.append(stored)
        return counted

    async def open_term(self) -> int:
        """Become the leader and return the term. Raises NotAccepted if others keep being the first to follow."""
        for _ in range(TERM_ATTEMPTS_MAX):
            opening = Opening(self._identity.partitions)
            draft = self.draft(Kind.TERM, self._partition.term + 1, [], notes=[opening])
            appended = await self._append(draft, give_up=lambda: False)
            if isinstance(appended, RopewalkError):
                raise appended
            self.failure = None
            for stored in await self.read_through(appended, draft):
                self._partition.apply(stored)
            if self._partition.applied.checksum == draft.checksum:
                return draft.record.term
        raise NotAccepted(f"{self._identity.log_name} is led by another process: ask that one", retry_after_s=1.0)
