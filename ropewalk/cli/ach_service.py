"""`ropewalk ach submit`, `settle` and `returns`: ACH at a running service.

Checked by: tests/cli/test_payments.py
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from ropewalk.cli.client import Client, Json, Refusal, asking, connected, print_json, print_table
from ropewalk.cli.terminal import open_console
from ropewalk.core.codec import Checksum

_PIECE_BYTES: Final = 262_144
_POLL_S: Final = 0.05

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


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@asking
def submit(files: tuple[Path, ...], *, url: str, as_json: bool) -> None:
    """Submit FILEs to a running service: each is taken whole, or refused with its errors.

    Submitting a file again is harmless. The exit code is 0 if all are accepted, 1 if any is refused, 2 if any can't
    be read.
    """
    rows = []
    code = 0
    with connected(url) as client, _progress(sum(_size(file) for file in files)) as advance:
        for file in files:
            row = _submitted(client, file, advance)
            rows.append(row)
            code = max(code, {"accepted": 0, "refused": 1}.get(row["verdict"], 2))
            if as_json:
                print_json(row)
    if not as_json:
        print_table(_FILE_TITLES, rows)
        if any(row["verdict"] == "refused" for row in rows):
            click.echo("`ropewalk ach validate FILE` shows each error at its place in the file.", err=True)
    sys.exit(code)


@click.command()
@click.option("--through-ns", default=0, help="Settle what is due by then (nanoseconds since 1970), not only next.")
@asking
def settle(*, through_ns: int, url: str, as_json: bool) -> None:
    """Settle now what is due next, and show what each institution owes and is owed."""
    with connected(url) as client:
        started = client.post("/windows", {"through_ns": through_ns}, key=str(uuid4()))
        window = _closed(client, started["window"])
    if as_json:
        print_json(window)
        return
    counts = ", ".join(f"{window[what]:,} {what}" for what in ("posted", "returned", "rejected"))
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


def _submitted(client: Client, file: Path, advance: Callable[[int], None]) -> Json:
    try:
        state = Checksum()
        for piece in _pieces(file):
            state.update(piece)

        def pieces() -> Iterator[bytes]:
            for piece in _pieces(file):
                yield piece
                advance(len(piece))

        accepted = client.upload("/files", pieces, key=f"submit {state.digest().hex()}")
    except Refusal as refusal:
        problem = {name: refusal.problem.get(name) for name in ("detail", "errors") if name in refusal.problem}
        return {"name": str(file), "verdict": "refused", **problem}
    except OSError as error:
        return {"name": str(file), "verdict": "unreadable", "detail": error.strerror or str(error)}
    return {"name": str(file), "verdict": "accepted", **accepted}


def _pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        while piece := stream.read(_PIECE_BYTES):
            yield piece


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """A bar on standard error, if that is a terminal; the block gets the function that moves it."""
    columns = (TextColumn("submitting"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(
        *columns, transient=True, console=Console(stderr=True), disable=not sys.stderr.isatty()
    ) as progress:
        task = progress.add_task("submitting", total=total)
        yield lambda count: progress.advance(task, count)


def _closed(client: Client, number: int) -> Any:
    """The window, when it has closed."""
    while True:
        window = client.get(f"/windows/{number}")
        if window["closed_ns"]:
            return window
        time.sleep(_POLL_S)


def _return_files(client: Client, window: int | None) -> Iterator[Json]:
    numbers = (
        [each["window"] for each in client.items("/windows") if each["closed_ns"]] if window is None else [window]
    )
    for number in numbers:
        yield from client.get(f"/windows/{number}/returns")


def _saved(client: Client, row: Json, folder: Path | None) -> Json:
    if folder is None:
        return row
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"returns-{row['window']}-{row['routing']}-{row['part']}.ach"
    path.write_bytes(client.content(f"/windows/{row['window']}/returns/{row['routing']}/{row['part']}"))
    return {**row, "saved": str(path)}
