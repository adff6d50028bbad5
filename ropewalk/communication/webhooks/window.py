"""Which of the events that were sent are done with, when they are answered in any order.

    taken     1 2 3 4 5 6        the cursor is 2: up to there all are done with, and 3 is not
    finished  1 2   4 5

Promise:    `through` is the largest number up to which every event that was taken is finished, and never falls.
Checked by: tests/communication/webhooks/test_window.py
"""

from collections import deque

from ropewalk.communication.webhooks.limits import WINDOW_MAX
from ropewalk.errors import invariant


class Window:
    """The events of one log on their way to one endpoint. Numbers rise; they may leave some out."""

    def __init__(self, *, after: int) -> None:
        self.through = after
        self.taken = after
        self._open: deque[int] = deque()
        self._finished: set[int] = set()

    @property
    def room(self) -> int:
        """How many more may be taken."""
        return WINDOW_MAX - len(self._open)

    def take(self, number: int) -> None:
        """An event is on its way."""
        invariant(number > self.taken, "events are taken in order", number=number, taken=self.taken)
        self.taken = number
        self._open.append(number)

    def pass_over(self, number: int) -> None:
        """An event is not for this endpoint: what is before it decides about the cursor."""
        self.take(number)
        self.finish(number)

    def finish(self, number: int) -> None:
        """An event was answered, or what became of it is about to be recorded."""
        self._finished.add(number)
        while self._open and self._open[0] in self._finished:
            self.through = self._open.popleft()
            self._finished.remove(self.through)
