"""A machine of the coordination service in a test's hands: its time, its answers, what it tells others."""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from ropewalk.coordination.recipes import messages
from ropewalk.coordination.recipes.limits import Bounds
from ropewalk.coordination.recipes.machine import machine
from ropewalk.coordination.recipes.messages import Command, Query, Reply
from ropewalk.core.chain import Position
from ropewalk.core.codec import encode_value
from ropewalk.core.machine import NO_ID, Batch, Event, Request
from ropewalk.core.place import Place

T = TypeVar("T")

_REPLIES: "msgspec.msgpack.Decoder[Reply]" = msgspec.msgpack.Decoder(Reply)  # type: ignore[arg-type]
MS = 1_000_000


class Room:
    """One partition, without a log."""

    def __init__(self, bounds: Bounds | None = None) -> None:
        self.machine = machine(Place("coordination"), bounds=bounds)
        self.now_ms = 0
        self.events: list[Event] = []
        self._position = 0

    def do(self, *commands: Command) -> Reply:
        """Apply commands in one record; the reply to the last."""
        self._position += 1
        requests = [Request(NO_ID, encode_value(command)) for command in commands]
        outcome = self.machine.apply(Batch(Position(self._position), self.now_ms * MS, requests))
        self.events += outcome.events
        self.machine.check()
        return _REPLIES.decode(outcome.replies[-1]) if commands else messages.Done()

    def later(self, ms: int) -> None:
        """Let time pass, and what is due happen."""
        self.now_ms += ms
        self.do()

    def ask(self, query: Query, type_: Callable[..., T]) -> T:
        """The answer to a question."""
        answer: T = msgspec.msgpack.decode(self.machine.read(encode_value(query)), type=type_)  # type: ignore[arg-type]
        return answer

    def told(self) -> list[tuple[str, str, Any]]:
        """What others were told since the last time: kind, subject, data."""
        events, self.events = self.events, []
        return [(event.kind, event.subject, msgspec.msgpack.decode(event.data)) for event in events]
