"""Values of options that many commands take: seconds, and money in dollars.

Checked by: tests/cli/test_values.py
"""

import math
import re
from typing import Any, Final

import click

_DOLLARS: Final = re.compile(r"([0-9]{1,10})(?:\.([0-9]{1,2}))?")
"""As many as a card message has room for."""


class Seconds(click.FloatRange):
    """A time in a range. What is no number, or has no end, is in none: all comparisons with NaN are false."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if not math.isfinite(seconds := float(super().convert(value, param, ctx))):
            self.fail(f"{value!r} is no time: write seconds, like 2.5", param, ctx)
        return seconds


def as_cents(_: click.Context, __: click.Parameter, text: str) -> int:
    """Money, written in dollars and taken as cents."""
    written = _DOLLARS.fullmatch(text)
    if written is None:
        raise click.BadParameter(f"{text!r} is no amount: write dollars, like 12.50")
    dollars, cents = written.groups(default="")
    return int(dollars + cents.ljust(2, "0"))
