"""The table of transitions in a module's docstring, as rows: what a test compares a machine with.

A table begins at the line whose first word is `state`; two or more blanks part its columns.
"""

import inspect
import re
from types import ModuleType
from typing import NamedTuple


class Row(NamedTuple):
    """In this state, with this event: the state it becomes, and what is answered or what it means."""

    state: str
    event: str
    becomes: str
    answer: str

    @property
    def name(self) -> str:
        return f"{self.state}: {self.event}"


def rows_of(module: ModuleType) -> list[Row]:
    return list(map(_row, _table(inspect.getdoc(module) or "")))


def _table(docstring: str) -> list[str]:
    lines = docstring.splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith("    state "))
    end = next(number for number in range(begin, len(lines)) if not lines[number].strip())
    return lines[begin + 1 : end]


def _row(line: str) -> Row:
    state, event, becomes, *answer = re.split(r" {2,}", line.strip())
    return Row(state, event, becomes, *answer or [""])
