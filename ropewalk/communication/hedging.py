"""Hedged reads: a stale read that is late is sent to a second target as well, and the first answer counts.

Any replica may answer a stale read, so a second one changes nothing and cuts off the slowest twentieth (J. Dean and
L. A. Barroso, The Tail at Scale, 2013). A budget keeps second reads a small share, also when everything is slow: then
a read that is late says that there is too much to do, and not that another target would be faster.

    state      event                     becomes    answer
    learning   a stale read              learning   no second read
    learning   enough latencies          ready      -
    ready      a strong read             ready      no second read
    ready      a write                   ready      no second read
    ready      a stale read              ready      a second read when it is late
    ready      it is late                ready      send
    ready      the last token is spent   spent      send
    spent      it is late                spent      do not send
    spent      more stale reads          ready      -

Promise:    nothing but a stale read is sent twice; second reads are at most the budget's share.
Checked by: tests/communication/test_hedging.py
"""

from collections import deque

from ropewalk.communication.budgets import Budget
from ropewalk.communication.limits import (
    HEDGE_LATENCIES,
    HEDGE_LATENCIES_LEAST,
    HEDGE_PERCENT,
    HEDGE_SHARE,
    HEDGE_TOKENS_MAX,
)
from ropewalk.communication.retries import Nature


class Hedging:
    """The second reads of one client."""

    def __init__(self) -> None:
        self.budget = Budget(share=HEDGE_SHARE, tokens_max=HEDGE_TOKENS_MAX)
        self._latencies_s: deque[float] = deque(maxlen=HEDGE_LATENCIES)

    @property
    def late_after_s(self) -> float | None:
        """After how long a read is late; None while too little is known."""
        if len(self._latencies_s) < HEDGE_LATENCIES_LEAST:
            return None
        return sorted(self._latencies_s)[len(self._latencies_s) * HEDGE_PERCENT // 100]

    def begin(self, nature: Nature, *, now_s: float) -> float | None:
        """A request is sent. Returns after how long a second one may be; None if there will be none."""
        if nature is not Nature.STALE_READ:
            return None
        self.budget.earn(now_s)
        return self.late_after_s

    def may_send_second(self, now_s: float) -> bool:
        """Asked when a read is late."""
        return self.budget.spend(now_s)

    def answered(self, latency_s: float) -> None:
        """How long a stale read took."""
        self._latencies_s.append(latency_s)
