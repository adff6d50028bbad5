"""The FedACH schedule: which window takes what comes when."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk.systems.payments.processing.calendar import eastern, is_banking_day
from ropewalk.systems.payments.processing.schedule import due, return_due

ZONE = ZoneInfo("America/New_York")


def at(text: str) -> int:
    """Nanoseconds of a New York time."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp()) * 1_000_000_000


def shown(time_ns: int) -> str:
    """A time as New York's clocks show it."""
    return f"{datetime.fromtimestamp(time_ns // 1_000_000_000, ZONE):%Y-%m-%d %H:%M}"


@pytest.mark.parametrize(
    ("comes", "effective", "same_day", "next_day"),
    [
        # A Tuesday, for the same day: each cut-off to the minute, and just behind it.
        ("2026-11-24 10:30", "2026-11-24", "2026-11-24 13:00", "2026-11-25 08:30"),
        ("2026-11-24 10:31", "2026-11-24", "2026-11-24 17:00", "2026-11-25 08:30"),
        ("2026-11-24 14:46", "2026-11-24", "2026-11-24 18:00", "2026-11-25 08:30"),
        ("2026-11-24 16:46", "2026-11-24", "2026-11-25 08:30", "2026-11-25 08:30"),
        # A stale date settles at the next window.
        ("2026-11-24 09:00", "2026-01-05", "2026-11-24 13:00", "2026-11-25 08:30"),
        ("2026-11-24 09:00", None, "2026-11-24 13:00", "2026-11-25 08:30"),
        # The night belongs to the day before, until 2:15.
        ("2026-11-25 02:15", "2026-11-25", "2026-11-25 08:30", "2026-11-25 08:30"),
        ("2026-11-25 02:16", "2026-11-25", "2026-11-25 13:00", "2026-11-27 08:30"),
        # Thanksgiving is leapt over, and so is the weekend.
        ("2026-11-25 12:00", "2026-11-26", "2026-11-27 08:30", "2026-11-27 08:30"),
        ("2026-11-28 12:00", "2026-11-30", "2026-11-30 13:00", "2026-12-01 08:30"),
        ("2026-11-28 02:00", "2026-11-30", "2026-11-30 08:30", "2026-11-30 08:30"),
        # A later date waits for its day, or for the banking day after it.
        ("2026-11-24 09:00", "2026-12-24", "2026-12-24 08:30", "2026-12-24 08:30"),
        ("2026-11-24 09:00", "2026-12-25", "2026-12-28 08:30", "2026-12-28 08:30"),
    ],
)
def test_an_entry_goes_into_its_window(comes: str, effective: str | None, same_day: str, next_day: str) -> None:
    day = None if effective is None else date.fromisoformat(effective)
    found = due(at(comes), effective=day, standard_entry_class="PPD")
    assert (shown(found.same_day_ns), shown(found.next_day_ns)) == (same_day, next_day)


def test_an_international_entry_never_settles_on_the_day_it_comes() -> None:
    found = due(at("2026-11-24 09:00"), effective=date(2026, 11, 24), standard_entry_class="IAT")
    assert shown(found.same_day_ns) == "2026-11-25 08:30"


def test_a_return_goes_into_the_next_window_of_any_kind() -> None:
    assert shown(return_due(at("2026-11-24 01:00"))) == "2026-11-24 08:30"
    assert shown(return_due(at("2026-11-24 09:00"))) == "2026-11-24 13:00"
    assert shown(return_due(at("2026-11-24 20:00"))) == "2026-11-25 08:30"


@given(st.integers(0, 7 * 366 * 24 * 60), st.none() | st.dates(date(2023, 1, 1), date(2032, 1, 1)))
def test_a_window_is_ahead_on_a_banking_day_and_not_before_the_effective_date(
    minutes_since_2024: int, effective: date | None
) -> None:
    comes = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes_since_2024)
    time_ns = int(comes.timestamp()) * 1_000_000_000
    found = due(time_ns, effective=effective, standard_entry_class="PPD")
    assert time_ns < found.same_day_ns <= found.next_day_ns
    for settles_ns in found:
        day, minutes = eastern(settles_ns)
        assert is_banking_day(day)
        assert minutes in {510, 780, 1020, 1080}
        assert effective is None or day >= effective
