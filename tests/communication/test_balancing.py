"""Balancing: every row of the table, and where requests go."""

from collections import Counter
from collections.abc import Callable
from random import Random

import pytest

from ropewalk.communication import balancing
from ropewalk.communication.balancing import Balancer, Standing
from ropewalk.communication.limits import (
    EJECTED_SHARE_MAX,
    EJECTION_BASE_S,
    EJECTION_CALLS_LEAST,
    EJECTION_FAILURES,
    EJECTION_MAX_S,
)
from ropewalk.communication.outcomes import Sign
from tests.communication.tables import Row, rows_of

TARGETS = 4
FIRST = 0
BUSY_S = 0.5


def tell(balancer: Balancer, sign: Sign, *, target: int = FIRST, now_s: float = 0.0, latency_s: float = 0.01) -> None:
    balancer.tell(target, sign, now_s=now_s, latency_s=latency_s, retry_after_s=BUSY_S)


def after(signs: list[Sign], *, ejected: int = 0) -> Balancer:
    """One target that answered so, and others of which some are ejected already."""
    balancer = Balancer(TARGETS)
    for other in range(1, 1 + ejected):
        for _ in range(EJECTION_FAILURES):
            tell(balancer, Sign.SICK, target=other)
    for sign in signs:
        tell(balancer, sign)
    return balancer


def all_busy() -> Balancer:
    balancer = after([Sign.BUSY])
    for other in range(1, TARGETS):
        tell(balancer, Sign.BUSY, target=other)
    return balancer


def choose(balancer: Balancer, *, excluded: set[int] | None = None) -> None:
    assert balancer.choose(now_s=0.1, draws=(0.0, 0.0), excluded=excluded or set()) == FIRST


SICK_IN_A_ROW = [Sign.SICK] * (EJECTION_FAILURES - 1)
# Never many in a row, and in the end under seven tenths of what the others reach.
MOSTLY_SICK = ([Sign.SICK] * 3 + [Sign.WELL]) * 7
SITUATIONS: dict[str, Callable[[], Balancer]] = {
    "sound: a well answer": lambda: after(SICK_IN_A_ROW),
    "sound: a busy answer": lambda: after([]),
    "sound: a failure, few in a row": lambda: after(SICK_IN_A_ROW[1:]),
    "sound: a failure, many in a row": lambda: after(SICK_IN_A_ROW),
    "sound: a failure, fewer successes than others": lambda: until_the_last_failure(),
    "sound: a failure, too many are ejected": lambda: after(SICK_IN_A_ROW, ejected=2),
    "busy: its time comes": lambda: after([Sign.BUSY]),
    "busy: all are busy": all_busy,
    "ejected: its time comes": lambda: after([*SICK_IN_A_ROW, Sign.SICK]),
    "ejected: a late answer": lambda: after([*SICK_IN_A_ROW, Sign.SICK]),
    "ejected: all are ejected or excluded": lambda: after([*SICK_IN_A_ROW, Sign.SICK]),
}
EVENTS: dict[str, Callable[[Balancer], float | None]] = {
    "a well answer": lambda balancer: tell(balancer, Sign.WELL),
    "a busy answer": lambda balancer: tell(balancer, Sign.BUSY),
    "a failure, few in a row": lambda balancer: tell(balancer, Sign.SICK),
    "a failure, many in a row": lambda balancer: tell(balancer, Sign.SICK),
    "a failure, fewer successes than others": lambda balancer: tell(balancer, Sign.SICK),
    "a failure, too many are ejected": lambda balancer: tell(balancer, Sign.SICK),
    "its time comes": lambda _: max(BUSY_S, EJECTION_BASE_S),
    "all are busy": lambda balancer: choose(balancer),
    "a late answer": lambda balancer: tell(balancer, Sign.WELL),
    "all are ejected or excluded": lambda balancer: choose(balancer, excluded={1, 2, 3}),
}


def until_the_last_failure() -> Balancer:
    """A target that the next failure makes an outlier, by its share of successes alone."""
    signs: list[Sign] = []
    for sign in MOSTLY_SICK:
        if after([*signs, Sign.SICK]).members[FIRST].standing(0.0) is Standing.EJECTED:
            break
        signs.append(sign)
    assert len(signs) >= EJECTION_CALLS_LEAST - 1
    return after(signs)


@pytest.mark.parametrize("row", rows_of(balancing), ids=lambda row: row.name)
def test_a_target_follows_the_table(row: Row) -> None:
    balancer = SITUATIONS[row.name]()
    assert balancer.members[FIRST].standing(0.0).value == row.state
    now_s = EVENTS[row.event](balancer) or 0.0
    assert balancer.members[FIRST].standing(now_s).value == row.becomes


def test_a_well_answer_ends_the_failures_in_a_row() -> None:
    balancer = after([*SICK_IN_A_ROW, Sign.WELL, *SICK_IN_A_ROW])
    assert balancer.members[FIRST].standing(0.0) is Standing.SOUND


def test_an_ejection_is_longer_each_time_up_to_a_bound() -> None:
    balancer, now_s, lengths = Balancer(TARGETS), 0.0, []
    for _ in range(40):
        for _ in range(EJECTION_FAILURES):
            tell(balancer, Sign.SICK, now_s=now_s)
        length_s = 0.0
        while balancer.members[FIRST].standing(now_s + length_s) is Standing.EJECTED:
            length_s += EJECTION_BASE_S / 2
        lengths.append(length_s)
        now_s += length_s
    assert lengths[:3] == [EJECTION_BASE_S, 2 * EJECTION_BASE_S, 3 * EJECTION_BASE_S]
    assert lengths == sorted(lengths)
    assert lengths[-1] == EJECTION_MAX_S


def test_at_most_a_share_of_the_targets_is_ejected_whatever_fails() -> None:
    balancer = Balancer(TARGETS)
    for target in range(TARGETS):
        for _ in range(2 * EJECTION_FAILURES):
            tell(balancer, Sign.SICK, target=target)
    ejected = [member.standing(0.0) is Standing.EJECTED for member in balancer.members]
    assert sum(ejected) == TARGETS * EJECTED_SHARE_MAX


def test_the_only_target_is_never_ejected() -> None:
    balancer = Balancer(1)
    for _ in range(100):
        tell(balancer, Sign.SICK)
    assert balancer.members[FIRST].standing(0.0) is Standing.SOUND


def chosen(balancer: Balancer, *, count: int = 2_000, now_s: float = 0.0) -> Counter[int | None]:
    """Where so many requests go that each take no time."""
    random = Random(7)
    draws = ((random.random(), random.random()) for _ in range(count))
    return Counter(balancer.choose(now_s=now_s, draws=each) for each in draws)


def test_equal_targets_get_equal_shares() -> None:
    random = Random(3)
    balancer = Balancer(TARGETS)
    for _ in range(4_000):
        target = balancer.choose(now_s=0.0, draws=(random.random(), random.random()))
        assert target is not None
        balancer.begin(target)
    assert max(member.under_way for member in balancer.members) <= 1_000 + 2


def test_a_slow_target_gets_few_requests_and_the_slowest_of_all_none() -> None:
    balancer = Balancer(TARGETS)
    for target, latency_s in enumerate((0.1, 0.01, 0.01, 0.02)):
        tell(balancer, Sign.WELL, target=target, latency_s=latency_s)
    shares = chosen(balancer)
    assert shares[0] == 0
    assert shares[3] < shares[1]


def test_one_slow_answer_counts_at_once_and_is_forgotten_slowly() -> None:
    balancer = Balancer(TARGETS)
    tell(balancer, Sign.WELL, latency_s=0.01)
    tell(balancer, Sign.WELL, latency_s=1.0)
    assert balancer.members[FIRST].latency_s == 1.0
    tell(balancer, Sign.WELL, latency_s=0.01, now_s=1.0)
    assert 0.8 < balancer.members[FIRST].latency_s < 1.0
    tell(balancer, Sign.WELL, latency_s=0.01, now_s=60.0)
    assert balancer.members[FIRST].latency_s == pytest.approx(0.01, rel=0.3)


def test_a_target_that_refuses_quickly_does_not_draw_requests_to_it() -> None:
    balancer = Balancer(2)
    tell(balancer, Sign.WELL, latency_s=0.01)
    tell(balancer, Sign.WELL, target=1, latency_s=0.01)
    balancer.tell(FIRST, Sign.BUSY, now_s=0.0, latency_s=0.0001, retry_after_s=1.0)
    assert chosen(balancer, now_s=0.9) == {1: 2_000}
    assert chosen(balancer, now_s=1.0)[FIRST] > 0


def test_no_target_is_chosen_if_all_are_excluded() -> None:
    assert Balancer(2).choose(now_s=0.0, draws=(0.5, 0.5), excluded={0, 1}) is None
