"""`ropewalk audit` on a folder, whole and harmed."""

import asyncio
import ctypes
import json
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from ropewalk import open_engine, open_node
from tests.cli.running import ROOT, ropewalk, running
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


def audited_read_only(folder: Path) -> "subprocess.CompletedProcess[str]":
    """The folder is audited by who may not write to anything of it."""
    kept = [folder, *folder.rglob("*")]
    for path in kept:
        path.chmod(path.stat().st_mode & ~0o222)
    command = [sys.executable, "-m", "ropewalk", "audit", str(folder)]
    try:
        return subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60, preexec_fn=_bind_root
        )
    finally:
        for path in kept:
            path.chmod(path.stat().st_mode | 0o200)


def _bind_root() -> None:
    """Modes of files hold for root too: PR_CAPBSET_DROP of CAP_DAC_OVERRIDE, which another user has not anyway."""
    ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_backup_that_can_not_be_written_to_is_read_to_its_newest_record(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with running("serve", "tests.cli.served:SERVICE", "--engine", f"sqlite:{folder}") as service:
        for _ in range(3):
            httpx.post(f"{service.url}/commands/Add", json={"counter": "a", "amount": 3}).raise_for_status()
        in_use = audited_read_only(folder)
        assert (in_use.returncode, f"{folder} is in use by process {service.process.pid}" in in_use.stderr) == (
            75,
            True,
        )
        service.process.kill()
    (folder / "counters/0000/snapshots/1.new").touch()
    before = contents(folder)
    whole = audited_read_only(folder)
    assert (whole.returncode, "whole" in whole.stdout) == (0, True), whole.stderr
    assert contents(folder) == before
    assert whole.stdout == ropewalk("audit", str(folder)).stdout
    (folder / "counters/0000/log.db").write_bytes(b"?" * 1_000)
    harmed = audited_read_only(folder)
    assert (harmed.returncode, f"{folder}/counters/0000/log.db" in harmed.stderr) == (1, True), harmed.stderr


def test_a_folder_in_use_is_not_told_as_damage(tmp_path: Path) -> None:
    with running("serve", "tests.cli.served:SERVICE", "--engine", f"sqlite:{tmp_path}"):
        done = ropewalk("audit", str(tmp_path))
    assert (done.returncode, "is in use by process" in done.stderr) == (75, True)


def test_a_folder_without_a_service_is_told_and_left_alone(tmp_path: Path) -> None:
    done = ropewalk("audit", str(tmp_path))
    assert done.returncode == 2
    assert "holds no service" in done.stderr
    assert list(tmp_path.iterdir()) == []
