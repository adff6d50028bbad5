"""An audit: every byte that a partition keeps is read, and compared with the checksum that was kept of it.

A restart reads the newest snapshot and the tail of the log, and believes the sealed blobs by their length: reading
gigabytes would keep callers waiting. This reads everything, and the chain from record to record, on an engine that
nothing else uses; so it also tells whether a backup is whole.

Promise:    `audit` names everything of one partition that is not what was written; nothing is changed. What is
            missing altogether is told by `recovery.missing_partitions`.
Not given:  what lies before the oldest record that is kept.
Checked by: tests/runtime/test_audit.py
"""

from collections.abc import AsyncIterator

import msgspec

from ropewalk.core.chain import START, Head, follow
from ropewalk.core.codec import VERSION_MAX
from ropewalk.core.partition import saved_head
from ropewalk.data.engine import Storage
from ropewalk.data.log import Log, Trimmed
from ropewalk.data.snapshots import check_blobs, read_snapshot
from ropewalk.errors import Damaged
from ropewalk.runtime.recovery import read_records


class Audited(msgspec.Struct, frozen=True):
    """What was read of one partition, and what is wrong with it, one sentence each."""

    records: int
    skipped: int
    snapshots: int
    blobs: int
    damages: list[str]


async def audit(storage: Storage) -> Audited:
    """Read all that is kept of a partition."""
    damages: list[str] = []
    heads: list[Head] = []
    blobs = 0
    positions = await storage.snapshots.positions()
    for position in positions:
        try:
            snapshot = await read_snapshot(storage.snapshots, storage.shelf, position)
            heads.append(saved_head(snapshot.parts))
            await check_blobs(storage.shelf, snapshot)
            blobs += len(snapshot.blobs)
        except Damaged as error:
            damages.append(str(error))
    records = counted = 0
    try:
        async for counts in _records(storage.log, await _begin(storage.log, heads)):
            records += 1
            counted += counts
        last = await storage.log.last()
        if positions and last < positions[-1]:
            damages.append(f"the log ends at position {last}, and there is a snapshot at {positions[-1]}")
    except Damaged as error:
        damages.append(str(error))
    return Audited(records, records - counted, len(positions), blobs, damages)


def audited_missing() -> Audited:
    """What there is to say of a partition of which nothing is left, though others show that it was served."""
    return Audited(0, 0, 0, 0, ["nothing is left of it, and other partitions hold what they did together"])


async def _begin(log: Log, heads: list[Head]) -> Head:
    """Where the records begin that are kept: a log that is trimmed has a snapshot of what came before."""
    try:
        await log.read(after=START, limit=1)
    except Trimmed:
        return heads[0] if heads else Head()
    return Head()


async def _records(log: Log, head: Head) -> AsyncIterator[bool]:
    """For each record behind `head`, whether it counts. Raises Damaged at the first that is not what was written."""
    async for stored, _ in read_records(log, after=head.position, machine_version_max=VERSION_MAX):
        following = follow(head, stored.link)
        head = following or head
        yield following is not None
