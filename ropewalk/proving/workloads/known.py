"""The workloads by the names that the command line knows them by.

Checked by: tests/proving/test_world.py
"""

from collections.abc import Callable
from typing import Final

from ropewalk.proving.workload import Workload
from ropewalk.proving.workloads.bank import Bank
from ropewalk.proving.workloads.coordination import Coordination
from ropewalk.proving.workloads.ledger import LedgerWorkload
from ropewalk.proving.workloads.settlement import Settlement

WORKLOADS: Final[dict[str, Callable[[int], Workload]]] = {
    "bank": lambda _: Bank(),
    "coordination": lambda _: Coordination(),
    "payments": lambda seed: LedgerWorkload() if seed % 4 else Settlement(),
}
"""A seed gives a workload: every fourth of payments is of ACH files, whose worlds take longer."""
