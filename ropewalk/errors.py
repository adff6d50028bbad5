"""Every error Ropewalk raises, arranged by the caller's first question: did it happen?

    Rejected          no, and it never will        change the command
    NotAccepted       no, not this time            retry the same request
    OutcomeUnknown    perhaps, perhaps later       retry the same request id, or read

When in doubt raise `OutcomeUnknown`: it is always safe, and a wrong "no" loses money.
`Bug` and `Damaged` stop a partition: the first says that this process is wrong about itself, the second that
what was stored is not what was written.

Checked by: tests/test_errors.py
"""


class RopewalkError(Exception):
    """What every error of a port, a client or an engine is."""


class Rejected(RopewalkError):
    """Nothing happened and a retry will be refused too: change the command."""


class NotAccepted(RopewalkError):
    """Nothing happened this time: send the same request again after `retry_after_s` seconds."""

    def __init__(self, message: str, *, retry_after_s: float = 0.1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class OutcomeUnknown(RopewalkError):
    """It may have happened, or may yet: send the same request id again, or read."""


class Damaged(RopewalkError):
    """Stored bytes are not what was written: the partition stops, and the message says where and what to do."""


class Bug(AssertionError):
    """An invariant is false, so this process is wrong about itself. The partition stops.

    An `AssertionError` because Hypothesis shrinks those and does not shrink `BaseException`.
    """


def invariant(holds: bool, claim: str, **facts: object) -> None:
    """Raise `Bug` unless `claim` holds. Unlike `assert` it survives `python -O`."""
    if not holds:
        shown = ", ".join(f"{name}={value!r}" for name, value in facts.items())
        raise Bug(f"broken invariant: {claim} [{shown}]")
