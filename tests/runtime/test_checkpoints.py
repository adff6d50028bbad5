"""What is forgotten behind a snapshot, and what never is."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from ropewalk.core.chain import Position
from ropewalk.core.limits import SNAPSHOTS_KEPT
from ropewalk.core.machine import Saved
from ropewalk.core.partition import Partition
from ropewalk.data.engine import Storage
from ropewalk.errors import Damaged
from ropewalk.runtime.checkpoints import Checkpoints
from ropewalk.runtime.config import open_engine
from tests.runtime.counter import counter


@pytest.fixture(params=["memory:", "sqlite:"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return request.param if request.param == "memory:" else f"sqlite:{tmp_path}"


def run(url: str, body: Callable[[Storage, Checkpoints], Awaitable[None]]) -> None:
    """Give `body` a log of ten records and its checkpoints."""

    async def main() -> None:
        engine = open_engine(url)
        storage = await engine.open("any", 0)
        for number in range(10):
            await storage.log.append(bytes([number]))
        await body(storage, Checkpoints(storage))
        await engine.close()

    asyncio.run(main())


def state(*blobs: str) -> Saved:
    return Saved({"all": b"state"}, blobs)


async def first_kept(storage: Storage) -> int:
    """The position of the first record that the log still holds."""
    for after in range(10):
        try:
            return (await storage.log.read(after=Position(after), limit=1))[0].position
        except Damaged:
            continue
    raise AssertionError("the log holds no record")


def test_the_log_is_trimmed_through_the_oldest_kept_snapshot_and_no_further(url: str) -> None:
    async def body(storage: Storage, checkpoints: Checkpoints) -> None:
        firsts = []
        for position in (3, 5, 8):
            await checkpoints.write(state(), Position(position), present=storage.shelf.names())
            firsts.append(await first_kept(storage))
        assert firsts == [1, 4, 6]
        assert await storage.snapshots.positions() == [5, 8]
        assert len(await storage.snapshots.positions()) == SNAPSHOTS_KEPT

    run(url, body)


def test_a_blob_stays_while_a_kept_snapshot_needs_it(url: str) -> None:
    async def body(storage: Storage, checkpoints: Checkpoints) -> None:
        shelf = storage.shelf
        for name in ("a", "b", "c"):
            shelf.put(name, name.encode())
        await checkpoints.write(state("a", "b"), Position(3), present=storage.shelf.names())
        await checkpoints.write(state("b", "c"), Position(5), present=storage.shelf.names())
        assert shelf.names() == ["a", "b", "c"]
        await checkpoints.write(state("c"), Position(8), present=storage.shelf.names())
        assert shelf.names() == ["b", "c"]

    run(url, body)


def test_a_blob_that_came_while_the_snapshot_was_written_stays(url: str) -> None:
    async def body(storage: Storage, checkpoints: Checkpoints) -> None:
        class Interrupted:
            """Snapshots during whose writing the machine goes on."""

            def __getattr__(self, name: str) -> object:
                return getattr(storage.snapshots, name)

            async def write(self, position: Position, parts: list[bytes]) -> None:
                storage.shelf.put("newer", b"n")
                await storage.snapshots.write(position, parts)

        storage.shelf.put("older", b"o")
        checkpoints = Checkpoints(storage._replace(snapshots=Interrupted()))  # type: ignore[arg-type]
        await checkpoints.write(state(), Position(3), present=storage.shelf.names())
        assert storage.shelf.names() == ["newer", "older"]
        storage.shelf.remove("newer")
        await checkpoints.write(state(), Position(5), present=storage.shelf.names())
        assert storage.shelf.names() == ["newer"]

    run(url, body)


def test_nothing_is_forgotten_while_it_can_not_be_read_what_a_snapshot_needs(url: str) -> None:
    async def body(storage: Storage, checkpoints: Checkpoints) -> None:
        storage.shelf.put("a", b"a")
        await checkpoints.write(state("a"), Position(3), present=storage.shelf.names())
        await storage.snapshots.write(Position(3), [b"not a snapshot"])
        await checkpoints.write(state(), Position(5), present=storage.shelf.names())
        assert storage.shelf.names() == ["a"]

    run(url, body)


def test_after_a_machine_that_could_not_be_saved_the_next_one_is_saved(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save() -> Saved:
        raise OverflowError("a number is too large")

    async def body(storage: Storage, checkpoints: Checkpoints) -> None:
        partition = Partition(counter())
        with monkeypatch.context() as broken:
            broken.setattr(partition.machine, "save", save)
            with pytest.raises(OverflowError):
                checkpoints.save(partition)
        assert checkpoints.is_due
        await checkpoints.save(partition)
        assert await storage.snapshots.positions() == [0]

    run(url, body)
