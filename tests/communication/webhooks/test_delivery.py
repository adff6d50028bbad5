"""The delivery machine: endpoints, cursors, messages that wait and dead letters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk.communication.webhooks import limits
from ropewalk.communication.webhooks.delivery import message_key, room
from ropewalk.communication.webhooks.messages import (
    AddEndpoint,
    ChangeEndpoint,
    Command,
    Done,
    Drop,
    Endpoint,
    Progress,
    Record,
    Recorded,
    Recover,
    Refused,
    RemoveEndpoint,
    Retry,
    RotateSecret,
    SwitchEndpoint,
)
from ropewalk.core.codec import encode_value
from tests.communication.webhooks.machine import LOG, SECOND, URL, Machine, attempt, failed, secret, with_endpoint

LAST = len(limits.RETRY_DELAYS_S) + 1


def exhausted(machine: Machine, number: int, *, every_s: int = 100_000) -> None:
    """Have a message fail until it is given up."""
    for attempts in range(1, LAST + 1):
        machine.tell(failed(attempt(number, attempts)), now_s=machine.now_s + every_s)


# Cursors.


def test_a_cursor_moves_on_without_a_record_for_each_message_and_never_back() -> None:
    machine = with_endpoint()
    assert machine.tell(Record("a", {LOG: 500}, delivered=490)) == Recorded((), 0, limits.WAITING_MAX)
    machine.tell(Record("a", {LOG: 400, "orders/1": 7}, delivered=7))
    progress = machine.state().progress
    assert progress.after == {LOG: 500, "orders/1": 7}
    assert progress.delivered == 497
    assert machine.changed == []


def test_an_endpoint_chooses_events_by_kind_and_by_the_beginning_of_their_subject() -> None:
    chosen = Endpoint("a", URL, (secret(),), kinds=("paid", "sent"), subject_prefix="eu/")
    takes = [
        (kind, subject) for kind in ("paid", "lost") for subject in ("eu/1", "us/1") if chosen.takes(kind, subject)
    ]
    assert takes == [("paid", "eu/1")]
    assert Endpoint("a", URL, (secret(),)).takes("anything", "")


# What fails.


@pytest.mark.parametrize("attempts", range(1, LAST))
def test_a_message_that_fails_waits_as_long_as_the_schedule_says_and_the_draw_adds(attempts: int) -> None:
    machine = with_endpoint()
    for number in range(1, attempts):
        machine.tell(failed(attempt(7, number)))
    reply = machine.tell(failed(attempt(7, attempts, jitter=10)), now_s=1_000)
    delay_ns = limits.RETRY_DELAYS_S[attempts - 1] * SECOND * 110 // 100
    [letter] = reply.waiting
    assert (letter.attempts, letter.due_ns, letter.why) == (attempts, 1_000 * SECOND + delay_ns, "it answered 500")


def test_a_receiver_that_asks_for_a_longer_pause_gets_it_within_a_bound() -> None:
    machine = with_endpoint()
    for number, asked_s, pause_s in ((1, 60, 60), (2, 1, 5), (3, 10**9, limits.RETRY_AFTER_MAX_S)):
        machine.tell(failed(attempt(number, after_s=asked_s)), now_s=0)
        assert machine.state().progress.waiting[-1].due_ns == pause_s * SECOND


def test_a_message_that_waited_and_is_taken_leaves_nothing_behind() -> None:
    machine = with_endpoint()
    before = machine.machine.digest()
    machine.tell(failed(attempt(1), through=10))
    assert machine.machine.digest() != before
    machine.tell(Record("a", settled=("event-1", "event-9")))
    assert machine.machine.read(encode_value(message_key("a", "event-1"))) == encode_value(None)
    assert machine.state().progress == Progress({LOG: 10}, delivered=1, taken_ns=0)


def test_a_message_becomes_a_dead_letter_after_the_last_attempt() -> None:
    machine = with_endpoint()
    exhausted(machine, 1)
    progress = machine.state().progress
    assert progress.waiting == ()
    assert [(each.event_id, each.attempts) for each in progress.dead] == [("event-1", LAST)]


def test_a_repeated_report_of_a_message_that_is_known_changes_nothing() -> None:
    machine = with_endpoint()
    machine.tell(failed(attempt(1)))
    machine.tell(failed(attempt(1, 2)))
    before = machine.machine.digest()
    machine.tell(failed(attempt(1), attempt(1, 2), attempt(1, 4), attempt(5, 2)), now_s=9)
    assert machine.machine.digest() == before
    exhausted(machine, 2)
    before = machine.machine.digest()
    machine.tell(failed(attempt(2)))
    assert machine.machine.digest() == before


def test_a_message_too_large_to_be_kept_is_a_dead_letter_at_once_and_can_only_be_dropped() -> None:
    machine = with_endpoint()
    machine.tell(failed(attempt(1, body=bytes(limits.MESSAGE_BYTES_MAX + 1))))
    assert machine.state().progress.dead[0].body_bytes == 0
    assert machine.tell(Retry("a")) == Done(0)
    assert machine.tell(Drop("a")) == Done(1)


# An endpoint that takes nothing.


def test_an_endpoint_that_takes_nothing_is_held_up_and_tried_at_once_when_it_recovers() -> None:
    machine = with_endpoint()
    reply = machine.tell(failed(*(attempt(number) for number in range(limits.WAITING_MAX))))
    assert reply.room == 0
    reply = machine.tell(Record("a", settled=("event-3",)), Recover("a"), now_s=1)
    assert reply.room == 1
    assert {each.due_ns for each in reply.waiting} == {1 * SECOND}


@pytest.mark.parametrize(
    ("waiting", "dead", "size", "free"),
    [
        (0, 0, 2, limits.WAITING_MAX),
        (limits.WAITING_MAX - 1, 0, 2, 1),
        (0, limits.DEAD_MAX - 2, 2, 2),
        (1, limits.DEAD_MAX, 2, 0),
        (10, 0, limits.MESSAGE_BYTES_MAX, limits.WAITING_MAX - 10),
        (0, 63, limits.MESSAGE_BYTES_MAX, 1),
        (0, 64, limits.MESSAGE_BYTES_MAX, 0),
    ],
)
def test_as_much_may_be_under_way_as_can_be_kept_if_all_of_it_fails(
    waiting: int, dead: int, size: int, free: int
) -> None:
    machine = with_endpoint()
    machine.tell(failed(attempt(1, body=bytes(size))))
    [letter] = machine.state().progress.waiting
    assert room(Progress({}, (letter,) * waiting, (letter,) * dead)) == free


def test_an_endpoint_that_answers_410_is_disabled_and_its_message_is_kept() -> None:
    machine = with_endpoint()
    machine.tell(Record("a", failed=(attempt(1),), is_gone=True))
    assert machine.state().endpoint.disabled_because == "it answered 410 Gone"
    assert machine.changed == ["a"]
    assert len(machine.state().progress.waiting) == 1
    machine.tell(SwitchEndpoint("a"))
    assert machine.state().endpoint.disabled_because == ""


def test_an_endpoint_is_disabled_when_nothing_was_taken_while_a_message_was_tried_to_the_end() -> None:
    machine = with_endpoint()
    machine.tell(Record("a", delivered=1), now_s=50)
    exhausted(machine, 1)
    assert "tried 10 times" in machine.state().endpoint.disabled_because
    assert machine.changed == ["a"]


def test_an_endpoint_that_takes_others_stays_enabled_when_one_message_is_given_up() -> None:
    machine = with_endpoint()
    machine.tell(failed(attempt(1)), now_s=10)
    machine.tell(Record("a", delivered=1), now_s=11)
    for attempts in range(2, LAST + 1):
        machine.tell(failed(attempt(1, attempts)), now_s=12)
    assert len(machine.state().progress.dead) == 1
    assert machine.state().endpoint.disabled_because == ""


# Operators.


def test_dead_letters_are_retried_and_dropped_by_name_or_all() -> None:
    machine = with_endpoint()
    for number in range(4):
        exhausted(machine, number)
    machine.changed.clear()
    assert machine.tell(Retry("a", ("event-1", "unknown"))) == Done(1)
    assert machine.tell(Drop("a", ("event-2",))) == Done(1)
    progress = machine.state().progress
    assert [(each.event_id, each.attempts, each.due_ns) for each in progress.waiting] == [
        ("event-1", 0, machine.now_s * SECOND)
    ]
    assert [each.event_id for each in progress.dead] == ["event-0", "event-3"]
    assert machine.tell(Retry("a")) == Done(2)
    assert machine.changed == ["a", "a", "a"]
    machine.tell(failed(attempt(1)))
    assert machine.state().progress.waiting[-1].attempts == 1


def test_a_secret_is_used_beside_the_new_one_for_as_long_as_it_is_kept() -> None:
    machine = with_endpoint()
    machine.tell(RotateSecret("a", secret(1), keep_s=100))
    machine.tell(RotateSecret("a", secret(2), keep_s=10))
    assert machine.state().endpoint.secrets == (secret(2), secret(1), secret(0))
    machine.tell(now_s=10)
    assert machine.state().endpoint.secrets == (secret(2), secret(0))
    machine.tell(now_s=100)
    assert machine.state().endpoint.secrets == (secret(2),)
    machine.tell(RotateSecret("a", secret(3), keep_s=0))
    assert machine.state().endpoint.secrets == (secret(3),)


def test_a_change_leaves_what_it_does_not_name() -> None:
    machine = with_endpoint(kinds=("paid",), in_flight=4)
    changed = machine.tell(ChangeEndpoint("a", url="https://[::1]:8443/x?y=z", subject_prefix="eu/"))
    assert changed == Endpoint("a", "https://[::1]:8443/x?y=z", (secret(),), ("paid",), "eu/", 4)
    assert machine.changed == ["a"]


def test_removing_an_endpoint_leaves_nothing_behind() -> None:
    machine, empty = with_endpoint(), Machine()
    exhausted(machine, 1)
    machine.tell(failed(attempt(2)))
    assert machine.tell(RemoveEndpoint("a")) == Done(2)
    assert machine.states() == []
    empty.tell(AddEndpoint(Endpoint("a", URL, (secret(),))), RemoveEndpoint("a"))
    assert machine.machine.digest() == empty.machine.digest()


def test_adding_the_same_endpoint_again_is_harmless_and_another_of_that_id_is_refused() -> None:
    machine = with_endpoint()
    same = machine.tell(AddEndpoint(Endpoint("a", URL, (secret(5),)), {LOG: 99}))
    assert same == Endpoint("a", URL, (secret(0),))
    assert machine.state().progress.after == {LOG: 10}
    assert machine.tell(AddEndpoint(Endpoint("a", URL, (secret(),), ("paid",)))).reason == "exists"


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (RemoveEndpoint("b"), "unknown_endpoint"),
        (Record("b"), "unknown_endpoint"),
        (AddEndpoint(Endpoint("b/c", URL, (secret(),))), "invalid_id"),
        (AddEndpoint(Endpoint("", URL, (secret(),))), "invalid_id"),
        (AddEndpoint(Endpoint("b", URL, ("whsec_x",))), "invalid_secret"),
        (AddEndpoint(Endpoint("b", URL, ())), "too_many_secrets"),
        (AddEndpoint(Endpoint("b", URL, (secret(),), ("k",) * 65)), "too_many_kinds"),
        (AddEndpoint(Endpoint("b", URL, (secret(),), in_flight=0)), "invalid_in_flight"),
        (ChangeEndpoint("a", in_flight=65), "invalid_in_flight"),
        (ChangeEndpoint("a", url="ftp://a/"), "invalid_url"),
        (ChangeEndpoint("a", url="http:///x"), "invalid_url"),
        (ChangeEndpoint("a", url="http://user:word@a/"), "invalid_url"),
        (ChangeEndpoint("a", url="http://a/ b"), "invalid_url"),
        (ChangeEndpoint("a", url="http://a:65536/"), "invalid_url"),
        (ChangeEndpoint("a", url="http://a/\r\nx: y"), "invalid_url"),
        (ChangeEndpoint("a", url="http://a/#b"), "invalid_url"),
        (ChangeEndpoint("a", url="http://a/\n"), "invalid_url"),
        (ChangeEndpoint("a", url="http://a/" + "b" * 2_048), "invalid_url"),
    ],
)
def test_a_refused_command_changes_nothing_and_says_why(command: Command, reason: str) -> None:
    machine = with_endpoint()
    before = machine.machine.digest()
    refused = machine.tell(command)
    assert isinstance(refused, Refused)
    assert refused.reason == reason
    assert machine.machine.digest() == before


def test_endpoints_and_secrets_are_bounded() -> None:
    machine = Machine()
    for number in range(limits.ENDPOINTS_MAX):
        machine.tell(AddEndpoint(Endpoint(f"e{number}", URL, (secret(),))))
    assert machine.tell(AddEndpoint(Endpoint("more", URL, (secret(),)))).reason == "too_many"
    replies = [machine.tell(RotateSecret("e0", secret(number), keep_s=9)) for number in range(1, 5)]
    assert [isinstance(reply, Refused) for reply in replies] == [False, False, False, True]


commands = st.one_of(
    st.builds(
        lambda number, attempts, size: failed(attempt(number, attempts, body=bytes(size))),
        st.integers(0, 5),
        st.integers(1, 3),
        st.sampled_from([2, limits.MESSAGE_BYTES_MAX + 1]),
    ),
    st.builds(lambda numbers: Record("a", settled=tuple(f"event-{n}" for n in numbers)), st.lists(st.integers(0, 5))),
    st.builds(lambda numbers: Retry("a", tuple(f"event-{n}" for n in numbers)), st.lists(st.integers(0, 5))),
    st.builds(lambda numbers: Drop("a", tuple(f"event-{n}" for n in numbers)), st.lists(st.integers(0, 5))),
    st.just(Recover("a")),
    st.just(RemoveEndpoint("a")),
    st.just(AddEndpoint(Endpoint("a", URL, (secret(),)))),
)


@given(st.lists(commands, max_size=30))
def test_whatever_happens_what_can_be_sent_again_is_kept_and_nothing_else(told: list[Command]) -> None:
    machine = with_endpoint()
    for command in told:
        machine.tell(command)
    copy = Machine()
    copy.machine.load(machine.machine.save().parts)
    assert copy.machine.digest() == machine.machine.digest()
