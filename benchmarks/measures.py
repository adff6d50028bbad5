"""What a row is given and what it returns.

A row measures several rounds and reports the median. Beside its value it may say how it compares with a yardstick:
the name of another measure of the same run, and what this row did in that measure's unit.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Final

import msgspec
import numpy as np


class Scale(msgspec.Struct, frozen=True):
    """How much is measured: rounds, how long each is aimed to last, and the share of the full size of states."""

    rounds: int
    seconds: float
    share: float

    def count(self, full: int) -> int:
        """This share of a count."""
        return max(1, round(full * self.share))


FULL: Final = Scale(rounds=3, seconds=3.0, share=1.0)
QUICK: Final = Scale(rounds=1, seconds=0.5, share=0.02)


class Setting(msgspec.Struct, frozen=True):
    """What a row works with: its scale, an empty folder on the disk that is measured, whom to tell how it goes."""

    scale: Scale
    folder: Path
    tell: Callable[[str], None]


class Measure(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of the table.

    `must` and `aim` are limits from below if `more_is_better`, else from above. `against` maps a yardstick's name to
    what this did in the yardstick's unit. `details` are further numbers, by name with their unit.
    """

    name: str
    unit: str
    value: float
    more_is_better: bool = True
    must: float | None = None
    aim: float | None = None
    against: Mapping[str, float] = {}
    details: Mapping[str, float] = {}
    note: str = ""

    def reaches(self, limit: float | None) -> bool:
        """True if there is no such limit or it is kept."""
        if limit is None:
            return True
        return self.value >= limit if self.more_is_better else self.value <= limit


class Point(msgspec.Struct, frozen=True):
    """One point of the picture."""

    series: str
    batch: int
    per_second: float
    p99_ms: float


class Result(msgspec.Struct, frozen=True):
    """What a row returns."""

    measures: list[Measure]
    points: list[Point] = []


class Round(msgspec.Struct, frozen=True):
    """What one timed round did: units of work, in how long, and how long each call took."""

    work: int
    seconds: float
    call_seconds: list[float]

    @property
    def per_second(self) -> float:
        """Work a second."""
        return self.work / self.seconds

    def percentile_ms(self, percent: float) -> float:
        """How long a call took at most, for so many of a hundred calls."""
        return float(np.percentile(self.call_seconds, percent, method="higher")) * 1e3


def joined(rounds: list[Round]) -> Round:
    """Several as one."""
    took = [seconds for each in rounds for seconds in each.call_seconds]
    return Round(sum(each.work for each in rounds), sum(each.seconds for each in rounds), took)


def median_round(rounds: list[Round]) -> Round:
    """The round in the middle, by speed."""
    speed = sorted(rounds, key=lambda each: each.per_second)
    return speed[(len(speed) - 1) // 2]


def latencies(rounds: list[Round]) -> dict[str, float]:
    """The medians, over the rounds, of the usual percentiles."""
    return {f"p{percent}_ms": median(each.percentile_ms(percent) for each in rounds) for percent in (50, 99)}
