"""`ropewalk ach files`, `entries` and `windows`: what a running service has of ACH.

Checked by: tests/cli/test_payments.py
"""

from collections.abc import Callable, Mapping
from typing import Final, TypedDict, TypeVar

import click

from ropewalk.cli.client import Json, asking, connected, print_json
from ropewalk.cli.tables import moment, print_table

F = TypeVar("F", bound=Callable[..., object])
T = TypeVar("T")

_LISTED: Final = 20
_STATES: Final = ("accepted", "pending", "posted", "returned", "rejected")

_FILE_TITLES: Final = {
    "file": "number", "time": "accepted", "origin": "origin", "batches": "batches", "entries": "entries",
    "debit_cents": "debits", "credit_cents": "credits", "state": "state of entries",
}  # fmt: skip
_ENTRY_TITLES: Final = {
    "row": "row", "trace": "trace", "rdfi": "bank", "account": "account", "name": "name", "side": "side",
    "amount_cents": "amount", "state": "state", "reason": "reason", "settled": "settled",
}  # fmt: skip
_WINDOW_TITLES: Final = {
    "window": "window", "closed": "closed", "settled": "settled", "posted": "posted", "returned": "returned",
    "rejected": "rejected",
}  # fmt: skip


class _Count(TypedDict):
    entries: int


class _File(TypedDict):
    time_ns: int
    states: dict[str, _Count]


class _Entry(TypedDict):
    row: int
    amount_cents: int


class _Window(TypedDict):
    window: int
    closed_ns: int


def listing(command: F) -> F:
    """The options of every command that lists what is numbered."""
    for option in (
        asking,
        click.option(
            "--limit", type=click.IntRange(1), default=_LISTED, show_default=True, help="How many rows at most."
        ),
        click.option("--after", type=int, help="Only those behind this number."),
    ):
        command = option(command)
    return command


@click.command()
@listing
def files(*, after: int | None, limit: int, url: str, as_json: bool) -> None:
    """List the files that were accepted, and what has become of their entries."""
    with connected(url) as client:
        rows = list(client.items("/files", _File, count_max=limit, after=after))
    _print(_FILE_TITLES, rows, _file, as_json=as_json)


@click.command()
@click.argument("file", metavar="FILE_NUMBER", type=int)
@click.option("--state", type=click.Choice(_STATES), help="Only those that are so.")
@listing
def entries(file: int, *, state: str | None, after: int | None, limit: int, url: str, as_json: bool) -> None:
    """List the entries of an accepted file, and what has become of each."""
    with connected(url) as client:
        rows = list(client.items(f"/files/{file}/entries", _Entry, count_max=limit, after=after, state=state))
    _print(_ENTRY_TITLES, rows, dict, as_json=as_json)


@click.command()
@listing
def windows(*, after: int | None, limit: int, url: str, as_json: bool) -> None:
    """List settlement windows; with --json, also what each institution owed and was owed."""
    with connected(url) as client:
        rows = list(client.items("/windows", _Window, count_max=limit, after=after))
    _print(_WINDOW_TITLES, rows, _window, as_json=as_json)


def _print(titles: Mapping[str, str], rows: list[T], told: Callable[[T], Json], *, as_json: bool) -> None:
    if not as_json:
        print_table(titles, [told(row) for row in rows])
        return
    for row in rows:
        print_json(row)


def _file(row: _File) -> Json:
    counts = (f"{count['entries']:,} {state}" for state, count in row["states"].items() if count["entries"])
    return {**row, "time": moment(row["time_ns"]), "state": ", ".join(counts)}


def _window(row: _Window) -> Json:
    return {**row, "closed": moment(row["closed_ns"]) if row["closed_ns"] else "not yet"}
