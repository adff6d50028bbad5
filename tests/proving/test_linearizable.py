"""The linearizability checker: histories of a register that could have happened, and some that could not."""

from itertools import permutations, product

from hypothesis import given, settings
from hypothesis import strategies as st

from ropewalk.proving.linearizable import Broken, Holds, Operation, Unknown, check_linearizable

Command = int | None
"""A number to write, or None to read."""

Register = Operation[Command, int]


def follow(value: int, command: Command, answer: int | None) -> int | None:
    """A register: a write is answered by what it wrote, a read by what is there."""
    after = value if command is None else command
    return after if answer in (None, after) else None


def wrote(value: int, asked_s: float, answered_s: float | None) -> Register:
    return Operation(value, None if answered_s is None else value, asked_s, answered_s)


def read(value: int, asked_s: float, answered_s: float) -> Register:
    return Operation(None, value, asked_s, answered_s)


def test_nothing_holds() -> None:
    assert check_linearizable([], 0, follow) == Holds([])


def test_a_read_beside_a_write_sees_either() -> None:
    for seen in (0, 1):
        assert isinstance(check_linearizable([wrote(1, 0, 3), read(seen, 1, 2)], 0, follow), Holds)


def test_a_read_behind_a_write_sees_it() -> None:
    history = [wrote(1, 0, 1), read(0, 2, 3)]
    verdict = check_linearizable(history, 0, follow)
    assert verdict == Broken(longest=[history[0]], stuck=[history[1]])


def test_two_reads_do_not_see_one_write_come_and_go() -> None:
    history = [wrote(1, 0, 9), read(1, 1, 2), read(0, 3, 4)]
    assert isinstance(check_linearizable(history, 0, follow), Broken)


def test_what_was_not_answered_may_happen_late_or_never() -> None:
    lost = wrote(1, 0, None)
    assert isinstance(check_linearizable([lost, read(0, 1, 2), read(1, 3, 4)], 0, follow), Holds)
    assert isinstance(check_linearizable([lost, read(0, 1, 2), read(0, 3, 4)], 0, follow), Holds)
    assert isinstance(check_linearizable([lost, read(1, 1, 2), read(0, 3, 4)], 0, follow), Broken)


def test_a_search_that_is_given_up_is_not_one_that_holds() -> None:
    history = [wrote(number, 0, 100) for number in range(12)]
    verdict = check_linearizable([*history, read(99, 50, 60)], 0, follow, places_max=1_000)
    assert isinstance(verdict, Unknown)


MOMENTS = st.tuples(st.integers(0, 6), st.integers(1, 4))
HISTORIES = st.lists(
    st.one_of(
        st.builds(lambda m, v: wrote(v, m[0], m[0] + m[1]), MOMENTS, st.integers(1, 2)),
        st.builds(lambda m, v: wrote(v, m[0], None), MOMENTS, st.integers(1, 2)),
        st.builds(lambda m, v: read(v, m[0], m[0] + m[1]), MOMENTS, st.integers(0, 2)),
    ),
    max_size=5,
)


def by_trying_everything(history: list[Register]) -> bool:
    """The definition itself: any order of any choice of what was not answered."""
    lost = [each for each in history if each.answered_s is None]
    sure = [each for each in history if each.answered_s is not None]
    for chosen in product((False, True), repeat=len(lost)):
        happened = sure + [each for each, takes in zip(lost, chosen, strict=True) if takes]
        if any(is_allowed(order) for order in permutations(happened)):
            return True
    return False


def is_allowed(order: tuple[Register, ...]) -> bool:
    value: int | None = 0
    for place, each in enumerate(order):
        if any(other.answered_s is not None and other.answered_s < each.asked_s for other in order[place + 1 :]):
            return False
        value = follow(value, each.command, each.answer)
        if value is None:
            return False
    return True


@settings(max_examples=400, deadline=None)
@given(HISTORIES)
def test_it_finds_an_order_if_and_only_if_there_is_one(history: list[Register]) -> None:
    verdict = check_linearizable(history, 0, follow)
    assert isinstance(verdict, Holds) == by_trying_everything(history)
