"""Coordination as a service: `open_node(coordination, …)` runs it in a program, `ropewalk up coordination` serves it.

Checked by: tests/coordination/system/test_rest.py
"""

from typing import Final

from ropewalk.coordination.recipes.machine import NAME, machine, space
from ropewalk.core.machine import Machine
from ropewalk.core.place import Place
from ropewalk.data.shelf import Shelf
from ropewalk.runtime.service import Service
from ropewalk.systems.coordination.rest import OPERATIONS


def coordination_of(partitions: int) -> Service:
    """The service with so many partitions; each space is in one of them."""
    return Service(NAME, _machine, key=space, partitions=partitions, operations=OPERATIONS)


def _machine(_: Shelf, place: Place) -> Machine:
    return machine(place)


coordination: Final = coordination_of(1)
"""One partition: one log, and thousands of claims a second."""
