"""What a simulated world needs to know of a service: its machine, what clients ask of it, and who judges the answers.

Checked by: tests/proving/test_world.py, tests/proving/test_town.py
"""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, Protocol

import msgspec

from ropewalk.core.codec import encode_value
from ropewalk.core.machine import Batch, Machine, Received, Request
from ropewalk.core.place import Place
from ropewalk.data.shelf import Shelf


class Judge(Protocol):
    """A second, simple implementation of the same machine, which sees every record that counts, in order."""

    def expect(self, batch: Batch) -> Sequence[bytes]:
        """What should be answered to each of the batch's messages and requests; none of them is a repeat."""
        ...

    def check(self, machine: Machine) -> None:
        """Raise Bug if the machine's state is not this one's, as far as anybody can see."""
        ...


class Workload(Protocol):
    """One service under proof. Everything random is drawn from the `Random` that is given."""

    @property
    def name(self) -> str:
        """What the command line calls it."""
        ...

    def machine(self, shelf: Shelf, place: Place) -> Machine:
        """A new machine, with bounds so small that they are reached."""
        ...

    def opening(self) -> Sequence[Request]:
        """What is asked once, before everything else."""
        ...

    def request(self, random: Random) -> Request:
        """What a client asks next: few keys and tight limits, so that requests meet."""
        ...

    def query(self, random: Random) -> bytes:
        """What a reader asks next."""
        ...

    def judge(self) -> Judge | None:
        """A new judge; None if only the machine's own check and its replicas judge it."""
        ...


Asked = tuple[str, Request]
"""The log of a partition, and a request for it."""


class Cut(msgspec.Struct, frozen=True):
    """A town at one moment that may have been: no message has come that was not sent.

    `machines` are by the logs of their partitions, `on_the_way` is what was sent and has not come. At rest nothing is
    on the way, and nothing will happen for as long as the workload's `quiet_s`.
    """

    machines: Mapping[str, Machine]
    on_the_way: Sequence[Received]
    is_at_rest: bool = False

    def read(self, log: str, query: object) -> Any:
        """What a partition answers."""
        return msgspec.msgpack.decode(self.machines[log].read(encode_value(query)))


class TownWorkload(Protocol):
    """Several partitions under proof, of one service or of several; and what must be true of them together.

    When nothing has happened for `quiet_s` seconds nothing more will: no timer that matters waits for longer.
    """

    places: Sequence[Place]
    quiet_s: float

    def machine(self, shelf: Shelf, place: Place) -> Machine:
        """A new machine, with bounds so small that they are reached."""
        ...

    def opening(self) -> Sequence[Asked]:
        """What is asked once, before everything else."""
        ...

    def request(self, random: Random) -> Asked:
        """What a client asks next."""
        ...

    def query(self, random: Random) -> tuple[str, bytes]:
        """What a reader asks next, behind the log of the partition that he asks."""
        ...

    def judge(self, place: Place) -> Judge | None:
        """A new judge of one partition; None if only the machine's own check and its replicas judge it."""
        ...

    def check(self, cut: Cut) -> None:
        """Raise Bug if something is not true of all partitions together, as far as anybody can see."""
        ...
