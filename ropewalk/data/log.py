"""The log port: one durable, totally ordered sequence of records a partition.

    position   1    2    3    4        Dense: a record takes the next position, and never changes.
               A    B    C    D
    read(after=2) gives C, D           last() gives 4, also after a trim

Promise:    a position that `append` returned is durable, and its record never changes; every reader sees the same
            records in the same order, and a prefix of them; `last` includes every append that had returned when it
            was called, by whoever made it.
Not given:  at most once (an engine may append a payload twice, or late: see `ropewalk.core.chain`); any order
            between logs.
Checked by: ropewalk.proving.conformance, on every engine
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from ropewalk.core.chain import Position
from ropewalk.errors import Damaged


class LogRecord(NamedTuple):
    """A payload and its place."""

    position: Position
    payload: bytes


class Trimmed(Damaged):
    """Records that were asked for have been forgotten: a snapshot that should hold them is missing."""


class Log(Protocol):
    """What a log engine does."""

    async def append(self, payload: bytes) -> Position:
        """Append `payload` and return its position once it is durable.

        NotAccepted     definite    nothing was appended
        OutcomeUnknown  indefinite  the answer was lost: append the same payload again
        """
        ...

    async def read(self, *, after: Position, limit: int) -> Sequence[LogRecord]:
        """Return up to `limit` records behind `after`, in order and without a gap; none if there are none.

        Raises Trimmed if `after` lies before what was trimmed, Damaged if stored records are missing.
        """
        ...

    async def last(self) -> Position:
        """Return the position of the last durable record, or START."""
        ...

    async def trim(self, *, through: Position) -> None:
        """Forget the records up to and including `through`."""
        ...

    async def skip(self, *, through: Position) -> None:
        """Let an empty log begin behind `through`, for a state that was copied from elsewhere.

        Raises Rejected if the log is not empty.
        """
        ...

    async def close(self) -> None:
        """Let go of what is held open; nothing that was appended is lost."""
        ...
