"""Limits that contradict each other do not load; that each has a reason is checked in tests/test_promises.py."""

from pathlib import Path

import pytest

from ropewalk.communication import limits
from ropewalk.errors import Bug

SOURCE = Path(limits.__file__).read_text()


@pytest.mark.parametrize(
    ("name", "value", "claim"),
    [
        ("HOP_LEAST_S", 1.0, "a hop keeps more than the least that may be left"),
        ("BACKOFF_BASE_S", 9.0, "the first pause is allowed"),
        ("HEDGE_LATENCIES", 5, "enough latencies are kept to know what is late"),
        ("BREAKER_PROBES", 1_000, "all probes may be under way at once"),
        ("EJECTION_BASE_S", 100.0, "the first ejection is allowed"),
        ("SHARE_OF_BULK", 0.95, "a higher class may fill more"),
        ("ADMISSION_FLOOR", 10, "256 connections with a request each are never refused"),
    ],
)
def test_limits_that_contradict_each_other_do_not_load(name: str, value: float, claim: str) -> None:
    lines = [f"{name}: Final = {value}" if line.startswith(f"{name}:") else line for line in SOURCE.splitlines()]
    with pytest.raises(Bug, match=claim):
        exec("\n".join(lines), {})
