"""How the verdict on an ACH file looks in a terminal: each problem under the record that it is about.

Checked by: tests/cli/test_ach_validate.py
"""

from collections.abc import Iterable, Iterator
from typing import Final

from rich.console import Console
from rich.text import Text

from ropewalk.cli.tables import print_table
from ropewalk.systems.payments.ach import Problem, Reading, addenda_layouts, layouts
from ropewalk.systems.payments.ach.entries import dollars
from ropewalk.systems.payments.ach.layout import Field, Layout

_SHOWN_MAX: Final = 20
"""Problems that are shown of one file; `--json` names them all."""

_SUMMARY_TITLES: Final = {
    "name": "file", "verdict": "verdict", "errors": "errors", "warnings": "warnings", "batches": "batches",
    "entries": "entries", "debits": "debits", "credits": "credits",
}  # fmt: skip


def _layouts() -> Iterator[Layout]:
    for module in (layouts, addenda_layouts):
        for value in vars(module).values():
            if isinstance(value, Layout):
                yield value


_LAYOUTS: Final = tuple(_layouts())


def show(console: Console, name: str, *, reading: Reading, content: bytes) -> None:
    """Say whether a file is valid, and name its problems, quoting from its `content`."""
    problems = [*((problem, "red") for problem in reading.errors), *((each, "yellow") for each in reading.warnings)]
    lines = content.split(b"\n") if problems else []
    mark = Text("✓ valid  ", "bold green") if reading.is_valid else Text("✗ refused", "bold red")
    console.print(mark, Text(name, "bold"), Text(_totals(reading), "dim"))
    for problem, color in problems[:_SHOWN_MAX]:
        _show_problem(console, problem, color=color, reading=reading, lines=lines)
    if len(problems) > _SHOWN_MAX:
        console.print(Text(f"  and {len(problems) - _SHOWN_MAX:,} more: --json names them all", "dim"))


def show_summary(readings: Iterable[tuple[str, Reading]]) -> None:
    """A table of all files."""
    print_table(
        _SUMMARY_TITLES,
        [
            {
                "name": name,
                "verdict": "valid" if reading.is_valid else "refused",
                "errors": len(reading.errors),
                "warnings": len(reading.warnings),
                "batches": reading.batches,
                "entries": reading.entries,
                "debits": dollars(reading.debit_cents),
                "credits": dollars(reading.credit_cents),
            }
            for name, reading in readings
        ],
    )


def _totals(reading: Reading) -> str:
    return (
        f"{_counted(reading.batches, 'batch', 'batches')}, {_counted(reading.entries, 'entry', 'entries')},"
        f" debits {dollars(reading.debit_cents)}, credits {dollars(reading.credit_cents)}"
    )


def _counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _show_problem(console: Console, problem: Problem, *, color: str, reading: Reading, lines: list[bytes]) -> None:
    place = f"  line {problem.line:,}" if problem.line else "  file"
    about = ", ".join(word.replace("_", " ") for word in (problem.record, problem.field) if word)
    console.print(Text(place, "bold"), Text(about), Text(problem.code, color))
    field = _field(problem, reading)
    record = _record(problem.line, reading, lines)
    if record and field is not None:
        quoted = record.decode("ascii", "replace")
        console.print(Text("    " + "".join(letter if letter.isprintable() else "�" for letter in quoted), "dim"))
        console.print(Text("    " + " " * field.start + "^" * field.length, color))
    console.print(Text(f"    {problem.message}"))


def _record(line: int, reading: Reading, lines: list[bytes]) -> bytes:
    """The record at a line; a file without line endings has its records only in what was read from it."""
    if reading.file is not None and 0 < line <= len(reading.file.rows):
        return reading.file.data(line)
    return lines[line - 1] if 0 < line <= len(lines) else b""


def _field(problem: Problem, reading: Reading) -> Field | None:
    """Where in its record a problem is: by the record's own layout, else by one of that name."""
    if not problem.field:
        return None
    if reading.file is not None and 0 < problem.line <= len(reading.file.rows):
        layout = reading.file.record(problem.line).layout
        if problem.field in layout:
            return layout[problem.field]
    named = (layout for layout in _LAYOUTS if layout.name == problem.record and problem.field in layout)
    return next((layout[problem.field] for layout in named), None)
