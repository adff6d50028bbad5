"""What every port promises, as checks that run against any implementation of it. No test framework is needed.

    for check in ENGINE_CHECKS:
        asyncio.run(check(make_engine))          # each gets a function that opens the engine, again after a crash

A check is an async function named as a claim; it raises AssertionError if the claim is false, any other error if it
got no further. `python -m ropewalk.proving.conformance MODULE:FUNCTION` runs them all against your own engine, and
kills processes that write through it (`ropewalk.proving.crashes`).

Promise:    an engine that passes may stand under any service, as far as one process can tell.
Not given:  durability against the loss of power: that takes another machine (known-limitations.md).
Checked by: tests/engines/test_conformance.py; tests/canaries/test_conformance.py plants bugs
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from ropewalk.core.chain import START, Position
from ropewalk.core.codec import checksum
from ropewalk.core.machine import Batch, Machine, Outcome, Received, Request, Saved
from ropewalk.data.engine import Engine, Storage
from ropewalk.data.log import Log, Trimmed
from ropewalk.data.snapshots import read_snapshot, write_snapshot
from ropewalk.errors import Damaged, Rejected, RopewalkError, invariant

_BEGIN_NS: Final = 1_700_000_000_000_000_000
"""A time of this century (nanoseconds since 1970): a machine may know calendars."""

OpenEngine = Callable[[], Engine]
"""Opens the same engine each time, as a process that starts does; what was durable is there again."""

EngineCheck = Callable[[OpenEngine], Awaitable[None]]
StorageCheck = Callable[[Storage], Awaitable[None]]

ENGINE_CHECKS: Final[list[EngineCheck]] = []
"""Every check of an engine and of the ports that it opens."""


def engine_check(check: EngineCheck) -> EngineCheck:
    """Add a check that opens the engine itself, more than once."""
    ENGINE_CHECKS.append(check)
    return check


def storage_check(check: StorageCheck) -> StorageCheck:
    """Add a check of the ports of one partition, new each time."""

    async def on_engine(open_engine: OpenEngine) -> None:
        engine = open_engine()
        await check(await engine.open("conformance", 0))
        await engine.close()

    on_engine.__name__ = check.__name__
    ENGINE_CHECKS.append(on_engine)
    return check


async def payloads(log: Log, *, after: Position = START) -> list[bytes]:
    """Everything behind `after`, read in small steps."""
    found: list[bytes] = []
    while True:
        records = await log.read(after=after, limit=3)
        if not records:
            return found
        for record in records:
            assert record.position == after + 1, "positions are dense"
            after = record.position
            found.append(record.payload)


# The log.


@storage_check
async def a_new_log_is_empty(storage: Storage) -> None:
    assert await storage.log.last() == START
    assert await payloads(storage.log) == []


@storage_check
async def records_are_read_back_in_append_order_at_dense_positions(storage: Storage) -> None:
    positions = [await storage.log.append(bytes([number])) for number in range(10)]
    assert positions == list(range(1, 11))
    assert await storage.log.last() == 10
    assert await payloads(storage.log) == [bytes([number]) for number in range(10)]
    assert await payloads(storage.log, after=Position(7)) == [bytes([7]), bytes([8]), bytes([9])]


@storage_check
async def a_read_returns_no_more_than_asked_for(storage: Storage) -> None:
    for _ in range(5):
        await storage.log.append(b"x")
    assert len(await storage.log.read(after=START, limit=2)) == 2
    assert await storage.log.read(after=Position(5), limit=2) == []


@storage_check
async def payloads_of_any_size_are_what_was_appended(storage: Storage) -> None:
    given = [b"", b"\x00", bytes(range(256)) * 16, b"\xff" * 2_200_000]
    for payload in given:
        await storage.log.append(payload)
    assert await payloads(storage.log) == given


@storage_check
async def equal_payloads_are_separate_records(storage: Storage) -> None:
    assert await storage.log.append(b"same") != await storage.log.append(b"same")
    assert await payloads(storage.log) == [b"same", b"same"]


@storage_check
async def concurrent_appends_take_different_positions_and_none_is_lost(storage: Storage) -> None:
    given = [number.to_bytes(2, "big") for number in range(100)]
    async with asyncio.TaskGroup() as tasks:
        appends = [tasks.create_task(storage.log.append(payload)) for payload in given]
    positions = [append.result() for append in appends]
    assert sorted(positions) == list(range(1, 101))
    found = await payloads(storage.log)
    assert [found[position - 1] for position in positions] == given


@storage_check
async def last_includes_every_append_that_has_returned(storage: Storage) -> None:
    async def append_and_look() -> None:
        for _ in range(20):
            position = await storage.log.append(b"x")
            assert await storage.log.last() >= position

    async with asyncio.TaskGroup() as tasks:
        for _ in range(4):
            tasks.create_task(append_and_look())


@storage_check
async def a_reader_beside_a_writer_sees_a_prefix_that_only_grows(storage: Storage) -> None:
    async def write() -> None:
        for number in range(60):
            await storage.log.append(number.to_bytes(2, "big"))

    seen: list[bytes] = []
    async with asyncio.TaskGroup() as tasks:
        writer = tasks.create_task(write())
        while not writer.done():
            now = await payloads(storage.log)
            assert now[: len(seen)] == seen, "what was read is never different later"
            seen = now
            await asyncio.sleep(0)
    assert len(await payloads(storage.log)) == 60


@storage_check
async def an_append_whose_caller_goes_away_is_there_whole_or_not_at_all(storage: Storage) -> None:
    async with asyncio.TaskGroup() as tasks:
        for number in range(20):
            append = tasks.create_task(storage.log.append(bytes([number]) * 1_000))
            await asyncio.sleep(0)
            append.cancel()
    position = await storage.log.append(b"end")
    found = await payloads(storage.log)
    assert found[-1] == b"end"
    assert len(found) == position
    assert all(payload == payload[:1] * 1_000 for payload in found[:-1])


@storage_check
async def a_trimmed_log_keeps_its_end_and_its_positions(storage: Storage) -> None:
    for number in range(10):
        await storage.log.append(bytes([number]))
    await storage.log.trim(through=Position(4))
    assert await storage.log.last() == 10
    assert await payloads(storage.log, after=Position(4)) == [bytes([number]) for number in range(4, 10)]
    await storage.log.trim(through=Position(2))
    await storage.log.trim(through=Position(10))
    assert await storage.log.last() == 10
    assert await storage.log.append(b"next") == 11


@storage_check
async def reading_what_was_trimmed_is_an_error_and_not_an_empty_answer(storage: Storage) -> None:
    for number in range(5):
        await storage.log.append(bytes([number]))
    await storage.log.trim(through=Position(3))
    await _fails(storage.log.read(after=Position(1), limit=10), Trimmed, "a gap is not read over in silence")


@storage_check
async def an_empty_log_begins_where_it_is_told_and_no_other_does(storage: Storage) -> None:
    log = storage.log
    await log.skip(through=Position(7))
    assert await log.last() == 7
    assert await log.append(b"first") == 8
    assert await payloads(log, after=Position(7)) == [b"first"]
    await _fails(log.skip(through=Position(9)), Rejected, "a log that has records does not begin elsewhere")


# Snapshots.


@storage_check
async def a_snapshot_is_read_back_and_replaced_whole(storage: Storage) -> None:
    await storage.snapshots.write(Position(5), [b"first", b"-", memoryview(b"part")])
    assert await storage.snapshots.read(Position(5)) == b"first-part"
    await storage.snapshots.write(Position(5), [b"second"])
    await storage.snapshots.write(Position(3), [b"older"])
    assert list(await storage.snapshots.positions()) == [3, 5]
    assert await storage.snapshots.read(Position(5)) == b"second"
    assert await storage.snapshots.read(Position(3), bytes_max=2) == b"ol"


@storage_check
async def a_removed_snapshot_is_gone(storage: Storage) -> None:
    await storage.snapshots.write(Position(1), [b"x"])
    await storage.snapshots.remove(Position(1))
    await storage.snapshots.remove(Position(1))
    assert list(await storage.snapshots.positions()) == []
    await _fails(storage.snapshots.read(Position(1)), Damaged, "a snapshot that is not there is not read")


@storage_check
async def every_changed_byte_of_a_snapshot_is_found(storage: Storage) -> None:
    snapshots, shelf = storage.snapshots, storage.shelf
    shelf.put("blob", b"settled")
    await write_snapshot(snapshots, shelf, position=Position(1), saved=Saved({"a": b"12", "b": b"3"}, ["blob"]))
    whole = await snapshots.read(Position(1))
    for place in range(len(whole)):
        damaged = whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :]
        await snapshots.write(Position(2), [damaged])
        read = read_snapshot(snapshots, shelf, Position(2))
        await _fails(read, Damaged, f"a changed byte {place} does not go unnoticed")


# The shelf.


@storage_check
async def a_blob_is_read_back_and_replaced(storage: Storage) -> None:
    shelf = storage.shelf
    shelf.put("one", b"first")
    earlier = shelf.get("one")
    shelf.put("one", b"second")
    shelf.put("none", b"")
    assert bytes(shelf.get("one")) == b"second"
    assert bytes(shelf.get("none")) == b""
    assert bytes(earlier) == b"first", "a view that was handed out does not change"
    assert shelf.names() == ["none", "one"]
    assert await shelf.sync("one") == checksum(b"second")


@storage_check
async def a_removed_blob_is_gone_but_for_views_of_it(storage: Storage) -> None:
    shelf = storage.shelf
    shelf.put("one", b"content")
    view = shelf.get("one")
    shelf.remove("one")
    shelf.remove("one")
    assert bytes(view) == b"content"
    assert shelf.names() == []
    try:
        shelf.get("one")
    except KeyError:
        return
    raise AssertionError("a blob that is not there was read")


@storage_check
async def a_table_is_a_map_in_key_order(storage: Storage) -> None:
    table = storage.shelf.table()
    for key in ("b", "a", "é", "c"):
        table[key] = key.encode()
    table["a"] = b"again"
    del table["c"]
    assert sorted(table) == ["a", "b", "é"]
    assert (table["a"], len(table), "c" in table, table.get("c")) == (b"again", 3, False, None)


# The engine, over several lives of its process.


@engine_check
async def what_was_durable_is_there_after_every_restart(open_engine: OpenEngine) -> None:
    for life in range(4):
        engine = open_engine()
        storage = await engine.open("conformance", 0)
        assert await payloads(storage.log) == [bytes([earlier]) for earlier in range(life)]
        assert [bytes(storage.shelf.get(name)) for name in storage.shelf.names()] == [b"blob"] * life
        assert list(await storage.snapshots.positions()) == list(range(1, life + 1))
        await storage.log.append(bytes([life]))
        storage.shelf.put(f"blob-{life}", b"blob")
        await storage.shelf.sync(f"blob-{life}")
        await storage.snapshots.write(Position(life + 1), [b"state"])
        assert len(storage.shelf.table()) == 0, "a table ends with its process"
        await engine.close()


@engine_check
async def a_trim_is_remembered_after_a_restart(open_engine: OpenEngine) -> None:
    engine = open_engine()
    storage = await engine.open("conformance", 0)
    for number in range(6):
        await storage.log.append(bytes([number]))
    await storage.log.trim(through=Position(6))
    await engine.close()
    engine = open_engine()
    storage = await engine.open("conformance", 0)
    assert await storage.log.last() == 6
    assert await storage.log.append(b"next") == 7
    await engine.close()


@engine_check
async def partitions_and_services_do_not_see_each_other(open_engine: OpenEngine) -> None:
    engine = open_engine()
    places = [("one", 0), ("one", 1), ("other", 0)]
    for service, partition in places:
        storage = await engine.open(service, partition)
        await storage.log.append(f"{service}{partition}".encode())
        storage.shelf.put("blob", f"{service}{partition}".encode())
    await engine.close()
    engine = open_engine()
    for service, partition in places:
        storage = await engine.open(service, partition)
        assert await payloads(storage.log) == [f"{service}{partition}".encode()]
        assert bytes(storage.shelf.get("blob")) == f"{service}{partition}".encode()
    await engine.close()


# Machines.


async def check_machine(
    make: Callable[[], Machine],
    batches: Sequence[Sequence[Request]],
    *,
    messages: Callable[[int], Sequence[Received]] = lambda _: (),
) -> None:
    """Check what every machine promises, with batches of requests that it can read; `messages` come with each.

    Two of them agree about every outcome and digest; one that is saved and loaded between any two batches goes on as
    one that was not; a digest that stays the same stands for a state that did.
    """
    straight, restarted, again = make(), make(), make()
    digest, parts = straight.digest(), _parts(straight)
    for number, requests in enumerate(batches, start=1):
        received = messages(number)
        batch = Batch(Position(number), _BEGIN_NS + number * 1_000_000_000, requests, received)
        for request in requests:
            straight.vet(request.command)
        outcomes = [machine.apply(batch) for machine in (straight, restarted, again)]
        invariant(outcomes[0] == outcomes[1] == outcomes[2], "equal machines give equal outcomes", batch=number)
        asked = [*received, *requests]
        invariant(len(outcomes[0].replies) == len(asked), "there is a reply to each, messages first", batch=number)
        for machine in (straight, restarted, again):
            machine.check()
        digest_before, parts_before = digest, parts
        digest, parts = straight.digest(), _parts(restarted)
        restarted = make()
        restarted.load(parts)
        invariant(digest == restarted.digest() == again.digest(), "equal machines have equal digests", batch=number)
        invariant(
            digest != digest_before or parts == parts_before, "a changed state has another digest", batch=number
        )


def check_batching(
    make: Callable[[], Machine], requests: Sequence[Request], *, messages: Sequence[Received] = ()
) -> None:
    """Check that what comes at one time gives the same replies, messages, events and state, in one batch or in many.

    Not every machine promises it: timers fire between batches, and a reply may tell the position of its batch.
    """
    together, apart = make(), make()
    whole = together.apply(Batch(Position(1), _BEGIN_NS, requests, messages))
    singly = [apart.apply(Batch(Position(1), _BEGIN_NS, [], [message])) for message in messages]
    singly += [apart.apply(Batch(Position(1), _BEGIN_NS, [request])) for request in requests]
    invariant(_told([whole]) == _told(singly), "what is told does not depend on the batch that a request is in")
    invariant(together.digest() == apart.digest(), "the state does not depend on how requests are batched")


async def _fails(attempt: Awaitable[object], error: type[RopewalkError], claim: str) -> None:
    try:
        await attempt
    except error:
        return
    raise AssertionError(claim)


def _told(outcomes: Sequence[Outcome]) -> list[list[object]]:
    """All replies, all that is sent and all events, each in order."""
    kinds = ("replies", "sent", "events")
    return [[each for outcome in outcomes for each in getattr(outcome, kind)] for kind in kinds]


def _parts(machine: Machine) -> dict[str, bytes]:
    return {name: bytes(part) for name, part in machine.save().parts.items()}
