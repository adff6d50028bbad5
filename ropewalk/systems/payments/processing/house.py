"""The clearing house: one shard, the first, that has all of them work on one settlement window, and one phase of it.

    ask ──► line up ──► open everywhere ──► credits ──► debits ──► answers ──► net positions ──► closed ──► next
                                     all have done one before any begins with the next

A credit that comes from another shard is there before any debit of its window, since no shard begins with debits
before all have done their credits; and no net position is settled while an entry is on its way. A window opens when
the one before has closed everywhere, so what two shards owe each other belongs to one window.

Promise:    the net positions of a window sum to zero over all shards, or the house stops.
Not given:  windows while a shard is away: the open one waits until it is back.
Checked by: tests/payments/processing/test_shards.py
"""

from typing import Final

import msgspec

from ropewalk.core.machine import Event
from ropewalk.core.place import Place
from ropewalk.errors import invariant
from ropewalk.systems.payments.parts import Outgoing
from ropewalk.systems.payments.processing.elsewhere import (
    AnyMessage,
    AskWindow,
    Closed,
    GoOn,
    OpenWindow,
    PhaseDone,
    encode_message,
)

HOUSE: Final = 0
"""The shard that it is in."""


class Course(msgspec.Struct):
    """How far the open window has come: which shards have done its phase, what those owe that have closed it."""

    phase: int = 0
    done: list[int] = []
    net_cents: int = 0


class House(msgspec.Struct):
    """Windows by number: through which minute each, how many have been opened, how far the last of these is."""

    through_minutes: list[int] = []
    waiting: list[OpenWindow] = []
    course: Course | None = None


class Caller:
    """Whom the house tells: all shards."""

    def __init__(self, place: Place, outgoing: Outgoing) -> None:
        self.place = place
        self._outgoing = outgoing

    def tell_house(self, message: AnyMessage) -> None:
        """Say something to the house."""
        self.tell(HOUSE, message)

    def tell(self, shard: int, message: AnyMessage, *, tag: bytes = b"") -> None:
        """Say something to one shard."""
        to = Place(self.place.service, shard, self.place.partitions).log_name
        self._outgoing.send(to, encode_message(message), tag=tag)

    def publish(self, event: Event) -> None:
        """A fact that others may follow."""
        self._outgoing.publish(event)

    def tell_all(self, message: AnyMessage) -> None:
        """Say something to every shard, to this one too."""
        for shard in range(self.place.partitions):
            self.tell(shard, message)


def line_up(house: House, caller: Caller, *, through_minute: int, known: int, by_hand: bool, time_ns: int) -> int:
    """The number of a window for what is due by a minute, and which those `known` to who has it do not all take.

    There may be one already, of which whoever asks will hear; else one follows those that are lined up.
    """
    number = len(house.through_minutes)
    for there in range(known, number):
        if house.through_minutes[there] >= through_minute:
            return there
    house.through_minutes.append(through_minute)
    house.waiting.append(OpenWindow(number, by_hand, time_ns, through_minute))
    _open_next(house, caller)
    return number


def hear_ask(house: House, caller: Caller, message: AskWindow, *, time_ns: int) -> None:
    """Have what is due in a shard taken by a window."""
    minute, known = message.through_minute, message.known
    line_up(house, caller, through_minute=minute, known=known, by_hand=False, time_ns=time_ns)


def hear_done(house: House, caller: Caller, message: PhaseDone, *, shard: int) -> None:
    """Have all go on when the last shard has done a phase."""
    course = _course(house, message.window)
    invariant(message.phase == course.phase, "all shards are in one phase", said=message.phase, phase=course.phase)
    course.done.append(shard)
    if len(course.done) == caller.place.partitions:
        course.phase += 1
        course.done = []
        caller.tell_all(GoOn(message.window, course.phase))


def hear_closed(house: House, caller: Caller, message: Closed, *, shard: int) -> None:
    """Open the next window when all shards have closed this one."""
    course = _course(house, message.window)
    course.done.append(shard)
    course.net_cents += message.net_cents
    if len(course.done) == caller.place.partitions:
        net = course.net_cents
        invariant(net == 0, "net positions over all shards sum to zero", window=message.window, net_cents=net)
        house.course = None
        _open_next(house, caller)


def _open_next(house: House, caller: Caller) -> None:
    if house.course is None and house.waiting:
        house.course = Course()
        caller.tell_all(house.waiting.pop(0))


def _course(house: House, window: int) -> Course:
    opened = len(house.through_minutes) - len(house.waiting)
    invariant(
        house.course is not None and window == opened - 1, "what is told is about the open window", window=window
    )
    return house.course or Course()
