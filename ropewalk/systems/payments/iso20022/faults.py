"""What is wrong with a message: where, what, and what to do next.

Checked by: tests/payments/iso20022/test_reading.py
"""

from collections.abc import Sequence

import msgspec

from ropewalk.errors import Rejected
from ropewalk.systems.payments.iso20022.limits import FAULTS_TOLD_MAX


class Fault(msgspec.Struct, frozen=True):
    """One fault: `element` is a path of element names, `advice` what to do next. Line 0 is the whole message."""

    line: int
    element: str
    message: str
    advice: str

    def __str__(self) -> str:
        """All of it in one sentence."""
        return f"line {self.line}, {self.element}: {self.message}; {self.advice}"


class MessageRefused(Rejected):
    """Nothing happened: the message is not what its definition asks. `faults` are the first of what is wrong."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(str(faults[0]))
        self.faults = faults[:FAULTS_TOLD_MAX]
