"""The rows of the table, in the order in which they run: the yardsticks first."""

from collections.abc import Mapping
from typing import Final

import msgspec


class Row(msgspec.Struct, frozen=True):
    """A module of this package, its function, called with these options, and after how long it is given up."""

    module: str
    bound_s: float
    options: Mapping[str, bool | int] = {}
    function: str = "run"


ROWS: Final = {
    "disk": Row("disk", 60),
    "postgresql": Row("postgresql", 180),
    "ledger": Row("ledger_batches", 90, {"accounts": 10_000}),
    "ledger-million": Row("ledger_batches", 90, {"accounts": 1_000_000}),
    "ledger-two-phase": Row("ledger_batches", 90, {"accounts": 10_000, "two_phase": True}),
    "ledger-two-phase-million": Row("ledger_batches", 90, {"accounts": 1_000_000, "two_phase": True}),
    "ledger-random-ids": Row("ledger_batches", 90, {"accounts": 10_000, "has_random_ids": True}),
    "ledger-sizes": Row("ledger_sizes", 120),
    "ledger-callers": Row("ledger_callers", 90),
    "ledger-growth": Row("ledger_growth", 240),
    "keyed": Row("keyed", 60),
    "http": Row("http", 60),
    "overload": Row("overload", 90),
    "locks": Row("locks", 120),
    "webhooks": Row("webhooks", 60),
    "cards": Row("cards", 90),
    "shards-postgresql": Row("shards_postgresql", 120),
    "shards": Row("shards", 120, function="run_transfers"),
    "messages": Row("shards", 90, function="run_messages"),
    "ach": Row("ach", 150),
}
