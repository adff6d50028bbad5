"""`ropewalk split`: a folder takes the place of another, and what is wrong leaves all as it was."""

import asyncio
import errno
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from ropewalk import Service, open_engine, open_node
from ropewalk.cli import split as module
from ropewalk.cli.main import main
from ropewalk.proving.workloads.accounts import Deposit, Move, bank
from ropewalk.runtime.transactions.calls import transact

SERVICE = """
from ropewalk import Applied, Service
from ropewalk.core.effects import Send
from ropewalk.core.place import Place
import msgspec

class Add(msgspec.Struct, frozen=True, tag=True):
    counter: str

class Tell(msgspec.Struct, frozen=True, tag=True):
    counter: str

def apply(state, entry):
    if isinstance(entry.command, Tell):
        return Applied(0, effects=[Send("a", entry.command, at=Place("not here"))])
    total = state.get(entry.command.counter, 0) + 1
    return Applied(total, {entry.command.counter: total})

tallies = Service.keyed(
    "tallies", commands=Add | Tell, value=int, apply=apply, key=lambda command: command.counter, partitions=2
)
"""

FILL = """
import asyncio
from ropewalk import open_engine, open_node
from service_to_split import Add, Tell, tallies

async def main():
    async with open_node(tallies, open_engine("sqlite:data")) as node:
        for counter in "abcdefgh":
            await node.call(Add(counter))

asyncio.run(main())
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "service_to_split.py").write_text(SERVICE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    exec(compile(FILL, "fill.py", "exec"), {})
    return tmp_path / "data"


def split(*options: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["split", "service_to_split:tallies", "--folder", "data", *options])
    return result.exit_code, result.output


def test_the_new_folder_takes_the_place_of_the_old_one(folder: Path) -> None:
    code, output = split("--partitions", "4", "--json")
    assert code == 0, output
    told = json.loads(output)
    assert (told["before"], told["partitions"], sum(part["things"] for part in told["parts"])) == (2, 4, 8)
    assert sorted(path.name for path in (folder / "tallies").iterdir()) == ["0000", "0001", "0002", "0003"]
    assert (folder.with_name("data.before-split") / "tallies" / "0001").exists()
    assert not folder.with_name("data.split").exists()


def test_a_second_time_it_is_said_what_is_in_the_way(folder: Path) -> None:
    split("--partitions", "4")
    code, output = split("--partitions", "8")
    assert code == 1
    assert "data.before-split is there from an earlier try" in output


def test_a_wrong_number_leaves_all_as_it_was(folder: Path) -> None:
    code, output = split("--partitions", "3")
    assert code == 1
    assert "choose a multiple of 2" in output
    assert sorted(path.name for path in folder.parent.glob("data*")) == ["data"]


def test_a_service_that_is_not_there_leaves_nothing_behind(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    result = CliRunner().invoke(main, ["split", "tests.cli.divided:SERVICE", "--folder", "data", "--partitions", "4"])
    assert result.exit_code == 1
    assert "holds nothing of bank" in result.output
    assert sorted(folder.rglob("*")) == before


def test_whatever_else_is_in_the_folder_is_in_the_new_one(folder: Path) -> None:
    (folder / "views").mkdir()
    (folder / "views" / "totals.db").write_bytes(b"a view")
    (folder / "notes.txt").write_text("a note")
    code, output = split("--partitions", "4")
    assert code == 0, output
    assert (folder / "views" / "totals.db").read_bytes() == b"a view"
    assert (folder / "notes.txt").read_text() == "a note"


def test_the_folder_may_be_where_one_stands(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    words = ["split", "service_to_split:tallies", "--folder", ".", "--partitions", "4"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    assert folder.with_name("data.before-split").exists()


def test_a_copy_that_can_not_take_the_place_leaves_all_as_it_was(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path, other: Path) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), str(other))

    monkeypatch.setattr(module, "exchange", refuse)
    code, output = split("--partitions", "4")
    assert code == 1
    assert "data is as it was" in output
    assert sorted(path.name for path in folder.parent.glob("data*")) == ["data"]
    assert len(list((folder / "tallies").iterdir())) == 2


def test_if_it_is_killed_when_they_have_changed_places_both_are_whole(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """What no handler of a command line catches."""

    def rename(path: Path, target: Path, *, rename: Callable[[Path, Path], Path] = Path.rename) -> Path:
        if path.name == "data.split":
            raise Killed
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(Killed):
        split("--partitions", "4")
    assert len(list((folder / "tallies").iterdir())) == 4
    assert len(list((folder.with_name("data.split") / "tallies").iterdir())) == 2


def test_messages_that_nobody_takes_in_are_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SETTLE_S", 0.1)
    exec(compile(FILL.replace("Add(counter)", "Tell(counter)"), "tell.py", "exec"), {})
    code, output = split("--partitions", "4")
    assert code == 1
    assert re.search(r"messages still wait after 0.1 s \(\d of tallies/0, \d of tallies/1\)", output), output
    assert sorted(path.name for path in folder.parent.glob("data*")) == ["data"]


def test_a_person_sees_what_became_of_each_partition(folder: Path) -> None:
    code, output = split("--partitions", "4")
    assert code == 0
    assert "data now has 4 partitions" in output
    assert "Say partitions=4 in tallies" in output


def test_what_stands_beside_a_service_is_there_too_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    async def move(service: Service, id_: str) -> str:
        async with open_node(service, open_engine("sqlite:data")) as node:
            await node.call(Deposit("ada", 10))
            return (await transact(node, Move(id_, "ada", "bob", 1))).decision

    assert asyncio.run(move(bank(2), "m1")) == "committed"
    words = ["split", "tests.cli.divided:SERVICE", "--folder", "data", "--partitions", "4"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    assert asyncio.run(move(bank(4, coordinators=2), "m2")) == "committed"
