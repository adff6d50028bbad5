"""Simulated towns: a bounded number of seeds here, thousands in `make prove`."""

import pytest

from ropewalk.proving.town import run_town
from ropewalk.proving.verdict import Breach, Holds
from ropewalk.proving.workloads.known import TOWNS, WORKLOADS, run_seed
from ropewalk.proving.world import run_world

SEEDS = {"coordination": 10, "payments": 10, "town": 20}
FAULTS = [
    "unknown", "crashes", "deposed", "misled", "skipped",
    "refused", "lost", "untold", "repeated", "late", "overtaken", "again", "cut_off",
]  # fmt: skip


def town(seed: int, name: str = "town") -> Holds:
    verdict = run_town(TOWNS[name](seed), seed)
    if isinstance(verdict, Breach):
        shown = "\n".join(verdict.trace)
        pytest.fail(f"{shown}\n{verdict.claim}\nrepeat it with: ropewalk prove {name} --seed {seed}")
    return verdict


@pytest.mark.parametrize(
    ("name", "first"), [(name, first) for name, count in SEEDS.items() for first in range(1, 2 * count, 10)]
)
def test_every_promise_holds_over_all_partitions(name: str, first: int) -> None:
    for seed in range(first, first + 10, 2):
        town(seed, name)


@pytest.mark.parametrize("name", SEEDS)
def test_a_seed_gives_the_same_town_every_time(name: str) -> None:
    assert town(7, name) == town(7, name)


def test_a_name_that_has_both_is_proved_in_worlds_and_in_towns() -> None:
    assert run_seed("coordination", 4) == run_world(WORKLOADS["coordination"](4), 4)
    assert run_seed("coordination", 5) == run_town(TOWNS["coordination"](5), 5)
    assert run_seed("town", 4) == town(4)


def test_a_leader_on_a_full_disk_waits_for_its_next_attempt_and_does_not_turn_round_and_round() -> None:
    assert isinstance(run_seed("payments", 1743), Holds)


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_occurs(fault: str, towns: list[Holds]) -> None:
    assert sum(getattr(each, fault) for each in towns) >= 20


def test_towns_are_busy_enough_to_prove_something(towns: list[Holds]) -> None:
    for each in towns:
        assert each.acknowledged > 60, each.seed
        assert each.messages > 60, each.seed


@pytest.fixture(scope="module")
def towns() -> list[Holds]:
    return [town(seed) for seed in range(100, 112)]
