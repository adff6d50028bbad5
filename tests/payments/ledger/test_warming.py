"""After warming up, nothing is compiled any more."""

import subprocess
import sys

PROGRAM = """
import numpy as np
from numba.core.dispatcher import Dispatcher
import gc
from ropewalk.engines.memory import MemoryShelf
from ropewalk.systems.payments.ledger.ledger import Ledger
from ropewalk.systems.payments.ledger.warming import warm_up
from tests.payments.ledger.both import Both
from ropewalk.systems.payments.ledger.oracle_rules import Account, Transfer

def signatures():
    return {(each.py_func.__qualname__, str(signature)) for each in gc.get_objects() if isinstance(each, Dispatcher)
            for signature in each.signatures}

warm_up(Ledger(MemoryShelf()))
before = signatures()
both = Both(segment_rows=65_536)
both.create_accounts(Account(id=1, ledger=1, code=1), Account(id=2, ledger=1, code=1))
both.create_transfers(Transfer(id=1, debit_account_id=1, credit_account_id=2, amount=5, ledger=1, code=1, flags=1),
                      Transfer(id=2, debit_account_id=1, credit_account_id=2, amount=5, ledger=1, code=1, flags=2))
both.create_transfers(Transfer(id=3, pending_id=2, flags=8))
both.expire()
print(sorted(signatures() - before))
"""


def test_after_warming_up_nothing_is_compiled_any_more() -> None:
    ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "[]\n"
