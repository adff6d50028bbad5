"""Which settlement window an entry goes into: the FedACH schedule.

    transmitted by      10:30   14:45   16:45  |  2:15 of the next day       New York time
    settles at          13:00   17:00   18:00  |  8:30 of the next banking day
                        └───── same day ────┘     └── next day, or the entry's own later date

A *processing day* is a banking day; it takes files until 2:15 of the day after. What comes later, or on a weekend,
belongs to the next one. (FedACH Processing Schedule and Same Day Service, Federal Reserve Financial Services; the
third same-day window since March 2021, the limit of $1,000,000 an entry since March 2022.)

The effective entry date says when an entry is meant to settle. Today's, an earlier one, or none that can be read
settles in the next same-day window if the entry may, else on the next banking day; a later one on that day, or on
the banking day after it. FedACH refuses what lies more than two banking days ahead (R18); here the file waits, as it
would at the bank that sends it on in time.

Checked by: tests/payments/processing/test_schedule.py
"""

from datetime import date
from typing import Final, NamedTuple

from ropewalk.systems.payments.processing.calendar import (
    eastern,
    from_eastern,
    is_banking_day,
    next_banking_day,
)

SAME_DAY_CENTS_MAX: Final = 100_000_000
"""The largest entry that may settle on the day it comes."""

NOT_SAME_DAY: Final = frozenset({"IAT", "ENR"})
"""Standard entry classes that never settle on the day they come."""

_PROCESSING_DAY_ENDS: Final = 2 * 60 + 15
_NEXT_DAY_SETTLES: Final = 8 * 60 + 30


class Window(NamedTuple):
    """A same-day window, in minutes after midnight: what is there by `cutoff` settles at `settles`."""

    cutoff: int
    settles: int


SAME_DAY_WINDOWS: Final = (
    Window(10 * 60 + 30, 13 * 60),
    Window(14 * 60 + 45, 17 * 60),
    Window(16 * 60 + 45, 18 * 60),
)


class Due(NamedTuple):
    """When the entries of a batch settle (nanoseconds, UTC): those that may on the same day, and the others."""

    same_day_ns: int
    next_day_ns: int


def processing_day(time_ns: int) -> date:
    """The banking day to whose processing belongs what comes at that time."""
    today, minutes = eastern(time_ns)
    if minutes <= _PROCESSING_DAY_ENDS:
        yesterday = date.fromordinal(today.toordinal() - 1)
        if is_banking_day(yesterday):
            return yesterday
    return next_banking_day(today, count=0)


def due(time_ns: int, *, effective: date | None, standard_entry_class: str) -> Due:
    """When entries that come at `time_ns` settle. `effective` is None if the file names no date."""
    day = processing_day(time_ns)
    tomorrow = next_banking_day(day)
    if effective is not None and effective > day:
        later_ns = settlement_time(max(tomorrow, next_banking_day(effective, count=0)))
        return Due(later_ns, later_ns)
    tomorrow_ns = settlement_time(tomorrow)
    if standard_entry_class in NOT_SAME_DAY:
        return Due(tomorrow_ns, tomorrow_ns)
    return Due(_same_day(day, time_ns) or tomorrow_ns, tomorrow_ns)


def return_due(time_ns: int) -> int:
    """When a return, or an answer to one, settles: in the next window of any kind, whatever its amount or class."""
    day = processing_day(time_ns)
    return _same_day(day, time_ns) or settlement_time(next_banking_day(day))


def settlement_time(day: date) -> int:
    """The opening of a banking day, when the next-day window settles."""
    return from_eastern(day, _NEXT_DAY_SETTLES)


def settlement_day(time_ns: int) -> date:
    """The banking day on which something that settles at that time settles; if by hand on a weekend, the next one."""
    return next_banking_day(eastern(time_ns)[0], count=0)


def _same_day(day: date, time_ns: int) -> int | None:
    """The first same-day window of the processing day that takes what comes now; None if they are over."""
    for window in SAME_DAY_WINDOWS:
        if time_ns <= from_eastern(day, window.cutoff):
            return from_eastern(day, window.settles)
    return None
