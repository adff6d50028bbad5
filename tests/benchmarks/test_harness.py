"""The benchmarks run, bound their rows, and report what was measured. How fast anything is, no test asks."""

import asyncio
import io
import json
import os
from collections.abc import Awaitable, Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.children import Failure, run_row
from benchmarks.driving import drive
from benchmarks.environment import look_around
from benchmarks.measures import Measure, Point, Result, Round, Scale, median_round
from benchmarks.picture import draw
from benchmarks.report import Report, to_json
from benchmarks.rows import ROWS, Row
from benchmarks.table import table

TINY = Scale(rounds=1, seconds=0.01, share=0.001)


def measured(row: str, folder: Path) -> Result | Failure:
    return run_row(ROWS[row], TINY, folder=folder, tell=lambda _: None)


# Not PostgreSQL, which is not on every machine, and not the rows that wait for a server.
@pytest.mark.parametrize("row", ["disk", "keyed", "ledger-callers", "ledger-two-phase", "ledger-growth"])
def test_a_row_measures_something_in_a_process_of_its_own_and_leaves_nothing(row: str, tmp_path: Path) -> None:
    result = measured(row, tmp_path)
    assert isinstance(result, Result), result
    assert result.measures
    assert all(measure.value > 0 for measure in result.measures)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("row", ROWS)
def test_every_row_has_a_module_that_can_be_run(row: str) -> None:
    assert callable(getattr(import_module(f"benchmarks.rows.{ROWS[row].module}"), ROWS[row].function))


def test_a_row_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    slow = Scale(rounds=1, seconds=1_000.0, share=1.0)
    result = run_row(Row("disk", bound_s=0.5), slow, folder=tmp_path, tell=lambda _: None)
    assert result == Failure("it took longer than 0.5 s")
    assert list(tmp_path.iterdir()) == []


def test_a_row_whose_process_fails_is_reported_and_not_measured(tmp_path: Path) -> None:
    result = run_row(Row("no_such_module", bound_s=60.0), TINY, folder=tmp_path, tell=lambda _: None)
    assert isinstance(result, Failure)
    assert "ended without a result" in result.reason


def test_callers_make_every_call_once() -> None:
    made = []

    def calls() -> Iterator[Callable[[], Awaitable[None]]]:
        for number in range(10):

            async def call(number: int = number) -> None:
                await asyncio.sleep(0)
                made.append(number)

            yield call

    done = asyncio.run(drive(calls(), callers=3, work_per_call=5))
    assert sorted(made) == list(range(10))
    assert (done.work, len(done.call_seconds)) == (50, 10)


def test_the_round_in_the_middle_is_chosen_by_speed() -> None:
    rounds = [Round(work, 1.0, [1.0]) for work in (30, 10, 20)]
    assert median_round(rounds).work == 20


def report() -> Report:
    yardstick = Measure("disk", "MB/s", 200.0)
    kept = Measure("fast", "transfers/s", 10.0, must=5.0, aim=20.0, against={"disk": 50.0, "not measured": 1.0})
    missed = Measure("slow", "ms", 9.0, more_is_better=False, must=5.0)
    result = Result([yardstick, kept, missed])
    return Report(look_around(Path.cwd())).with_row("a", result).with_row("b", Failure("it broke"))


def test_the_json_says_what_is_kept_and_how_it_compares() -> None:
    content = json.loads(to_json(report()))
    by_name = {line["name"]: line for line in content["measures"]}
    assert by_name["fast"]["ratios"] == {"disk": 0.25}
    assert (by_name["fast"]["must_is_kept"], by_name["slow"]["must_is_kept"]) == (True, False)
    assert content["failures"] == {"b": "it broke"}
    assert content["environment"]["cores"] == len(os.sched_getaffinity(0))


def test_the_table_shows_what_missed_and_what_could_not_be_measured() -> None:
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(table(report()))
    shown = console.export_text()
    assert "10 transfers/s ✓" in shown
    assert "9 ms ✗" in shown
    assert "0.25 times disk" in shown
    assert "it broke" in shown


def test_the_same_points_draw_the_same_picture(tmp_path: Path) -> None:
    points = [Point("Ropewalk, 4 callers", size, 1000.0 * size, 1.0 + size) for size in (1, 64, 8_190)]
    points.append(Point("PostgreSQL 15", 1, 5_000.0, 3.0))
    for name in ("first.png", "second.png"):
        draw(points, tmp_path / name)
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()
