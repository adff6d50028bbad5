"""Where an endpoint begins, and how far back it may be set: told to the machine as an operator does."""

import pytest

from ropewalk.communication.webhooks.messages import (
    AddEndpoint,
    Begin,
    Command,
    Done,
    Endpoint,
    Record,
    Refused,
    Replay,
    RotateSecret,
    Supply,
)
from tests.communication.webhooks.machine import LOG, URL, Machine, attempt, secret, with_endpoint

OTHER = "orders/1"
SUPPLY = Supply("drawn", secret(7), {LOG: 5, OTHER: 1}, {LOG: 12, OTHER: 3})


def test_an_endpoint_begins_where_it_is_said_and_elsewhere_with_the_oldest_or_the_next_event() -> None:
    machine = Machine()
    for name, begin in (("a", Begin.OLDEST), ("b", Begin.NEXT), ("c", Begin.FIRST)):
        machine.tell(SUPPLY, AddEndpoint(Endpoint(name, URL, (secret(),)), begin=begin))
        machine.tell(SUPPLY, AddEndpoint(Endpoint(f"{name}7", URL, (secret(),)), {LOG: 7}, begin))
    assert {each.endpoint.endpoint: each.progress.after for each in machine.states()} == {
        "a": {LOG: 4, OTHER: 0},
        "a7": {LOG: 7, OTHER: 0},
        "b": {LOG: 12, OTHER: 3},
        "b7": {LOG: 7, OTHER: 3},
        "c": {},
        "c7": {LOG: 7},
    }


def test_what_is_left_out_is_supplied_to_the_next_command_and_to_no_other() -> None:
    machine = Machine()
    added = machine.tell(SUPPLY, AddEndpoint(Endpoint("", URL, ())))
    assert (added.endpoint, added.secrets) == ("drawn", (secret(7),))
    assert isinstance(machine.tell(RotateSecret("drawn", "", 0)), Refused)
    rotated = machine.tell(Supply(secret=secret(8)), RotateSecret("drawn", "", 0))
    assert rotated.secrets == (secret(8),)
    machine.tell(SUPPLY, RotateSecret("drawn", secret(9), 0))
    assert isinstance(machine.tell(AddEndpoint(Endpoint("b", URL, ()))), Refused)


def test_an_endpoint_that_is_set_back_is_told_to_begin_there() -> None:
    machine = with_endpoint()
    assert machine.tell(SUPPLY, Replay("a", {LOG: 4})) == Done(6)
    assert machine.changed == ["a"]
    assert (machine.state().progress.after, machine.state().progress.replays) == ({LOG: 4}, 1)


def test_what_was_on_its_way_when_an_endpoint_was_set_back_counts_and_does_not_move_it_on() -> None:
    machine = with_endpoint()
    machine.tell(SUPPLY, Replay("a", {LOG: 6}))
    machine.tell(Record("a", {LOG: 12}, delivered=1, failed=(attempt(12),)))
    progress = machine.state().progress
    assert (progress.after, progress.delivered, len(progress.waiting)) == ({LOG: 6}, 1, 1)
    machine.tell(Record("a", {LOG: 8}, delivered=2, replays=1))
    assert (machine.state().progress.after, machine.state().progress.delivered) == ({LOG: 8}, 3)


@pytest.mark.parametrize(
    ("command", "reason", "told"),
    [
        (
            Replay("a", {LOG: 3}),
            "events_gone",
            "event 4 of orders/0 is kept no more, 5 is the oldest that is: give 4",
        ),
        (Replay("a", {LOG: 11}), "not_behind", "it is done with event 10 of orders/0: give that or less, and not 11"),
        (Replay("a", {LOG: 13}), "not_yet", "event 13 of orders/0 has not happened, 12 is the last"),
        (Replay("a", {OTHER: 1}), "not_behind", "it is done with event 0 of orders/1"),
        (Replay("a", {"other/0": 3}), "unknown_log", "there is no log other/0: choose orders/0, orders/1"),
        (Replay("b", {LOG: 4}), "unknown_endpoint", "there is no endpoint 'b'"),
        (AddEndpoint(Endpoint("b", URL, (secret(),)), {LOG: 3}, Begin.NEXT), "events_gone", "give 4 or more"),
        (AddEndpoint(Endpoint("b", URL, (secret(),)), {LOG: 13}, Begin.OLDEST), "not_yet", "give that or less"),
    ],
)
def test_a_place_that_is_not_there_is_refused_and_nothing_changes(command: Command, reason: str, told: str) -> None:
    machine = with_endpoint()
    before = machine.machine.digest()
    refused = machine.tell(SUPPLY, command)
    assert isinstance(refused, Refused)
    assert refused.reason == reason
    assert told in refused.detail
    assert machine.machine.digest() == before
    assert machine.changed == []
