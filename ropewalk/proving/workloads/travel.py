"""Flights and hotels, each a service that knows nothing of the other, and a trip, which needs both.

Checked by: tests/runtime/test_sagas.py
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from ropewalk.coordination.neighbours import Call
from ropewalk.coordination.sagas.definition import Replies, Saga, Step, Task
from ropewalk.core.effects import Publish
from ropewalk.core.keyed import Applied, Entry
from ropewalk.errors import invariant
from ropewalk.runtime.sagas.service import with_sagas
from ropewalk.runtime.service import Service


class House(msgspec.Struct, frozen=True):
    """What can be booked: how much is free, who has some, and whether nobody is in to answer."""

    free: int = 0
    booked: tuple[str, ...] = ()
    is_closed: bool = False


class Stock(msgspec.Struct, frozen=True, tag=True):
    """So much is free."""

    house: str
    free: int


class Close(msgspec.Struct, frozen=True, tag=True):
    """Nobody is in any more, or is again."""

    house: str
    is_closed: bool = True


class Book(msgspec.Struct, frozen=True, tag=True):
    """A place for a trip."""

    house: str
    trip: str


class Cancel(msgspec.Struct, frozen=True, tag=True):
    """No place for a trip."""

    house: str
    trip: str


def apply(houses: Mapping[str, House], entry: Entry[Stock | Close | Book | Cancel]) -> Applied[House]:
    """The rules of a house. Who books twice, or cancels what is not booked, stops the partition."""
    command = entry.command
    house = houses.get(command.house, House())
    match command:
        case Stock(name, free):
            return Applied("stocked", {name: House(free, house.booked, house.is_closed)})
        case Close(name, is_closed):
            return Applied("done", {name: House(house.free, house.booked, is_closed)})
        case _ if house.is_closed:
            return Applied("closed")
        case Book(name, trip):
            invariant(trip not in house.booked, "a step is done once", trip=trip)
            if house.free == 0:
                return Applied("sold_out")
            return Applied("booked", {name: House(house.free - 1, (*house.booked, trip))})
        case Cancel(name, trip):
            invariant(trip in house.booked, "only what was done is undone", trip=trip)
            left = tuple(each for each in house.booked if each != trip)
            return Applied("cancelled", {name: House(house.free + 1, left)})


def houses(name: str, partitions: int) -> Service:
    """One of the services."""
    return Service.keyed(
        name,
        commands=Stock | Close,
        messages=Book | Cancel,
        value=House,
        reply=str,
        apply=apply,
        key=lambda command: command.house,
        partitions=partitions,
    )


class Trip(msgspec.Struct, frozen=True):
    """What a saga is started with; without a hotel it needs none."""

    id: str
    flight: str
    hotel: str


def book(service: str, house: str, trip: Trip) -> Call:
    """Ask a house for a place."""
    return Call(service, house, Book(house, trip.id))


def cancel(service: str, house: str, trip: Trip) -> Call:
    """Give the place back."""
    return Call(service, house, Cancel(house, trip.id))


def tell(trip: Trip, replies: Replies) -> Publish:
    """Tell who wants to know."""
    return Publish("trip_booked", trip.id, replies)


TRIP: Final = Saga(
    "trip",
    input=Trip,
    steps=[
        Step(
            "flight",
            do=lambda trip, _: book("flights", trip.flight, trip),
            done="booked",
            undo=lambda trip, _: cancel("flights", trip.flight, trip),
            undone="cancelled",
            timeout_s=10,
        ),
        Step(
            "hotel",
            do=lambda trip, _: book("hotels", trip.hotel, trip) if trip.hotel else None,
            done="booked",
            undo=lambda trip, _: cancel("hotels", trip.hotel, trip),
            undone="cancelled",
            timeout_s=10,
            retries=1,
            pause_s=2,
        ),
        Step("mail", do=tell),
    ],
)


def charge(trip: Trip, _: Replies) -> Task:
    """Have somebody outside take the money."""
    return Task("charge", trip.id)


def refund(trip: Trip, _: Replies) -> Task:
    """Have somebody outside give it back."""
    return Task("refund", trip.id)


PAID: Final = Saga(
    "paid_trip",
    input=Trip,
    steps=[
        Step("card", do=charge, done="charged", undo=refund, undone="refunded", timeout_s=10, retries=1, pause_s=2),
        *TRIP.steps[:2],
    ],
)


def travel(*sagas: Saga, partitions: int = 1) -> Service:
    """Flights with their sagas (trips, paid or not, unless others are given), beside hotels."""
    return with_sagas(houses("flights", partitions), *(sagas or (TRIP, PAID)), others=[houses("hotels", partitions)])
