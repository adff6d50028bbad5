"""Recovery: the newest good snapshot, and then the tail of the log.

Promise:    the state is the one that the log's records give, whichever snapshot it began with; a damaged snapshot
            falls back to the one before, and is named. What this program can't read or apply changes nothing, and is
            told with its position and what to do.
Checked by: tests/runtime/test_recovery.py, ropewalk.proving.world
"""

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress

import msgspec

from ropewalk.core.chain import START, Position
from ropewalk.core.codec import VERSION_MAX, Kind, Stored, decode_record
from ropewalk.core.limits import READ_RECORDS_MAX
from ropewalk.core.machine import Divisible, Machine
from ropewalk.core.mailbox import Opening
from ropewalk.core.partition import Partition, saved_partitions
from ropewalk.core.place import Place, log_name
from ropewalk.data.engine import Storage
from ropewalk.data.log import Log
from ropewalk.data.snapshots import Snapshot, read_snapshot
from ropewalk.errors import Damaged, Rejected, RopewalkError

LOG = logging.getLogger("ropewalk")


class DamagedSnapshot(msgspec.Struct, frozen=True):
    """One that could not be used, and why."""

    position: Position
    reason: str


class Recovered(msgspec.Struct, frozen=True):
    """The snapshot that a partition came back from (START if none), and the newer ones that are damaged."""

    position: Position
    damaged: list[DamagedSnapshot]


async def load_snapshot(partition: Partition, storage: Storage) -> Recovered:
    """Load the newest good snapshot into a new partition; leave it empty if there is none."""
    damaged: list[DamagedSnapshot] = []
    for position in reversed(await storage.snapshots.positions()):
        try:
            snapshot = await read_snapshot(storage.snapshots, storage.shelf, position)
        except Damaged as error:
            damaged.append(DamagedSnapshot(position, str(error)))
            continue
        await _check_log_reaches(storage.log, position)
        _load(partition, snapshot)
        return Recovered(position, damaged)
    return Recovered(START, damaged)


def _load(partition: Partition, snapshot: Snapshot) -> None:
    """Raise Damaged if the bytes are what was written, and this program can't read them."""
    try:
        partition.load(snapshot.parts)
    except (Damaged, ValueError, LookupError, RecursionError) as error:
        raise Damaged(
            f"the snapshot at position {snapshot.position} is whole, and this program can't read it: {error}; "
            "nothing was changed: start the program that wrote it, or one whose types can read what that wrote"
        ) from error


async def _check_log_reaches(log: Log, position: Position) -> None:
    """Raise Damaged if the log ends before a snapshot: it would hand out positions that the snapshot includes."""
    last = await log.last()
    if last < position:
        raise Damaged(
            f"the log ends at position {last}, and there is a snapshot at {position}: records that were acknowledged "
            "are missing; nothing was written: restore this log from a replica or a backup"
        )


async def kept_partitions(partition: Partition, log: Log) -> int:
    """How many partitions a service was created with, from a snapshot that was just loaded or the log's first record.

    0 if there is neither. No record is applied: where a key is kept depends on this number.
    """
    if partition.applied.position > START:
        return partition.partitions
    return await _opened_with(log, machine_version_max=partition.machine.version)


async def _opened_with(log: Log, *, machine_version_max: int) -> int:
    first = read_records(log, after=START, through=Position(1), machine_version_max=machine_version_max)
    async for stored, _ in first:
        for note in stored.record.notes:
            if isinstance(note, Opening):
                return note.partitions
    return 0


async def check_none_lost(service: str, storages: Sequence[Storage], *, beside: Sequence[Partition] = ()) -> None:
    """Raise Damaged if a partition is empty that was not always so: it would be begun anew, without its keys.

    Others of its service show it, and those `beside` it with which it had mail. Where nothing does, it is said that a
    service begins beside one that has run: it may be new, or lost.
    """
    empty = [log_name(service, number) for number, each in enumerate(storages) if await _is_empty(each)]
    if not empty:
        return
    missing = await missing_partitions(dict(enumerate(storages)))
    met = [
        name for name in empty if any(each.mailbox.taken_in(name) or each.mailbox.settled(name) for each in beside)
    ]
    if lost := sorted({log_name(service, number) for number in missing if number < len(storages)}.union(met)):
        raise Damaged(
            f"nothing is left of {', '.join(lost)}, and other partitions hold what they did together: no record was "
            "written there; remove what was made for them, which is empty, and restore them from a backup"
        )
    if len(empty) == len(storages) and any(each.applied.position > 1 for each in beside):
        LOG.warning("%s begins empty beside what has run before: if it has too, stop and restore its log", service)


async def missing_partitions(storages: Mapping[int, Storage]) -> list[int]:
    """The partitions of one service that are not there, or wholly empty, and can't have been so from the beginning.

    A node runs none of them before each has opened its first term: one that holds more was served beside all others.
    """
    there = [number for number, storage in storages.items() if not await _is_empty(storage)]
    created = max([await created_with(storages[number]) for number in there], default=0)
    # One that was created with fewer is refused elsewhere: its keys are not where they would be looked for.
    missing = sorted(set(range(created or max(storages, default=-1) + 1)).difference(there))
    served = missing and any([await _is_served(storages[number]) for number in there])
    return missing if served else []


async def _is_empty(storage: Storage) -> bool:
    try:
        return await storage.log.last() == START and not await storage.snapshots.positions()
    except Damaged:
        # There is something to be damaged: what it is, is told by who reads it.
        return False


async def _is_served(storage: Storage) -> bool:
    """True unless it holds nothing but the openings of terms. What was trimmed or damaged was something once."""
    if await storage.snapshots.positions():
        return True
    try:
        async for stored, _ in read_records(storage.log, after=START, machine_version_max=VERSION_MAX):
            if stored.record.kind is not Kind.TERM:
                return True
    except Damaged:
        return True
    return False


async def created_with(storage: Storage) -> int:
    """How many partitions there were when this one was begun; 0 if nothing whole tells it."""
    for position in reversed(await storage.snapshots.positions()):
        with suppress(Damaged, ValueError):
            return saved_partitions((await read_snapshot(storage.snapshots, storage.shelf, position)).parts)
    with suppress(Damaged):
        return await _opened_with(storage.log, machine_version_max=VERSION_MAX)
    return 0


async def check_partitions(partition: Partition, log: Log, place: Place) -> None:
    """As `check_count`, of a partition whose snapshot was just loaded."""
    check_count(await kept_partitions(partition, log), partition.machine, place)


def check_count(kept: int, machine: Machine, place: Place) -> None:
    """Raise Rejected if a service was created with another number of partitions than it is started with."""
    if kept not in (0, place.partitions):
        raise Rejected(
            f"{place.service} was created with {kept} partitions and is started with {place.partitions}: its keys "
            f"would be looked for where they are not; start it with {kept}; {_for_more(machine, kept)}"
        )


def _for_more(machine: Machine, kept: int) -> str:
    """What to do about a number of partitions that is too small."""
    if isinstance(machine, Divisible):
        return f"`ropewalk split` divides it among a multiple of {kept}"
    return "its state can't be divided, so another number is for a new service, in a place of its own"


async def read_records(
    log: Log, *, after: Position, machine_version_max: int, through: Position | None = None
) -> AsyncIterator[tuple[Stored, int]]:
    """Yield the records behind `after`, up to `through` or the end, each with its size in bytes.

    Raises Damaged at the first that is not what was written.
    """
    while through is None or after < through:
        limit = READ_RECORDS_MAX if through is None else min(READ_RECORDS_MAX, through - after)
        records = await log.read(after=after, limit=limit)
        if not records:
            return
        for position, payload in records:
            yield decode_record(position, payload, machine_version_max=machine_version_max), len(payload)
        after = records[-1].position


async def catch_up(partition: Partition, log: Log) -> int:
    """Apply what the log holds beyond what the partition has read, and return how many bytes that were.

    Raises Damaged if the log can't be trusted, Rejected if the machine raises.
    """
    size = 0
    version = partition.machine.version
    async for stored, record_bytes in read_records(log, after=partition.read_through, machine_version_max=version):
        size += record_bytes
        if partition.admit(stored):
            _apply(partition, stored)
    return size


def _apply(partition: Partition, stored: Stored) -> None:
    try:
        partition.apply(stored)
    except RopewalkError:
        raise
    except Exception as error:
        # Whatever a machine raises: where it did is for whoever mends it, and a sentence for whoever starts it.
        where = f"{partition.machine.name} can't apply the record at position {stored.link.position}"
        LOG.exception(where)
        raise Rejected(
            f"{where}: {type(error).__name__}: {error}; nothing was lost: mend the machine and start again"
        ) from error
