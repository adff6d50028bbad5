"""Every saga ends whole or undone, or is listed: mail late, repeated and overtaken, and a crash at every record."""

import itertools
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ropewalk.coordination.sagas import turn
from ropewalk.coordination.sagas.messages import Compensate, GetSaga, Retry, Start
from ropewalk.coordination.sagas.state import StepState
from ropewalk.coordination.sagas.turn import Turn
from ropewalk.core.keyed import KeyedMachine
from ropewalk.core.mailbox import Mailbox
from ropewalk.errors import Bug
from ropewalk.proving.workloads.travel import Close, Stock, Trip, travel
from tests.coordination.joined import Joined, Step

SAGAS = "flights-sagas"
FLIGHTS, HOTELS = ("F1", "F2"), ("H1", "H2", "")
FREE = 1
PARTITIONS = 2

OFTEN = ["start", "deliver", "deliver"]
VERBS = st.sampled_from([*OFTEN, *OFTEN, "again", "crash", "later", "ahead", "close", "open", "compensate", "retry"])
STEPS = st.lists(st.builds(Step, VERBS, st.integers(0, 9_999)), max_size=70)


def opened() -> Joined:
    joined = Joined(travel(partitions=PARTITIONS))
    for service, houses in (("flights", FLIGHTS), ("hotels", HOTELS)):
        for house in houses:
            joined.call(service, Stock(house, FREE))
    return joined


def trip_of(number: int) -> Trip:
    flight, hotel = list(itertools.product(FLIGHTS, HOTELS))[number % 6]
    return Trip(f"t{number % 40}-{number % 6}", flight, hotel)


def run(steps: list[Step]) -> None:
    """Do the steps; then let all mail arrive, and judge."""
    joined = opened()
    trips: dict[str, Trip] = {}
    for step in steps:
        act(joined, trips, step)
    joined.settle(seconds=40)
    judge(joined, trips)
    for service, houses in (("flights", FLIGHTS), ("hotels", HOTELS)):
        for house in houses:
            joined.call(service, Close(house, False))
    for id_ in trips:
        joined.call(SAGAS, Retry(id_, "ada"))
    joined.settle(seconds=40)
    assert all(state != "stuck" for state in judge(joined, trips).values())


def act(joined: Joined, trips: dict[str, Trip], step: Step) -> None:
    chosen = list(trips)[step.number % len(trips)] if trips else "nobody"
    match step.verb:
        case "start":
            trip = trip_of(step.number)
            trips[trip.id] = trip
            joined.call(SAGAS, Start(trip.id, "trip", msgspec.to_builtins(trip)))
        case "close" | "open":
            joined.call("flights", Close(FLIGHTS[step.number % 2], step.verb == "close"))
        case "compensate":
            joined.call(SAGAS, Compensate(chosen, "ada", "the customer called"))
        case "retry":
            joined.call(SAGAS, Retry(chosen, "ada"))
        case _:
            joined.do(step)


def judge(joined: Joined, trips: dict[str, Trip]) -> dict[str, str]:
    """When all mail has arrived: a completed trip has all of its bookings, a compensated one has none."""
    assert joined.is_quiet
    states = {}
    booked: dict[tuple[str, str], list[str]] = {}
    for trip in trips.values():
        view = joined.read(SAGAS, GetSaga(trip.id))
        state = states[trip.id] = view["summary"]["state"]
        assert state in ("completed", "compensated", "stuck"), view
        assert (state == "stuck") == bool(view["summary"]["stuck"])
        holding = (StepState.DONE, StepState.FAILED)
        for step, service, house in zip(
            view["steps"], ("flights", "hotels"), (trip.flight, trip.hotel), strict=False
        ):
            assert step["state"] in holding if state == "completed" and house else True
            if step["state"] in holding:
                booked.setdefault((service, house), []).append(trip.id)
    for service, houses in (("flights", FLIGHTS), ("hotels", HOTELS)):
        for house in houses:
            found = joined.read(service, house)
            assert sorted(found["booked"]) == sorted(booked.get((service, house), []))
            assert found["free"] + len(found["booked"]) == FREE
    return states


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_every_saga_ends_or_is_listed_however_mail_comes_and_whatever_crashes(steps: list[Step]) -> None:
    run(steps)


@pytest.mark.parametrize("flights", ["open", "closed"])
@pytest.mark.parametrize("free", [0, 1])
def test_a_crash_at_any_record_of_any_partition_ends_in_the_same_state(free: int, flights: str) -> None:
    """Enumerated: every partition, before every step, with all that was delivered brought again."""

    def begun() -> Joined:
        joined = opened()
        joined.call("hotels", Stock("H1", free))
        joined.call(SAGAS, Start("t1", "trip", msgspec.to_builtins(Trip("t1", "F1", "H1"))))
        return joined

    def on(joined: Joined) -> None:
        if flights == "closed" and joined.read("flights", "F1")["booked"]:
            joined.call("flights", Close("F1"))

    def ended(joined: Joined) -> tuple[str, list[str]]:
        for _ in range(10):
            on(joined)
            joined.settle(seconds=1)
        view = joined.read(SAGAS, GetSaga("t1"))
        return view["summary"]["state"], [step["state"] for step in view["steps"]]

    whole = ended(begun())
    assert whole[0] == ("completed" if free else "stuck" if flights == "closed" else "compensated")
    for at, log in itertools.product(range(9), begun().partitions):
        joined = begun()
        for _ in range(at):
            on(joined)
            joined.do(Step("deliver", 1))
        joined.crash(log)
        for number in range(at):
            joined.do(Step("again", number))
        assert ended(joined) == whole


def is_found() -> bool:
    random = Random(11)
    verbs = ["start", "deliver", "deliver", "deliver", "again", "crash", "ahead", "later", "close", "compensate"]
    for _ in range(30):
        try:
            run([Step(random.choice(verbs), random.randrange(10_000)) for _ in range(60)])
        except (AssertionError, Bug):
            return True
    return False


def test_without_a_planted_bug_nothing_is_found() -> None:
    assert not is_found()


def test_a_late_step_that_is_given_up_for_good_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "_UNDER_WAY", turn._UNDER_WAY | {"do": (StepState.DOING,)})
    assert is_found()


def test_a_failed_undo_that_is_taken_as_done_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def give_up(self: Turn, index: int, kind: str, why: str) -> None:
        self._set(index, StepState.REFUSED, why=why)
        self.turn_back(why)

    monkeypatch.setattr(Turn, "_give_up", give_up)
    assert is_found()


def test_an_undo_of_what_was_refused_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def take_done(self: Turn, index: int, reply: object) -> None:
        self._set(index, StepState.DONE, reply=reply)
        if reply != "booked":
            self.turn_back("refused")

    monkeypatch.setattr(Turn, "_take_done", take_done)
    assert is_found()


def test_a_reply_that_takes_effect_whatever_it_was_to_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    parse = turn.Tag.parse
    monkeypatch.setattr(turn.Tag, "parse", staticmethod(lambda text: parse(text)._replace(kind="do")))
    assert is_found()


def test_a_timer_that_is_lost_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KeyedMachine, "_fire_due", lambda machine, _: machine._timers.clear())
    assert is_found()


def test_mail_that_takes_effect_twice_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    taken_in = Mailbox.taken_in
    monkeypatch.setattr(Mailbox, "taken_in", lambda mailbox, sender: max(0, taken_in(mailbox, sender) - 1))
    assert is_found()
