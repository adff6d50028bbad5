"""The workloads by the names that the command line knows them by.

Checked by: tests/proving/test_world.py
"""

from collections.abc import Callable
from typing import Final

from ropewalk.proving.workload import Workload
from ropewalk.proving.workloads.bank import Bank
from ropewalk.proving.workloads.ledger import LedgerWorkload

WORKLOADS: Final[dict[str, Callable[[int], Workload]]] = {
    "bank": lambda _: Bank(),
    "payments": lambda _: LedgerWorkload(),
}
"""A seed gives a workload: payments will be proved in more than one way."""
