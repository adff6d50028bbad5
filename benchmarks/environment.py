"""The machine that was measured, in one line: numbers mean nothing without it."""

import os
import platform
import sqlite3
from importlib.metadata import version
from pathlib import Path

import msgspec


class Environment(msgspec.Struct, frozen=True):
    """What the numbers depend on beside the code."""

    processor: str
    cores: int
    memory_gib: float
    kernel: str
    python: str
    numpy: str
    numba: str
    sqlite: str
    filesystem: str
    load_before: float

    def line(self) -> str:
        """All of it, for a reader."""
        return (
            f"{self.processor}, {self.cores} cores, {self.memory_gib:.0f} GiB, {self.filesystem}, "
            f"Linux {self.kernel}, Python {self.python}, NumPy {self.numpy}, Numba {self.numba}, "
            f"SQLite {self.sqlite}, load {self.load_before:.2f} before"
        )


def look_around(folder: Path) -> Environment:
    """Describe this machine, and the disk that `folder` is on."""
    return Environment(
        processor=_field("/proc/cpuinfo", "model name"),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=int(_field("/proc/meminfo", "MemTotal").split()[0]) / 2**20,
        kernel=platform.release(),
        python=platform.python_version(),
        numpy=version("numpy"),
        numba=version("numba"),
        sqlite=sqlite3.sqlite_version,
        filesystem=_filesystem(folder),
        load_before=os.getloadavg()[0],
    )


def _field(path: str, name: str) -> str:
    """The first value of a name in a file of `name: value` lines."""
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "unknown"


def _filesystem(folder: Path) -> str:
    """The kind of the file system of a folder: the mount with the longest path that leads there."""
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    above = [(len(place), kind) for place, kind in mounts if folder.resolve().is_relative_to(place)]
    return max(above)[1] if above else "unknown"


def resident_mb() -> dict[str, float]:
    """What the system counts as resident in this process: its own memory, and that of mapped files."""
    names = {"anonymous_mb": "RssAnon", "mapped_files_mb": "RssFile"}
    return {name: int(_field("/proc/self/status", field).split()[0]) * 1024 / 1e6 for name, field in names.items()}


def peak_mb() -> float:
    """The most that was resident in this process at any time."""
    return int(_field("/proc/self/status", "VmHWM").split()[0]) * 1024 / 1e6
