"""An event loop whose time is a number and whose schedule is drawn from a seed.

Nothing waits: when every task waits for a time, that time is now. Tasks that are ready at the same moment run in an
order that the seed decides, since asyncio's own order, first come first served, would hide most races.

Promise:    the same seed gives the same run, in any process.
Not given:  sockets, threads, other processes: what needs them is proved in real time.
Checked by: tests/proving/test_virtual.py
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from contextvars import Context
from itertools import count
from random import Random
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_EPOCH_NS = 1_700_000_000_000_000_000
_TURNS_MAX = 200_000
"""Turns of the loop within a second; the busiest worlds take a twentieth of that."""


class Deadlock(RuntimeError):
    """Every task waits, and nothing will ever wake one."""


class Livelock(RuntimeError):
    """Tasks run and run, and time hardly passes."""


class _NoWait(selectors.SelectSelector):
    """Instead of waiting for so long, lets the loop's time pass."""

    def __init__(self, loop: "VirtualLoop") -> None:
        super().__init__()
        self._loop = loop
        self._second = 0
        self._turns = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Deadlock("every task waits, and no time is set at which one would go on")
        self._loop.now_s += max(0.0, timeout)
        if self._second != int(self._loop.now_s):
            self._second, self._turns = int(self._loop.now_s), 0
        self._turns += 1
        if self._turns > _TURNS_MAX:
            raise Livelock(f"{_TURNS_MAX} turns of the loop in one second, as if nobody ever waited for anything")
        return []


class _NumberedTask(asyncio.Task[T]):
    """A task that is found in a set by its number, since asyncio ends the tasks of a group in the order of a set."""

    def __init__(
        self, coroutine: Coroutine[Any, Any, T], *, number: int, loop: "VirtualLoop", **options: Any
    ) -> None:
        self._number = number
        super().__init__(coroutine, loop=loop, **options)

    def __hash__(self) -> int:
        return self._number


class VirtualLoop(asyncio.SelectorEventLoop):
    """asyncio, with virtual time from 0. With `shuffle`, what is ready at once runs in random order."""

    def __init__(self, shuffle: Random | None = None) -> None:
        self.now_s = 0.0
        self._shuffle = shuffle
        self._tasks = count()
        super().__init__(_NoWait(self))
        self.set_task_factory(self._new_task)

    def time(self) -> float:
        """Seconds since the world began."""
        return self.now_s

    def now_ns(self) -> int:
        """The same as nanoseconds since 1970, for who needs a date."""
        return _EPOCH_NS + int(self.now_s * 1e9)

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Run it in this turn, or at a random moment of the next microsecond."""
        if self._shuffle is None:
            return super().call_soon(callback, *args, context=context)
        return self.call_at(self.now_s + self._shuffle.random() * 1e-6, callback, *args, context=context)

    def _new_task(self, _: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        return _NumberedTask(coroutine, number=next(self._tasks), loop=self, **options)


def run_virtual(main: Coroutine[Any, Any, T], *, shuffle: Random | None = None) -> T:
    """Run a coroutine to its end in virtual time."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(shuffle)) as runner:
        return runner.run(main)
