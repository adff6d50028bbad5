"""What commands print on: as wide as the terminal is, and where there is none as wide as what is printed.

Checked by: tests/cli/test_payments.py, tests/cli/test_client.py
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner

_PATIENCE_S: Final = 1.0
"""How long a terminal stays as it is before it says that something is waited for."""

_WIDE: Final = 10_000
"""Columns where nobody looks: no table is folded, so that what reads it finds each id in one piece."""


def open_console() -> Console:
    """A console on standard output."""
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = _WIDE
    return console


@cache
def error_console() -> Console:
    """The console on standard error: one, so that a bar and a sign on it make room for each other."""
    return Console(stderr=True)


@contextmanager
def waiting(words: str) -> Iterator[None]:
    """Say on a terminal that something is waited for, once that takes a moment, until the block ends."""
    if not sys.stderr.isatty():
        yield
        return
    shown_s = time.monotonic() + _PATIENCE_S
    spinner = Spinner("dots", words)

    def sign() -> RenderableType:
        return spinner if time.monotonic() >= shown_s else Group()

    console = error_console()
    with Live(get_renderable=sign, console=console, transient=True, redirect_stdout=False, redirect_stderr=False):
        yield
