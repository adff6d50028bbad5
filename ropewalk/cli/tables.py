"""Rows of fields as people read them: in columns if they fit, else each row as a block of lines.

What is copied (an id, a number, a time) is never folded, so a terminal that is narrow gets another layout and not
another text: first headings take several lines, then words go below their row, then each field has a line.

Checked by: tests/cli/test_tables.py
"""

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from rich.cells import cell_len
from rich.text import Text

from ropewalk.cli.terminal import open_console

_GAP: Final = "  "
_HEADING: Final = "dim"
_NAMES: Final = frozenset({"code", "file", "ledger", "line", "number", "part", "row", "window"})
"""Fields whose numbers name something: they are given to another command as they are shown, so without commas."""


def print_table(titles: Mapping[str, str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Print rows: `titles` maps fields to headings. Numbers are to the right, fields of money in dollars."""
    console = open_console()
    for line in layout(titles, rows, width=console.width):
        console.print(line)


def dollars(cents: int) -> str:
    """Cents as dollars: -1,234.50."""
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100:,}.{abs(cents) % 100:02}"


def moment(time_ns: int) -> str:
    """A time, in UTC and to the second: 2026-11-25T13:10:08Z."""
    return f"{datetime.fromtimestamp(time_ns // 1_000_000_000, UTC):%Y-%m-%dT%H:%M:%SZ}"


class _Column(NamedTuple):
    """A heading and what is below it; the first column tells which row it is, and is never prose."""

    heading: str
    cells: Sequence[str]
    is_first: bool

    @property
    def is_prose(self) -> bool:
        return not self.is_first and any(" " in cell for cell in self.cells)

    @property
    def is_number(self) -> bool:
        return all(_is_number(cell) for cell in self.cells if cell)

    def width(self, heading: Iterable[str]) -> int:
        """How wide it is with its heading in these lines."""
        return max(cell_len(text) for text in (*heading, *self.cells, ""))

    def placed(self, text: str, width: int) -> str:
        blank = " " * (width - cell_len(text))
        return blank + text if self.is_number else text + blank


def layout(titles: Mapping[str, str], rows: Iterable[Mapping[str, Any]], *, width: int) -> Iterator[Text]:
    """The lines of rows on a terminal that is so wide."""
    shown = [[_shown(field, row.get(field, "")) for field in titles] for row in rows]
    if not shown:
        yield Text("none", _HEADING)
        return
    columns = [
        _Column(heading, [row[index] for row in shown], is_first=not index)
        for index, heading in enumerate(titles.values())
    ]
    terse = [column for column in columns if not column.is_prose]
    for chosen, headings in (
        (columns, [[column.heading] for column in columns]),
        (columns, [column.heading.split() for column in columns]),
        (terse, [column.heading.split() for column in terse]),
    ):
        widths = [column.width(heading) for column, heading in zip(chosen, headings, strict=True)]
        if sum(widths) + len(_GAP) * (len(widths) - 1) <= width:
            beneath = [column for column in columns if column not in chosen]
            yield from _table(chosen, headings, widths=widths, beneath=beneath, width=width)
            return
    yield from _blocks(columns, width=width)


def _table(
    columns: Sequence[_Column],
    headings: Sequence[Sequence[str]],
    *,
    widths: Sequence[int],
    beneath: Sequence[_Column],
    width: int,
) -> Iterator[Text]:
    """Rows in columns, and below each row what else is to be said of it."""
    placing = list(zip(columns, widths, strict=True))

    def line(texts: Iterable[str]) -> str:
        placed = (column.placed(text, wide) for text, (column, wide) in zip(texts, placing, strict=True))
        return _GAP.join(placed).rstrip()

    height = max(len(heading) for heading in headings)
    for index in range(height):
        # Headings stand on their columns, so the shorter ones begin lower.
        words = [("",) * (height - len(heading)) + tuple(heading) for heading in headings]
        yield Text(line(each[index] for each in words), _HEADING)
    for index in range(len(columns[0].cells)):
        yield Text(line(column.cells[index] for column in columns))
        for column in beneath:
            yield from _said(column, index, width=width)


def _said(column: _Column, index: int, *, width: int) -> Iterator[Text]:
    """What a row has in a column, in lines of its own."""
    if column.cells[index]:
        about = f"{column.heading}: " if column.heading else ""
        for line in _folded(about + column.cells[index], width - len(_GAP)):
            yield Text(_GAP + line)


def _blocks(columns: Sequence[_Column], *, width: int) -> Iterator[Text]:
    """Each row as lines of a heading and what it has there, a blank line between rows."""
    widest = max(cell_len(column.heading) for column in columns)
    for index in range(len(columns[0].cells)):
        if index:
            yield Text()
        for column in columns:
            name = column.placed(column.heading, widest) if not column.is_number else column.heading.ljust(widest)
            for line in _folded(column.cells[index], width - widest - len(_GAP)):
                yield Text.assemble((name, _HEADING), _GAP, line)
                name = " " * widest


def _folded(text: str, width: int) -> list[str]:
    """A text in lines that break between words only: a word that is too long is in one piece all the same."""
    return textwrap.wrap(text, max(width, 1), break_long_words=False, break_on_hyphens=False)


def _shown(field: str, value: object) -> str:
    if field.endswith(("_cents", "_minor")) and isinstance(value, int):
        return dollars(value)
    if isinstance(value, list):
        return ", ".join(str(each) for each in value)
    counts = isinstance(value, int) and not isinstance(value, bool) and field not in _NAMES
    text = f"{value:,}" if counts else str(value)
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _is_number(text: str) -> bool:
    return text.replace(",", "").replace(".", "").removeprefix("-").removeprefix("$").isdigit()
