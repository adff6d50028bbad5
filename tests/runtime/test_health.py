"""What a node tells of itself: a partition that stopped is in test_edge.py."""

import asyncio

import pytest

from ropewalk import open_node
from ropewalk.core.chain import Position
from ropewalk.data.engine import Storage
from ropewalk.engines.memory import MemoryEngine, MemoryLog
from ropewalk.errors import NotAccepted, OutcomeUnknown
from ropewalk.runtime.health import health_of
from tests.runtime.served import Add, counters


class FullDisk(MemoryLog):
    """Takes no record while it is full."""

    is_full = False

    async def append(self, payload: bytes) -> Position:
        if self.is_full:
            raise NotAccepted("the disk is full", retry_after_s=0.01)
        return await super().append(payload)


def test_a_partition_that_can_not_be_written_to_does_not_serve_until_it_can_and_is_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    disk = FullDisk()

    class Engine(MemoryEngine):
        async def open(self, service: str, partition: int) -> Storage:
            return (await super().open(service, partition))._replace(log=disk)

    async def main() -> None:
        async with open_node(counters(), Engine()) as node:
            assert health_of(node).serves
            disk.is_full = True
            for _ in range(3):
                with pytest.raises(NotAccepted, match="the disk is full"):
                    await node.call(Add("a", 1))
            ill = health_of(node)
            assert (ill.serves, ill.partitions[0].leads) == (False, True)
            assert ill.partitions[0].write_failure == "the disk is full"
            disk.is_full = False
            # Nobody sends a command: who balances load keeps away from a node that does not serve.
            async with asyncio.timeout(10):
                while not health_of(node).serves:
                    await asyncio.sleep(0)

    asyncio.run(main())
    told = [record.getMessage().partition(":")[0] for record in caplog.records]
    assert told == ["counters/0 can't be written to", "counters/0 can be written to again"]


class SilentDisk(MemoryLog):
    """Stores nothing while it is silent, and does not say so."""

    is_silent = False

    async def append(self, payload: bytes) -> Position:
        if self.is_silent:
            raise OutcomeUnknown("the disk gives no answer")
        return await super().append(payload)


def test_a_partition_whose_append_is_repeated_without_an_answer_does_not_serve_until_there_is_one() -> None:
    disk = SilentDisk()

    class Engine(MemoryEngine):
        async def open(self, service: str, partition: int) -> Storage:
            return (await super().open(service, partition))._replace(log=disk)

    async def main() -> None:
        async with open_node(counters(), Engine()) as node, asyncio.TaskGroup() as tasks, asyncio.timeout(10):
            disk.is_silent = True
            call = tasks.create_task(node.call(Add("a", 1)))
            while health_of(node).serves:
                await asyncio.sleep(0)
            assert health_of(node).partitions[0].write_failure == "the disk gives no answer"
            disk.is_silent = False
            assert (await call).value == 1
            assert health_of(node).serves

    asyncio.run(main())
