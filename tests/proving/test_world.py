"""Simulated worlds: a bounded number of seeds here, thousands in `make prove`."""

import logging
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ropewalk.proving.verdict import TRACE_LINES, Breach
from ropewalk.proving.workloads.known import WORKLOADS
from ropewalk.proving.world import run_world

ROOT = Path(__file__).parents[2]
SEEDS = {"bank": 60, "coordination": 40, "payments": 50}


@pytest.mark.parametrize(
    ("name", "first"), [(name, first) for name, count in SEEDS.items() for first in range(0, count, 10)]
)
def test_every_promise_holds(name: str, first: int) -> None:
    for seed in range(first, first + 10):
        verdict = run_world(WORKLOADS[name](seed), seed)
        if isinstance(verdict, Breach):
            shown = "\n".join(verdict.trace)
            pytest.fail(f"{shown}\n{verdict.claim}\nrepeat it with: ropewalk prove {name} --seed {seed}")


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_seed_gives_the_same_world_every_time(name: str) -> None:
    assert run_world(WORKLOADS[name](7), 7) == run_world(WORKLOADS[name](7), 7)


def test_a_world_is_quiet_and_leaves_the_log_of_its_process_as_it_was() -> None:
    log = logging.getLogger("ropewalk")
    level = log.level
    run_world(WORKLOADS["bank"](3), 3)
    assert log.level == level


def test_a_seed_gives_the_same_world_in_any_process() -> None:
    outputs = set()
    for hash_seed in ("1", "2"):
        command = [sys.executable, "-m", "ropewalk", "prove", "bank", "--seed", "7"]
        environment = os.environ | {"PYTHONHASHSEED": hash_seed}
        *trace, verdict = subprocess.check_output(command, env=environment, cwd=ROOT, text=True).splitlines()
        outputs.add((tuple(trace), verdict.partition("(")[2]))
        assert len(trace) == TRACE_LINES
    assert len(outputs) == 1


@pytest.mark.parametrize("name", WORKLOADS)
def test_no_world_asks_what_time_it_really_is(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = run_world(WORKLOADS[name](4), 4)

    def refuse() -> float:
        raise AssertionError("a world asked for the real time")

    for clock in ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"):
        monkeypatch.setattr(time, clock, refuse)
    verdict = run_world(WORKLOADS[name](4), 4)
    monkeypatch.undo()
    assert verdict == expected


def test_worlds_are_rough_enough_to_prove_something() -> None:
    verdicts = [run_world(WORKLOADS["bank"](seed), seed) for seed in range(20)]
    assert sum(verdict.unknown for verdict in verdicts if not isinstance(verdict, Breach)) > 20
    assert sum(verdict.crashes for verdict in verdicts if not isinstance(verdict, Breach)) > 50
    assert sum(verdict.skipped for verdict in verdicts if not isinstance(verdict, Breach)) > 100


@pytest.mark.parametrize("seed", [100296, 100684, 100900])
def test_worlds_that_were_broken_once_hold(seed: int) -> None:
    # A snapshot in the middle of a settlement window forgot that its files were still due.
    verdict = run_world(WORKLOADS["payments"](seed), seed)
    assert not isinstance(verdict, Breach), verdict.claim
