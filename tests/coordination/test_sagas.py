"""Definitions and versions of sagas, their bounds, and what a partition without the definition does."""

from collections.abc import Sequence

import msgspec
import pytest

from ropewalk.coordination.neighbours import Call
from ropewalk.coordination.sagas.definition import Replies, Saga, Step, Task, definitions_of
from ropewalk.coordination.sagas.limits import HISTORY_MAX, SAGAS_KEPT_S
from ropewalk.coordination.sagas.messages import (
    Answer,
    Compensate,
    GetSaga,
    ListSagas,
    ListTaskNames,
    ListTasks,
    Resolve,
    Retry,
    Start,
)
from ropewalk.core.effects import Publish
from ropewalk.errors import Rejected
from ropewalk.proving.workloads.travel import TRIP, Book, Close, Stock, Trip, travel
from tests.coordination.joined import Joined

SAGAS = "flights-sagas"


def started(*sagas: Saga, hotel: str = "H1") -> Joined:
    """A trip that has just begun."""
    joined = Joined(travel(*sagas))
    joined.call("flights", Stock("F1", 1))
    joined.call("hotels", Stock("H1", 1))
    joined.call(SAGAS, start("t1", hotel=hotel))
    return joined


def start(id_: str, *, hotel: str = "H1") -> Start:
    return Start(id_, "trip", msgspec.to_builtins(Trip(id_, "F1", hotel)))


def programmed(joined: Joined, *sagas: Saga) -> Joined:
    """The same partitions, in a program with other definitions."""
    fresh = Joined(travel(*sagas))
    for log, partition in joined.partitions.items():
        fresh.partitions[log].load(partition.save().parts)
    fresh.now_ns = joined.now_ns
    return fresh


def summary(joined: Joined, id_: str = "t1") -> dict[str, object]:
    shown: dict[str, object] = joined.read(SAGAS, GetSaga(id_))["summary"]
    return shown


def reason(reply: dict[str, str]) -> str:
    return f"{reply['reason']}: {reply['detail']}"


OTHER = Saga("other", [Step("only", do=lambda _, __: None)])
SECOND = Saga("trip", [Step("only", do=lambda _, __: Publish("second", "s"))], input=Trip, version=2)


def test_a_saga_goes_on_with_the_version_that_it_was_started_with() -> None:
    joined = programmed(started(), TRIP, SECOND)
    joined.settle()
    assert (summary(joined)["version"], summary(joined)["state"]) == (1, "completed")
    joined.call(SAGAS, start("t2"))
    assert (summary(joined, "t2")["version"], summary(joined, "t2")["state"]) == (2, "completed")
    assert ("second", "s") in joined.events(SAGAS)


@pytest.mark.parametrize(
    "stranger", [OTHER, SECOND, Saga("trip", TRIP.steps[:2], input=Trip)], ids=["name", "version", "steps"]
)
def test_without_its_definition_a_saga_is_listed_as_stuck_and_goes_on_when_it_is_back(stranger: Saga) -> None:
    joined = programmed(started(), stranger)
    joined.settle(seconds=60)
    stuck = summary(joined)
    assert stuck["state"] == "stuck"
    assert stuck["stuck"] == "no definition of 'trip' with version 1 and these steps is here"
    assert [each["id"] for each in joined.read(SAGAS, ListSagas("stuck"))] == ["t1"]  # type: ignore[arg-type]
    for command in (Retry("t1", "ada"), Compensate("t1", "ada", "why not")):
        assert reason(joined.call(SAGAS, command)).startswith("unknown_definition: version 1 of 'trip'")
    back = programmed(joined, TRIP)
    back.call(SAGAS, Retry("t1", "ada"))
    back.settle()
    # Its first step was late by then, and had been done.
    assert (summary(back)["state"], back.read("flights", "F1")["free"]) == ("compensated", 1)


def test_an_answer_that_came_without_the_definition_is_read_when_it_is_back() -> None:
    away = programmed(started(), OTHER)
    away.settle()
    assert summary(away)["state"] == "stuck"
    back = programmed(away, TRIP)
    back.call(SAGAS, Retry("t1", "ada", "the new program has it"))
    back.settle()
    assert summary(back)["state"] == "completed"


def test_what_came_without_the_definition_is_read_before_anything_else_happens() -> None:
    away = programmed(started(), OTHER)
    away.settle()
    back = programmed(away, TRIP)
    # The timer of the first step comes next: by then it was answered, and is not late.
    back.settle(seconds=60)
    assert summary(back)["state"] == "completed"


def test_what_can_not_be_started_is_refused_with_the_reason() -> None:
    joined = started()
    assert (
        reason(joined.call(SAGAS, Start("t2", "cruise")))
        == "unknown_saga: there is no saga 'cruise' here, but paid_trip, trip"
    )
    assert reason(joined.call(SAGAS, Start("t2", "trip", {"id": 1}))).startswith(
        "bad_input: this is no input of trip"
    )
    for id_ in ("", "x" * 129, "a/b"):
        assert reason(joined.call(SAGAS, start(id_))).startswith("bad_id: an id has 1 to 128 characters")
    large = {"id": "t2", "flight": "F" * 70_000, "hotel": ""}
    assert "65536 are kept at most" in reason(joined.call(SAGAS, Start("t2", "trip", large)))


def test_a_step_that_a_service_can_not_take_is_refused_and_sends_nothing() -> None:
    def wrong(trip: Trip, _: object) -> Call:
        return Call("trains", trip.flight, Book(trip.flight, trip.id))

    joined = started(Saga("trip", [Step("train", do=wrong)], input=Trip))
    assert summary(joined)["why"] == "train: there is no service 'trains' here, but flights, hotels"
    assert summary(joined)["state"] == "compensated"


def test_an_undo_that_a_service_can_not_take_is_stuck() -> None:
    steps = [msgspec.structs.replace(TRIP.steps[0], undo=lambda *_: Call("hotels", "x", b"raw")), TRIP.steps[1]]
    joined = started(Saga("trip", steps, input=Trip), hotel="H9")
    joined.settle(seconds=5)
    assert (
        summary(joined)["stuck"]
        == "flight is not undone: hotels takes Stock, Close, Book, Cancel, and bytes was to be sent there"
    )


def test_a_saga_is_forgotten_some_time_after_its_end_unless_it_is_undone_again() -> None:
    joined = started()
    joined.settle()
    joined.pass_time(SAGAS_KEPT_S - 1)
    joined.call(SAGAS, Compensate("t1", "ada", "the customer called"))
    joined.settle()
    joined.pass_time(1)
    assert summary(joined)["state"] == "compensated"
    joined.pass_time(SAGAS_KEPT_S)
    assert reason(joined.read(SAGAS, GetSaga("t1"))) == "unknown: no saga of this id is remembered"


def test_a_stuck_saga_is_never_forgotten_and_its_history_is_bounded() -> None:
    joined = started(hotel="H9")
    joined.call("flights", Close("F1"))
    joined.settle(seconds=3)
    joined = started(hotel="H9")
    joined.settle()
    joined.call("flights", Close("F1"))
    joined.settle(seconds=3)
    for _ in range(HISTORY_MAX):
        joined.call(SAGAS, Retry("t1", "ada"))
        joined.settle()
    joined.pass_time(100 * SAGAS_KEPT_S)
    view = joined.read(SAGAS, GetSaga("t1"))
    assert view["summary"]["state"] == "stuck"
    assert len(view["history"]) == HISTORY_MAX
    assert view["forgotten"] > HISTORY_MAX


def test_operators_say_who_they_are() -> None:
    joined = started()
    assert reason(joined.call(SAGAS, Retry("t1", ""))) == "bad_words: say who, in 1 to 512 characters"
    assert reason(joined.call(SAGAS, Compensate("t1", "ada", ""))) == "bad_words: say why, in 1 to 512 characters"
    assert reason(joined.call(SAGAS, Resolve("t1", "hotel", "a" * 513, "x"))).startswith("bad_words: say who")


def nothing(_: object, __: object) -> None:
    return None


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: Saga("s", []), "saga 's' has 0 steps: choose 1 to 64"),
        (lambda: Saga("s", [Step("a", do=nothing)] * 2), "two steps of one name among a, a"),
        (lambda: Step("a", do=nothing, retries=101), "step 'a' has 101 retries: choose 0 to 100"),
        (lambda: Step("a", do=nothing, timeout_s=0), "step 'a' waits 0 s: choose 1 to 2592000"),
        (lambda: Step("a", do=nothing, pause_s=0), "step 'a' pauses 0 s: choose 1 or more"),
        (lambda: definitions_of([TRIP, TRIP]), "two definitions have one name and version among trip 1, trip 1"),
    ],
)
def test_a_definition_that_can_not_be_is_refused_when_it_is_made(make: object, why: str) -> None:
    assert callable(make)
    with pytest.raises(Rejected, match=why):
        make()


def test_functions_may_tell_what_is_done_and_see_what_was_replied_before() -> None:
    seen: list[object] = []

    def look(trip: Trip, replies: Replies) -> Publish:
        seen.append(dict(replies))
        return Publish("seen", trip.id)

    flight = msgspec.structs.replace(TRIP.steps[0], done=lambda reply: str(reply).startswith("book"))
    steps: Sequence[Step] = [flight, Step("look", do=look)]
    joined = started(Saga("trip", steps, input=Trip))
    joined.settle()
    assert seen == [{"flight": "booked"}]
    assert summary(joined)["state"] == "completed"


def charging(**changed: object) -> Saga:
    """A card is charged outside, and given back outside or by a service."""
    step = Step(
        "card",
        do=lambda trip, _: Task("charge", trip.id),
        done=lambda answer: answer["charged"],
        undo=lambda _, replies: Task("refund", replies["card"]["charge"]),
        undone=lambda answer: answer["refunded"],
    )
    return Saga("trip", [msgspec.structs.replace(step, **changed)], input=Trip)


@pytest.mark.parametrize("answer", ["yes", None, 7, [], {}, {"charge": 1}])
def test_an_answer_that_the_definition_can_not_read_is_refused_and_the_task_waits_on(answer: object) -> None:
    joined = started(charging())
    assert reason(joined.call(SAGAS, Answer("t1", "card", answer))).startswith("bad_answer: done of step card can't")
    assert summary(joined)["waits_for"] == ["card"]
    joined.call(SAGAS, Answer("t1", "card", {"charged": True, "charge": "c1"}))
    joined.call(SAGAS, Compensate("t1", "ada", "why not"))
    assert reason(joined.call(SAGAS, Answer("t1", "card", answer))).startswith("bad_answer: undone of step card")
    joined.call(SAGAS, Answer("t1", "card", {"refunded": True}))
    assert summary(joined)["state"] == "compensated"


def test_an_answer_that_lacks_what_the_undo_needs_has_it_stuck_and_stops_nothing() -> None:
    joined = started(charging())
    joined.call(SAGAS, Answer("t1", "card", {"charged": True}))
    joined.call(SAGAS, Compensate("t1", "ada", "why not"))
    assert summary(joined)["stuck"] == "card is not undone: its undo raises KeyError"
    joined.call(SAGAS, Retry("t1", "ada"))
    assert summary(joined)["state"] == "stuck"
    joined.call(SAGAS, Resolve("t1", "card", "ada", "looked up at the provider"))
    assert summary(joined)["state"] == "compensated"


def test_an_answer_that_lacks_what_the_next_step_needs_turns_the_saga_back() -> None:
    mail = Step("mail", do=lambda _, replies: Task("mail", replies["card"]["receipt"]))
    saga = charging()
    joined = started(msgspec.structs.replace(saga, steps=[*saga.steps, mail]))
    joined.call(SAGAS, Answer("t1", "card", {"charged": True, "charge": "c1"}))
    assert (summary(joined)["why"], summary(joined)["waits_for"]) == ("mail: its do raises KeyError", ["card"])


def test_an_answer_is_refused_while_its_definition_is_not_here_and_taken_when_it_is_back() -> None:
    away = programmed(started(charging()), OTHER)
    given = Answer("t1", "card", {"charged": True})
    assert reason(away.call(SAGAS, given)).startswith("unknown_definition: version 1 of 'trip'")
    assert [each["key"] for each in away.read(SAGAS, ListTasks())] == ["t1/card/1"]
    assert away.read(SAGAS, ListTaskNames()) == [], "it would be done over and over, and not be answered"
    back = programmed(away, charging())
    assert [each["id"] for each in back.read(SAGAS, ListTaskNames())] == ["t1"]
    back.call(SAGAS, given)
    assert summary(back)["state"] == "completed"


def test_a_repeat_of_an_answer_changes_nothing_while_a_service_undoes_the_step() -> None:
    joined = started(charging(undo=TRIP.steps[0].undo))
    joined.call("flights", Close("F1"))
    given = Answer("t1", "card", {"charged": True}, tries=1)
    joined.call(SAGAS, given)
    before = joined.call(SAGAS, Compensate("t1", "ada", "why not"))
    assert joined.call(SAGAS, given) == before
    assert reason(joined.call(SAGAS, Answer("t1", "card", {"charged": True}, tries=2))).startswith("not_asked")
