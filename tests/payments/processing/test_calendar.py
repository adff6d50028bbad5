"""The banking-day calendar against the Federal Reserve's own list, and Eastern time against the tz database."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk.systems.payments.processing.calendar import (
    HOUR_NS,
    eastern,
    from_eastern,
    holidays,
    is_banking_day,
    next_banking_day,
)

# Board of Governors, K.8 "Holidays Observed by the Federal Reserve System": the days on which the Banks are closed,
# without those on a Saturday, and with the Monday for those on a Sunday.
CLOSED = {
    2024: "01-01 01-15 02-19 05-27 06-19 07-04 09-02 10-14 11-11 11-28 12-25",
    2025: "01-01 01-20 02-17 05-26 06-19 07-04 09-01 10-13 11-11 11-27 12-25",
    2026: "01-01 01-19 02-16 05-25 06-19 09-07 10-12 11-11 11-26 12-25",
    2027: "01-01 01-18 02-15 05-31 07-05 09-06 10-11 11-11 11-25",
    2028: "01-17 02-21 05-29 06-19 07-04 09-04 10-09 11-23 12-25",
    2029: "01-01 01-15 02-19 05-28 06-19 07-04 09-03 10-08 11-12 11-22 12-25",
    2030: "01-01 01-21 02-18 05-27 06-19 07-04 09-02 10-14 11-11 11-28 12-25",
}


@pytest.mark.parametrize("year", CLOSED)
def test_the_banks_are_closed_on_the_days_that_the_board_publishes(year: int) -> None:
    assert sorted(f"{day:%m-%d}" for day in holidays(year)) == CLOSED[year].split()


def test_juneteenth_is_a_holiday_since_2022() -> None:
    assert is_banking_day(date(2020, 6, 19))
    assert not is_banking_day(date(2022, 6, 20))


def test_a_holiday_on_a_saturday_leaves_the_friday_open() -> None:
    assert is_banking_day(date(2026, 7, 3))
    assert is_banking_day(date(2027, 12, 31))


def test_the_next_banking_day_leaps_weekends_and_holidays() -> None:
    assert next_banking_day(date(2026, 11, 25)) == date(2026, 11, 27)
    assert next_banking_day(date(2026, 11, 27)) == date(2026, 11, 30)
    assert next_banking_day(date(2026, 11, 27), count=0) == date(2026, 11, 27)
    assert next_banking_day(date(2026, 11, 28), count=0) == date(2026, 11, 30)
    assert next_banking_day(date(2026, 11, 28), count=2) == date(2026, 12, 1)


def test_eastern_time_is_that_of_the_tz_database_in_every_hour_of_thirty_years() -> None:
    zone = ZoneInfo("America/New_York")
    moment, step = datetime(2007, 1, 1, tzinfo=UTC), timedelta(hours=1)
    start_ns = int(moment.timestamp()) * 1_000_000_000
    for hour in range(30 * 365 * 24):
        local = (moment + hour * step).astimezone(zone)
        assert eastern(start_ns + hour * HOUR_NS) == (local.date(), local.hour * 60 + local.minute)


@given(st.dates(date(2008, 1, 1), date(2060, 1, 1)), st.integers(3 * 60, 24 * 60 - 1))
def test_what_the_clock_shows_names_the_time(day: date, minutes: int) -> None:
    assert eastern(from_eastern(day, minutes)) == (day, minutes)


def test_of_an_hour_that_comes_twice_the_first_is_meant() -> None:
    again = from_eastern(date(2026, 11, 1), 90)
    assert eastern(again) == eastern(again + HOUR_NS) == (date(2026, 11, 1), 90)
