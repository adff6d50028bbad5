"""Vector clocks: one log position a log, which says what a state includes and which writes were concurrent.

A token of a reply is such a clock: who carries it from one call to the next reads its own writes and everything
they were based on. C. Fidge (1988) and F. Mattern (1989) describe the order.

Promise:    `merged` is the least clock that covers both; `covers` is a partial order.
Checked by: tests/core/test_clock.py
"""

from collections.abc import Iterator, Mapping

from ropewalk.core.chain import START, Position
from ropewalk.errors import Rejected


class VectorClock(Mapping[str, Position]):
    """An immutable map from a log's name to the position that is included; absent means none."""

    __slots__ = ("_positions",)

    def __init__(self, positions: Mapping[str, Position] | None = None) -> None:
        given = positions or {}
        self._positions = {name: given[name] for name in sorted(given) if given[name] > START}

    def __getitem__(self, name: str) -> Position:
        return self._positions[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._positions)

    def __len__(self) -> int:
        return len(self._positions)

    def __hash__(self) -> int:
        return hash(tuple(self._positions.items()))

    def __repr__(self) -> str:
        return f"VectorClock({str(self)!r})"

    def __str__(self) -> str:
        """`name:position` joined by commas: the text that travels as a token."""
        return ",".join(f"{name}:{position}" for name, position in self._positions.items())

    @classmethod
    def parse(cls, text: str) -> "VectorClock":
        """Read what `str` wrote. Raises Rejected if it is not such a text."""
        positions: dict[str, Position] = {}
        for part in filter(None, text.split(",")):
            name, colon, number = part.rpartition(":")
            if not colon or not name or not (number.isascii() and number.isdigit()):
                raise Rejected(f"not a token: {text!r}; send back the token of an earlier reply unchanged")
            positions[name] = Position(int(number))
        return cls(positions)

    def at(self, name: str) -> Position:
        """The position of log `name` that is included; `START` if none is."""
        return self._positions.get(name, START)

    def merged(self, other: Mapping[str, Position]) -> "VectorClock":
        """The least clock that covers both."""
        names = {**self._positions, **other}
        return VectorClock({name: max(self.at(name), other.get(name, START)) for name in names})

    def covers(self, other: Mapping[str, Position]) -> bool:
        """True if everything in `other` is included here."""
        return all(self.at(name) >= position for name, position in other.items())

    def is_concurrent_with(self, other: "VectorClock") -> bool:
        """True if neither includes the other."""
        return not self.covers(other) and not other.covers(self)
