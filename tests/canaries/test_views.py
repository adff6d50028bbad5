"""Planted bugs in views: each is found by a test of theirs."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from ropewalk.core.codec import encode_value
from ropewalk.data.views import Cursor, Generation, Happened, Present
from ropewalk.engines.views import MemoryTable, MemoryTables
from ropewalk.errors import NotAccepted
from ropewalk.runtime.views import ReadModel
from tests.data import test_views as folding
from tests.engines import test_views as keeping
from tests.runtime import test_views as following
from tests.runtime import test_views_rebuilt as rebuilding

write, fold, begin = MemoryTable.write, Generation.fold, Generation.begin


def keeps_values_and_no_cursors(table: MemoryTable, values: Mapping[str, bytes | None], _: object) -> None:
    write(table, values, {})


def keeps_what_was_deleted(
    table: MemoryTable, values: Mapping[str, bytes | None], cursors: Mapping[str, Cursor]
) -> None:
    write(table, {key: value for key, value in values.items() if value is not None}, cursors)


def folds_each_event_on_the_state_before_the_batch(
    generation: Generation[Any], log_name: str, events: Sequence[Any]
) -> None:
    values = [dict(generation.view.fold({}, Happened(log_name, *_parts(each)))) for each in events]
    for event, written in zip(events, values, strict=True):
        fold(generation, log_name, [event])
        generation._table.write({key: encode_value(value) for key, value in written.items()}, {})


def _parts(numbered: Any) -> tuple[int, int, str, str, object]:
    return numbered.number, numbered.time_ns, numbered.event.kind, numbered.event.subject, 1


def serves_at_once(tables: MemoryTables, *, version: int) -> MemoryTable:
    tables._serving = tables._begun = table = MemoryTable(version)
    return table


def lacks_nothing(_: Generation[Any], __: Generation[Any], *, lasts: Mapping[str, int]) -> int:
    del lasts
    return 0


def folds_the_last_event_again(generation: Generation[Any], present: Present) -> None:
    begin(generation, present._replace(number=present.number - 1))


def is_never_old(_: ReadModel[Any]) -> float:
    return 0.0


@pytest.mark.parametrize(
    ("where", "name", "bug", "test"),
    [
        (MemoryTable, "write", keeps_values_and_no_cursors, folding.test_events_that_are_kept_no_more_are_counted),
        (
            MemoryTable,
            "write",
            keeps_what_was_deleted,
            lambda: keeping.test_values_and_cursors_are_read_back(MemoryTables()),
        ),
        (
            Generation,
            "fold",
            folds_each_event_on_the_state_before_the_batch,
            folding.test_an_event_sees_what_those_before_it_wrote_also_in_the_same_batch,
        ),
        (
            MemoryTables,
            "begin",
            serves_at_once,
            lambda: keeping.test_a_generation_serves_when_it_is_switched_to_and_not_before(MemoryTables()),
        ),
        (
            Generation,
            "lacks",
            lacks_nothing,
            rebuilding.test_a_view_is_not_replaced_by_one_that_lacks_what_it_has_unless_it_may,
        ),
        (
            Generation,
            "begin",
            folds_the_last_event_again,
            rebuilding.test_a_view_without_a_beginning_is_replaced_by_one_that_has_all,
        ),
        (
            ReadModel,
            "_age_s",
            is_never_old,
            following.test_a_view_that_has_not_folded_says_since_when_and_how_many,
        ),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_planted_bug_is_found(
    monkeypatch: pytest.MonkeyPatch, where: object, name: str, bug: object, test: Callable[[], None]
) -> None:
    test()
    monkeypatch.setattr(where, name, bug)
    with pytest.raises((AssertionError, NotAccepted, pytest.fail.Exception)):
        test()
