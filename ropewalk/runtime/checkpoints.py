"""When a partition's state is saved, how many snapshots are kept, and what may then be forgotten.

    log      1 ─────────── 400 ─────────── 900 ──── 1000
    kept                   S               S
    trimmed  1 ─────────► 400              newest

Promise:    the log holds every record behind the oldest kept snapshot, and the shelf every blob that a kept snapshot
            needs, so that each kept snapshot alone is enough to recover.
Checked by: tests/runtime/test_checkpoints.py, ropewalk.proving.world
"""

import logging
from collections.abc import Coroutine, Sequence

from ropewalk.core.chain import START, Position
from ropewalk.core.limits import SNAPSHOTS_KEPT
from ropewalk.core.machine import Saved
from ropewalk.core.partition import Partition
from ropewalk.data.engine import Storage
from ropewalk.data.snapshots import read_blob_names, write_snapshot
from ropewalk.errors import Damaged, RopewalkError

LOG = logging.getLogger("ropewalk")


class Checkpoints:
    """The snapshots of one partition, and the log and shelf behind them.

    `log_bytes` counts what was appended since the last one, `failure` says why the last one was not written.
    """

    def __init__(self, storage: Storage, *, log_name: str = "", every_bytes: int = 0) -> None:
        self._storage = storage
        self._log_name = log_name
        self._every_bytes = every_bytes
        self.newest = START
        self.newest_bytes = 0
        self.log_bytes = 0
        self.is_saving = False
        self.failure: RopewalkError | None = None

    @property
    def is_due(self) -> bool:
        """True if as much was appended as is worth a snapshot, and none is being written."""
        return not self.is_saving and self.log_bytes >= max(self._every_bytes, self.newest_bytes)

    def save(self, partition: Partition) -> Coroutine[object, object, None]:
        """Take the state as it is now, and return what keeps it: to be awaited, or to run beside the loop."""
        self.log_bytes = 0
        # A blob that comes later belongs to a later state.
        present = self._storage.shelf.names()
        saved = partition.save()
        # Not before: a machine that raised when it was asked for its state may be asked again.
        self.is_saving = True
        return self._keep(saved, partition.applied.position, present=present)

    async def _keep(self, saved: Saved, position: Position, *, present: Sequence[str]) -> None:
        """A failure is shown, and tried again after as much log as before."""
        try:
            await self.write(saved, position, present=present)
            self.failure = None
        except RopewalkError as error:
            LOG.warning("%s: no snapshot: %s", self._log_name, error)
            self.failure = error
        self.is_saving = False

    async def write(self, saved: Saved, position: Position, *, present: Sequence[str]) -> None:
        """Keep `saved`, then forget what it makes superfluous, of the blobs only those `present` with that state."""
        log, snapshots, shelf = self._storage
        self.newest_bytes = await write_snapshot(snapshots, shelf, position=position, saved=saved)
        self.newest = position
        kept = await self._keep_newest()
        if len(kept) < SNAPSHOTS_KEPT:
            return
        await log.trim(through=kept[0])
        needed = await self._blobs_of(kept)
        if needed is not None:
            for name in present:
                if name not in needed:
                    shelf.remove(name)

    async def _keep_newest(self) -> list[Position]:
        positions = list(await self._storage.snapshots.positions())
        for position in positions[:-SNAPSHOTS_KEPT]:
            await self._storage.snapshots.remove(position)
        return positions[-SNAPSHOTS_KEPT:]

    async def _blobs_of(self, positions: list[Position]) -> set[str] | None:
        """The blobs that any of these needs; None if that can't be read, and so nothing may be removed."""
        needed: set[str] = set()
        for position in positions:
            try:
                needed.update(await read_blob_names(self._storage.snapshots, position))
            except Damaged:
                return None
        return needed
