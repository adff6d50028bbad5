"""Whether what clients saw of one object could have happened one operation at a time.

Each operation took effect at one moment between its question and its answer; one whose answer was lost took effect at
some moment after its question, or never. `check_linearizable` looks for an order of such moments that the object's
model allows: it tries whichever operation may come next, takes it back when that leads nowhere, and never comes to a
place twice. A place is which operations are behind it, and the state that they made. J. Wing and C. Gong (1993)
describe the search, G. Lowe (2017) the memory of places.

Promise:    Holds comes with an order that the model allows; Broken only if there is none.
Not given:  an answer in any time: past `places_max` it is Unknown, which is not Holds.
Checked by: tests/proving/test_linearizable.py, tests/canaries/test_coordination.py
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from math import inf
from typing import Final, Generic, TypeVar

import msgspec

C = TypeVar("C")
A = TypeVar("A")
S = TypeVar("S", bound=Hashable)

PLACES_MAX: Final = 1_000_000


class Operation(msgspec.Struct, Generic[C, A], frozen=True):
    """What a client asked and was told, and when. Without `answered_s` nobody knows what became of it."""

    command: C
    answer: A | None
    asked_s: float
    answered_s: float | None


class Holds(msgspec.Struct, frozen=True):
    """It could have happened in this order; operations without an answer that are not in it never happened."""

    order: Sequence[object]


class Broken(msgspec.Struct, frozen=True):
    """It could not. No order of more than `longest` is allowed, and none of `stuck` may follow it."""

    longest: Sequence[object]
    stuck: Sequence[object]


class Unknown(msgspec.Struct, frozen=True):
    """The search was given up."""

    why: str


Verdict = Holds | Broken | Unknown


def check_linearizable(
    history: Sequence[Operation[C, A]],
    start: S,
    follow: Callable[[S, C, A | None], S | None],
    *,
    places_max: int = PLACES_MAX,
) -> Verdict:
    """Look for an order.

    `follow` is the model: the state after a command in a state, or None if the answer can't have been given there.
    The answer None is one that was lost.
    """
    operations = sorted(history, key=lambda each: each.asked_s)
    wanted = sum(1 << number for number, each in enumerate(operations) if each.answered_s is not None)
    seen: set[tuple[int, S]] = {(0, start)}
    path: list[int] = []
    longest: list[int] = []
    tries = [_next_places(operations, follow, done=0, state=start)]
    while tries:
        found = next(tries[-1], None)
        if found is None:
            tries.pop()
            if path:
                path.pop()
            continue
        number, done, state = found
        if (done, state) in seen:
            continue
        seen.add((done, state))
        path.append(number)
        if done & wanted == wanted:
            return Holds([operations[each] for each in path])
        if len(seen) > places_max:
            return Unknown(f"{places_max} places were tried, and there are more")
        if len(path) > len(longest):
            longest = list(path)
        tries.append(_next_places(operations, follow, done=done, state=state))
    if not wanted:
        return Holds([])
    behind = sum(1 << number for number in longest)
    return Broken(
        [operations[number] for number in longest], [operations[each] for each in _may_be_next(operations, behind)]
    )


def _next_places(
    operations: Sequence[Operation[C, A]], follow: Callable[[S, C, A | None], S | None], *, done: int, state: S
) -> Iterator[tuple[int, int, S]]:
    """The operation that comes next, those that are behind then, and the state, for each that may."""
    for number in _may_be_next(operations, done):
        each = operations[number]
        after = follow(state, each.command, each.answer)
        # What was never answered and changes nothing may as well not have happened.
        if after is not None and (each.answered_s is not None or after != state):
            yield number, done | 1 << number, after


def _may_be_next(operations: Sequence[Operation[C, A]], done: int) -> Iterator[int]:
    """Those that were asked before any other that is not done was answered."""
    earliest_s = inf
    waiting = []
    for number, each in enumerate(operations):
        if each.asked_s > earliest_s:
            break
        if not done >> number & 1:
            waiting.append(number)
            earliest_s = min(earliest_s, inf if each.answered_s is None else each.answered_s)
    return (number for number in waiting if operations[number].asked_s <= earliest_s)
