"""What a partition of payments is made of: parts, each with commands, queries and messages that begin with its byte.

    request ──first byte──► ledger │ ACH │ shards │ cards │ instant ──► replies
                                     all on the same accounts            └──► messages, events: `Outgoing`

A part that asks another partition something gives its message a tag; the tag travels with the part's byte before it,
so the reply finds the part that asked.

Checked by: tests/payments/processing/test_machine.py
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from ropewalk.core.machine import Event, Message, Received, Saved


class Asked(Protocol):
    """What callers ask."""

    def vet(self, command: bytes) -> None:
        """Raise Rejected unless a caller may ask this, and it can be read."""
        ...

    def apply(self, commands: Sequence[bytes], *, time_ns: int) -> Sequence[bytes]:
        """Do what callers ask, in order; return a reply each. Raises Rejected if one can't be read."""
        ...

    def read(self, query: bytes) -> bytes:
        """Answer a query. Raises Rejected if it can't be read, or names what is not there."""
        ...


class Part(Asked, Protocol):
    """One of them. Times are those of the batch."""

    def work(self, *, time_ns: int) -> None:
        """Do some of what is due though nobody asks; once a batch, before anything else."""
        ...

    def receive(self, received: Received, *, time_ns: int) -> bytes:
        """Do what another partition's message asks, or take note of its reply to one from here."""
        ...

    def wakes_at_ns(self, *, time_ns: int) -> int | None:
        """When something is due; None if nothing is."""
        ...

    def save(self) -> Saved:
        """Its own state, in parts that later batches do not change."""
        ...

    def load(self, parts: Mapping[str, bytes | memoryview]) -> None:
        """Become what was saved."""
        ...

    def check(self) -> None:
        """Raise Bug if something can't be."""
        ...


class Outgoing:
    """What one part tells other partitions and those who follow this one, until the batch's end."""

    def __init__(self, byte: bytes) -> None:
        self._byte = byte
        self._messages: list[Message] = []
        self._events: list[Event] = []

    def send(self, to: str, command: bytes, *, tag: bytes = b"") -> None:
        """A command for the partition with that log. With a tag its reply comes back to this part."""
        self._messages.append(Message(to, command, self._byte + tag if tag else b""))

    def publish(self, event: Event) -> None:
        """A fact that others may follow."""
        self._events.append(event)

    def take(self) -> tuple[list[Message], list[Event]]:
        """All of it, in order; it is gone from here."""
        taken = self._messages, self._events
        self._messages, self._events = [], []
        return taken
