"""Recovery over both engines: every kept snapshot leads to the same state, and what can't be trusted stops it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from ropewalk.core.chain import START, Position
from ropewalk.core.codec import Kind, Record, encode_record
from ropewalk.core.limits import SNAPSHOTS_KEPT
from ropewalk.core.partition import Partition
from ropewalk.data.engine import Storage
from ropewalk.errors import Damaged
from ropewalk.runtime.calls import Bounds
from ropewalk.runtime.config import open_engine
from ropewalk.runtime.leader import lead
from ropewalk.runtime.recovery import catch_up, load_snapshot
from ropewalk.runtime.writer import Identity
from tests.runtime.counter import Add, counter, request

COMMANDS = 40


@pytest.fixture(params=["memory:", "sqlite:"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return request.param if request.param == "memory:" else f"sqlite:{tmp_path}"


def run(url: str, body: Callable[[Storage], Awaitable[None]], *, snapshot_log_bytes: int = 1_500) -> None:
    """Lead a counter for some commands, then hand its storage to `body`."""

    async def main() -> None:
        engine = open_engine(url)
        storage = await engine.open("counter", 0)
        identity, bounds = Identity("counter", 0, b"w" * 16), Bounds(snapshot_log_bytes=snapshot_log_bytes)
        async with lead(counter(), storage, identity, now_ns=time.time_ns, bounds=bounds) as leader:
            for _ in range(COMMANDS):
                await leader.submit([request(Add("a", 1))])
        await body(storage)
        await engine.close()

    asyncio.run(main())


async def recovered(storage: Storage) -> tuple[Position, bytes]:
    """The position of the snapshot that was used, and the digest of the state after the tail."""
    partition = Partition(counter())
    came_from = await load_snapshot(partition, storage)
    await catch_up(partition, storage.log)
    return came_from.position, partition.digest()


async def damage(storage: Storage, position: Position) -> None:
    whole = await storage.snapshots.read(position)
    await storage.snapshots.write(position, [whole[:-1], bytes([whole[-1] ^ 1])])


def test_every_kept_snapshot_and_the_tail_behind_it_give_the_same_state(url: str) -> None:
    async def body(storage: Storage) -> None:
        positions = await storage.snapshots.positions()
        states = [await recovered(storage)]
        await storage.snapshots.remove(positions[-1])
        states.append(await recovered(storage))
        assert [position for position, _ in states] == list(reversed(positions))
        assert states[0][1] == states[1][1]

    run(url, body)


def test_without_a_snapshot_the_whole_log_is_applied(url: str) -> None:
    async def body(storage: Storage) -> None:
        (position,) = await storage.snapshots.positions()
        _, expected = await recovered(storage)
        await storage.snapshots.remove(position)
        assert await recovered(storage) == (START, expected)

    run(url, body, snapshot_log_bytes=1_000_000)


def test_a_damaged_snapshot_falls_back_to_the_one_before_and_is_named(url: str) -> None:
    async def body(storage: Storage) -> None:
        older, newest = await storage.snapshots.positions()
        _, expected = await recovered(storage)
        await damage(storage, newest)
        came_from = await load_snapshot(Partition(counter()), storage)
        assert came_from.position == older
        assert [each.position for each in came_from.damaged] == [newest]
        assert f"the snapshot at position {newest} has a damaged part" in came_from.damaged[0].reason
        assert await recovered(storage) == (older, expected)

    run(url, body)


def test_with_every_snapshot_damaged_and_the_log_trimmed_it_stops_and_never_begins_anew(url: str) -> None:
    async def body(storage: Storage) -> None:
        positions = await storage.snapshots.positions()
        assert len(positions) == SNAPSHOTS_KEPT
        for position in positions:
            await damage(storage, position)
        with pytest.raises(Damaged, match="are trimmed"):
            await recovered(storage)

    run(url, body)


def test_bytes_in_the_log_that_are_no_record_stop_it_with_their_place(url: str) -> None:
    async def body(storage: Storage) -> None:
        position = await storage.log.append(b"not a record")
        with pytest.raises(Damaged, match=f"the record at position {position} is not a Ropewalk record"):
            await recovered(storage)

    run(url, body)


def test_a_record_of_a_newer_program_stops_it_and_names_what_to_do(url: str) -> None:
    async def body(storage: Storage) -> None:
        partition = Partition(counter())
        await load_snapshot(partition, storage)
        await catch_up(partition, storage.log)
        newer = Record(Kind.BATCH, 2, partition.term, 1, partition.head, b"w" * 16)
        payload, _ = encode_record(newer)
        await storage.log.append(payload)
        with pytest.raises(Damaged, match=r"versions up to 1; nothing was skipped: start the newer program"):
            await recovered(storage)

    run(url, body)
