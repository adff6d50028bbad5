"""What each read level waits for, and what it does not."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from ropewalk.core.chain import Position
from ropewalk.core.clock import VectorClock
from ropewalk.core.codec import encode_value
from ropewalk.data.reads import STRONG, AtLeast, ReadLevel, Stale
from ropewalk.engines.memory import MemoryEngine
from ropewalk.errors import NotAccepted
from ropewalk.runtime.leader import Leader, lead
from ropewalk.runtime.writer import Identity
from tests.runtime.counter import Add, counter, request
from tests.runtime.gated import GatedLog


class WatchedLog(GatedLog):
    """A log that counts the questions for its end, too."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    async def last(self) -> Position:
        self.asked += 1
        return await super().last()


def run(body: Callable[[Leader, WatchedLog], Awaitable[None]]) -> None:
    async def main() -> None:
        log = WatchedLog()
        storage = (await MemoryEngine().open("counter", 0))._replace(log=log)
        async with lead(counter(), storage, Identity("counter", 0, b"w" * 16), now_ns=time.time_ns) as leader:
            await body(leader, log)

    asyncio.run(main())


async def value(leader: Leader, level: ReadLevel) -> object:
    return msgspec.msgpack.decode((await leader.read(encode_value("a"), level=level)).answer)


async def refusal(leader: Leader, level: ReadLevel) -> str:
    with pytest.raises(NotAccepted) as refused:
        await value(leader, level)
    return str(refused.value)


def at_least(position: int, *, log: str = "counter/0") -> AtLeast:
    return AtLeast(VectorClock({log: Position(position)}))


async def turns() -> None:
    """Let every task run as far as it gets."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_a_strong_read_asks_the_log_how_far_it_goes() -> None:
    async def body(leader: Leader, log: WatchedLog) -> None:
        await leader.submit([request(Add("a", 1))])
        asked = log.asked
        assert await value(leader, STRONG) == 1
        assert log.asked > asked

    run(body)


def test_a_strong_read_goes_past_a_late_repeat_in_the_log() -> None:
    async def body(leader: Leader, log: WatchedLog) -> None:
        await leader.submit([request(Add("a", 1))])
        (record,) = await log.read(after=Position(1), limit=1)
        await log.append(record.payload)
        assert await value(leader, STRONG) == 1
        answers = await leader.submit([request(Add("a", 1))])
        assert answers.position == 4

    run(body)


@pytest.mark.parametrize("level", [at_least(2), at_least(99, log="other/0"), Stale(60.0)], ids=repr)
def test_a_state_that_satisfies_the_level_already_answers_without_asking_the_log(level: ReadLevel) -> None:
    async def body(leader: Leader, log: WatchedLog) -> None:
        await leader.submit([request(Add("a", 1))])
        asked = log.asked
        assert await value(leader, level) == 1
        assert log.asked == asked

    run(body)


def test_a_state_older_than_the_bound_is_brought_up_to_date() -> None:
    async def body(leader: Leader, log: WatchedLog) -> None:
        asked = log.asked
        await value(leader, Stale(0.0))
        assert log.asked > asked

    run(body)


def test_at_least_waits_for_a_write_that_is_under_way() -> None:
    async def body(leader: Leader, log: WatchedLog) -> None:
        log.gate.clear()
        async with asyncio.TaskGroup() as tasks:
            write = tasks.create_task(leader.submit([request(Add("a", 5))]))
            read = tasks.create_task(value(leader, at_least(2)))
            await turns()
            assert not read.done()
            log.gate.set()
        assert write.result().position == 2
        assert read.result() == 5

    run(body)


def test_a_reader_who_has_gone_does_not_hold_up_the_others() -> None:
    async def body(leader: Leader, log: WatchedLog) -> None:
        log.gate.clear()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(leader.submit([request(Add("a", 5))]))
            gone = tasks.create_task(value(leader, at_least(2)))
            stays = tasks.create_task(value(leader, at_least(2)))
            await turns()
            gone.cancel()
            log.gate.set()
        assert stays.result() == 5

    run(body)


def test_a_reader_who_waits_for_what_never_comes_does_not_hold_up_a_stop() -> None:
    async def body(leader: Leader, _: WatchedLog) -> None:
        async with asyncio.TaskGroup() as tasks:
            read = tasks.create_task(refusal(leader, at_least(99)))
            await turns()
            async with asyncio.timeout(5):
                await leader.stop()
        assert "counter/0 has stopped" in read.result()

    run(body)


def test_a_reader_of_a_partition_that_ends_is_told_so() -> None:
    async def body(leader: Leader, log: WatchedLog) -> None:
        async with asyncio.TaskGroup() as tasks:
            read = tasks.create_task(refusal(leader, at_least(99)))
            await turns()
            deposing = Identity("counter", 0, b"x" * 16)
            storage = (await MemoryEngine().open("counter", 0))._replace(log=log)
            async with lead(counter(), storage, deposing, now_ns=time.time_ns):
                await read
        assert "is led by another process" in read.result()

    run(body)
