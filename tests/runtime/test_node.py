"""A node: a service's partitions in one process, its callers, and the folder that only one process may have."""

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from ropewalk import AtLeast, Service, open_engine, open_node
from ropewalk.core.chain import Position
from ropewalk.core.keyed import KeyedMachine
from ropewalk.core.machine import Batch, Outcome
from ropewalk.core.place import Place
from ropewalk.data.engine import Storage
from ropewalk.data.shelf import Shelf
from ropewalk.engines.memory import MemoryLog
from ropewalk.engines.sqlite import SqliteEngine
from ropewalk.errors import Damaged, NotAccepted, Rejected
from ropewalk.proving.workloads.accounts import Move, bank
from ropewalk.runtime.transactions.calls import transact
from ropewalk.runtime.webhooks.service import with_webhooks
from tests.runtime.counter import Add, Command, apply


def key(command: Add) -> str:
    return command.key


def counters(partitions: int) -> Service:
    return Service.keyed("counters", commands=Command, value=int, apply=apply, key=key, partitions=partitions)


def test_each_key_lives_in_one_of_several_partitions_and_is_read_from_it(tmp_path: Path) -> None:
    keys = [f"k{number}" for number in range(20)]

    async def main(expected: int) -> None:
        async with open_node(counters(4), open_engine(f"sqlite:{tmp_path}")) as node:
            for each in keys:
                reply = await node.call(Add(each, 1))
                assert reply.value == expected
                assert (await node.get(each, level=AtLeast(reply.token))).value == expected
            assert (await node.get("never")).value is None

    asyncio.run(main(1))
    asyncio.run(main(2))
    assert len({counters(4).partition_of(each) for each in keys}) == 4


def test_a_request_id_gets_the_first_answer_and_refuses_another_command() -> None:
    async def main() -> None:
        async with open_node(counters(1), open_engine("memory:")) as node:
            for _ in range(3):
                assert (await node.call(Add("a", 5), request_id=b"r" * 16)).value == 5
            with pytest.raises(Rejected, match="used before with another command"):
                await node.call(Add("a", 6), request_id=b"r" * 16)

    asyncio.run(main())


def test_a_second_process_on_the_same_folder_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    program = (
        "import sys; from ropewalk import open_engine; from ropewalk.errors import Rejected\n"
        "try: open_engine(sys.argv[1])\n"
        "except Rejected as error: print(error)"
    )

    async def main() -> str:
        async with open_node(counters(1), open_engine(f"sqlite:{tmp_path}")):
            child = [sys.executable, "-c", program, f"sqlite:{tmp_path}"]
            return (await asyncio.to_thread(subprocess.run, child, capture_output=True, text=True)).stdout

    assert "is in use by process" in asyncio.run(main())


@pytest.mark.parametrize("url", ["", "sqlite:", "oracle:x", "memory"])
def test_an_unknown_engine_is_refused_with_those_that_there_are(url: str) -> None:
    with pytest.raises(Rejected, match="use memory: or sqlite:FOLDER"):
        open_engine(url)


@pytest.mark.parametrize("place", ["file", "file/beneath", "taken", "/proc/nowhere"])
def test_a_place_that_can_not_be_used_is_refused_with_why_and_what_to_do(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("read me")
    (tmp_path / "taken" / "lock").mkdir(parents=True)
    folder = tmp_path / place
    with pytest.raises(Rejected, match=f"^{folder} can't be used: .*: nothing was written there; name a folder"):
        open_engine(f"sqlite:{folder}")


def test_state_on_disk_gives_the_answers_that_state_in_memory_gives(tmp_path: Path) -> None:
    async def answers(service: Service, folder: Path) -> list[object]:
        given = []
        for _ in range(2):
            async with open_node(service, open_engine(f"sqlite:{folder}")) as node:
                given += [(await node.call(Add(f"k{number % 7}", number))).value for number in range(50)]
                digest = node.leaders[0].partition.machine.digest()
        return [*given, digest]

    async def main() -> None:
        on_disk = Service.keyed("counters", commands=Command, value=int, apply=apply, on_disk=True)
        assert await answers(on_disk, tmp_path / "disk") == await answers(counters(1), tmp_path / "memory")

    asyncio.run(main())


@pytest.mark.parametrize("name", ["", "a/b", "../x", ".hidden", "a b", "ä", "a" * 65, "a\n"])
def test_a_service_whose_name_can_be_no_folder_is_refused(name: str) -> None:
    with pytest.raises(Rejected, match="can't be a service's name"):
        Service.keyed(name, commands=Command, value=int, apply=apply)


@pytest.mark.parametrize("partitions", [0, 1_025])
def test_a_number_of_partitions_that_can_not_be_is_refused(partitions: int) -> None:
    with pytest.raises(Rejected, match=f"has {partitions} partitions: choose 1 to 1024"):
        counters(partitions)


def fill(folder: Path, partitions: int) -> None:
    async def main() -> None:
        async with open_node(counters(partitions), open_engine(f"sqlite:{folder}")) as node:
            for number in range(20):
                await node.call(Add(f"k{number}", 1))

    asyncio.run(main())


def start(folder: Path, partitions: int) -> None:
    async def main() -> None:
        async with open_node(counters(partitions), open_engine(f"sqlite:{folder}")):
            pass

    asyncio.run(main())


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_partition_of_which_nothing_is_left_is_not_begun_anew_beside_the_others(lost: int, tmp_path: Path) -> None:
    fill(tmp_path / "books", 3)
    shutil.copytree(tmp_path / "books", tmp_path / "backup")
    shutil.rmtree(tmp_path / f"books/counters/{lost:04}")
    for _ in range(2):
        with pytest.raises(Damaged, match=f"^nothing is left of counters/{lost}, .*restore them from a backup"):
            start(tmp_path / "books", 3)
    shutil.copytree(tmp_path / "backup", tmp_path / "books", dirs_exist_ok=True)
    start(tmp_path / "books", 3)


def test_a_service_beside_of_which_nothing_is_left_is_not_begun_anew_if_it_has_had_mail(tmp_path: Path) -> None:
    async def run() -> None:
        async with open_node(bank(1), SqliteEngine(tmp_path)) as node:
            await transact(node, Move("m1", "ada", "bob", 1))

    asyncio.run(run())
    shutil.copytree(tmp_path / "bank-transactions", tmp_path / "backup")
    shutil.rmtree(tmp_path / "bank-transactions")
    for _ in range(2):
        with pytest.raises(Damaged, match=r"^nothing is left of bank-transactions/0, .*restore them from a backup"):
            asyncio.run(run())
    shutil.rmtree(tmp_path / "bank-transactions")
    shutil.move(tmp_path / "backup", tmp_path / "bank-transactions")
    asyncio.run(run())


def test_a_service_beside_that_begins_where_others_have_run_is_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def begun(service: Service) -> list[str]:
        async def run() -> None:
            async with open_node(service, SqliteEngine(tmp_path)) as node:
                await node.call(Add("a", 1))

        caplog.clear()
        asyncio.run(run())
        return [record.getMessage() for record in caplog.records]

    followed = with_webhooks(counters(1))
    assert begun(followed) == begun(followed) == []
    shutil.rmtree(tmp_path / "counters-webhooks")
    (told,) = begun(followed)
    assert told.startswith("counters-webhooks begins empty beside what has run before")
    assert begun(followed) == []


@pytest.mark.parametrize("snapshots", [True, False])
def test_a_start_with_another_number_of_partitions_is_refused_and_changes_nothing(
    snapshots: bool, tmp_path: Path
) -> None:
    fill(tmp_path, 2)
    if not snapshots:
        for place in tmp_path.glob("counters/*/snapshots/*"):
            place.unlink()
    there = sorted(tmp_path.rglob("*"))
    for wrong in (1, 3):
        with pytest.raises(Rejected, match=f"was created with 2 partitions and is started with {wrong}"):
            start(tmp_path, wrong)
        assert sorted(tmp_path.rglob("*")) == there


def test_a_lost_log_without_a_snapshot_of_the_others_is_noticed_too(tmp_path: Path) -> None:
    fill(tmp_path, 2)
    shutil.rmtree(tmp_path / "counters/0000")
    shutil.rmtree(tmp_path / "counters/0001/snapshots")
    with pytest.raises(Damaged, match="nothing is left of counters/0,"):
        start(tmp_path, 2)


def test_a_first_start_that_was_cut_off_is_begun_again(tmp_path: Path) -> None:
    """No partition runs before each has its first term, so the first ones hold nothing but terms."""

    class Full(SqliteEngine):
        async def open(self, service: str, partition: int) -> Storage:
            opened = await super().open(service, partition)
            return opened if partition < 2 else opened._replace(log=FullLog())

    async def cut_off() -> None:
        async with open_node(impatient(3), Full(tmp_path)):
            pass

    async def again() -> object:
        async with open_node(impatient(3), SqliteEngine(tmp_path)) as node:
            return (await node.call(Add("a", 1))).value

    for _ in range(2):
        with pytest.raises(NotAccepted, match="counters/2: the disk is full"):
            asyncio.run(cut_off())
    assert asyncio.run(again()) == 1


class FullLog(MemoryLog):
    """Takes no record; waits a little before it says so, as a disk does."""

    async def append(self, _: bytes) -> Position:
        for _ in range(1_000):
            await asyncio.sleep(0)
        raise NotAccepted("the disk is full")


class Impatient(KeyedMachine[int, Command, str]):
    """Wants a record at once, as a service with timers does."""

    def apply(self, batch: Batch) -> Outcome:
        return msgspec.structs.replace(super().apply(batch), wakes_at_ns=1 if batch.position < 2 else None)


def impatient(partitions: int) -> Service:
    def machine(_: Shelf, place: Place) -> Impatient:
        return Impatient("counters", commands=Command, value=int, apply=apply, place=place)

    return msgspec.structs.replace(counters(partitions), machine=machine)
