"""Planted bugs between shards, one for each thing that is checked there: a check that finds none proves nothing."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, find, settings
from hypothesis.errors import NoSuchExample

from ropewalk.errors import Bug
from ropewalk.systems.payments.ledger.statuses import TransferStatus
from ropewalk.systems.payments.processing import entries_elsewhere, hearing, work
from ropewalk.systems.payments.processing.elsewhere import Settled, SettleThere
from ropewalk.systems.payments.processing.state import State as AchState
from ropewalk.systems.payments.processing.windows import Window
from ropewalk.systems.payments.shards import coordinating, shards
from ropewalk.systems.payments.shards.messages import Decide, Vote
from ropewalk.systems.payments.shards.participating import do_as_decided
from ropewalk.systems.payments.shards.state import State, Transaction
from tests.payments.processing import test_shards as ach
from tests.payments.shards import checks
from tests.payments.shards.test_crashes import CASES, check_outcome, interruptions, run

Broken = (AssertionError, Bug)
_decide, _FAILED = coordinating._decide, TransferStatus.LINKED_EVENT_FAILED


def is_found(name: str = "each on its own") -> bool:
    """Whether the enumerated runs of a case find something: the first that does is enough."""
    case = CASES[name]
    try:
        town, steps = run(case, ())
        for each in interruptions(steps):
            town, _ = run(case, (each,))
            town.settle()
            check_outcome(case, town)
    except Broken:
        return True
    return False


def test_without_a_bug_nothing_is_found() -> None:
    assert not is_found()


def test_who_waits_too_long_and_guesses_that_nothing_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    def guess(state: State, *, time_ns: int) -> None:
        for (coordinator, number), promised in list(state.promised.items()):
            if promised.asks_ns <= time_ns:
                do_as_decided(state, coordinator, Decide(number, bytes(1)), time_ns=time_ns)

    monkeypatch.setattr(shards, "ask_overdue", guess)
    assert is_found()


def test_who_waits_too_long_and_guesses_that_all_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    def guess(state: State, *, time_ns: int) -> None:
        for transaction in list(state.own.values()):
            if transaction.deadline_ns <= time_ns:
                transaction.waiting.clear()
                coordinating._decide(
                    state, transaction, otherwise=TransferStatus.LINKED_EVENT_FAILED, time_ns=time_ns
                )

    monkeypatch.setattr(shards, "give_up_overdue", guess)
    assert is_found()


def test_a_vote_that_is_applied_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    count = coordinating.count_vote

    def twice(state: State, peer: int, vote: Vote, *, time_ns: int) -> None:
        transaction = state.own.get(vote.number)
        count(state, peer, vote, time_ns=time_ns)
        if transaction is not None and vote.number not in state.own:
            state.own[vote.number] = transaction
            transaction.waiting = [peer]
            count(state, peer, vote, time_ns=time_ns)

    monkeypatch.setattr(shards, "count_vote", twice)
    assert is_found()


def test_a_vote_that_comes_late_and_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    decided: dict[int, Transaction] = {}
    give_up, count = coordinating.give_up_overdue, coordinating.count_vote

    def remember(state: State, *, time_ns: int) -> None:
        decided.update(state.own)
        give_up(state, time_ns=time_ns)

    def late(state: State, peer: int, vote: Vote, *, time_ns: int) -> None:
        if vote.number in decided and vote.number not in state.own:
            state.own[vote.number] = decided.pop(vote.number)
        count(state, peer, vote, time_ns=time_ns)

    monkeypatch.setattr(shards, "give_up_overdue", remember)
    monkeypatch.setattr(shards, "count_vote", late)
    assert is_found()


def test_a_whole_of_which_some_parts_move(monkeypatch: pytest.MonkeyPatch) -> None:
    begin = coordinating._begin

    def each_on_its_own(*given: Any, **more: Any) -> None:
        begin(*given, **more)
        given[0].own[given[0].begun].is_whole = False

    monkeypatch.setattr(coordinating, "_begin", each_on_its_own)
    assert is_found("all together, one can't")


def test_what_is_on_its_way_left_out_of_the_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    standing: Callable[..., tuple[int, int]] = checks._standing
    monkeypatch.setattr(checks, "_standing", lambda *given: (0, standing(*given)[1]))
    assert is_found()


def test_promises_that_do_not_survive(monkeypatch: pytest.MonkeyPatch) -> None:
    load = State.load

    def forgets(self: State, parts: Any) -> None:
        load(self, parts)
        self.promised.clear()

    monkeypatch.setattr(State, "load", forgets)
    assert is_found()


_QUICKLY = settings(max_examples=60, deadline=None, database=None, phases=[Phase.generate])


def ach_is_found() -> bool:
    """Whether random files between banks of several shards find something."""

    def breaks(todo: list[ach.Action]) -> bool:
        play = ach.Play(seed=1, dies=0.0)
        try:
            for action in todo:
                play.act(action)
            play.town.at("2026-12-15 12:00")
            ach.check_rest(play)
        except Broken:
            return True
        return False

    try:
        find(ach.actions, breaks, settings=_QUICKLY)
    except NoSuchExample:
        return False
    return True


def test_a_receiver_who_is_paid_though_the_entry_is_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    settle = entries_elsewhere.settle_there

    def refuses_after_all(state: AchState, shard: int, message: SettleThere, *, time_ns: int) -> Settled:
        reply = settle(state, shard, message, time_ns=time_ns)
        return Settled(reply.number, np.full(len(reply.codes), 3, "u1").tobytes())

    monkeypatch.setattr(hearing, "settle_there", refuses_after_all)
    assert ach_is_found()


def test_net_positions_that_are_settled_while_entries_are_on_their_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def at_once(state: AchState, window: Window) -> bool:
        window.allowed = max(window.allowed, window.phase + 1)
        return True

    monkeypatch.setattr(work, "_may_go_on", at_once)
    assert ach_is_found()
