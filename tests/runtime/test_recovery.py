"""Recovery over both engines: every kept snapshot leads to the same state, and what can't be trusted stops it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import pytest

from ropewalk import Applied, Entry, Service, open_node
from ropewalk.core.chain import START, Position
from ropewalk.core.codec import Kind, Record, encode_record
from ropewalk.core.limits import SNAPSHOTS_KEPT
from ropewalk.core.partition import Partition
from ropewalk.data.engine import Engine, Storage
from ropewalk.errors import Damaged, NotAccepted, OutcomeUnknown, Rejected
from ropewalk.runtime.calls import Bounds
from ropewalk.runtime.config import open_engine
from ropewalk.runtime.leader import lead
from ropewalk.runtime.recovery import catch_up, load_snapshot
from ropewalk.runtime.writer import Identity
from tests.runtime.counter import Add, Break, Command, apply, counter, request

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


def counters(value: object, changed: Callable[[Mapping[str, int], Entry[Command]], Applied[int]]) -> Service:
    return Service.keyed(
        "counters",
        commands=Command,
        value=value,
        apply=changed,
        key=lambda each: getattr(each, "key", "a"),
        partitions=2,
    )


def halved(state: Mapping[str, int], entry: Entry[Command]) -> Applied[int]:
    match entry.command:
        case Add(key, amount):
            return Applied("halved", {key: amount / 2})  # type: ignore[dict-item]
        case Break():
            return Applied("mended")
    return apply(state, entry)


def test_a_write_of_the_wrong_type_is_not_acknowledged_and_a_mended_program_finds_it_in_the_log(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        def engine() -> Engine:
            return open_engine(f"sqlite:{tmp_path}")

        async with open_node(counters(int, halved), engine()) as node:
            with pytest.raises(OutcomeUnknown, match=r"wrote to 'a' can't be kept and read again as int"):
                await node.call(Add("a", 5))
            with pytest.raises(NotAccepted, match="mend the machine"):
                await node.get("a")
        with pytest.raises(Rejected, match=r"^counters/\d: .*wrote to 'a'.*mend the machine and start again"):
            await start(counters(int, halved), engine())
        async with open_node(counters(int, apply), engine()) as node:
            assert (await node.get("a")).value == 5

    asyncio.run(main())


async def start(service: Service, engine: Engine) -> None:
    async with open_node(service, engine):
        """It is started, and that is all."""


def test_a_machine_that_raises_at_a_restart_is_named_with_partition_and_position(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_node(counters(int, apply), open_engine(f"sqlite:{tmp_path}")) as node:
            with pytest.raises(OutcomeUnknown, match="ZeroDivisionError"):
                await node.call(Break())
        with pytest.raises(Rejected) as told:
            await start(counters(int, apply), open_engine(f"sqlite:{tmp_path}"))
        partition = counters(int, apply).partition_of("a")
        assert str(told.value) == (
            f"counters/{partition}: counters can't apply the record at position 2: ZeroDivisionError: a bug in the "
            "service; nothing was lost: mend the machine and start again"
        )
        await start(counters(int, halved), open_engine(f"sqlite:{tmp_path}"))

    asyncio.run(main())


def test_a_snapshot_of_another_type_names_partition_position_key_and_type(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_node(counters(int, apply), open_engine(f"sqlite:{tmp_path}")) as node:
            await node.call(Add("a", 5))
        partition = counters(int, apply).partition_of("a")
        with pytest.raises(Damaged) as told:
            await start(counters(str, apply), open_engine(f"sqlite:{tmp_path}"))
        assert str(told.value).startswith(
            f"counters/{partition}: the snapshot at position 2 is whole, and this program can't read it: the value "
            "of 'a' can't be read as str (Expected `str`, got `int`); nothing was changed: start the program that"
        )
        async with open_node(counters(int, apply), open_engine(f"sqlite:{tmp_path}")) as node:
            assert (await node.get("a")).value == 5

    asyncio.run(main())
