"""How a node is: what its partitions do, and why one has stopped.

Checked by: tests/runtime/test_health.py, tests/runtime/test_edge.py
"""

from collections.abc import Sequence

import msgspec

from ropewalk.runtime.leader import Leader
from ropewalk.runtime.node import Node


class PartitionHealth(msgspec.Struct, frozen=True):
    """One partition. `position` is that of its last applied record, `waiting` counts requests not yet answered.

    `write_failure` says why nothing can be written now, for example that the disk is full.
    `outbox` counts messages that wait for other partitions, `events` is the number of the newest event.
    """

    partition: int
    leads: bool
    position: int
    waiting: int
    outbox: int
    events: int
    snapshot_failure: str | None
    write_failure: str | None
    stopped_because: str | None


class Health(msgspec.Struct, frozen=True):
    """A node: it `serves` while it leads every partition and can write to it, its own and those of the services
    `beside` it: without their coordinator no transaction is decided, though every key can be written to.
    """

    service: str
    serves: bool
    partitions: Sequence[PartitionHealth]
    beside: Sequence["Health"]


def health_of(node: Node) -> Health:
    """How it is now."""
    partitions = [_partition(leader) for leader in node.leaders]
    beside = [health_of(each) for each in node.followers.values()]
    serves = all(each.leads and each.write_failure is None for each in partitions)
    return Health(node.service.name, serves and all(each.serves for each in beside), partitions, beside)


def _partition(leader: Leader) -> PartitionHealth:
    return PartitionHealth(
        partition=leader.identity.partition,
        leads=leader.stopped_because is None,
        position=leader.partition.applied.position,
        waiting=leader.waiting,
        outbox=leader.partition.mailbox.waiting,
        events=leader.partition.feed.last,
        snapshot_failure=_text(leader.snapshot_failure),
        write_failure=_text(leader.writer.failure),
        stopped_because=_text(leader.stopped_because),
    )


def _text(error: Exception | None) -> str | None:
    return None if error is None else str(error)
