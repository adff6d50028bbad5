"""Payments as a service: `open_node(payments, …)` runs it in a program, `ropewalk up payments` serves it over HTTP.

Checked by: tests/payments/rest/test_ledger.py, test_ach.py, test_instant.py
"""

import gc
from typing import Final

from ropewalk.core.machine import Machine
from ropewalk.core.place import Place
from ropewalk.data.shelf import Shelf
from ropewalk.engines.memory import MemoryShelf
from ropewalk.runtime.service import Service
from ropewalk.runtime.webhooks.service import with_webhooks
from ropewalk.systems.payments.chains.service import with_chains
from ropewalk.systems.payments.iso20022.schemas import Schemas
from ropewalk.systems.payments.ledger.ledger import Ledger
from ropewalk.systems.payments.ledger.warming import warm_up
from ropewalk.systems.payments.machine import PaymentsMachine
from ropewalk.systems.payments.rest.ach import ACH_OPERATIONS
from ropewalk.systems.payments.rest.controls import CONTROL_OPERATIONS
from ropewalk.systems.payments.rest.files import FILE_OPERATIONS
from ropewalk.systems.payments.rest.instant import instant_operations
from ropewalk.systems.payments.rest.ledger import LEDGER_OPERATIONS
from ropewalk.systems.payments.rest.statements import STATEMENT_OPERATIONS
from ropewalk.systems.payments.shards.coordinating import DECIDED
from ropewalk.systems.payments.shards.participating import RESOLVED

_INTERNAL: Final = frozenset({DECIDED, RESOLVED})
"""Kinds of events by which shards' callers wait for each other's halves of a transfer."""


def _machine(shelf: Shelf, place: Place) -> Machine:
    warm_up(Ledger(MemoryShelf()))
    # Compiled code and its types are tens of thousands of objects that never die: to look through them at each full
    # collection stops everything for 60 ms.
    gc.collect()
    gc.freeze()
    return PaymentsMachine(shelf, place=place)


def payments_with(schemas: Schemas | None = None, *, shards: int = 1) -> Service:
    """Payments in so many shards, with chains and webhooks.

    ISO 20022 messages are checked against these schemas, if there are any.
    """
    operations = (
        *ACH_OPERATIONS,
        *FILE_OPERATIONS,
        *STATEMENT_OPERATIONS,
        *CONTROL_OPERATIONS,
        *instant_operations(schemas),
        *LEDGER_OPERATIONS,
    )
    service = with_chains(Service("payments", _machine, partitions=shards, operations=operations))
    return with_webhooks(service, internal=_INTERNAL)


payments: Final = payments_with()
"""One shard: a ledger, and the ACH files, messages and chains that move money in it, with webhooks."""
