"""Recovery: the newest good snapshot, and then the tail of the log.

Promise:    the state is the one that the log's records give, whichever snapshot it began with; a damaged snapshot
            falls back to the one before, and is named.
Checked by: tests/runtime/test_recovery.py, ropewalk.proving.world
"""

from collections.abc import AsyncIterator

import msgspec

from ropewalk.core.chain import START, Position
from ropewalk.core.codec import Stored, decode_record
from ropewalk.core.limits import READ_RECORDS_MAX
from ropewalk.core.partition import Partition
from ropewalk.data.engine import Storage
from ropewalk.data.log import Log
from ropewalk.data.snapshots import read_snapshot
from ropewalk.errors import Damaged


class Recovered(msgspec.Struct, frozen=True):
    """How a partition came back: from which snapshot (START if none), and what was wrong with newer ones."""

    snapshot: Position
    damaged: list[str]


async def load_snapshot(partition: Partition, storage: Storage) -> Recovered:
    """Load the newest good snapshot into a new partition; leave it empty if there is none."""
    damaged: list[str] = []
    for position in reversed(await storage.snapshots.positions()):
        try:
            snapshot = await read_snapshot(storage.snapshots, storage.shelf, position)
        except Damaged as error:
            damaged.append(str(error))
            continue
        partition.load(snapshot.parts)
        return Recovered(position, damaged)
    return Recovered(START, damaged)


async def read_records(log: Log, *, after: Position, machine_version_max: int) -> AsyncIterator[Stored]:
    """Yield the records behind `after` until there are no more. Raises Damaged at the first unsound one."""
    while True:
        records = await log.read(after=after, limit=READ_RECORDS_MAX)
        if not records:
            return
        for record in records:
            yield decode_record(record.position, record.payload, machine_version_max=machine_version_max)
        after = records[-1].position


async def catch_up(partition: Partition, log: Log) -> None:
    """Apply what the log holds beyond what the partition has read."""
    version = partition.machine.version
    async for stored in read_records(log, after=partition.read_through, machine_version_max=version):
        if partition.admit(stored):
            partition.apply(stored)
