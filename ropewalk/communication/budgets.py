"""A budget: tokens that requests earn and that what is extra spends, so that extras stay a share of the requests.

Each request earns a part of a token and each second may earn some more; a retry or a second read spends one. Tokens
above the bound are lost: a long calm does not pay for a storm. Finagle's retry budget is the example followed.

    state    event        becomes   answer
    empty    a spending   empty     no
    empty    an earning   some      -
    some     a spending   empty     yes
    some     an earning   full      -
    full     an earning   full      -
    full     a spending   some      yes

Promise:    in any stretch of time: spendings are at most the share of requests, the rate times the time, and the
            bound.
Checked by: tests/communication/test_budgets.py
"""


class Budget:
    """Begins full, so that the first failures after a start may be repeated."""

    def __init__(self, *, share: float, tokens_max: float, per_second: float = 0.0) -> None:
        self._share = share
        self._tokens_max = tokens_max
        self._per_second = per_second
        self._tokens = tokens_max
        self._filled_at_s: float | None = None

    @property
    def tokens(self) -> float:
        """How many extras could be afforded when it was last asked."""
        return self._tokens

    def earn(self, now_s: float) -> None:
        """A request was sent."""
        self._fill(now_s, self._share)

    def spend(self, now_s: float) -> bool:
        """Take a token, if there is one."""
        self._fill(now_s, 0.0)
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def _fill(self, now_s: float, earned: float) -> None:
        since_s = 0.0 if self._filled_at_s is None else max(0.0, now_s - self._filled_at_s)
        self._filled_at_s = now_s
        self._tokens = min(self._tokens_max, self._tokens + earned + since_s * self._per_second)
