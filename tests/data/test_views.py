"""Folding events into a generation of a view."""

from collections.abc import Mapping
from random import Random

import pytest

from ropewalk.core.codec import encode_value
from ropewalk.core.feed import NumberedEvent
from ropewalk.core.machine import Event
from ropewalk.data.views import Cursor, Generation, Happened, View
from ropewalk.engines.views import MemoryTable
from ropewalk.errors import Bug, NotAccepted

LOGS = ("sales/0", "sales/1")


def fold(totals: Mapping[str, int], event: Happened) -> Mapping[str, int | None]:
    """Totals by subject; a refund of all of it forgets the subject."""
    total = totals.get(event.subject, 0) + (event.data if isinstance(event.data, int) else 0)
    return {event.subject: total or None}


TOTALS = View("totals", value=int, fold=fold)


def sold(number: int, subject: str, amount: int) -> NumberedEvent:
    return NumberedEvent(number, number * 10, Event("sold", subject, encode_value(amount)))


def test_an_event_sees_what_those_before_it_wrote_also_in_the_same_batch() -> None:
    generation = Generation(TOTALS, MemoryTable(1))
    generation.fold(LOGS[0], [sold(1, "a", 5), sold(2, "a", 2), sold(3, "b", 1)])
    generation.fold(LOGS[0], [sold(4, "a", 3)])
    assert (generation.get("a"), generation.get("b"), generation.get("c")) == (10, 1, None)
    assert (generation.after(LOGS[0]), generation.after(LOGS[1])) == (4, 0)


def test_a_value_that_is_folded_away_is_gone_for_reads_lists_and_folds() -> None:
    seen: list[tuple[list[str], int]] = []

    def watching(totals: Mapping[str, int], event: Happened) -> Mapping[str, int | None]:
        seen.append((list(totals), len(totals)))
        return fold(totals, event)

    generation = Generation(View("totals", value=int, fold=watching), MemoryTable(1))
    generation.fold(LOGS[0], [sold(1, "b", 1)])
    generation.fold(LOGS[0], [sold(2, "a", 5), sold(3, "a", -5), sold(4, "c", 1)])
    assert seen == [([], 0), (["b"], 1), (["a", "b"], 2), (["b"], 1)]
    assert generation.get("a") is None
    assert generation.keys(limit=10) == ["b", "c"]
    assert generation.keys(after="b", limit=10) == ["c"]
    assert generation.keys(limit=1) == ["b"]


def test_how_events_are_cut_into_batches_and_logs_interleave_changes_nothing() -> None:
    logs = {log: [sold(n, "abc"[n % 3], n) for n in range(1, 40)] for log in LOGS}
    results = set()
    for seed in range(20):
        random, table = Random(seed), MemoryTable(1)
        generation = Generation(TOTALS, table)
        while any(generation.after(log) < len(events) for log, events in logs.items()):
            log = random.choice(LOGS)
            after = generation.after(log)
            generation.fold(log, logs[log][after : after + random.randint(0, 9)])
        results.add(tuple((key, table.get(key)) for key in table.keys(after="", limit=9)))
    assert len(results) == 1


@pytest.mark.parametrize("number", [1, 3])
def test_an_event_that_is_folded_already_or_leaves_one_out_is_a_bug(number: int) -> None:
    generation = Generation(TOTALS, MemoryTable(1))
    generation.fold(LOGS[0], [sold(1, "a", 1)])
    with pytest.raises(Bug, match="none is left out"):
        generation.fold(LOGS[0], [sold(number, "a", 1)])


def test_events_that_are_kept_no_more_are_counted() -> None:
    table = MemoryTable(1)
    generation = Generation(TOTALS, table)
    generation.miss(LOGS[0], through=7)
    generation.fold(LOGS[0], [sold(8, "a", 1)])
    generation.miss(LOGS[0], through=10)
    assert generation.missed == 9
    assert table.cursors() == {LOGS[0]: Cursor(10, 9)}


@pytest.mark.parametrize(
    ("older", "newer", "last", "lacking"),
    [
        (Cursor(10, 0), Cursor(10, 4), 10, 4),
        (Cursor(10, 3), Cursor(10, 4), 10, 1),
        (Cursor(10, 4), Cursor(10, 4), 10, 0),
        (Cursor(2, 0), Cursor(10, 4), 10, 2),
        (Cursor(), Cursor(10, 4), 10, 0),
        (Cursor(10, 0), Cursor(10, 0), 10, 0),
        (Cursor(10, 0), Cursor(7, 0), 7, 3),
        (Cursor(10, 0), Cursor(7, 4), 7, 7),
    ],
)
def test_what_a_generation_lacks_is_what_the_older_one_has_of_what_it_missed_or_of_what_is_no_more(
    older: Cursor, newer: Cursor, last: int, lacking: int
) -> None:
    tables = [MemoryTable(1), MemoryTable(2)]
    for table, cursor in zip(tables, (older, newer), strict=True):
        table.write({}, {LOGS[1]: cursor})
    first, second = [Generation(TOTALS, table) for table in tables]
    assert second.lacks(first, lasts={LOGS[1]: last}) == lacking


def test_a_value_of_an_older_version_that_can_not_be_read_says_what_to_do() -> None:
    table = MemoryTable(1)
    Generation(TOTALS, table).fold(LOGS[0], [sold(1, "a", 1)])
    newer: Generation[str] = Generation(View("totals", value=str, fold=lambda _, __: {}, version=2), table)
    assert not newer.is_of_this_version
    with pytest.raises(NotAccepted, match=r"'a' was written by version 1 and can't be read by 2.*when it is rebuilt"):
        newer.get("a")
