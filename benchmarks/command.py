"""The command: run the rows one after the other, print the table, write the JSON file and the picture.

A row that misses what it must is shown so and fails nothing; a row that can't be measured makes the command exit 1.
"""

import sys
import time
from collections.abc import Iterable
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.children import Failure, run_row
from benchmarks.environment import look_around
from benchmarks.measures import FULL, QUICK, Result, Scale
from benchmarks.picture import draw
from benchmarks.report import Report, to_json
from benchmarks.rows import ROWS
from benchmarks.table import table

_ROOT = Path(__file__).parents[1]
_FILE_COLUMNS = 180
RESULTS = _ROOT / "benchmarks" / "results.json"
PICTURE = _ROOT / "docs" / "images" / "throughput.png"


@click.command()
@click.option("--only", "only", multiple=True, type=click.Choice(list(ROWS)), help="Run this row; may be repeated.")
@click.option("--quick", is_flag=True, help="One short round, small states: shows that it works, not how fast.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON and nothing else.")
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path("/var/tmp"),
    show_default=True,
    help="Where to keep what is measured: on a disk, and not in memory.",
)
def main(only: tuple[str, ...], quick: bool, as_json: bool, folder: Path) -> None:
    """Measure Ropewalk on this machine, beside PostgreSQL and the raw disk.

    The whole run writes benchmarks/results.json and docs/images/throughput.png.
    """
    # Progress goes to stderr, so that what is on stdout can be read by a program.
    console = Console(stderr=as_json)
    if not console.is_terminal:
        console.width = _FILE_COLUMNS
    environment = look_around(folder)
    console.print(environment.line(), highlight=False)
    began = time.monotonic()
    report = Report(environment)
    for name, result in _run(only or tuple(ROWS), QUICK if quick else FULL, folder=folder, console=console):
        report = report.with_row(name, result)
    console.print(table(report))
    console.print(f"{time.monotonic() - began:.0f} s in all")
    if not only and not quick:
        RESULTS.write_bytes(to_json(report))
        draw(report.points, PICTURE)
        console.print(f"wrote {RESULTS.relative_to(_ROOT)} and {PICTURE.relative_to(_ROOT)}")
    if as_json:
        sys.stdout.buffer.write(to_json(report))
    sys.exit(1 if report.failures else 0)


def _run(
    names: Iterable[str], scale: Scale, *, folder: Path, console: Console
) -> Iterable[tuple[str, Result | Failure]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        rows = progress.add_task("", total=len(tuple(names)))
        for name in names:
            progress.update(rows, description=name)

            def tell(what: str, row: str = name) -> None:
                progress.update(rows, description=f"{row}: {what}")

            result = run_row(ROWS[name], scale, folder=folder, tell=tell)
            _print(console, name, result)
            progress.advance(rows)
            yield name, result


def _print(console: Console, name: str, result: Result | Failure) -> None:
    match result:
        case Failure(reason):
            console.print(f"[red]{name}: not measured: {reason}")
        case Result(measures):
            for measure in measures:
                console.print(f"{measure.name}: {measure.value:,.4g} {measure.unit}", highlight=False)
