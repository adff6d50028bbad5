"""Where a machine stands: which partition of which service it is, and where any key of that service is kept.

A service has a fixed number of partitions, and a key's partition follows from a stable hash, so that every process,
every client and every machine finds the same one without asking.

Promise:    the partition of a key never changes while the number of partitions does not.
Checked by: tests/core/test_place.py
"""

import hashlib
from functools import lru_cache
from typing import Final

import msgspec

_KEYS_REMEMBERED: Final = 65_536


class Place(msgspec.Struct, frozen=True):
    """Partition number `partition` of the `partitions` that a service has."""

    service: str
    partition: int = 0
    partitions: int = 1

    @property
    def log_name(self) -> str:
        """The name of this partition's log, in tokens and in messages."""
        return log_name(self.service, self.partition)

    def partition_of(self, key: str) -> int:
        """The partition of a key."""
        return partition_of(key, self.partitions)

    def log_of(self, key: str) -> str:
        """The name of the log of a key's partition."""
        return log_name(self.service, self.partition_of(key))


def log_name(service: str, partition: int) -> str:
    """The name of a partition's log."""
    return f"{service}/{partition}"


@lru_cache(_KEYS_REMEMBERED)
def partition_of(key: str, partitions: int) -> int:
    """The partition of a key: by a stable hash, the same in every process and for ever."""
    if partitions == 1:
        return 0
    digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") % partitions
