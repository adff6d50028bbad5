"""The calls that wait for a record: bounded, in order, each answered once."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from ropewalk.communication.admission import Priority
from ropewalk.core.chain import Position
from ropewalk.core.limits import BATCH_APPLY_S
from ropewalk.core.machine import NO_ID, Request
from ropewalk.errors import NotAccepted, OutcomeUnknown, Rejected, RopewalkError
from ropewalk.runtime.calls import Answers, Bounds, Call, Calls

BOUNDS = Bounds(batch_requests_max=3, batch_bytes_max=30, queue_requests_max=6, queue_bytes_max=50)


class Clock:
    """A clock that is set by hand."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def run(body: Callable[[Calls, Clock], Awaitable[None]], bounds: Bounds = BOUNDS) -> None:
    async def main() -> None:
        clock = Clock()
        await body(Calls(bounds, now_s=clock), clock)

    asyncio.run(main())


def call(*commands: bytes, deadline_s: float = 10.0) -> Call:
    requests = [Request(NO_ID, command) for command in commands]
    return Call(requests, deadline_s=deadline_s, answers=asyncio.get_running_loop().create_future())


def admit(calls: Calls, priority: Priority, *, vet: Callable[[bytes], None] = lambda _: None) -> Call:
    return calls.admit([Request(NO_ID, b"a")], vet, deadline_s=10.0, priority=priority)


def error_of(given: Call) -> BaseException | None:
    return given.answers.exception() if given.answers.done() else None


def test_a_record_takes_the_calls_that_fit_in_their_order() -> None:
    async def body(calls: Calls, _: Clock) -> None:
        offered = [call(b"a"), call(b"b", b"c"), call(b"d")]
        for each in offered:
            calls.offer(each)
        assert calls.take() == offered[:2]
        assert calls.take() == offered[2:]
        assert not calls.arrived.is_set()

    run(body)


def test_a_record_takes_no_more_bytes_than_fit() -> None:
    async def body(calls: Calls, _: Clock) -> None:
        offered = [call(b"x" * 20), call(b"y" * 20)]
        for each in offered:
            calls.offer(each)
        assert calls.take() == offered[:1]

    run(body)


def test_a_record_takes_what_is_applied_in_time_as_the_one_before_shows() -> None:
    async def body(calls: Calls, _: Clock) -> None:
        for _ in range(5):
            calls.offer(call(b"a"))
        calls.pace(applied=3, took_s=1.5 * BATCH_APPLY_S)
        assert len(calls.take()) == 2
        calls.pace(applied=2, took_s=0.5 * BATCH_APPLY_S)
        assert len(calls.take()) == 3

    run(body)


def test_a_slow_record_is_followed_by_one_call_at_least() -> None:
    async def body(calls: Calls, _: Clock) -> None:
        offered = [call(b"a", b"b"), call(b"c")]
        for each in offered:
            calls.offer(each)
        calls.pace(applied=1, took_s=100 * BATCH_APPLY_S)
        assert calls.take() == offered[:1]

    run(body)


def test_a_record_without_requests_and_a_clock_that_stands_still_say_nothing_of_pace() -> None:
    async def body(calls: Calls, _: Clock) -> None:
        for _ in range(3):
            calls.offer(call(b"a"))
        calls.pace(applied=0, took_s=BATCH_APPLY_S)
        calls.pace(applied=1, took_s=0.0)
        assert len(calls.take()) == 3

    run(body)


@pytest.mark.parametrize("commands", [(b"x",) * 4, (b"x" * 31,)], ids=["requests", "bytes"])
def test_what_fits_no_record_is_rejected_for_good(commands: tuple[bytes, ...]) -> None:
    async def body(calls: Calls, _: Clock) -> None:
        with pytest.raises(Rejected, match="send them in several calls"):
            calls.offer(call(*commands))
        assert calls.requests == 0

    run(body)


def test_room_is_made_by_answers_and_not_by_taking() -> None:
    async def body(calls: Calls, _: Clock) -> None:
        first, second = call(b"a", b"b", b"c"), call(b"d", b"e", b"f")
        calls.offer(first)
        calls.offer(second)
        taken = calls.take()
        with pytest.raises(NotAccepted, match="6 requests of 6 bytes wait already"):
            calls.offer(call(b"g"))
        calls.finish(taken, took_s=3.0)
        calls.offer(call(b"g"))

    run(body)


def test_a_refusal_says_to_come_back_after_the_time_that_the_queue_will_take() -> None:
    async def body(calls: Calls, _: Clock) -> None:
        calls.offer(call(b"a", b"b", b"c"))
        calls.finish(calls.take(), took_s=0.6)
        calls.offer(call(b"a", b"b", b"c"))
        calls.offer(call(b"a", b"b", b"c"))
        with pytest.raises(NotAccepted) as refused:
            calls.offer(call(b"g"))
        assert refused.value.retry_after_s == pytest.approx(6 * 0.2)

    run(body)


def test_a_passed_deadline_did_not_happen_while_waiting_and_perhaps_in_flight() -> None:
    async def body(calls: Calls, clock: Clock) -> None:
        in_flight, waiting, patient = call(b"a", deadline_s=1.0), call(b"b", deadline_s=1.0), call(b"c")
        calls.offer(in_flight)
        calls.take()
        calls.offer(waiting)
        calls.offer(patient)
        clock.now_s = 1.0
        calls.expire()
        assert isinstance(error_of(in_flight), OutcomeUnknown)
        assert isinstance(error_of(waiting), NotAccepted)
        assert calls.take() == [patient]
        assert calls.requests == 2

    run(body)


def test_a_caller_who_has_gone_is_not_written_and_leaves_room() -> None:
    async def body(calls: Calls, _: Clock) -> None:
        gone = call(b"a", b"b", b"c")
        calls.offer(gone)
        gone.answers.cancel()
        assert calls.take() == []
        assert calls.requests == 0

    run(body)


def test_what_is_not_answered_in_time_is_not_taken_on_and_the_lower_class_is_refused_first() -> None:
    async def body(calls: Calls, clock: Clock) -> None:
        for _ in range(1_000):
            calls.offer(call(b"a"))
        clock.now_s = 0.1
        while calls.waiting:
            calls.finish(calls.take(), took_s=0.1)
        for _ in range(540):
            admit(calls, Priority.BULK)
        with pytest.raises(
            NotAccepted, match="540 requests wait already, and 540 of bulk calls are answered in time"
        ):
            admit(calls, Priority.BULK)
        for _ in range(270):
            admit(calls, Priority.INTERACTIVE)
        with pytest.raises(NotAccepted, match="810 requests wait already, and 810 of interactive calls"):
            admit(calls, Priority.INTERACTIVE)
        for _ in range(90):
            admit(calls, Priority.CRITICAL)
        with pytest.raises(NotAccepted, match="900 requests wait already, and 900 of critical calls"):
            admit(calls, Priority.CRITICAL)
        assert calls.requests == 900
        assert calls.admission.refused == {Priority.CRITICAL: 1, Priority.INTERACTIVE: 1, Priority.BULK: 1}

    run(body, Bounds())


def test_commands_are_looked_at_only_if_there_is_room_for_them() -> None:
    def rejects(command: bytes) -> None:
        raise Rejected(f"{command!r} can't be read")

    async def body(calls: Calls, clock: Clock) -> None:
        with pytest.raises(Rejected, match="can't be read"):
            admit(calls, Priority.BULK, vet=rejects)
        assert calls.requests == 0
        for _ in range(1_000):
            calls.offer(call(b"a"))
        clock.now_s = 0.1
        calls.finish(calls.take(), took_s=0.1)
        for _ in range(1_000):
            calls.offer(call(b"a"))
        with pytest.raises(NotAccepted):
            admit(calls, Priority.BULK, vet=rejects)

    run(body, Bounds())


def test_the_time_in_which_calls_are_to_be_answered_may_be_set_for_an_engine_that_is_slow() -> None:
    async def body(calls: Calls, clock: Clock) -> None:
        for _ in range(1_000):
            calls.offer(call(b"a"))
        clock.now_s = 0.1
        while calls.waiting:
            calls.finish(calls.take(), took_s=0.1)
        assert calls.admission.limit == Bounds().queue_requests_max

    run(body, Bounds(answer_target_s=0.2))


def test_the_end_answers_every_call_once() -> None:
    async def body(calls: Calls, _: Clock) -> None:
        answered, in_flight, waiting = call(b"a"), call(b"b", b"c"), call(b"d")
        calls.offer(answered)
        calls.offer(in_flight)
        taken = calls.take()
        taken[0].answer(Answers([b"done"], Position(1)))
        calls.offer(waiting)
        no, perhaps = NotAccepted("nothing happened"), OutcomeUnknown("it may have happened")
        calls.fail_all(waiting=no, in_flight=perhaps)
        errors: list[RopewalkError | None] = [None, perhaps, no]
        assert [error_of(each) for each in (answered, in_flight, waiting)] == errors
        assert (calls.requests, calls.waiting) == (0, 0)

    run(body)
