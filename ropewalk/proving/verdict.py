"""What a simulated world ends with: every promise held, or one was broken, and how it came to that.

Checked by: tests/proving/test_world.py, tests/proving/test_town.py
"""

import logging
from collections.abc import Callable, Coroutine, Sequence
from random import Random
from typing import Any

import msgspec

from ropewalk.errors import RopewalkError
from ropewalk.proving.virtual import Deadlock, Livelock, run_virtual

TRACE_LINES = 80


class Holds(msgspec.Struct, frozen=True):
    """Every promise held in this world; the counts say what it was put through, the trace how it ended.

    `misled` processes were started with another number of partitions than there are. `messages` took effect; what
    became of the deliveries that held them is counted by its name in `proving.faults`; `again` letters came when they
    had been taken in already. Ways between two partitions were cut `cut_off` times.
    """

    seed: int
    trace: Sequence[str]
    acknowledged: int = 0
    reads: int = 0
    unknown: int = 0
    crashes: int = 0
    deposed: int = 0
    misled: int = 0
    records: int = 0
    skipped: int = 0
    messages: int = 0
    refused: int = 0
    lost: int = 0
    untold: int = 0
    repeated: int = 0
    late: int = 0
    overtaken: int = 0
    again: int = 0
    cut_off: int = 0


class Breach(msgspec.Struct, frozen=True):
    """A promise was broken: which, and what happened last, one line each."""

    seed: int
    claim: str
    trace: Sequence[str]


def run_judged(
    world: Callable[[], Coroutine[Any, Any, Holds]], *, seed: int, random: Random, trace: list[str]
) -> Holds | Breach:
    """Run a world in virtual time to its end; whatever is wrong with it is what was broken."""
    shuffle = Random(random.random()) if random.random() < 0.5 else None
    log = logging.getLogger("ropewalk")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        return run_virtual(world(), shuffle=shuffle)
    except (AssertionError, Deadlock, Livelock, RopewalkError, ExceptionGroup) as error:
        return Breach(seed, _claim(error), trace[-TRACE_LINES:])
    finally:
        log.setLevel(level)


def _claim(error: Exception) -> str:
    """What was broken: the innermost error of a group."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"
