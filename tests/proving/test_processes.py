"""Transactions and sagas in towns full of faults, and planted bugs that are found there."""

import pytest

from ropewalk.coordination import commit
from ropewalk.coordination.commit import Commit
from ropewalk.coordination.sagas import turn
from ropewalk.coordination.sagas.state import StepState
from ropewalk.coordination.sagas.turn import Turn
from ropewalk.coordination.transactions import machine
from ropewalk.proving.town import run_town
from ropewalk.proving.verdict import Breach, Holds
from ropewalk.proving.workload import TownWorkload
from ropewalk.proving.workloads.transfers import Transfers
from ropewalk.proving.workloads.trips import Trips

TOWNS = {"transfers": Transfers, "trips": Trips}


def town(workload: TownWorkload, name: str, seed: int) -> Holds:
    verdict = run_town(workload, seed)
    if isinstance(verdict, Breach):
        shown = "\n".join(verdict.trace)
        pytest.fail(f"{shown}\n{verdict.claim}\nrepeat it with: ropewalk prove {name} --seed {seed}")
    return verdict


@pytest.mark.parametrize("name", TOWNS)
@pytest.mark.parametrize("first", [0, 10])
def test_every_process_ends_or_is_listed(name: str, first: int) -> None:
    for seed in range(first, first + 10):
        held = town(TOWNS[name](), name, seed)
        assert held.messages > 50, seed


def claim_found(workload: TownWorkload) -> str:
    """The first broken promise in so many towns."""
    verdicts = (run_town(workload, seed) for seed in range(8))
    return next((verdict.claim for verdict in verdicts if isinstance(verdict, Breach)), "nothing was found")


def test_a_decision_that_is_told_to_the_first_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "to_tell", lambda before, after: commit.to_tell(before, after)[:1])
    assert "at rest all have ended" in claim_found(Transfers())


def test_a_commit_that_does_not_wait_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def vote(given: Commit, participant: str, *, refusal: str = "") -> Commit:
        return commit.vote(given, participant)

    monkeypatch.setattr(machine, "vote", vote)
    assert claim_found(Transfers()) != "nothing was found"


def test_a_step_that_is_undone_though_it_was_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def take_done(own: Turn, index: int, reply: object) -> None:
        own._set(index, StepState.DONE, reply=reply)
        if reply != "booked":
            own.turn_back("refused")

    monkeypatch.setattr(Turn, "_take_done", take_done)
    assert "only what was done is undone" in claim_found(Trips())


def test_an_undo_whose_refusal_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    def take_undone(own: Turn, index: int, reply: object) -> None:
        own._set(index, StepState.UNDONE)

    monkeypatch.setattr(Turn, "_take_undone", take_undone)
    assert "what is booked is what sagas did" in claim_found(Trips())


def test_a_late_step_that_is_given_up_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "_UNDER_WAY", turn._UNDER_WAY | {"do": (StepState.DOING,)})
    assert "at rest sagas have ended" in claim_found(Trips())
