"""The bounds of what goes between shards."""

from ropewalk.systems.payments.shards import limits
from ropewalk.systems.payments.shards.limits import USUAL_PATIENCE


def test_a_coordinator_decides_before_anybody_asks() -> None:
    assert USUAL_PATIENCE.decides_within_ns == limits.DECIDES_WITHIN_NS < limits.ASKS_AFTER_NS


def test_what_is_undecided_is_bounded() -> None:
    assert USUAL_PATIENCE.undecided_max == limits.UNDECIDED_MAX
