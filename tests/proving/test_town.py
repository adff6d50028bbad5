"""Simulated towns: a bounded number of seeds here, thousands in `make prove`."""

import pytest

from ropewalk.proving.town import run_town
from ropewalk.proving.verdict import Breach, Holds
from ropewalk.proving.workloads.branches import Branches


def town(seed: int) -> Holds:
    verdict = run_town(Branches(), seed)
    if isinstance(verdict, Breach):
        shown = "\n".join(verdict.trace)
        pytest.fail(f"{shown}\n{verdict.claim}\nrepeat it with: ropewalk prove town --seed {seed}")
    return verdict


@pytest.mark.parametrize("first", range(0, 40, 10))
def test_every_promise_holds_over_all_partitions(first: int) -> None:
    for seed in range(first, first + 10):
        town(seed)


def test_a_seed_gives_the_same_town_every_time() -> None:
    assert town(7) == town(7)


@pytest.mark.parametrize(
    "fault",
    [
        "unknown",
        "crashes",
        "deposed",
        "misled",
        "skipped",
        "refused",
        "lost",
        "untold",
        "repeated",
        "late",
        "overtaken",
        "again",
        "cut_off",
    ],
)
def test_every_fault_occurs(fault: str, towns: list[Holds]) -> None:
    assert sum(getattr(each, fault) for each in towns) >= 20


def test_towns_are_busy_enough_to_prove_something(towns: list[Holds]) -> None:
    for each in towns:
        assert each.acknowledged > 60, each.seed
        assert each.messages > 60, each.seed


@pytest.fixture(scope="module")
def towns() -> list[Holds]:
    return [town(seed) for seed in range(100, 112)]
