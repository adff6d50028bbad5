"""`ropewalk ach submit`, `settle` and `returns`: ACH at a running service.

Checked by: tests/cli/test_payments.py
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, TypedDict
from uuid import uuid4

import click
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn, TransferSpeedColumn

from ropewalk.cli.ach import UNREADABLE, unpacked, unreadable_because
from ropewalk.cli.client import (
    NO_SERVICE,
    TRY_AGAIN,
    Client,
    Json,
    NotDone,
    Refusal,
    asking,
    connected,
    print_json,
)
from ropewalk.cli.tables import print_table
from ropewalk.cli.terminal import error_console, open_console, waiting
from ropewalk.core.codec import Checksum

_PIECE_BYTES: Final = 262_144
_POLL_S: Final = 0.05
_CODES: Final = {
    "accepted": 0, "refused": 1, "unreadable": 2, "no_service": NO_SERVICE, "not_accepted": TRY_AGAIN,
    "unknown": TRY_AGAIN,
}  # fmt: skip

_FILE_TITLES: Final = {
    "name": "file", "verdict": "verdict", "file": "number", "batches": "batches", "entries": "entries",
    "debit_cents": "debits", "credit_cents": "credits", "detail": "",
}  # fmt: skip
_POSITION_TITLES: Final = {
    "routing": "routing", "name": "institution", "owed_cents": "owed", "due_cents": "due", "net_cents": "net",
}  # fmt: skip
_RETURN_TITLES: Final = {
    "window": "window", "routing": "for", "part": "part", "entries": "entries", "saved": "saved as",
}  # fmt: skip


class _Accepted(TypedDict):
    file: int


class _Opened(TypedDict):
    window: int


class _Window(_Opened):
    closed_ns: int


class _Settled(_Window):
    posted: int
    returned: int
    rejected: int
    positions: list[dict[str, Any]]


class _Return(TypedDict):
    window: int
    routing: str
    part: int


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@asking
def submit(files: tuple[Path, ...], *, url: str, as_json: bool) -> None:
    """Submit FILEs to a running service: each is taken whole, or refused with its errors; .gz files are unpacked.

    Submitting a file again is harmless. The exit code is the largest that fits: 0 if all are accepted, 1 if any is
    refused for good, 2 if any can't be read, 69 if no service answers, 75 if any was not accepted this time or may
    have been: submit it again.
    """
    rows = []
    code = before = 0
    with connected(url) as client, _progress(sum(_size(file) for file in files)) as show:
        for file in files:
            row = _submitted(client, file, partial(show, before))
            before += _size(file)
            rows.append(row)
            code = max(code, _CODES[row["verdict"]])
            if as_json:
                print_json(row)
    if not as_json:
        print_table(_FILE_TITLES, rows)
        if any(row.get("problem") == "file_invalid" for row in rows):
            click.echo("`ropewalk ach validate FILE` shows each error at its place in the file.", err=True)
    sys.exit(code)


@click.command()
@click.option("--through-ns", default=0, help="Settle what is due by then (nanoseconds since 1970), not only next.")
@asking
def settle(*, through_ns: int, url: str, as_json: bool) -> None:
    """Settle now what is due next, and show what each institution owes and is owed."""
    with connected(url) as client:
        try:
            started = client.post("/windows", {"through_ns": through_ns}, _Opened, key=str(uuid4()))
        except Refusal as refusal:
            if refusal.name == "nothing_due" and not through_ns:
                raise click.ClickException("nothing is due: no entry waits for a window") from refusal
            raise
        window = _closed(client, started["window"])
    if as_json:
        print_json(window)
        return
    counts = f"{window['posted']:,} posted, {window['returned']:,} returned, {window['rejected']:,} rejected"
    open_console().print(f"window [bold]{window['window']}[/] settled: {counts}")
    print_table(_POSITION_TITLES, window["positions"])


@click.command()
@click.option("--window", type=int, help="Only those of one window; else of all.")
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), help="A folder to save the files in.")
@asking
def returns(*, window: int | None, output: Path | None, url: str, as_json: bool) -> None:
    """List the return files that settlement made, and save them with --output."""
    with connected(url) as client:
        rows = [_saved(client, row, output) for row in _return_files(client, window)]
    if as_json:
        for row in rows:
            print_json(row)
    else:
        print_table(_RETURN_TITLES, rows)


def _submitted(client: Client, file: Path, show: Callable[[int], None]) -> Json:
    named = {"name": str(file)}
    try:
        state = Checksum()
        for piece in _pieces(file):
            state.update(piece)
        accepted = client.upload(
            "/files", lambda: _pieces(file, show), _Accepted, key=f"submit {state.digest().hex()}"
        )
    except Refusal as refusal:
        errors = {name: refusal.problem[name] for name in ("errors",) if name in refusal.problem}
        return {**named, "verdict": "refused", "problem": refusal.name, "detail": refusal.message, **errors}
    except NotDone as failure:
        return {**named, "verdict": failure.verdict, "detail": failure.message}
    except UNREADABLE as error:
        return {**named, "verdict": "unreadable", "detail": unreadable_because(error)}
    return {**named, "verdict": "accepted", **accepted}


def _pieces(file: Path, show: Callable[[int], None] = lambda _: None) -> Iterator[bytes]:
    """What a file says, in pieces; `show` is told how far in the file itself that is."""
    with file.open("rb") as stream:
        content = unpacked(stream)
        while piece := content.read(_PIECE_BYTES):
            yield piece
            show(stream.tell())


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error, if that is a terminal; the block gets the function that says where in which file."""
    columns = (TextColumn("submitting"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeElapsedColumn())
    with Progress(*columns, transient=True, console=error_console(), disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("submitting", total=total)
        yield lambda before, position: progress.update(task, completed=before + position)


def _closed(client: Client, number: int) -> _Settled:
    """The window, when it has closed."""
    with waiting(f"waiting for window {number} to close"):
        while True:
            window = client.get(f"/windows/{number}", _Settled)
            if window["closed_ns"]:
                return window
            time.sleep(_POLL_S)


def _return_files(client: Client, window: int | None) -> Iterator[_Return]:
    numbers = (
        [each["window"] for each in client.items("/windows", _Window) if each["closed_ns"]]
        if window is None
        else [window]
    )
    for number in numbers:
        yield from client.get(f"/windows/{number}/returns", list[_Return])


def _saved(client: Client, row: _Return, folder: Path | None) -> Json:
    if folder is None:
        return row
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"returns-{row['window']}-{row['routing']}-{row['part']}.ach"
    path.write_bytes(
        client.content(f"/windows/{row['window']}/returns/{row['routing']}/{row['part']}", media="text/plain")
    )
    return {**row, "saved": str(path)}
