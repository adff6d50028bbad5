"""`ropewalk ach`: work with ACH files.

Checked by: tests/cli/test_ach_validate.py
"""

import gzip
import io
import sys
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

import click
import msgspec
from rich.progress import Progress

from ropewalk.cli.ach_report import show, show_summary
from ropewalk.cli.lazy import LazyCommands
from ropewalk.cli.terminal import error_console, open_console
from ropewalk.systems.payments.ach import Code, Problem, Reading, read
from ropewalk.systems.payments.ach.limits import FILE_BYTES_MAX

_GZIP_MAGIC: Final = b"\x1f\x8b"
UNREADABLE: Final = (OSError, EOFError, zlib.error)
"""What is raised while a file is read that is not there, or is packed and damaged."""

ALL_VALID: Final = 0
ANY_INVALID: Final = 1
ANY_UNREADABLE: Final = 2

COMMANDS: Final = {
    "validate": "ropewalk.cli.ach:validate",
    "submit": "ropewalk.cli.ach_service:submit",
    "settle": "ropewalk.cli.ach_service:settle",
    "returns": "ropewalk.cli.ach_service:returns",
    "files": "ropewalk.cli.ach_listing:files",
    "entries": "ropewalk.cli.ach_listing:entries",
    "windows": "ropewalk.cli.ach_listing:windows",
}

ach = click.Group("ach", commands=LazyCommands(COMMANDS), help="Validate, submit, settle and list ACH (NACHA) files.")


class Verdict(NamedTuple):
    """What is known of one file: without its content, it could not be read."""

    name: str
    reading: Reading
    content: bytes | None


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line for each file.")
def validate(files: tuple[str, ...], *, as_json: bool) -> NoReturn:
    """Check FILEs against every rule of the standard; "-" reads standard input, and .gz files are unpacked.

    The exit code is 0 if all are valid, 1 if any is not, 2 if any can't be read.
    """
    verdicts = _verdicts(files)
    sys.exit(_print_json(verdicts) if as_json else _print_text(verdicts, count=len(files)))


def _verdicts(files: Iterable[str]) -> Iterator[Verdict]:
    for name in files:
        try:
            content = _content(name)
        except (*UNREADABLE, ValueError) as error:
            yield Verdict(name, _unreadable(unreadable_because(error)), None)
        else:
            yield Verdict(name, read(content), content)


def _content(name: str) -> bytes:
    if name == "-":
        return _bounded(unpacked(io.BufferedReader(io.BytesIO(sys.stdin.buffer.read(FILE_BYTES_MAX + 1)))))
    with Path(name).open("rb") as stream:
        return _bounded(unpacked(stream))


def unpacked(stream: io.BufferedReader) -> io.BufferedReader | gzip.GzipFile:
    """What is packed in a stream, or the stream itself if nothing is."""
    return gzip.GzipFile(fileobj=stream) if stream.peek(2).startswith(_GZIP_MAGIC) else stream


def unreadable_because(error: Exception) -> str:
    """Why a file can't be read: one of `UNREADABLE`."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _bounded(stream: io.BufferedReader | gzip.GzipFile) -> bytes:
    content = stream.read(FILE_BYTES_MAX + 1)
    if len(content) > FILE_BYTES_MAX:
        raise ValueError(f"it is larger than {FILE_BYTES_MAX:,} bytes: split it")
    return content


def _unreadable(reason: str) -> Reading:
    problem = Problem(0, "file", "", Code.UNREADABLE, f"the file can't be read: {reason}")
    return Reading(file=None, errors=[problem], warnings=[], batches=0, entries=0, debit_cents=0, credit_cents=0)


def _print_json(verdicts: Iterable[Verdict]) -> int:
    code = ALL_VALID
    for verdict in verdicts:
        reading = verdict.reading
        row = {
            "file": verdict.name,
            "valid": reading.is_valid,
            "errors": reading.errors,
            "warnings": reading.warnings,
            "batches": reading.batches,
            "entries": reading.entries,
            "debit_cents": reading.debit_cents,
            "credit_cents": reading.credit_cents,
        }
        click.echo(msgspec.json.encode(row))
        code = max(code, _exit_code(verdict))
    return code


def _print_text(verdicts: Iterable[Verdict], *, count: int) -> int:
    console = open_console()
    code = ALL_VALID
    rows = []
    with Progress(transient=True, console=error_console(), disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("validating", total=count)
        for verdict in verdicts:
            show(console, verdict.name, reading=verdict.reading, content=verdict.content or b"")
            rows.append((verdict.name, verdict.reading))
            code = max(code, _exit_code(verdict))
            progress.advance(task)
    if count > 1:
        click.echo()
        show_summary(rows)
    return code


def _exit_code(verdict: Verdict) -> int:
    if verdict.content is None:
        return ANY_UNREADABLE
    return ALL_VALID if verdict.reading.is_valid else ANY_INVALID
