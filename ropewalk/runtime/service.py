"""A service: a name, its machine, and what its commands look like and where they go.

    counters = Service.keyed("counters", commands=Add | Reset, value=int, apply=apply, key=lambda c: c.counter)

The same object is run inside a program, served over HTTP, simulated with faults and measured.

Checked by: tests/runtime/test_node.py
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import msgspec

from ropewalk.core.keyed import Applied, Entry, KeyedMachine
from ropewalk.core.limits import PARTITIONS_MAX
from ropewalk.core.machine import Machine
from ropewalk.data.shelf import Shelf
from ropewalk.errors import Rejected
from ropewalk.runtime.operations import Operation

V = TypeVar("V")
C = TypeVar("C")
Q = TypeVar("Q")


class Types(msgspec.Struct, frozen=True):
    """What a service's messages are made of, for an edge that reads JSON and describes itself.

    Each is a type that msgspec reads: a struct, a union of tagged structs, `int`, `str`… `queries` is None if the
    service answers no question but for a key's value.
    """

    commands: object
    value: object
    reply: object
    queries: object | None


class Service(msgspec.Struct, frozen=True):
    """What a node runs. `machine` makes one partition's machine; `key` names what a command or query is about;
    `operations` are what it is asked over HTTP beside what every typed service is.
    """

    name: str
    machine: Callable[[Shelf], Machine]
    types: Types | None = None
    key: Callable[..., str] = lambda _: ""
    partitions: int = 1
    operations: Sequence[Operation] = ()

    def __post_init__(self) -> None:
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
        version: int = 1,
        partitions: int = 1,
        on_disk: bool = False,
    ) -> "Service":
        """A service from a pure function: see `ropewalk.core.keyed`.

        Without `key` everything is in one partition. `on_disk` keeps the state in the engine's table instead of a
        dict, for state that outgrows memory. Raises Rejected if there are several partitions and no `key`.
        """
        if partitions > 1 and key is None:
            raise Rejected(f"{name} has {partitions} partitions: give `key`, which says what a command is about")

        def machine(shelf: Shelf) -> Machine:
            return KeyedMachine(
                name,
                commands=commands,
                value=value,
                apply=apply,
                queries=str if queries is None else queries,
                answer=answer,
                check=check,
                version=version,
                table=shelf.table() if on_disk else None,
            )

        types = Types(commands, value, reply, queries)
        return Service(name, machine, types, key or (lambda _: ""), partitions)

    def partition_of(self, key: str) -> int:
        """The partition of a key: by a stable hash, the same in every process and for ever."""
        if self.partitions == 1:
            return 0
        digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
        return int.from_bytes(digest, "little") % self.partitions
