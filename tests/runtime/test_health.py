"""What a node tells of itself: a partition that stopped is in test_edge.py."""

import asyncio
from http import HTTPStatus

import httpx
import msgspec
import pytest

from ropewalk import open_node
from ropewalk.core.chain import Position
from ropewalk.data.engine import Storage
from ropewalk.engines.memory import MemoryEngine, MemoryLog
from ropewalk.errors import NotAccepted, OutcomeUnknown
from ropewalk.proving.workloads.accounts import Move, bank
from ropewalk.runtime.health import Health, health_of
from ropewalk.runtime.neighbours import with_beside
from ropewalk.runtime.server import serving
from ropewalk.runtime.transactions.calls import transact
from tests.runtime.served import Add, Break, counters


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


def test_a_service_beside_that_can_not_be_written_to_is_named_and_does_not_serve() -> None:
    disk = FullDisk()

    class Engine(MemoryEngine):
        async def open(self, service: str, partition: int) -> Storage:
            storage = await super().open(service, partition)
            return storage._replace(log=disk) if service == "bank-transactions" else storage

    async def health(url: str) -> tuple[int, Health]:
        async with httpx.AsyncClient(base_url=url) as http:
            answer = await http.get("/health")
            return answer.status_code, msgspec.json.decode(answer.content, type=Health)

    async def main() -> None:
        async with open_node(bank(1), Engine()) as node, serving(node, port=0) as url:
            assert (await health(url))[0] == HTTPStatus.OK
            disk.is_full = True
            with pytest.raises(NotAccepted, match="the disk is full"):
                await transact(node, Move("m1", "ada", "bob", 1))
            status, ill = await health(url)
            assert (status, ill.serves) == (HTTPStatus.SERVICE_UNAVAILABLE, False)
            assert [each.write_failure for each in ill.partitions] == [None]
            [coordinator] = ill.beside
            assert (coordinator.service, coordinator.serves) == ("bank-transactions", False)
            assert coordinator.partitions[0].write_failure == "the disk is full"

    asyncio.run(main())


def test_a_service_beside_whose_partition_stopped_is_named_and_does_not_serve() -> None:
    async def main() -> None:
        async with open_node(with_beside(bank(1), counters()), MemoryEngine()) as node:
            assert health_of(node).serves
            with pytest.raises(OutcomeUnknown):
                await node.followers["counters"].call(Break("a"))
            ill = health_of(node)
            assert (ill.serves, [each.leads for each in ill.partitions]) == (False, [True])
            stopped = {each.service: each.partitions[0].stopped_because for each in ill.beside if not each.serves}
            assert "a bug in the service" in str(stopped.pop("counters"))
            assert not stopped

    asyncio.run(main())


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
