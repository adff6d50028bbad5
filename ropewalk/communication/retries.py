"""Retries: of what is safe to repeat, within a budget, after a pause that is drawn.

    failure           request            repeated
    Rejected          any                never: it would be refused again
    NotAccepted       any                yes: nothing happened
    OutcomeUnknown    write              never: it may have happened, and would happen twice
    OutcomeUnknown    repeatable write   yes: its id makes it take effect once
    OutcomeUnknown    read               yes
    OutcomeUnknown    stale read         yes
    any other         any                never: a stopped partition does not start by being asked

What is safe is still not repeated after the last attempt, past the deadline, or when the budget is spent. The pause
is drawn from zero to a bound that doubles ("full jitter": M. Brooker, Exponential Backoff And Jitter, 2015), so
callers who failed together do not come back together. A target that said when to come back is believed; another one
that is sound need not be waited for.

Promise:    a request without an id that may have happened is never sent again; retries are at most the budget's
            share.
Checked by: tests/communication/test_retries.py
"""

import enum

import msgspec

from ropewalk.communication.budgets import Budget
from ropewalk.communication.deadlines import Deadline
from ropewalk.communication.limits import (
    ATTEMPTS_MAX,
    BACKOFF_BASE_S,
    BACKOFF_MAX_S,
    RETRIES_PER_SECOND,
    RETRY_SHARE,
    RETRY_TOKENS_MAX,
)
from ropewalk.errors import NotAccepted, OutcomeUnknown, RopewalkError


class Nature(enum.Enum):
    """What sending a request twice would do."""

    WRITE = "write"
    REPEATABLE_WRITE = "repeatable write"
    READ = "read"
    STALE_READ = "stale read"


class Failure(msgspec.Struct, frozen=True):
    """A request that failed for the `attempts`-th time, until when its caller waits, and whether another target is
    there for it that is sound and has not failed it.
    """

    error: RopewalkError
    nature: Nature
    attempts: int
    deadline: Deadline
    has_other: bool = False


class Retries:
    """The retries of one client, to all of its targets."""

    def __init__(self) -> None:
        self.budget = Budget(share=RETRY_SHARE, tokens_max=RETRY_TOKENS_MAX, per_second=RETRIES_PER_SECOND)

    def pause_s(self, failure: Failure, *, now_s: float, draw: float) -> float | None:
        """How long to wait before the request is sent again; None if it is not. `draw` is from 0 to 1."""
        if failure.attempts >= ATTEMPTS_MAX or not is_safe_to_repeat(failure.error, failure.nature):
            return None
        pause_s = backoff_s(failure.attempts, draw=draw) + _asked_for_s(failure)
        if failure.deadline.for_next_hop(now_s).left_s(now_s) <= pause_s:
            return None
        return pause_s if self.budget.spend(now_s) else None


def is_safe_to_repeat(error: RopewalkError, nature: Nature) -> bool:
    """Whether a request that got this error may be sent again."""
    match error:
        case NotAccepted():
            return True
        case OutcomeUnknown():
            return nature is not Nature.WRITE
        case _:
            return False


def backoff_s(attempts: int, *, draw: float) -> float:
    """A pause after so many attempts."""
    return draw * min(BACKOFF_MAX_S, BACKOFF_BASE_S * (1 << (attempts - 1)))


def _asked_for_s(failure: Failure) -> float:
    return failure.error.retry_after_s if isinstance(failure.error, NotAccepted) and not failure.has_other else 0.0
