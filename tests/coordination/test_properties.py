"""What holds after any sequence of commands: tokens that only grow, and permits that go to who asked first."""

from hypothesis import given, settings
from hypothesis import strategies as st

from ropewalk.coordination.recipes.messages import (
    Acquire,
    Claims,
    Command,
    EndSession,
    GetClaims,
    KeepAlive,
    Kind,
    ListClaims,
    NamedClaims,
    Release,
)
from tests.coordination.room import Room

KINDS: tuple[Kind, ...] = ("lock", "semaphore")
SESSIONS = st.sampled_from(["ada", "ben", "cleo"])
NAMES = st.sampled_from(["s/1", "s/2"])
COMMANDS = st.one_of(
    st.builds(
        Acquire,
        NAMES,
        SESSIONS,
        kind=st.just("semaphore"),
        ttl_ms=st.just(200),
        waits=st.just(True),
        takes=st.integers(1, 2),
        permits=st.just(2),
    ),
    st.builds(Acquire, NAMES, SESSIONS, ttl_ms=st.just(200), waits=st.booleans()),
    st.builds(Release, NAMES, SESSIONS, kind=st.sampled_from(["lock", "semaphore"])),
    st.builds(KeepAlive, st.just("s"), SESSIONS),
    st.builds(EndSession, st.just("s"), SESSIONS),
)
STEPS = st.lists(st.tuples(st.integers(0, 150), COMMANDS), min_size=1, max_size=40)


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_each_token_is_larger_than_every_one_before(steps: list[tuple[int, Command]]) -> None:
    room = Room()
    seen: dict[int, tuple[str, str]] = {}
    for ms, command in steps:
        room.now_ms += ms
        room.do(command)
        for kind in KINDS:
            for name in ("s/1", "s/2"):
                fresh = {
                    each.token: (f"{kind}:{name}", each.session)
                    for each in room.ask(GetClaims(name, kind), Claims).held
                }
                assert all(seen.get(token, owner) == owner for token, owner in fresh.items())
                seen |= fresh
    assert all(token > 0 for token in seen)


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_who_waits_is_let_in_before_who_asked_later(steps: list[tuple[int, Command]]) -> None:
    room = Room()
    before: list[str] = []
    for ms, command in steps:
        room.now_ms += ms
        room.do(command)
        claims = room.ask(GetClaims("s/1"), Claims)
        queue = [each.session for each in claims.queue]
        still = [session for session in before if session in queue]
        let_in = [before.index(each.session) for each in claims.held if each.session in before]
        assert queue[: len(still)] == still
        assert all(place < before.index(session) for place in let_in for session in still)
        before = queue


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_who_hears_every_event_knows_who_has_what(steps: list[tuple[int, Command]]) -> None:
    room = Room()
    heard: dict[str, dict[int, str]] = {}
    for ms, command in steps:
        room.now_ms += ms
        room.do(command)
        for kind, subject, holder in room.told():
            if kind == "held":
                heard.setdefault(subject, {})[holder["token"]] = holder["session"]
            elif kind == "released":
                assert heard[subject].pop(holder["token"]) == holder["session"]
        held = {
            f"{claimed}:{named.name}": {each.token: each.session for each in named.claims.held}
            for claimed in KINDS
            for named in room.ask(ListClaims("s/", claimed), list[NamedClaims])
        }
        assert {subject: holders for subject, holders in heard.items() if holders} == held
