"""Planted bugs in what payments does between its shards: towns of payments, which hold without them, find each."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ropewalk.proving.town import run_town
from ropewalk.proving.verdict import Breach
from ropewalk.proving.workload import TownWorkload
from ropewalk.proving.workloads.chains import Chains
from ropewalk.proving.workloads.shards import Shards
from ropewalk.systems.payments.chains import chains
from ropewalk.systems.payments.ledger.statuses import TransferStatus
from ropewalk.systems.payments.shards import coordinating, participating, shards
from ropewalk.systems.payments.shards.between import Between
from ropewalk.systems.payments.shards.holds import Holds
from ropewalk.systems.payments.shards.messages import Vote

SEEDS = 5


def claim_found(workload: Callable[[], TownWorkload] = Shards) -> str:
    """The first broken promise in so many towns."""
    verdicts = (run_town(workload(), seed) for seed in range(SEEDS))
    return next((verdict.claim for verdict in verdicts if isinstance(verdict, Breach)), "nothing was found")


def test_a_participant_that_posts_what_was_not_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve = Holds.resolve

    def resolve_all(own: Any, holding: Any, commits: Any, *, time_ns: int) -> None:
        resolve(own, holding, np.ones_like(commits), time_ns=time_ns)

    monkeypatch.setattr(Holds, "resolve", resolve_all)
    assert "Bug" in claim_found()


def test_a_participant_that_guesses_when_it_has_waited_for_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    def void_overdue(state: Any, *, time_ns: int) -> None:
        for key in [key for key, each in state.promised.items() if each.asks_ns <= time_ns]:
            promised = state.promised.pop(key)
            state.holds.resolve(promised.holding, np.zeros(promised.rows, "?"), time_ns=time_ns)

    monkeypatch.setattr(shards, "ask_overdue", void_overdue)
    claim = claim_found()
    assert "on the way" in claim or "half done" in claim


def test_a_coordinator_that_does_not_wait_for_every_vote(monkeypatch: pytest.MonkeyPatch) -> None:
    count_vote = coordinating.count_vote

    def count_first(state: Any, peer: int, vote: Any, *, time_ns: int) -> None:
        transaction = state.own.get(vote.number)
        if transaction is not None:
            transaction.waiting[:] = [peer]
        count_vote(state, peer, vote, time_ns=time_ns)

    monkeypatch.setattr(shards, "count_vote", count_first)
    assert claim_found().startswith(("Bug", "Broken"))


def test_a_vote_that_promises_what_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare = participating.prepare

    def prepare_less(state: Any, coordinator: int, message: Any, *, time_ns: int) -> Any:
        vote = prepare(state, coordinator, message, time_ns=time_ns)
        return Vote(vote.number, np.full_like(np.frombuffer(vote.statuses, "u4"), TransferStatus.CREATED).tobytes())

    monkeypatch.setattr(shards, "prepare", prepare_less)
    assert claim_found().startswith(("Bug", "Broken"))


def test_shards_whose_standing_accounts_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Between, "load", lambda *_: None)
    assert "Bug" in claim_found()


def test_a_chain_that_takes_nothing_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chains.Chains, "_back", lambda *_, **__: "created")
    assert "no chain is half done" in claim_found(Chains)
