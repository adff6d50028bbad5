"""A node: a service's partitions in one process, its callers, and the folder that only one process may have."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from ropewalk import AtLeast, Service, open_engine, open_node
from ropewalk.errors import Rejected
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
