"""A service: a name, its machine, and what its commands look like and where they go.

    counters = Service.keyed("counters", commands=Add | Reset, value=int, apply=apply, key=lambda c: c.counter)

The same object is run inside a program, served over HTTP, simulated with faults and measured.

Checked by: tests/runtime/test_node.py
"""

import re
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from ropewalk.core.keyed import Applied, Entry, KeyedMachine
from ropewalk.core.limits import PARTITIONS_MAX
from ropewalk.core.machine import Machine
from ropewalk.core.place import Place, log_name, partition_of
from ropewalk.data.shelf import Shelf
from ropewalk.errors import Rejected
from ropewalk.runtime.operations import Operation

if TYPE_CHECKING:
    from ropewalk.runtime.node import Node

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

V = TypeVar("V")
C = TypeVar("C")
Q = TypeVar("Q")


class Types(msgspec.Struct, frozen=True):
    """What a service's messages are made of, for an edge that reads JSON and describes itself.

    Each is a type that msgspec reads: a struct, a union of tagged structs, `int`, `str`… `queries` is None if the
    service answers no question but for a key's value, `messages` if partitions may say no more than callers.
    """

    commands: object
    value: object
    reply: object
    queries: object | None
    messages: object | None = None


async def _nothing(_: "Node", __: "Node") -> None:
    """For a service that does what others send it."""


class Follower(msgspec.Struct, frozen=True):
    """A service with logs of its own that runs beside another, in the same process and on the same engine.

    `follow(node, own)` runs as long as both are led: it looks at the events of `node`, and keeps in `own` how far.
    """

    service: "Service"
    follow: "Callable[[Node, Node], Coroutine[Any, Any, None]]" = _nothing


class Service(msgspec.Struct, frozen=True):
    """What a node runs. `machine` makes one partition's machine; `key` names what a command or query is about;
    `operations` are what it is asked over HTTP beside what every typed service is; `followers` run beside it.
    `has_holds` says that it can take part in transactions: its machine answers guarded queries (`core.keyed`).
    """

    name: str
    machine: Callable[[Shelf, Place], Machine]
    types: Types | None = None
    key: Callable[..., str] = lambda _: ""
    partitions: int = 1
    operations: Sequence[Operation] = ()
    followers: Sequence[Follower] = ()
    has_holds: bool = False

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise Rejected(
                f"{self.name!r} can't be a service's name, which is a folder's too: take up to 64 letters, digits, "
                "dots, dashes and underscores, a letter or a digit first"
            )
        if not 1 <= self.partitions <= PARTITIONS_MAX:
            raise Rejected(f"{self.name} has {self.partitions} partitions: choose 1 to {PARTITIONS_MAX}")

    @staticmethod
    def keyed(
        name: str,
        *,
        commands: object,
        value: object,
        apply: Callable[[Mapping[str, V], Entry[C]], Applied[V]],
        key: Callable[..., str] | None = None,
        reply: object = object,
        queries: object | None = None,
        answer: Callable[[Mapping[str, V], Q], object] | None = None,
        check: Callable[[Mapping[str, V]], None] = lambda _: None,
        held_by: Callable[[V], Iterable[str]] | None = None,
        messages: object | None = None,
        home: Callable[[str], str] = lambda key: key,
        version: int = 1,
        partitions: int = 1,
        on_disk: bool = False,
    ) -> "Service":
        """A service from a pure function: see `ropewalk.core.keyed`.

        Without `key` everything is in one partition. `home` tells by which key a value of the state is found, where
        that is not its own; `held_by` which transactions hold something of a value, by their ids. `on_disk` keeps the
        state in the engine's table instead of a dict, for state that outgrows memory. Raises Rejected if there are
        several partitions and no `key`.
        """
        if partitions > 1 and key is None:
            raise Rejected(f"{name} has {partitions} partitions: give `key`, which says what a command is about")

        def machine(shelf: Shelf, place: Place) -> Machine:
            return KeyedMachine(
                name,
                commands=commands,
                value=value,
                apply=apply,
                queries=str if queries is None else queries,
                answer=answer,
                check=check,
                held_by=held_by,
                messages=messages,
                place=place,
                home=home,
                key=key or (lambda _: ""),
                version=version,
                table=shelf.table() if on_disk else None,
            )

        types = Types(commands, value, reply, queries, messages)
        has_holds = held_by is not None
        return Service(name, machine, types, key or (lambda _: ""), partitions, has_holds=has_holds)

    def partition_of(self, key: str) -> int:
        """The partition of a key."""
        return partition_of(key, self.partitions)

    def log_of(self, key: str) -> str:
        """The name of the log of a key's partition."""
        return log_name(self.name, self.partition_of(key))

    @property
    def places(self) -> Sequence[Place]:
        """Where its machines stand, by the numbers of their partitions."""
        return [Place(self.name, number, self.partitions) for number in range(self.partitions)]
