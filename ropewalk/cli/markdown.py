"""How the generated reference is written: tables, numbers, sentences.

Checked by: tests/test_docs.py
"""

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with a line a row."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def number(value: object) -> str:
    """A number as people read it."""
    match value:
        case tuple():
            return ", ".join(number(each) for each in value)
        case float() if value < 100:
            return f"{value:g}"
        case int() | float():
            return f"{value:,.0f}"
        case _:
            return str(value)


def one_line(text: str) -> str:
    """The text without its line breaks."""
    return " ".join(text.split())
