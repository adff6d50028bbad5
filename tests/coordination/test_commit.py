"""The two state machines of two-phase commit: every line of their tables, and what holds in any order of events."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk.coordination.commit import (
    Commit,
    Decision,
    Stand,
    begin,
    confirm,
    decide,
    decision_of,
    expire,
    hold,
    to_tell,
    vote,
)
from ropewalk.errors import Bug

DEADLINE_NS = 100


def begun() -> Commit:
    return begin(["a", "b"], deadline_ns=DEADLINE_NS)


COMMITTED = vote(vote(begun(), "a"), "b")
REFUSED = vote(vote(begun(), "a"), "b", refusal="b is poor")
REFUSED_AT_ONCE = vote(begun(), "b", refusal="b is poor")
LATE = expire(vote(begun(), "a"), now_ns=DEADLINE_NS)


@pytest.mark.parametrize(
    ("commit", "decision", "silent", "unconfirmed", "why"),
    [
        (begun(), Decision.UNDECIDED, ("a", "b"), (), ""),
        (vote(begun(), "a"), Decision.UNDECIDED, ("b",), (), ""),
        (vote(vote(begun(), "a"), "a", refusal="changed"), Decision.UNDECIDED, ("b",), (), ""),
        (COMMITTED, Decision.COMMITTED, (), ("a", "b"), ""),
        (REFUSED, Decision.ABORTED, (), ("a",), "b is poor"),
        (REFUSED_AT_ONCE, Decision.ABORTED, ("a",), (), "b is poor"),
        (vote(REFUSED_AT_ONCE, "a"), Decision.ABORTED, (), ("a",), "b is poor"),
        (vote(REFUSED_AT_ONCE, "a", refusal="too"), Decision.ABORTED, (), (), "b is poor"),
        (LATE, Decision.ABORTED, ("b",), ("a",), "no vote in time from b"),
        (vote(LATE, "b"), Decision.ABORTED, (), ("a", "b"), "no vote in time from b"),
        (expire(begun(), now_ns=DEADLINE_NS - 1), Decision.UNDECIDED, ("a", "b"), (), ""),
    ],
)
def test_each_event_makes_of_a_transaction_what_the_table_says(
    commit: Commit, decision: Decision, silent: tuple[str, ...], unconfirmed: tuple[str, ...], why: str
) -> None:
    assert (commit.decision, commit.silent, commit.unconfirmed, commit.why) == (decision, silent, unconfirmed, why)


@pytest.mark.parametrize("decided", [COMMITTED, REFUSED, LATE])
def test_after_the_decision_no_vote_and_no_deadline_changes_it(decided: Commit) -> None:
    for name in ("a", "b"):
        assert vote(decided, name).decision is decided.decision
        assert vote(decided, name, refusal="too late").decision is decided.decision
    assert expire(decided, now_ns=DEADLINE_NS * 2) == decided


def test_each_who_holds_is_told_once_and_it_ends_when_all_have_confirmed() -> None:
    before = vote(begun(), "a")
    assert to_tell(begun(), before) == ()
    assert to_tell(before, COMMITTED) == ("a", "b")
    assert to_tell(COMMITTED, confirm(COMMITTED, "a")) == ()
    assert not confirm(COMMITTED, "a").has_ended
    assert confirm(confirm(COMMITTED, "a"), "b").has_ended
    assert confirm(REFUSED, "a").has_ended
    assert to_tell(LATE, vote(LATE, "b")) == ("b",)
    assert not REFUSED_AT_ONCE.has_ended
    assert vote(REFUSED_AT_ONCE, "a", refusal="too").has_ended


def test_what_is_asked_is_answered_with_the_decision_and_what_is_forgotten_was_aborted() -> None:
    assert decision_of(begun()) is Decision.UNDECIDED
    assert decision_of(COMMITTED) is Decision.COMMITTED
    assert decision_of(REFUSED) is Decision.ABORTED
    assert decision_of(None) is Decision.ABORTED


def test_a_transaction_needs_participants_and_each_once() -> None:
    with pytest.raises(Bug, match="has participants"):
        begin([], deadline_ns=1)
    with pytest.raises(Bug, match="each takes part once"):
        begin(["a", "a"], deadline_ns=1)
    with pytest.raises(Bug, match="only a decision is confirmed"):
        confirm(begun(), "a")


@pytest.mark.parametrize(
    ("stand", "can", "becomes"),
    [
        (None, True, Stand.PREPARED),
        (None, False, Stand.ABORTED),
        (Stand.PREPARED, False, Stand.PREPARED),
        (Stand.COMMITTED, True, Stand.COMMITTED),
        (Stand.ABORTED, True, Stand.ABORTED),
    ],
)
def test_a_part_is_held_once_and_its_vote_stays(stand: Stand | None, can: bool, becomes: Stand) -> None:
    assert hold(stand, can=can) is becomes


@pytest.mark.parametrize(
    ("stand", "decision", "becomes"),
    [
        (Stand.PREPARED, Decision.UNDECIDED, Stand.PREPARED),
        (Stand.PREPARED, Decision.COMMITTED, Stand.COMMITTED),
        (Stand.PREPARED, Decision.ABORTED, Stand.ABORTED),
        (Stand.COMMITTED, Decision.COMMITTED, Stand.COMMITTED),
        (Stand.ABORTED, Decision.ABORTED, Stand.ABORTED),
        (None, Decision.ABORTED, Stand.ABORTED),
    ],
)
def test_a_decision_makes_of_a_part_what_the_table_says(
    stand: Stand | None, decision: Decision, becomes: Stand
) -> None:
    assert decide(stand, decision) is becomes


def test_a_decision_that_can_not_be_is_a_bug() -> None:
    for stand in (None, Stand.ABORTED):
        with pytest.raises(Bug, match="only what everybody holds is committed"):
            decide(stand, Decision.COMMITTED)
    with pytest.raises(Bug, match="a decision never changes"):
        decide(Stand.COMMITTED, Decision.ABORTED)


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("vote"), st.sampled_from("abc"), st.sampled_from(["", "", "no"])),
        st.tuples(st.just("time"), st.integers(0, 2 * DEADLINE_NS), st.just("")),
    ),
    max_size=12,
)


@given(EVENTS)
def test_a_decision_is_made_once_and_committed_only_if_everybody_said_yes_in_time(
    events: list[tuple[str, str | int, str]],
) -> None:
    commit = begin("abc", deadline_ns=DEADLINE_NS)
    decisions: list[Decision] = []
    told: list[str] = []
    first: dict[str, str] = {}
    for kind, what, refusal in events:
        before = commit
        if kind == "vote":
            commit = vote(commit, str(what), refusal=refusal)
            first.setdefault(str(what), refusal)
        else:
            commit = expire(commit, now_ns=int(what))
        decisions += [commit.decision] if commit.decision is not before.decision else []
        told += to_tell(before, commit)
    assert len(decisions) <= 1
    assert len({*told}) == len(told)
    assert {*told} <= {name for name, refusal in first.items() if not refusal}
    assert (commit.decision is Decision.COMMITTED) <= (first == dict.fromkeys("abc", ""))
    if commit.decision is Decision.ABORTED:
        assert {*told, *commit.silent} | {name for name, refusal in first.items() if refusal} == {*"abc"}
