"""Admission: every row of the table, the order of classes, and a partition under three times its load."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk.communication import admission as admission_module
from ropewalk.communication.admission import Admission, Priority
from ropewalk.communication.limits import (
    ADMISSION_BACKOFF,
    ADMISSION_CALLS_LEAST,
    ADMISSION_FLOOR,
    ADMISSION_STEP,
    ADMISSION_TARGET_S,
)
from tests.communication.tables import Row, rows_of

CEILING = 10_000
LATE_S = 2 * ADMISSION_TARGET_S
IN_TIME_S = ADMISSION_TARGET_S / 2
MANY_CALLS = 1_000


def free() -> Admission:
    """Its limit is half of the ceiling, so that it may grow and fall."""
    admission = Admission(ceiling=CEILING)
    admission.limit = CEILING / 2
    return admission


def pressed() -> Admission:
    admission = free()
    assert not offer(admission, CEILING)
    return admission


def settling() -> Admission:
    admission = free()
    admission.answered(took_s=LATE_S, requests=CEILING, now_s=0.0)
    return admission


def offer(admission: Admission, requests: int, *, now_s: float = 0.0) -> bool:
    return admission.admits(Priority.CRITICAL, requests=requests, calls=MANY_CALLS, now_s=now_s)


def answer(admission: Admission, took_s: float, *, now_s: float = 0.0) -> None:
    admission.answered(took_s=took_s, requests=CEILING, now_s=now_s)


STATES: dict[str, Callable[[], Admission]] = {"free": free, "pressed": pressed, "settling": settling}
EVENTS: dict[str, Callable[[Admission, float], object]] = {
    "a call within its part": lambda admission, _: offer(admission, 1),
    "a call past its part": lambda admission, _: offer(admission, CEILING),
    "a call past, when settled": lambda admission, now_s: offer(admission, CEILING, now_s=now_s),
    "an answer in time": lambda admission, _: answer(admission, IN_TIME_S),
    "a late answer": lambda admission, _: answer(admission, LATE_S),
    "a late answer, settled": lambda admission, now_s: answer(admission, LATE_S, now_s=now_s),
}


def change(before: float, after: float) -> str:
    return "stays" if after == before else "grows" if after > before else "falls"


@pytest.mark.parametrize("row", rows_of(admission_module), ids=lambda row: row.name)
def test_admission_follows_its_table(row: Row) -> None:
    admission = STATES[row.state]()
    assert admission.state(0.0).value == row.state
    before, now_s = admission.limit, LATE_S if "settled" in row.event else 0.0
    EVENTS[row.event](admission, now_s)
    assert admission.state(now_s).value == row.becomes
    assert change(before, admission.limit) == row.answer


def test_the_limit_grows_by_a_step_and_falls_to_nine_tenths_of_what_was_under_way() -> None:
    admission = pressed()
    answer(admission, IN_TIME_S)
    assert admission.limit == CEILING / 2 + ADMISSION_STEP
    admission.answered(took_s=LATE_S, requests=1_000, now_s=0.0)
    assert admission.limit == 1_000 * ADMISSION_BACKOFF


steps = st.lists(
    st.tuples(st.booleans(), st.integers(0, 2 * CEILING), st.floats(0.0, 1.0), st.floats(0.0, 0.1)), max_size=60
)


@given(steps)
def test_the_limit_stays_between_the_floor_and_the_ceiling(given: list[tuple[bool, int, float, float]]) -> None:
    admission, now_s = Admission(ceiling=CEILING), 0.0
    for is_offer, requests, took_s, pause_s in given:
        now_s += pause_s
        if is_offer:
            offer(admission, requests, now_s=now_s)
        else:
            admission.answered(took_s=took_s, requests=requests, now_s=now_s)
        assert ADMISSION_FLOOR <= admission.limit <= CEILING


@given(requests=st.integers(0, CEILING), calls=st.integers(1, 100), limit=st.floats(ADMISSION_FLOOR, CEILING))
def test_what_is_refused_of_a_class_is_refused_of_every_lower_one(requests: int, calls: int, limit: float) -> None:
    admission = Admission(ceiling=CEILING)
    admission.limit = limit
    admitted = [admission.admits(each, requests=requests, calls=calls, now_s=0.0) for each in Priority]
    assert admitted == sorted(admitted, reverse=True)


def test_a_ceiling_below_the_floor_holds() -> None:
    admission = Admission(ceiling=10)
    admission.answered(took_s=LATE_S, requests=5, now_s=0.0)
    assert admission.limit == 10


def test_hundreds_of_connections_and_a_few_bulk_calls_are_never_refused() -> None:
    admission = Admission(ceiling=CEILING)
    for turn in range(1_000):
        admission.answered(took_s=LATE_S, requests=256, now_s=turn * LATE_S)
    assert admission.admits(Priority.INTERACTIVE, requests=256, calls=256, now_s=0.0)
    few = int(ADMISSION_CALLS_LEAST * 0.6)
    assert admission.admits(Priority.BULK, requests=CEILING, calls=few, now_s=0.0)


class Partition:
    """Answers ten requests a millisecond, in records that take all that waits and at least a millisecond each."""

    def __init__(self, admission: Admission) -> None:
        self.admission = admission
        self.waiting: list[tuple[float, Priority]] = []
        self.record: list[tuple[float, Priority]] = []
        self.ends_s = 0.0
        self.answered: list[tuple[float, float, Priority]] = []

    def offer(self, priority: Priority, *, now_s: float) -> bool:
        self.run(until_s=now_s)
        requests = len(self.waiting) + len(self.record) + 1
        admitted = self.admission.admits(priority, requests=requests, calls=requests, now_s=now_s)
        if admitted:
            self.waiting.append((now_s, priority))
        return admitted

    def run(self, *, until_s: float) -> None:
        while self.ends_s <= until_s and (self.record or self.waiting):
            if self.record:
                self.finish()
            self.record, self.waiting = self.waiting, []
            began_s = max(self.ends_s, self.record[0][0]) if self.record else self.ends_s
            self.ends_s = began_s + max(0.001, len(self.record) / 10_000) if self.record else began_s

    def finish(self) -> None:
        requests = len(self.record) + len(self.waiting)
        self.answered += [(self.ends_s, self.ends_s - since_s, priority) for since_s, priority in self.record]
        took_s = self.ends_s - self.record[0][0]
        self.admission.answered(took_s=took_s, requests=requests, now_s=self.ends_s)


def overloaded(mix: list[Priority], *, seconds: float = 10.0) -> Partition:
    """Three times what the partition can do, of these classes in turn."""
    partition = Partition(Admission(ceiling=CEILING))
    for number in range(int(30_000 * seconds)):
        partition.offer(mix[number % len(mix)], now_s=number / 30_000)
    return partition


def late_half(partition: Partition, *, seconds: float = 10.0) -> list[tuple[float, float, Priority]]:
    return [each for each in partition.answered if each[0] > seconds / 2]


def test_at_three_times_its_load_a_partition_answers_at_its_full_rate_and_in_time() -> None:
    answered = late_half(overloaded([Priority.INTERACTIVE]))
    assert len(answered) / 5.0 > 9_700
    took = sorted(took_s for _, took_s, _ in answered)
    assert took[len(took) * 99 // 100] < 2 * ADMISSION_TARGET_S


def test_bulk_alone_is_answered_at_the_full_rate_too() -> None:
    assert len(late_half(overloaded([Priority.BULK]))) / 5.0 > 9_700


def test_when_all_classes_come_at_once_the_most_important_is_answered_whole() -> None:
    answered = late_half(overloaded([Priority.CRITICAL, Priority.INTERACTIVE, Priority.BULK, Priority.BULK]))
    critical = sum(priority is Priority.CRITICAL for _, _, priority in answered)
    bulk = sum(priority is Priority.BULK for _, _, priority in answered)
    assert critical / 5.0 > 7_400
    assert bulk < len(answered) * 0.01
    assert len(answered) / 5.0 > 9_700


def test_a_lower_class_loses_its_part_while_a_better_is_refused_and_gets_it_back() -> None:
    admission = pressed()
    whole = [admission.part_of(each) for each in Priority]
    answer(admission, IN_TIME_S)
    lowered = [admission.part_of(each) for each in Priority]
    assert lowered[Priority.CRITICAL] > whole[Priority.CRITICAL]
    assert lowered[Priority.INTERACTIVE] < whole[Priority.INTERACTIVE]
    assert lowered[Priority.BULK] < whole[Priority.BULK]
    for _ in range(100):
        answer(admission, IN_TIME_S)
    assert [admission.part_of(each) for each in Priority] == [5_016, 4_514, 3_009]


def test_a_slow_disk_is_not_a_queue() -> None:
    for took_s, falls in ((LATE_S, False), (3 * LATE_S, True)):
        slow = free()
        slow.answered(took_s=took_s, append_s=LATE_S / 2, requests=CEILING, now_s=0.0)
        assert (slow.limit < CEILING / 2) == falls


def test_a_slow_append_of_a_fast_disk_is_late() -> None:
    fast = free()
    fast.answered(took_s=IN_TIME_S, append_s=0.001, requests=CEILING, now_s=0.0)
    fast.answered(took_s=2 * LATE_S, append_s=LATE_S, requests=CEILING, now_s=0.0)
    assert fast.limit < CEILING / 2
