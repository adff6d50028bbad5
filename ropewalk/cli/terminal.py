"""What commands print on: as wide as the terminal is, and where there is none as wide as what is printed.

Checked by: tests/cli/test_payments.py
"""

from typing import Final

from rich.console import Console

_WIDE: Final = 10_000
"""Columns where nobody looks: no table is folded, so that what reads it finds each id in one piece."""


def open_console() -> Console:
    """A console on standard output."""
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = _WIDE
    return console
