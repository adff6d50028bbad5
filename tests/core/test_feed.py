"""Events: numbered without a gap, the newest kept."""

import pytest

from ropewalk.core.feed import Feed
from ropewalk.core.machine import Event
from ropewalk.errors import Rejected

SIZE = len("kind" + "subject-1") + 1


def event(number: int, size: int = 1) -> Event:
    return Event("kind", f"subject-{number}", bytes(size))


def numbers(feed: Feed, after: int, limit: int = 100) -> list[int]:
    return [numbered.number for numbered in feed.behind(after, limit=limit)]


def test_events_are_numbered_from_1_and_read_in_order() -> None:
    feed = Feed()
    feed.add([event(1), event(2)], time_ns=7)
    feed.add([event(3)], time_ns=8)
    assert numbers(feed, 0) == [1, 2, 3]
    assert numbers(feed, 1, limit=1) == [2]
    assert numbers(feed, 3) == numbers(feed, 9) == []
    assert [(numbered.time_ns, numbered.event.subject) for numbered in feed.behind(1, limit=9)] == [
        (7, "subject-2"),
        (8, "subject-3"),
    ]


def test_what_is_behind_is_the_same_from_whichever_end_it_is_found() -> None:
    feed = Feed()
    feed.add([event(number) for number in range(1, 8)], time_ns=0)
    for after in range(9):
        for limit in range(9):
            assert numbers(feed, after, limit) == list(range(1, 8))[after : after + limit]


@pytest.mark.parametrize("bounds", [{"count_max": 3}, {"bytes_max": 3 * SIZE}])
def test_the_oldest_are_forgotten_and_whoever_asks_for_one_is_told(bounds: dict[str, int]) -> None:
    feed = Feed(**bounds)
    feed.add([event(number) for number in range(1, 6)], time_ns=0)
    assert (feed.oldest, feed.last) == (3, 5)
    assert numbers(feed, 2) == [3, 4, 5]
    with pytest.raises(Rejected, match="event 2 was asked for, and 3 is the oldest"):
        feed.behind(1, limit=1)


def test_an_event_that_is_larger_than_all_that_is_kept_is_numbered_and_forgotten() -> None:
    feed = Feed(bytes_max=3 * SIZE)
    feed.add([event(1), event(2, size=4 * SIZE)], time_ns=0)
    assert (feed.oldest, feed.last) == (3, 2)
    feed.add([event(3)], time_ns=0)
    assert numbers(feed, 2) == [3]


def test_what_an_event_is_called_counts_as_much_as_what_it_says() -> None:
    feed = Feed(bytes_max=100)
    for number in range(9):
        feed.add([Event("k", "\N{SNOWMAN}" * 10, b""), Event("k" * 31, "", b"")], time_ns=number)
        again = Feed(bytes_max=100)
        again.load(feed.save())
        feed = again
    assert (feed.oldest, feed.last) == (16, 18)


def test_what_was_saved_goes_on_where_it_was() -> None:
    feed = Feed(count_max=2)
    feed.add([event(number) for number in range(1, 4)], time_ns=5)
    again = Feed(count_max=2)
    again.load(feed.save())
    for each in (feed, again):
        each.add([event(4)], time_ns=6)
    assert numbers(again, 2) == numbers(feed, 2) == [3, 4]
    assert again.save() == feed.save()
