"""The engine port: what opens a partition's storage at a URL.

Checked by: ropewalk.proving.conformance, on every engine
"""

from typing import NamedTuple, Protocol

from ropewalk.data.log import Log
from ropewalk.data.shelf import Shelf
from ropewalk.data.snapshots import Snapshots


class Storage(NamedTuple):
    """What one partition keeps its things in."""

    log: Log
    snapshots: Snapshots
    shelf: Shelf


class Engine(Protocol):
    """What a node opens its partitions with."""

    async def open(self, service: str, partition: int) -> Storage:
        """Open the storage of one partition, creating it if it is new.

        Raises Rejected if another process has it, and NotAccepted if it can't be reached.
        """
        ...

    async def close(self) -> None:
        """Close every storage that was opened here and let go of what is held."""
        ...
