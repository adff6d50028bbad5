"""Payments as a service: `open_node(payments, …)` runs it in a program, `ropewalk up payments` serves it over HTTP.

Checked by: tests/payments/rest/test_ledger.py, tests/payments/rest/test_ach.py
"""

from typing import Final

from ropewalk.core.machine import Machine
from ropewalk.data.shelf import Shelf
from ropewalk.engines.memory import MemoryShelf
from ropewalk.runtime.service import Service
from ropewalk.systems.payments.ledger.ledger import Ledger
from ropewalk.systems.payments.ledger.warming import warm_up
from ropewalk.systems.payments.machine import PaymentsMachine
from ropewalk.systems.payments.rest.ach import ACH_OPERATIONS
from ropewalk.systems.payments.rest.files import FILE_OPERATIONS
from ropewalk.systems.payments.rest.ledger import LEDGER_OPERATIONS


def _machine(shelf: Shelf) -> Machine:
    warm_up(Ledger(MemoryShelf()))
    return PaymentsMachine(shelf)


payments: Final = Service("payments", _machine, operations=(*ACH_OPERATIONS, *FILE_OPERATIONS, *LEDGER_OPERATIONS))
"""One partition: a ledger, and the ACH files that move money in it."""
