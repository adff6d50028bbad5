"""Planted bugs in the coordination service, in what clients are told of it, and in the checkers that find them."""

from typing import Any

import msgspec
import pytest

from ropewalk.coordination.recipes import claims, sessions, settings
from ropewalk.coordination.recipes.draft import Draft
from ropewalk.coordination.recipes.messages import Acquire, Add, Counted, Held, Kept, Refused, Reply, SetKey
from ropewalk.coordination.recipes.state import NUMBERS, Claim, Gate, Numbers, Session
from ropewalk.core.chain import Position
from ropewalk.core.codec import encode_value
from ropewalk.core.machine import Request
from ropewalk.proving import linearizable
from ropewalk.proving.history import Acknowledged, Broken
from ropewalk.proving.verdict import Breach
from ropewalk.proving.workloads import coordination_clients
from ropewalk.proving.workloads.coordination import Coordination
from ropewalk.proving.workloads.coordination_clients import COUNTER, LOCKS, SHARED_KEY, check_clients
from ropewalk.proving.world import run_world

SEEDS = 20


def claim_found() -> str:
    """The first broken promise in so many worlds."""
    for seed in range(SEEDS):
        verdict = run_world(Coordination(), seed)
        if isinstance(verdict, Breach):
            return verdict.claim
    return "nothing was found"


def claim_found_by_clients(monkeypatch: pytest.MonkeyPatch) -> str:
    """The same by nothing but what clients saw: the machine does not check itself, and there is no judge."""
    monkeypatch.setattr(Coordination, "judge", lambda _: None)
    monkeypatch.setattr("ropewalk.coordination.recipes.machine._check_gate", lambda *_, **__: None)
    return claim_found()


def reuse_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new grant gets the last token once more."""

    def granted(draft: Draft, key: str, claim: Claim) -> Claim:
        numbers = draft.get(NUMBERS)
        last = numbers.last if isinstance(numbers, Numbers) else 1
        return msgspec.structs.replace(claim, token=last)

    monkeypatch.setattr(claims, "_granted", granted)


def test_without_a_bug_nothing_is_found() -> None:
    assert claim_found() == "nothing was found"


def test_a_token_that_is_used_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    reuse_tokens(monkeypatch)
    assert claim_found() != "nothing was found"


def test_a_token_that_is_used_twice_is_seen_by_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    reuse_tokens(monkeypatch)
    assert "what clients saw of lock:" in claim_found_by_clients(monkeypatch)


def test_two_holders_of_one_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Gate, "free", property(lambda gate: gate.permits + 1 - len(gate.held)))
    assert claim_found() != "nothing was found"


def test_a_place_in_the_queue_that_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    admit = claims._admit

    def admit_the_last(draft: Draft, key: str, gate: Gate) -> None:
        admit(draft, key, Gate(gate.permits, gate.held, tuple(reversed(gate.queue))))

    monkeypatch.setattr(claims, "_admit", admit_the_last)
    assert "judge" in claim_found()


def test_who_asks_for_little_overtakes_who_asks_for_much(monkeypatch: pytest.MonkeyPatch) -> None:
    join = claims._join

    def join_ahead(draft: Draft, gate: Gate, **asked: Any) -> Reply:
        waits = gate.free < asked["command"].takes
        return join(draft, gate if waits else Gate(gate.permits, gate.held), **asked)

    monkeypatch.setattr(claims, "_join", join_ahead)
    assert claim_found() != "nothing was found"


def test_a_session_that_lives_again(monkeypatch: pytest.MonkeyPatch) -> None:
    found = sessions.found

    def found_alive(draft: Draft, space: str, session: str) -> Session | Refused:
        known = found(draft, space, session)
        is_expired = isinstance(known, Refused) and known.reason == "session_expired"
        return Refused("session_unknown") if is_expired else known

    monkeypatch.setattr(sessions, "found", found_alive)
    assert claim_found() != "nothing was found"


def test_what_a_session_had_that_is_not_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "_leave_all", lambda *_, **__: None)
    assert "who has a claim is a session that knows of it" in claim_found()


def test_a_version_that_is_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "_version_refused", lambda *_: None)
    assert "judge" in claim_found()


def test_a_version_that_is_not_compared_is_seen_by_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "_version_refused", lambda *_: None)
    assert f"what clients saw of config:{SHARED_KEY}" in claim_found_by_clients(monkeypatch)


def test_a_counter_that_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    def add(draft: Draft, command: Add) -> Reply:
        return Counted(draft.counter(f"counter:{command.name}") + command.amount)

    monkeypatch.setattr(settings, "add", add)
    assert f"what clients saw of counter:{COUNTER}" in claim_found_by_clients(monkeypatch)


def told(command: Acquire | SetKey, reply: Reply, *, asked_s: float) -> Acknowledged:
    request = Request(encode_value(asked_s), encode_value(command))
    return Acknowledged(request, encode_value(reply), Position(1), asked_s, asked_s + 1)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((Acquire(LOCKS[0], "ada"), Held(7)), (Acquire(LOCKS[0], "ben"), Held(7))),
        ((Acquire(LOCKS[0], "ada"), Held(7)), (Acquire(LOCKS[0], "ben"), Held(6))),
        ((SetKey(SHARED_KEY, "x", 0), Kept(7)), (SetKey(SHARED_KEY, "y", 0), Kept(8))),
        ((SetKey(SHARED_KEY, "x"), Kept(7)), (SetKey(SHARED_KEY, "y"), Kept(7))),
        ((SetKey(SHARED_KEY, "x"), Kept(7)), (SetKey(SHARED_KEY, "y", 7), Refused("version_differs", 6))),
    ],
)
def test_what_one_client_is_told_and_another_after_it(first: Any, second: Any) -> None:
    with pytest.raises(Broken, match="one operation at a time"):
        check_clients([told(*first, asked_s=1), told(*second, asked_s=3)], [])


def test_a_search_that_is_given_up_is_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    verdict = linearizable.Unknown("it took too long")
    monkeypatch.setattr(coordination_clients, "check_linearizable", lambda *_, **__: verdict)
    with pytest.raises(Broken, match="it took too long"):
        check_clients([], [])
