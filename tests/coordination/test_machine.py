"""The coordination service's machine: what stories do not show."""

import msgspec
import pytest

from ropewalk.coordination.recipes.limits import NUMBERS_PER_RECORD, Bounds
from ropewalk.coordination.recipes.machine import space
from ropewalk.coordination.recipes.messages import (
    Acquire,
    Add,
    Alive,
    Busy,
    Claims,
    Command,
    Done,
    EndSession,
    Expire,
    GetClaims,
    GetSession,
    Held,
    KeepAlive,
    ListKeys,
    OpenSession,
    Refused,
    Release,
    SessionState,
    SetKey,
)
from ropewalk.core.codec import encode_value
from ropewalk.errors import Rejected
from tests.coordination.room import Room

TTL_MS = 1_000


def wants(name: str, session: str, *, waits: bool = True) -> Acquire:
    return Acquire(name, session, ttl_ms=TTL_MS, waits=waits)


def test_an_uncontended_lock_is_one_command_and_told_to_those_who_watch() -> None:
    room = Room()
    assert room.do(wants("orders/1", "ada")) == Held(NUMBERS_PER_RECORD + 2)
    assert room.do(Release("orders/1", "ada")) == Done()
    assert [(kind, subject) for kind, subject, _ in room.told()] == [
        ("held", "lock:orders/1"),
        ("released", "lock:orders/1"),
    ]


def test_tokens_differ_though_two_grants_are_in_one_record() -> None:
    room = Room()
    first = room.do(wants("orders/1", "ada"))
    second = room.do(Release("orders/1", "ada"), wants("orders/1", "ben"))
    third = room.do(Release("orders/1", "ben"), wants("orders/1", "ada"))
    tokens = [reply.token for reply in (first, second, third) if isinstance(reply, Held)]
    assert tokens == sorted({*tokens})
    assert len(tokens) == 3


def test_a_refusal_changes_nothing() -> None:
    room = Room()
    room.do(wants("orders/1", "ada"))
    before = room.machine.digest()
    assert room.do(wants("orders/1", "ben", waits=False)) == Busy(0)
    assert room.do(Acquire("orders/2", "cleo")) == Refused("session_unknown")
    assert room.do(SetKey("orders/rate", "1", version=7, session="dan", ttl_ms=TTL_MS)) == Refused(
        "version_differs", 0
    )
    assert room.machine.digest() == before


def test_a_session_that_is_late_is_expired_though_its_timer_has_not_fired() -> None:
    # A record fires so many timers and no more: the others' sessions are over all the same.
    room = Room()
    for number in range(1_100):
        room.do(wants(f"orders/{number}", f"session-{number}"))
    room.now_ms += TTL_MS
    assert room.do(wants("orders/1099", "ada"), KeepAlive("orders", "session-1099")) == Refused("session_expired")
    claims = room.ask(GetClaims("orders/1099"), Claims)
    assert [each.session for each in (*claims.held, *claims.queue)] == ["session-1099", "ada"]
    room.later(1)
    assert [each.session for each in room.ask(GetClaims("orders/1099"), Claims).held] == ["ada"]


def test_a_session_kept_alive_a_thousand_times_has_one_timer() -> None:
    room = Room()
    room.do(OpenSession("orders", "ada", TTL_MS))
    for _ in range(1_000):
        room.now_ms += 1
        assert room.do(KeepAlive("orders", "ada")) == Alive(TTL_MS)
    _, timers = room.machine.save().parts.values()
    assert len(msgspec.msgpack.decode(timers)[0]) == 1


def test_the_timer_of_an_earlier_session_of_that_id_does_not_end_the_next() -> None:
    room = Room()
    room.do(wants("orders/1", "ada"))
    room.do(Release("orders/1", "ada"))
    room.later(600)
    room.do(wants("orders/1", "ada"))
    room.later(500)
    assert room.ask(GetSession("orders", "ada"), SessionState).state == "open"
    room.later(500)
    assert room.ask(GetSession("orders", "ada"), SessionState).state == "expired"


def test_time_that_jumps_ahead_ends_sessions_and_never_reuses_a_token() -> None:
    room = Room()
    first = room.do(wants("orders/1", "ada"))
    room.do(wants("orders/1", "ben"))
    room.later(86_400_000)
    again = room.do(wants("orders/1", "cleo"))
    assert isinstance(first, Held)
    assert isinstance(again, Held)
    assert again.token > first.token
    assert room.do(KeepAlive("orders", "ben")) == Refused("session_expired")


def test_no_caller_can_make_a_session_expire() -> None:
    with pytest.raises(Rejected):
        Room().machine.vet(encode_value(Expire("orders", "ada", 1)))


@pytest.mark.parametrize(
    ("bounds", "last", "reason"),
    [
        (Bounds(keys_max=5), wants("orders/3", "ada"), "full"),
        (Bounds(keys_max=5), Add("orders/3"), "full"),
        (Bounds(keys_max=5), SetKey("orders/3", "x"), "full"),
        (Bounds(keys_max=5), OpenSession("orders", "cleo", TTL_MS), "full"),
        (Bounds(claims_max=2), wants("orders/3", "ada"), "too_many_claims"),
        (Bounds(claims_max=2), SetKey("orders/3", "x", session="ada"), "too_many_claims"),
        (Bounds(queue_max=1), wants("orders/1", "cleo"), "queue_full"),
        (Bounds(ttl_min_ms=2_000), wants("orders/3", "cleo"), "bad_ttl"),
    ],
)
def test_every_bound_is_a_refusal(bounds: Bounds, last: Command, reason: str) -> None:
    room = Room(msgspec.structs.replace(bounds, ttl_min_ms=100))
    for name, session in (("orders/1", "ada"), ("orders/2", "ada"), ("orders/1", "ben")):
        room.do(wants(name, session))
    full = Room(bounds)
    full.machine.load(room.machine.save().parts)
    reply = full.do(last)
    assert isinstance(reply, Refused)
    assert reply.reason == reason


def test_what_was_saved_is_loaded() -> None:
    room, other = Room(), Room()
    room.do(wants("orders/1", "ada"), wants("orders/1", "ben"), SetKey("orders/rate", "1"), Add("orders/n"))
    other.machine.load(room.machine.save().parts)
    assert other.machine.digest() == room.machine.digest()
    for each in (room, other):
        each.later(TTL_MS)
    assert other.machine.digest() == room.machine.digest()


def test_everything_of_a_space_is_in_one_partition() -> None:
    messages = (wants("orders/1", "ada"), KeepAlive("orders", "ada"), EndSession("orders", "ada"), Add("orders/n"))
    assert {space(each) for each in messages} == {"orders"}
    assert space(ListKeys("orders/eu/")) == space(GetSession("orders", "ada")) == "orders"
