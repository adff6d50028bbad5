"""When the Federal Reserve Banks are open, and what the clock on their wall says.

A banking day is Monday to Friday without the holidays of the Federal Reserve (K.8). One on a Sunday is kept on the
Monday after; one on a Saturday is not kept on the Friday before: the Banks are open then.

Eastern time is computed and not looked up, so that a replica with another time zone database answers the same: since
2007 (Energy Policy Act of 2005, section 110) clocks go forward at 2:00 on the second Sunday of March and back at
2:00 on the first Sunday of November. Times here are whole nanoseconds since 1970, UTC, as everywhere in a machine.

Promise:    the same answers in every process; right for 2007 and later, under the law as it stood in 2026.
Not given:  closures that are not holidays (a day of mourning, a storm).
Checked by: tests/payments/processing/test_calendar.py (K.8 for 2024 to 2030; zoneinfo, hour by hour)
"""

from datetime import date, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

MINUTE_NS: Final = 60 * 1_000_000_000
HOUR_NS: Final = 60 * MINUTE_NS
DAY_NS: Final = 24 * HOUR_NS

_EPOCH: Final = date(1970, 1, 1)
_MONDAY, _THURSDAY, _SATURDAY, _SUNDAY = 0, 3, 5, 6
_STANDARD_NS: Final = 5 * HOUR_NS
_DAYLIGHT_NS: Final = 4 * HOUR_NS
_ONE: Final = timedelta(days=1)


def is_banking_day(day: date) -> bool:
    """True if the Federal Reserve Banks are open."""
    return day.weekday() < _SATURDAY and day not in holidays(day.year)


def next_banking_day(day: date, *, count: int = 1) -> date:
    """The banking day that comes `count` banking days after `day`; of a banking day and 0, the day itself.

    From a day that is none, the first banking day after it is number 1, and number 0 too: a bank that gets
    something on a Sunday has it on Monday.
    """
    if not is_banking_day(day):
        day, count = _first_open(day), max(0, count - 1)
    for _ in range(count):
        day = _first_open(day + _ONE)
    return day


@lru_cache(maxsize=64)
def holidays(year: int) -> frozenset[date]:
    """The days of a year on which the Banks are closed though it is Monday to Friday."""
    fixed = [date(year, 1, 1), date(year, 7, 4), date(year, 11, 11), date(year, 12, 25)]
    if year >= 2022:
        fixed.append(date(year, 6, 19))
    floating = [
        _nth(year, 1, _Day(_MONDAY, 3)),
        _nth(year, 2, _Day(_MONDAY, 3)),
        _last_monday_of_may(year),
        _nth(year, 9, _Day(_MONDAY, 1)),
        _nth(year, 10, _Day(_MONDAY, 2)),
        _nth(year, 11, _Day(_THURSDAY, 4)),
    ]
    kept = [day + _ONE if day.weekday() == _SUNDAY else day for day in fixed]
    return frozenset([day for day in kept if day.weekday() != _SATURDAY] + floating)


def day_number(day: date) -> int:
    """The days since 1970."""
    return (day - _EPOCH).days


def day_of(number: int) -> date:
    """The date so many days after the beginning of 1970."""
    return _EPOCH + timedelta(days=number)


def eastern(time_ns: int) -> tuple[date, int]:
    """The date in New York, and how many minutes after midnight its clocks show."""
    local_ns = time_ns - _offset_ns(time_ns)
    return _EPOCH + timedelta(days=local_ns // DAY_NS), local_ns % DAY_NS // MINUTE_NS


def from_eastern(day: date, minutes: int) -> int:
    """The time at which clocks in New York show so many minutes after midnight.

    Of an hour that comes twice, the first; an hour that is left out counts on from the one before.
    """
    local_ns = (day - _EPOCH).days * DAY_NS + minutes * MINUTE_NS
    daylight_ns = local_ns + _DAYLIGHT_NS
    return daylight_ns if _offset_ns(daylight_ns) == _DAYLIGHT_NS else local_ns + _STANDARD_NS


def _first_open(day: date) -> date:
    while not is_banking_day(day):
        day += _ONE
    return day


def _offset_ns(time_ns: int) -> int:
    """What New York is behind UTC."""
    year = (_EPOCH + timedelta(days=(time_ns - _STANDARD_NS) // DAY_NS)).year
    begins_ns, ends_ns = _daylight_time(year)
    return _DAYLIGHT_NS if begins_ns <= time_ns < ends_ns else _STANDARD_NS


@lru_cache(maxsize=64)
def _daylight_time(year: int) -> tuple[int, int]:
    begins, ends = _nth(year, 3, _Day(_SUNDAY, 2)), _nth(year, 11, _Day(_SUNDAY, 1))
    return (
        (begins - _EPOCH).days * DAY_NS + 2 * HOUR_NS + _STANDARD_NS,
        (ends - _EPOCH).days * DAY_NS + 2 * HOUR_NS + _DAYLIGHT_NS,
    )


class _Day(NamedTuple):
    """The first, second, … of a weekday in a month."""

    weekday: int
    number: int


def _nth(year: int, month: int, day: _Day) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(day.weekday - first.weekday()) % 7 + 7 * (day.number - 1))


def _last_monday_of_may(year: int) -> date:
    last = date(year, 5, 31)
    return last - timedelta(days=(last.weekday() - _MONDAY) % 7)
