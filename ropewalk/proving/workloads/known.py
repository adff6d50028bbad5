"""The workloads by the names that the command line knows them by.

Checked by: tests/proving/test_world.py, tests/proving/test_town.py
"""

from collections.abc import Callable, Sequence
from typing import Final

from ropewalk.proving.town import run_town
from ropewalk.proving.verdict import Breach, Holds
from ropewalk.proving.workload import TownWorkload, Workload
from ropewalk.proving.workloads.bank import Bank
from ropewalk.proving.workloads.banks import Banks
from ropewalk.proving.workloads.banks_cards import Authorisations
from ropewalk.proving.workloads.banks_files import Files
from ropewalk.proving.workloads.banks_instant import Instants
from ropewalk.proving.workloads.branches import Branches
from ropewalk.proving.workloads.chains import Chains
from ropewalk.proving.workloads.coordination import Coordination
from ropewalk.proving.workloads.coordination_town import CoordinationTown
from ropewalk.proving.workloads.ledger import LedgerWorkload
from ropewalk.proving.workloads.settlement import Settlement
from ropewalk.proving.workloads.shards import Shards
from ropewalk.proving.workloads.transfers import Transfers
from ropewalk.proving.workloads.trips import Trips
from ropewalk.proving.world import run_world

WORKLOADS: Final[dict[str, Callable[[int], Workload]]] = {
    "bank": lambda _: Bank(),
    "coordination": lambda _: Coordination(),
    "payments": lambda seed: LedgerWorkload() if seed % 4 else Settlement(),
}
"""A seed gives a workload: every fourth of payments is of ACH files, whose worlds take longer."""

_PAYMENTS: Final[Sequence[Callable[[], TownWorkload]]] = (
    Shards,
    Chains,
    lambda: Banks(Instants(), Authorisations()),
    lambda: Banks(Instants(), Authorisations(), Files()),
)
"""The towns of payments by turns. What ACH moves is judged by bank, so accounts are judged without it too."""

TOWNS: Final[dict[str, Callable[[int], TownWorkload]]] = {
    "coordination": lambda _: CoordinationTown(),
    "payments": lambda seed: _PAYMENTS[seed // 2 % len(_PAYMENTS)](),
    "town": lambda _: Branches(),
    "transfers": lambda _: Transfers(),
    "trips": lambda _: Trips(),
}
"""Those of several partitions. A name may have both: then every second seed is a town's."""

NAMES: Final = sorted({*WORKLOADS, *TOWNS})


def run_seed(name: str, seed: int) -> Holds | Breach:
    """Run the world or the town of a seed to its end and judge it."""
    if name in TOWNS and (seed % 2 == 1 or name not in WORKLOADS):
        return run_town(TOWNS[name](seed), seed)
    return run_world(WORKLOADS[name](seed), seed)
