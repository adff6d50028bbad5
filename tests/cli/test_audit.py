"""`ropewalk audit` on a folder, whole and harmed."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from ropewalk import open_engine, open_node
from tests.cli.running import ropewalk
from tests.runtime.counter import Add
from tests.runtime.test_node import counters


def fill(folder: Path) -> None:
    async def main() -> None:
        async with open_node(counters(2), open_engine(f"sqlite:{folder}")) as node:
            for number in range(20):
                await node.call(Add(f"k{number}", 1))

    asyncio.run(main())


def test_a_folder_is_read_partition_by_partition(tmp_path: Path) -> None:
    fill(tmp_path)
    done = ropewalk("audit", str(tmp_path))
    assert (done.returncode, done.stdout.count("whole")) == (0, 2), done.stderr
    as_an_engine = ropewalk("audit", f"sqlite:{tmp_path}")
    assert (as_an_engine.returncode, as_an_engine.stdout) == (0, done.stdout)
    (snapshot,) = (tmp_path / "counters/0001/snapshots").iterdir()
    snapshot.write_bytes(b"?" + snapshot.read_bytes()[1:])
    done = ropewalk("audit", str(tmp_path), "--json")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1
    assert [(each["partition"], len(each["damages"])) for each in told] == [(0, 0), (1, 1)]


@pytest.mark.parametrize("lost", [0, 1])
def test_a_partition_of_which_nothing_is_left_is_damage(lost: int, tmp_path: Path) -> None:
    fill(tmp_path)
    shutil.rmtree(tmp_path / f"counters/000{lost}")
    done = ropewalk("audit", str(tmp_path), "--json")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1
    assert [each["damages"] != [] for each in told] == [lost == 0, lost == 1]
    assert "nothing is left of it" in told[lost]["damages"][0]
    # By the log alone: where the others have no snapshot.
    shutil.rmtree(tmp_path / f"counters/000{1 - lost}/snapshots")
    assert ropewalk("audit", str(tmp_path)).returncode == 1


def test_a_log_that_ends_before_a_snapshot_is_damage(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "counters/0000/log.db").write_bytes(b"")
    done = ropewalk("audit", str(tmp_path), "--json")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1
    assert "the log ends at position 0, and there is a snapshot at" in told[0]["damages"][0]
    assert told[1]["damages"] == []


def test_a_folder_without_a_service_is_told_and_left_alone(tmp_path: Path) -> None:
    done = ropewalk("audit", str(tmp_path))
    assert done.returncode == 2
    assert "holds no service" in done.stderr
    assert list(tmp_path.iterdir()) == []
