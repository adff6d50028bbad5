"""Vector clocks: a partial order with least upper bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk.core.chain import Position
from ropewalk.core.clock import VectorClock
from ropewalk.errors import Rejected

clocks = st.dictionaries(st.sampled_from("abc"), st.integers(0, 3).map(Position)).map(VectorClock)


@given(clocks, clocks, clocks)
def test_covering_is_a_partial_order(one: VectorClock, two: VectorClock, three: VectorClock) -> None:
    assert one.covers(one)
    assert not (one.covers(two) and two.covers(one)) or one == two
    assert not (one.covers(two) and two.covers(three)) or one.covers(three)


@given(clocks, clocks, clocks)
def test_a_merged_clock_is_the_least_that_covers_both(one: VectorClock, two: VectorClock, other: VectorClock) -> None:
    merged = one.merged(two)
    assert merged.covers(one)
    assert merged.covers(two)
    assert not (other.covers(one) and other.covers(two)) or other.covers(merged)


@given(clocks, clocks)
def test_two_clocks_are_concurrent_when_neither_covers_the_other(one: VectorClock, two: VectorClock) -> None:
    assert one.is_concurrent_with(two) == (not one.covers(two) and not two.covers(one))


@given(clocks)
def test_a_token_is_read_back_from_its_text(clock: VectorClock) -> None:
    assert VectorClock.parse(str(clock)) == clock
    assert hash(VectorClock.parse(str(clock))) == hash(clock)


def test_a_log_that_is_not_named_is_at_its_start() -> None:
    assert VectorClock({"a": Position(2)}).at("b") == 0


@pytest.mark.parametrize("text", ["a", ":1", "a:", "a:-1", "a:1,b", "a:٣"])
def test_what_is_not_a_token_is_rejected(text: str) -> None:
    with pytest.raises(Rejected, match="send back the token of an earlier reply unchanged"):
        VectorClock.parse(text)
