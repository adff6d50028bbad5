"""Where a key is: the same in every process, and for ever."""

from hypothesis import given
from hypothesis import strategies as st

from ropewalk.core.place import Place


def test_the_partition_of_a_key_never_changes() -> None:
    place = Place("bank", 0, 5)
    assert [place.partition_of(key) for key in ("", "alice", "bob", "é", "021000021")] == [1, 4, 2, 3, 0]
    assert place.log_of("alice") == "bank/4"


@given(st.text(), st.integers(1, 64))
def test_every_key_has_a_partition(key: str, partitions: int) -> None:
    assert 0 <= Place("bank", 0, partitions).partition_of(key) < partitions
