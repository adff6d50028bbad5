"""What a simulated world needs to know of a service: its machine, what clients ask of it, and who judges the answers.

Checked by: tests/proving/test_world.py
"""

from collections.abc import Sequence
from random import Random
from typing import Protocol

from ropewalk.core.machine import Batch, Machine, Request
from ropewalk.core.place import Place
from ropewalk.data.shelf import Shelf


class Judge(Protocol):
    """A second, simple implementation of the same machine, which sees every record that counts, in order."""

    def expect(self, batch: Batch) -> Sequence[bytes]:
        """What should be answered to each of the batch's requests; none of them is a repeat."""
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
