"""The machine port: a deterministic state machine that one partition drives with one log.

A machine has no I/O, clock or randomness of its own. It is told the time by the record, and answers a record with
one reply a request. There are two ways to write one: *batched*, which implements this port itself (the ledger, on
arrays), and *keyed*, a pure function over one command at a time (`ropewalk.core.keyed`).

Promise:    the same batches in the same order give the same replies and the same digest, in any process.
Not given:  anything about what `apply` does when it raises: the partition stops.
Checked by: ropewalk.proving.conformance (machine checks), tests/core/test_keyed.py
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol, runtime_checkable

import msgspec

from ropewalk.core.chain import Position

NO_ID: Final = bytes(16)
"""The request id of a caller who needs no answer repeated: the command is harmless twice, or carries its own ids."""


class Request(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One caller's command, as bytes: `id` (16 bytes) is the same when the caller repeats it."""

    id: bytes
    command: bytes


class Received(msgspec.Struct, frozen=True, gc=False):
    """A message from another partition (`sender` is the name of its log), applied exactly once.

    Or, if `is_reply`, what this machine's own message with that `tag` was answered. `number` is its place among what
    the sender has sent to this partition, from 1 on.
    """

    sender: str
    command: bytes
    tag: bytes = b""
    is_reply: bool = False
    number: int = 0


class Message(msgspec.Struct, frozen=True, gc=False):
    """A command for the partition with log `to`. With a `tag` its reply comes back as a `Received`."""

    to: str
    command: bytes
    tag: bytes = b""


class Event(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A fact that others may follow: of which kind, about what, and its data."""

    kind: str
    subject: str
    data: bytes = b""

    @property
    def size(self) -> int:
        """Its bytes, for what is bounded: a subject may be longer than what is said of it."""
        return len(self.kind.encode()) + len(self.subject.encode()) + len(self.data)


class Batch(msgspec.Struct, frozen=True, gc=False):
    """A record that counted, as a machine sees it: the messages in it are applied first, then the requests.

    `time_ns` (nanoseconds since 1970, UTC) was proposed by the leader and never falls from one batch to the next.
    `version` is that of the machine that wrote it: what was answered by older rules is to be applied by them again.
    """

    position: Position
    time_ns: int
    requests: Sequence[Request]
    messages: Sequence[Received] = ()
    version: int = 1


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What a machine answers to a batch: one reply a message, then one a request, in order.

    `wakes_at_ns`: the time at which the machine wants a batch though nobody asks anything (a timer is due).
    `sent` goes to other partitions, and to this one if it is addressed so; `events` are for whoever follows.
    """

    replies: Sequence[bytes]
    wakes_at_ns: int | None = None
    sent: Sequence[Message] = ()
    events: Sequence[Event] = ()


class Saved(msgspec.Struct, frozen=True):
    """A machine's state at one moment: `parts` are copies, by name; `blobs` name what it needs on its shelf."""

    parts: Mapping[str, bytes | memoryview]
    blobs: Sequence[str] = ()


class Machine(Protocol):
    """What a partition drives."""

    @property
    def name(self) -> str:
        """The service's name, for messages."""
        ...

    @property
    def version(self) -> int:
        """The newest version of a record that this machine knows; a newer one stops the partition."""
        ...

    def vet(self, command: bytes) -> None:
        """Raise Rejected if the command can't be read. Asked before it is written to the log."""
        ...

    def apply(self, batch: Batch) -> Outcome:
        """Change the state by `batch` and answer each of its messages and requests."""
        ...

    def read(self, query: bytes) -> bytes:
        """Answer a question without changing anything.

        Raises Rejected if the question can't be read.
        """
        ...

    def save(self) -> Saved:
        """Return the state at this moment, in parts that later batches do not change."""
        ...

    def load(self, parts: Mapping[str, bytes | memoryview]) -> None:
        """Become the state that `save` returned; blobs are on the shelf again."""
        ...

    def digest(self) -> bytes:
        """Return 16 bytes that are equal if and only if the states are."""
        ...

    def check(self) -> None:
        """Raise Bug if an invariant of the state is false. Cheap enough for every batch of a test."""
        ...


@runtime_checkable
class Divisible(Protocol):
    """A machine whose state can be divided among more partitions, key by key."""

    def keep(self, belongs: Callable[[str], bool]) -> int:
        """Forget all that is about keys which don't belong here; return how many things are left."""
        ...
