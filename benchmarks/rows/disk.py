"""The raw limit of the disk: appends to one file, each followed by fdatasync(2). No log on this disk can do more."""

import os
import time
from statistics import median

from benchmarks.measures import Measure, Result, Round, Scale, Setting, latencies

_SMALL_BYTES = 4_096
_LARGE_BYTES = 1_048_576
_FILE_BYTES_MAX = 2**31

SMALL = "disk: appends of 4 KiB"
LARGE = "disk: appends of 1 MiB"


def run(setting: Setting) -> Result:
    """Measure appends of 4 KiB (how often it syncs) and of 1 MiB (how much it takes)."""
    small = [_append(setting, _SMALL_BYTES) for _ in range(setting.scale.rounds)]
    setting.tell("1 MiB")
    large = [_append(setting, _LARGE_BYTES) for _ in range(setting.scale.rounds)]
    rate = median(each.per_second for each in small)
    throughput = median(each.per_second for each in large) * _LARGE_BYTES / 1e6
    return Result(
        [
            Measure(SMALL, "appends/s", rate, details=latencies(small)),
            Measure(LARGE, "MB/s", throughput, details=latencies(large)),
        ]
    )


def _append(setting: Setting, size: int) -> Round:
    content = os.urandom(size)
    path = setting.folder / "appended"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        took = _append_for(setting.scale, descriptor, content)
    finally:
        os.close(descriptor)
        path.unlink()
    return Round(len(took), sum(took), took)


def _append_for(scale: Scale, descriptor: int, content: bytes) -> list[float]:
    took: list[float] = []
    written = 0
    ends = time.perf_counter() + scale.seconds
    while time.perf_counter() < ends and written < _FILE_BYTES_MAX:
        began = time.perf_counter()
        written += os.write(descriptor, content)
        os.fdatasync(descriptor)
        took.append(time.perf_counter() - began)
    return took
