"""Sagas over two services: trips of a flight and a hotel, that airlines refuse, cancel, or are not in to cancel.

Some are paid by card first, which somebody outside does, or says that he can't, or has done before, or never answers.

At rest every saga has ended, or is listed as stuck, or waits for who does its task; who has completed has all that
was booked, who was compensated has nothing; and what a saga says is done is what the services say.

Checked by: tests/proving/test_processes.py
"""

from collections.abc import Sequence
from random import Random
from typing import Any, Final

import msgspec

from ropewalk.coordination.sagas.definition import Saga, Step
from ropewalk.coordination.sagas.messages import Answer, Compensate, GetSaga, ListSagas, Retry, Start
from ropewalk.coordination.sagas.state import State, StepState
from ropewalk.core.codec import encode_value
from ropewalk.core.machine import Machine, Request
from ropewalk.core.place import Place
from ropewalk.data.shelf import Shelf
from ropewalk.errors import invariant
from ropewalk.proving.workload import Asked, Cut
from ropewalk.proving.workloads.travel import Close, Stock, Trip, book, cancel, charge, refund, travel

FREE: Final = 2
IDS: Final = 40
PAID_EACH: Final = 4
"""One of so many trips is paid by card."""
FLIGHTS: Final = ("flight-1", "flight-2", "flight-3")
HOTELS: Final = ("hotel-1", "hotel-2")

_HELD: Final = (StepState.DONE, StepState.FAILED)


def _step(name: str, service: str, retries: int) -> Step:
    return Step(
        name,
        do=lambda trip, _: book(service, getattr(trip, name), trip),
        done="booked",
        undo=lambda trip, _: cancel(service, getattr(trip, name), trip),
        undone="cancelled",
        timeout_s=1,
        retries=retries,
    )


TRIP: Final = Saga("trip", [_step("flight", "flights", 0), _step("hotel", "hotels", 1)], input=Trip)
PAID: Final = Saga(
    "paid_trip",
    [
        Step("card", do=charge, done="charged", undo=refund, undone="refunded", timeout_s=5, retries=1, pause_s=1),
        *TRIP.steps,
    ],
    input=Trip,
)
AIRLINE: Final = travel(TRIP, PAID, partitions=2)
SERVICES: Final = {each.name: each for each in (AIRLINE, *(each.service for each in AIRLINE.followers))}
SAGAS: Final = SERVICES["flights-sagas"]
PLACES: Final[Sequence[Place]] = [place for each in SERVICES.values() for place in each.places]


class Trips:
    """The workload."""

    places = PLACES
    quiet_s = 5.0

    def machine(self, shelf: Shelf, place: Place) -> Machine:
        return SERVICES[place.service].machine(shelf, place)

    def opening(self) -> Sequence[Asked]:
        stocks = {house: encode_value(Stock(house, FREE)) for house in (*FLIGHTS, *HOTELS)}
        return [(_log_of(house), Request(house.encode().ljust(16), stock)) for house, stock in stocks.items()]

    def request(self, random: Random) -> Asked:
        number, kind = random.randrange(IDS), random.random()
        command: Answer | Start | Compensate | Retry | Close
        if kind < 0.15:
            command = Close(random.choice(FLIGHTS), random.random() < 0.4)
            log = AIRLINE.log_of(command.house)
        else:
            command = _of_saga(number, kind, random)
            log = SAGAS.log_of(command.id)
        return log, Request(random.randbytes(16), encode_value(command))

    def query(self, random: Random) -> tuple[str, bytes]:
        id_ = f"trip-{random.randrange(IDS)}"
        return SAGAS.log_of(id_), encode_value(GetSaga(id_))

    def judge(self, _: Place) -> None:
        return None

    def check(self, cut: Cut) -> None:
        if cut.is_at_rest:
            query = ListSagas(limit=IDS)
            listed = [each["id"] for place in SAGAS.places for each in cut.read(place.log_name, query)]
            views = [cut.read(SAGAS.log_of(id_), GetSaga(id_)) for id_ in listed]
            _check_ended(views)
            _check_booked(cut, views)


def _of_saga(number: int, kind: float, random: Random) -> Answer | Start | Compensate | Retry:
    id_ = f"trip-{number}"
    if kind > 0.65:
        reply = random.choice(["charged", "charged", "refunded", "no"])
        return Answer(f"trip-{number - number % PAID_EACH}", "card", reply, random.choice([0, 0, 1, 2, 3]), "ada")
    if kind < 0.25:
        return Compensate(id_, "an operator", "the customer called")
    if kind < 0.3:
        return Retry(id_, "an operator")
    trip = Trip(id_, FLIGHTS[number % len(FLIGHTS)], HOTELS[number % len(HOTELS)])
    return Start(id_, "trip" if number % PAID_EACH else "paid_trip", msgspec.to_builtins(trip))


def _check_ended(views: Sequence[Any]) -> None:
    for view in views:
        state, steps = view["summary"]["state"], [step["state"] for step in view["steps"]]
        waits = any(step["task"] for step in view["steps"])
        invariant(
            waits or state not in (State.RUNNING, State.COMPENSATING),
            "at rest sagas have ended, are stuck, or wait for who does a task",
            view=view,
        )
        if state == State.COMPLETED:
            invariant(steps == [StepState.DONE] * len(steps), "who has completed has done all steps", view=view)
        if state == State.COMPENSATED:
            invariant(not any(each in _HELD for each in steps), "who was compensated has nothing", view=view)


def _check_booked(cut: Cut, views: Sequence[Any]) -> None:
    """What sagas say is done is what the services say."""
    said: dict[str, list[str]] = {house: [] for house in (*FLIGHTS, *HOTELS)}
    for view in views:
        for step in view["steps"]:
            if step["state"] in _HELD and step["name"] != "card":
                said[view["input"][step["name"]]].append(view["summary"]["id"])
    for house, trips in said.items():
        booked = cut.read(_log_of(house), house)["booked"]
        invariant(sorted(booked) == sorted(trips), "what is booked is what sagas did", house=house, booked=booked)


def _log_of(house: str) -> str:
    return SERVICES["flights" if house in FLIGHTS else "hotels"].log_of(house)
