"""A draft of what one command changes: it is read like the state, and sees its own writes.

Checked by: tests/coordination/test_machine.py
"""

from collections.abc import Mapping

import msgspec

from ropewalk.coordination.recipes.limits import NUMBERS_PER_RECORD, Bounds
from ropewalk.coordination.recipes.state import NUMBERS, Counter, Gate, Numbers, Session, Setting, Value
from ropewalk.core.chain import Position
from ropewalk.core.effects import At, Effect, Publish
from ropewalk.core.keyed import Applied


class Draft:
    """Made for one command, which is applied at `now_ns` and at this `position` of the log."""

    def __init__(self, state: Mapping[str, Value], *, now_ns: int, position: Position, bounds: Bounds) -> None:
        self.now_ns = now_ns
        self._position = position
        self.bounds = bounds
        self._state = state
        self._writes: dict[str, Value | None] = {}
        self._effects: list[Effect] = []

    @property
    def is_full(self) -> bool:
        """True if nothing may be added but what makes room."""
        return len(self._state) >= self.bounds.keys_max

    def get(self, key: str) -> Value | None:
        """The value of a key."""
        return self._writes[key] if key in self._writes else self._state.get(key)

    def session(self, key: str) -> Session | None:
        """The open session at a key."""
        value = self.get(key)
        return value if isinstance(value, Session) else None

    def gate(self, key: str) -> Gate | None:
        """What is claimed at a key."""
        value = self.get(key)
        return value if isinstance(value, Gate) else None

    def counter(self, key: str) -> int:
        """The counter at a key."""
        value = self.get(key)
        return value.value if isinstance(value, Counter) else 0

    def setting(self, key: str) -> Setting | None:
        """The configuration at a key."""
        value = self.get(key)
        return value if isinstance(value, Setting) else None

    def put(self, key: str, value: Value | None) -> None:
        """Set the value of a key; None removes it."""
        self._writes[key] = value

    def next_number(self) -> int:
        """A number that was never given out before, and larger than all that were."""
        numbers = self.get(NUMBERS)
        # A partition that others were divided from has none, but it goes on at their position.
        last = numbers.last if isinstance(numbers, Numbers) else self._position * NUMBERS_PER_RECORD
        number = last + 1
        self.put(NUMBERS, Numbers(number))
        return number

    def at(self, time_ns: int, command: msgspec.Struct) -> None:
        """Have a command applied later."""
        self._effects.append(At(time_ns, command))

    def publish(self, kind: str, subject: str, data: msgspec.Struct) -> None:
        """Tell those who follow."""
        self._effects.append(Publish(kind, subject, data))

    def applied(self, reply: object) -> Applied[Value]:
        """All of it, and what is answered."""
        return Applied(reply, self._writes, self._effects)
