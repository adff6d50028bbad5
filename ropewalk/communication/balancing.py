"""Which target a request goes to: of two drawn at random the one that costs less, and no outlier.

Two draws spread load nearly as well as knowing the best, and never send everybody to it at once (M. Mitzenmacher, The
Power of Two Choices, 2001). The cost is what the answer will take: recent latency, times the requests under way and
this one. Latency follows a slow answer at once and forgets it slowly ("peak EWMA", as Finagle has it), so a target
that hangs is found out by one request. A target whose latency is not known costs least while nothing is under way to
it.

Signs are those of `ropewalk.communication.outcomes`. A refusal is quick, so only well answers say what a target
takes.

    state     event                                    becomes   which means
    sound     a well answer                            sound     failures in a row begin again
    sound     a busy answer                            busy      left alone for as long as it asked
    sound     a failure, few in a row                  sound     -
    sound     a failure, many in a row                 ejected   left alone, longer each time
    sound     a failure, fewer successes than others   ejected   left alone, longer each time
    sound     a failure, too many are ejected          sound     it is not they who are the outliers
    busy      its time comes                           sound     -
    busy      all are busy                             busy      chosen nevertheless
    ejected   its time comes                           sound     -
    ejected   a late answer                            ejected   -
    ejected   all are ejected or excluded              ejected   chosen nevertheless

Promise:    a target is left alone while it is ejected or busy, unless there is no other; at most the bound's share of
            the targets is ejected at once; a repeatedly ejected one stays out longer, up to a bound.
Checked by: tests/communication/test_balancing.py
"""

import enum
import math
from collections.abc import Collection, Sequence

from ropewalk.communication.limits import (
    EJECTED_SHARE_MAX,
    EJECTION_BASE_S,
    EJECTION_CALLS_LEAST,
    EJECTION_FAILURES,
    EJECTION_MAX_S,
    EJECTION_MEMORY_CALLS,
    EJECTION_SUCCESS_RATIO,
    LATENCY_MEMORY_S,
)
from ropewalk.communication.outcomes import Sign


class Standing(enum.Enum):
    """How a target stands with the balancer."""

    SOUND = "sound"
    BUSY = "busy"
    EJECTED = "ejected"


class Member:
    """What is known of one target."""

    def __init__(self) -> None:
        self.under_way = 0
        self.latency_s = 0.0
        self.successes = 1.0
        self._measured_at_s = 0.0
        self._calls = 0
        self._failures_in_a_row = 0
        self._ejections = 0
        self._ejected_until_s = -math.inf
        self._busy_until_s = -math.inf

    def standing(self, now_s: float) -> Standing:
        """How it stands now."""
        if now_s < self._ejected_until_s:
            return Standing.EJECTED
        return Standing.BUSY if now_s < self._busy_until_s else Standing.SOUND

    @property
    def cost(self) -> float:
        """What one more request would take."""
        return self.latency_s * (self.under_way + 1) if self.latency_s else float(self.under_way)

    def measure(self, latency_s: float, *, now_s: float) -> None:
        """It answered."""
        kept = math.exp((self._measured_at_s - now_s) / LATENCY_MEMORY_S)
        self.latency_s = max(latency_s, self.latency_s * kept + latency_s * (1 - kept))
        self._measured_at_s = now_s

    def rest(self, until_s: float) -> None:
        """It asked to be left alone."""
        self._busy_until_s = max(self._busy_until_s, until_s)

    def count(self, *, is_failure: bool) -> None:
        """One call ended."""
        self._calls += 1
        self._failures_in_a_row = self._failures_in_a_row + 1 if is_failure else 0
        self.successes += ((0.0 if is_failure else 1.0) - self.successes) / EJECTION_MEMORY_CALLS

    def is_outlier(self, others: Sequence["Member"]) -> bool:
        """Whether it fails, and the others do not as much."""
        if self._failures_in_a_row >= EJECTION_FAILURES:
            return True
        if self._calls < EJECTION_CALLS_LEAST or not others:
            return False
        average = sum([other.successes for other in others]) / len(others)
        return self.successes < average * EJECTION_SUCCESS_RATIO

    def eject(self, now_s: float) -> None:
        """Leave it alone, and judge it anew when it is back."""
        if now_s - self._ejected_until_s > EJECTION_MAX_S:
            self._ejections = 0
        self._ejections += 1
        self._ejected_until_s = now_s + min(EJECTION_MAX_S, EJECTION_BASE_S * self._ejections)
        self._calls = self._failures_in_a_row = 0
        self.successes = 1.0


class Balancer:
    """Chooses among targets, which it knows by their number."""

    def __init__(self, targets: int) -> None:
        self.members = [Member() for _ in range(targets)]

    def choose(self, *, now_s: float, draws: tuple[float, float], excluded: Collection[int] = ()) -> int | None:
        """A target that is not excluded; None if all are. Each draw is from 0 to 1, without 1."""
        left = [number for number in range(len(self.members)) if number not in excluded]
        sound = [number for number in left if self.members[number].standing(now_s) is Standing.SOUND]
        choices = sound or [n for n in left if self.members[n].standing(now_s) is Standing.BUSY] or left
        if not choices:
            return None
        first = choices.pop(int(draws[0] * len(choices)))
        second = choices[int(draws[1] * len(choices))] if choices else first
        return min(first, second, key=lambda number: self.members[number].cost)

    def begin(self, number: int) -> None:
        """A request goes to a target."""
        self.members[number].under_way += 1

    def end(self, number: int) -> None:
        """A request is over, however it ended."""
        self.members[number].under_way -= 1

    def tell(self, number: int, sign: Sign, *, now_s: float, latency_s: float, retry_after_s: float = 0.0) -> None:
        """What a target answered, after how long, and when it asked to be tried again."""
        member = self.members[number]
        if member.standing(now_s) is Standing.EJECTED:
            return
        member.count(is_failure=sign is Sign.SICK)
        match sign:
            case Sign.WELL:
                member.measure(latency_s, now_s=now_s)
            case Sign.BUSY:
                member.rest(now_s + retry_after_s)
            case Sign.SICK if member.is_outlier(self._others(number, now_s)) and self._may_eject(now_s):
                member.eject(now_s)
            case _:
                pass

    def _others(self, number: int, now_s: float) -> list[Member]:
        others = (member for other, member in enumerate(self.members) if other != number)
        return [member for member in others if member.standing(now_s) is not Standing.EJECTED]

    def _may_eject(self, now_s: float) -> bool:
        ejected = sum([member.standing(now_s) is Standing.EJECTED for member in self.members])
        return ejected + 1 <= len(self.members) * EJECTED_SHARE_MAX
