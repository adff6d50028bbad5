"""Limits that contradict each other do not load; that each has a reason is checked in tests/test_promises.py."""

from pathlib import Path

import pytest

from ropewalk.core import limits
from ropewalk.errors import Bug

SOURCE = Path(limits.__file__).read_text()


@pytest.mark.parametrize(
    ("name", "value", "claim"),
    [
        ("COMMAND_BYTES_MAX", 100_000_000, "a batch holds the largest command"),
        ("QUEUE_BYTES_MAX", 1_000, "a queue holds a batch"),
        ("QUEUE_REQUESTS_MAX", 10, "a queue holds a batch of requests"),
        ("SESSION_REQUESTS", 10, "a request repeated in the next batch is remembered"),
        ("SNAPSHOTS_KEPT", 1, "there is a snapshot to fall back to"),
    ],
)
def test_limits_that_contradict_each_other_do_not_load(name: str, value: int, claim: str) -> None:
    lines = [f"{name}: Final = {value}" if line.startswith(f"{name}:") else line for line in SOURCE.splitlines()]
    if name == "COMMAND_BYTES_MAX":
        lines = [line.replace("2 * COMMAND_BYTES_MAX", "2_000_000") for line in lines]
    with pytest.raises(Bug, match=claim):
        exec("\n".join(lines), {})
