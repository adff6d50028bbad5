"""Settlement windows: which are waiting, how far the open one has come, and what the closed ones settled.

    due entries ──► credits, in slices ──► debits ──► returns and their answers ──► net positions ──► closed

Credits come before debits, so that an account which is paid and charged in one window is charged last. A window that
the schedule opens takes what is due by its minute; one that is run by hand takes what is due by the time it is told.

Promise:    the net positions of a window sum to zero, and after it every clearing account is at zero.
Checked by: tests/payments/processing/test_properties.py
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Final

import msgspec
import numpy as np

from ropewalk.core.codec import encode_value
from ropewalk.data.shelf import Shelf
from ropewalk.systems.payments.processing.layouts import ANSWER, Rows

TRACE_NUMBERS: Final = 10_000_000
"""An institution numbers what it sends with seven digits."""


class Phase(IntEnum):
    """What a window works on."""

    CREDITS = 0
    DEBITS = 1
    ANSWERS = 2
    NET = 3


class Position(msgspec.Struct, frozen=True):
    """What an institution owed the others in a window, was owed, and so pays: less than zero if it is paid."""

    institution: int
    owed_cents: int
    due_cents: int
    net_cents: int


class Window(msgspec.Struct):
    """One window. `files` is how many files there were when it was asked for: later ones have their own.

    Where there are several shards `allowed` is the phase that all of them may be in, `told` the last one of which the
    house was told that it is done here; if it `waits`, there is nothing to do before another shard says something.
    """

    number: int
    by_hand: bool
    asked_ns: int
    through_minute: int
    files: int
    day: int
    phase: int = Phase.CREDITS
    file: int = 0
    row: int = 0
    posted: int = 0
    returned: int = 0
    rejected: int = 0
    answers: int = 0
    closed_ns: int = 0
    positions: list[Position] = []
    allowed: int = Phase.NET
    told: int = -1
    waits: bool = False


class Windows:
    """All of them, by number; those that are not closed are worked on in order.

    `turnover`: all that was credited to each institution's clearing account when the last window closed.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self.all: list[Window] = []
        self.closed = 0
        self.turnover: list[int] = []
        self._numbered = 0
        self._open_answers: list[Rows] = []

    @property
    def current(self) -> Window | None:
        """The window to work on."""
        return self.all[self.closed] if self.closed < len(self.all) else None

    def ask(self, window: Window) -> None:
        """Line a window up."""
        self.all.append(window)

    def answer(self, rows: Rows) -> None:
        """Note what goes out with the current window."""
        if rows.size:
            self._open_answers.append(rows)

    def close(self, window: Window, positions: list[Position], *, time_ns: int) -> None:
        """Close the current window: give trace numbers to what goes out with it, and keep that on the shelf."""
        answers = np.concatenate([np.zeros(0, ANSWER), *self._open_answers])
        answers = answers[np.lexsort((answers["row"], answers["file"], answers["sender"], answers["recipient"]))]
        if self._numbered + answers.size >= TRACE_NUMBERS:
            self._numbered = 0
        numbers = self._numbered + 1 + np.arange(answers.size, dtype="u8")
        answers["trace"] = answers["sender"].astype("u8") * np.uint64(TRACE_NUMBERS) + numbers % TRACE_NUMBERS
        self._numbered += answers.size
        self._shelf.put(_blob(window.number), answers.tobytes())
        self._open_answers = []
        window.answers = answers.size
        window.positions = positions
        window.closed_ns = time_ns
        self.closed += 1

    def answers_of(self, window: int) -> Rows:
        """What went out with a closed window: rows of ANSWER, ordered by recipient, sender, file and row."""
        return np.frombuffer(self._shelf.get(_blob(window)), ANSWER)

    def blobs(self) -> list[str]:
        """The names of what lies on the shelf."""
        return [_blob(number) for number in range(self.closed)]

    def save(self) -> dict[str, bytes]:
        """The whole of it, but for what lies on the shelf."""
        return {
            "windows": encode_value((self.all, self.closed, self._numbered, self.turnover)),
            "answers": b"".join(rows.tobytes() for rows in self._open_answers),
        }

    def load(self, parts: Mapping[str, bytes | memoryview]) -> None:
        """Become what was saved; the blobs are on the shelf again."""
        saved = msgspec.msgpack.decode(parts["windows"], type=tuple[list[Window], int, int, list[int]])
        self.all, self.closed, self._numbered, self.turnover = saved
        answers = np.frombuffer(parts["answers"], ANSWER)
        self._open_answers = [answers] if answers.size else []


def _blob(number: int) -> str:
    return f"ach-window-{number:08}.answers"
