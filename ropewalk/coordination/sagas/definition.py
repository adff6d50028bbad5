"""What a saga is: steps in order, each with what is done, what undoes it, and how long and how often it is tried.

    trip = Saga(
        "trip",
        input=Trip,
        steps=[
            Step("flight", do=book_flight, done="booked", undo=cancel_flight, undone="cancelled", timeout_s=30),
            Step("hotel", do=book_hotel, done="booked", undo=cancel_hotel, undone="cancelled", retries=3),
            Step("card", do=lambda trip, replies: Task("charge", trip), done=lambda reply: reply["charged"]),
            Step("mail", do=lambda trip, replies: Publish("trip_booked", trip.id, replies)),
        ],
    )

`do` and `undo` are pure functions of the saga's input and of what the steps before have replied. A running saga
remembers the name and the version of its definition, and only that continues it: change the steps, and give the
definition a new version and keep the old one as long as a saga needs it.

Checked by: tests/coordination/test_sagas.py
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from ropewalk.coordination.neighbours import Call
from ropewalk.coordination.sagas.limits import RETRIES_MAX, STEP_TIMEOUT_MAX_S, STEP_TIMEOUT_S, STEPS_MAX
from ropewalk.core.effects import Publish
from ropewalk.errors import Rejected

Replies = Mapping[str, Any]
"""What each step that is done has replied, by its name."""


class Task(msgspec.Struct, frozen=True):
    """Something that is done outside, by a worker or a person, who then answers: of which kind, and with what data.

    It is offered until it is answered, so it may be begun more than once: `ropewalk.runtime.sagas.offering`.
    """

    kind: str
    data: object = None


Action = Callable[[Any, Replies], Call | Publish | Task | None]
"""From the input and the replies: a command for a key, an event to publish, a task for somebody outside, or None if
there is nothing to do.
"""


class Step(msgspec.Struct, frozen=True):
    """One step. `done` and `undone` are the replies that say so, or functions that tell; any other is a refusal.

    A refused step is tried again `retries` times, first after `pause_s` seconds, then after twice as long each time;
    so is an undo. A step whose reply does not come within `timeout_s` is given up: it is undone when the reply comes
    after all and says done. An undo is sent only for what was done.
    """

    name: str
    do: Action
    done: object = "done"
    undo: Action | None = None
    undone: object = "undone"
    timeout_s: int = STEP_TIMEOUT_S
    retries: int = 0
    pause_s: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.retries <= RETRIES_MAX:
            raise Rejected(f"step {self.name!r} has {self.retries} retries: choose 0 to {RETRIES_MAX}")
        if not 1 <= self.timeout_s <= STEP_TIMEOUT_MAX_S:
            raise Rejected(f"step {self.name!r} waits {self.timeout_s} s: choose 1 to {STEP_TIMEOUT_MAX_S}")
        if self.pause_s < 1:
            raise Rejected(f"step {self.name!r} pauses {self.pause_s} s: choose 1 or more")


class Saga(msgspec.Struct, frozen=True):
    """A definition: its name, its steps, the type of its input, and which version of it this is."""

    name: str
    steps: Sequence[Step]
    input: object = object
    version: int = 1

    def __post_init__(self) -> None:
        names = [step.name for step in self.steps]
        if not 1 <= len(names) <= STEPS_MAX:
            raise Rejected(f"saga {self.name!r} has {len(names)} steps: choose 1 to {STEPS_MAX}")
        if len({*names}) < len(names):
            raise Rejected(f"saga {self.name!r} has two steps of one name among {', '.join(names)}: rename one")


Definitions = Mapping[tuple[str, int], Saga]

MISTAKES: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What a function of a definition raises that meets a value of another shape than it was written for."""


def definitions_of(sagas: Sequence[Saga]) -> Definitions:
    """Each by its name and version. Raises Rejected if two are the same."""
    found = {(saga.name, saga.version): saga for saga in sagas}
    if len(found) < len(sagas):
        listed = ", ".join(f"{saga.name} {saga.version}" for saga in sagas)
        raise Rejected(f"two definitions have one name and version among {listed}: give the newer a new version")
    return found


def newest(definitions: Definitions, name: str) -> Saga | None:
    """The definition with which new sagas of a name start."""
    versions = [saga for (each, _), saga in definitions.items() if each == name]
    return max(versions, key=lambda saga: saga.version, default=None)


def says(expected: object, reply: object) -> bool:
    """True if a reply is the expected one."""
    return bool(expected(reply)) if callable(expected) else reply == expected
