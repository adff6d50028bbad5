"""The shelf port: what a machine may use when its state outgrows memory: immutable blobs, and a scratch table.

A machine whose state outgrows memory puts what is settled here and reads it back through memory maps. A name is
derived from the content's place in the machine's history, so a replay after a crash puts the same bytes under the
same name.

Promise:    what `get` returns is what the last `put` of that name was given; after `sync` it survives a crash.
Not given:  durability of a put before `sync`: the log still holds what led to it.
Checked by: ropewalk.proving.conformance (shelf checks), on every engine
"""

from collections.abc import MutableMapping
from typing import Protocol


class Shelf(Protocol):
    """What a blob engine does for one machine. Names are letters, digits, dot, dash and underscore."""

    def put(self, name: str, content: bytes | memoryview) -> None:
        """Keep `content` under `name`, replacing what was there. Raises NotAccepted if there is no room for it."""
        ...

    def get(self, name: str) -> memoryview:
        """Return a read-only view of a blob. Raises KeyError if there is none of that name."""
        ...

    def remove(self, name: str) -> None:
        """Forget a blob; views that were handed out stay readable. Harmless if there is none."""
        ...

    def names(self) -> list[str]:
        """The names of all blobs, sorted."""
        ...

    async def sync(self, name: str) -> bytes:
        """Make a blob durable and return its 16-byte checksum. Raises KeyError if there is none of that name."""
        ...

    def table(self) -> MutableMapping[str, bytes]:
        """Return an empty map, in key order, that may outgrow memory. It ends with the process: snapshots keep it."""
        ...
