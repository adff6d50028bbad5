"""What is rejected because its time has passed: payments that nobody decided, and returns between shards.

Checked by: tests/payments/instant/test_stories.py (waiting), test_instant.py, test_elsewhere.py
"""

from typing import Final

from ropewalk.systems.payments.instant.limits import TIMEOUTS_STEP
from ropewalk.systems.payments.instant.paying import conclude
from ropewalk.systems.payments.instant.recalling import end_return
from ropewalk.systems.payments.instant.record import Note, Record

TIMED_OUT: Final = "AB05"


def time_out(record: Record, *, time_ns: int) -> None:
    """Reject what has waited for too long: some of it, so that one batch is bounded."""
    for _ in range(TIMEOUTS_STEP):
        first = record.waiting.first()
        if first is None or first.time_ns > time_ns:
            return
        payment = record.find(first.uetr)
        if payment is not None and first.attempt:
            end_return(record, payment, first.attempt, reason=TIMED_OUT, time_ns=time_ns)
        elif payment is not None:
            payment.note(Note(time_ns, "timed out", ""))
            conclude(record, payment, TIMED_OUT, time_ns=time_ns)
