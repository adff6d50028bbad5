"""The rule that safety rests on: the first record to follow counts, for every replica."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk.core.chain import Head, Link, Position, follow
from ropewalk.errors import Damaged


def link(position: int, follows: int) -> Link:
    return Link(Position(position), bytes([position]) * 16, head(follows))


def head(position: int) -> Head:
    return Head(Position(position), bytes([position]) * 16) if position else Head()


def counted(links: list[Link]) -> list[int]:
    at = Head()
    positions = []
    for each in links:
        after = follow(at, each)
        if after is not None:
            at = after
            positions.append(int(at.position))
    return positions


def test_the_first_record_to_follow_counts_and_later_ones_are_skipped() -> None:
    assert counted([link(1, 0), link(2, 1), link(3, 1), link(4, 2)]) == [1, 2, 4]


def test_a_record_that_follows_changed_content_is_damage() -> None:
    changed = Link(Position(2), bytes(16), Head(Position(1), b"x" * 16))
    with pytest.raises(Damaged, match="at position 2 was written after another record at 1"):
        follow(head(1), changed)


@given(st.lists(st.integers(0, 8), max_size=9))
def test_each_counting_record_has_at_most_one_counting_successor(follows: list[int]) -> None:
    links = [link(i + 1, f) for i, f in enumerate(follows) if f <= i]
    positions = counted(links)
    predecessors = [each.follows.position for each in links if each.position in positions]
    assert len(set(predecessors)) == len(predecessors)
    assert predecessors == [0, *positions][: len(predecessors)]
