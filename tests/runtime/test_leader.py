"""The loop over real engines: what a reply promises, and what an error promises."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from ropewalk.core.chain import Position
from ropewalk.core.clock import VectorClock
from ropewalk.core.codec import encode_value
from ropewalk.core.limits import SNAPSHOTS_KEPT
from ropewalk.core.machine import Saved
from ropewalk.data.engine import Storage
from ropewalk.data.log import LogRecord
from ropewalk.data.reads import AtLeast, Stale
from ropewalk.engines.memory import MemoryEngine, MemoryLog
from ropewalk.engines.sqlite import SqliteEngine
from ropewalk.errors import NotAccepted, OutcomeUnknown, Rejected
from ropewalk.proving.virtual import run_virtual
from ropewalk.runtime.calls import Answers, Bounds
from ropewalk.runtime.leader import Leader, lead
from ropewalk.runtime.writer import Identity
from tests.runtime.counter import Add, AddAt, Break, counter, request
from tests.runtime.gated import GatedLog

IDENTITY = Identity("counter", 0, b"w" * 16)


def totals(answers: Answers) -> list[object]:
    return [reply and msgspec.msgpack.decode(reply) for reply in answers.replies]


async def value(leader: Leader, key: str, **level: object) -> object:
    return msgspec.msgpack.decode((await leader.read(encode_value(key), **level)).answer)  # type: ignore[arg-type]


class ForgetfulLog(MemoryLog):
    """A log that appends and loses the answer, the first few times."""

    lost = 3

    async def append(self, payload: bytes) -> Position:
        position = await super().append(payload)
        if self.lost:
            self.lost -= 1
            raise OutcomeUnknown("the answer was lost")
        return position


class FullLog(MemoryLog):
    """A log on a disk that is full while `is_full`."""

    is_full = False
    refused = 0

    async def append(self, payload: bytes) -> Position:
        if self.is_full:
            self.refused += 1
            raise NotAccepted("the disk is full", retry_after_s=1.0)
        return await super().append(payload)


async def seconds_pass(seconds: float) -> None:
    """In virtual time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.Event().wait()


async def memory(log: MemoryLog | None = None) -> Storage:
    storage = await MemoryEngine().open("counter", 0)
    return storage if log is None else storage._replace(log=log)


def run(storage_of: object, body: object, **options: object) -> None:
    async def main() -> None:
        storage = await storage_of()  # type: ignore[operator]
        async with lead(counter(), storage, IDENTITY, now_ns=time.time_ns, **options) as leader:  # type: ignore[arg-type]
            await body(leader, storage)  # type: ignore[operator]

    asyncio.run(main())


def test_a_reply_carries_the_position_at_which_it_took_effect() -> None:
    async def body(leader: Leader, _: Storage) -> None:
        first = await leader.submit([request(Add("a", 2)), request(Add("a", 3))])
        second = await leader.submit([request(Add("a", 1))])
        assert totals(first) == [2, 5]
        assert totals(second) == [6]
        assert (first.position, second.position) == (2, 3)

    run(memory, body)


def test_what_was_acknowledged_is_there_after_a_restart(tmp_path: Path) -> None:
    async def main() -> None:
        for expected in (1, 2, 3):
            engine = SqliteEngine(tmp_path)
            storage = await engine.open("counter", 0)
            async with lead(counter(), storage, IDENTITY, now_ns=time.time_ns) as leader:
                assert totals(await leader.submit([request(Add("a", 1))])) == [expected]
            await engine.close()

    asyncio.run(main())


def test_callers_who_come_while_a_record_is_written_share_the_next_one() -> None:
    log = GatedLog

    async def main() -> None:
        gated = log()
        async with lead(counter(), await memory(gated), IDENTITY, now_ns=time.time_ns) as leader:
            gated.gate.clear()
            async with asyncio.TaskGroup() as tasks:
                first = tasks.create_task(leader.submit([request(Add("a", 1))]))
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                rest = [tasks.create_task(leader.submit([request(Add("a", 1))])) for _ in range(50)]
                await asyncio.sleep(0)
                gated.gate.set()
            assert first.result().position == 2
            assert {task.result().position for task in rest} == {3}

    asyncio.run(main())


def test_an_append_whose_answer_is_lost_takes_effect_once() -> None:
    async def body(leader: Leader, _: Storage) -> None:
        assert totals(await leader.submit([request(Add("a", 1))])) == [1]
        assert await value(leader, "a") == 1

    run(lambda: memory(ForgetfulLog()), body)


def test_a_full_disk_refuses_and_goes_on_when_there_is_room() -> None:
    log = FullLog()

    async def body(leader: Leader, _: Storage) -> None:
        log.is_full = True
        with pytest.raises(NotAccepted, match="the disk is full"):
            await leader.submit([request(Add("a", 1))])
        log.is_full = False
        assert totals(await leader.submit([request(Add("a", 1))])) == [1]

    run(lambda: memory(log), body)


def test_a_full_queue_refuses_at_once_and_says_when_to_come_back() -> None:
    async def main() -> None:
        gated = GatedLog()
        bounds = Bounds(queue_requests_max=2)
        async with lead(counter(), await memory(gated), IDENTITY, now_ns=time.time_ns, bounds=bounds) as leader:
            gated.gate.clear()
            async with asyncio.TaskGroup() as tasks:
                accepted = [tasks.create_task(leader.submit([request(Add("a", 1))])) for _ in range(2)]
                await asyncio.sleep(0)
                with pytest.raises(NotAccepted, match="2 requests of") as refused:
                    await leader.submit([request(Add("a", 1))])
                assert refused.value.retry_after_s > 0
                gated.gate.set()
            assert {total for task in accepted for total in totals(task.result())} == {1, 2}

    asyncio.run(main())


def test_a_passed_deadline_says_whether_it_may_have_happened() -> None:
    async def main() -> None:
        gated = GatedLog()
        async with lead(counter(), await memory(gated), IDENTITY, now_ns=time.time_ns) as leader:
            gated.gate.clear()

            async def refused(error: type[Exception]) -> None:
                with pytest.raises(error):
                    await leader.submit([request(Add("a", 1))], deadline_s=0.05)

            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(refused(OutcomeUnknown))
                for _ in range(4):
                    await asyncio.sleep(0)
                tasks.create_task(refused(NotAccepted))
            gated.gate.set()
            assert totals(await leader.submit([request(Add("a", 1))])) == [2]

    asyncio.run(main())


def test_stopping_answers_everything_that_was_accepted() -> None:
    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            async with lead(counter(), await memory(), IDENTITY, now_ns=time.time_ns) as leader:
                calls = [tasks.create_task(leader.submit([request(Add("a", 1))])) for _ in range(100)]
                await asyncio.sleep(0)
            with pytest.raises(NotAccepted, match="has stopped"):
                await leader.submit([request(Add("a", 1))])
        assert max(total for call in calls for total in totals(call.result())) == 100  # type: ignore[type-var]

    asyncio.run(main())


def test_a_second_leader_deposes_the_first_which_then_refuses() -> None:
    async def main() -> None:
        storage = await memory()
        other = Identity("counter", 0, b"x" * 16)
        async with lead(counter(), storage, IDENTITY, now_ns=time.time_ns) as first:
            await first.submit([request(Add("a", 1))])
            async with lead(counter(), storage, other, now_ns=time.time_ns) as second:
                assert totals(await second.submit([request(Add("a", 1))])) == [2]
                with pytest.raises(NotAccepted, match="led by another process"):
                    await first.submit([request(Add("a", 10))])
                with pytest.raises(NotAccepted, match="led by another process"):
                    await first.read(encode_value("a"))
                assert await value(second, "a") == 2

    asyncio.run(main())


def test_a_machine_that_raises_stops_its_partition_and_says_where() -> None:
    async def body(leader: Leader, _: Storage) -> None:
        with pytest.raises(OutcomeUnknown, match="after position 1: ZeroDivisionError"):
            await leader.submit([request(Break())])
        with pytest.raises(NotAccepted, match="mend the machine"):
            await leader.submit([request(Add("a", 1))])

    run(memory, body)


def test_a_machine_that_can_not_be_saved_stops_its_partition_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def save() -> Saved:
        raise TypeError("not a number")

    async def main() -> None:
        machine = counter()
        monkeypatch.setattr(machine, "save", save)
        bounds = Bounds(snapshot_log_bytes=1)
        async with lead(machine, await memory(), IDENTITY, now_ns=time.time_ns, bounds=bounds) as leader:
            await leader.submit([request(Add("a", 1))])
            with pytest.raises(NotAccepted, match="TypeError: not a number"):
                await leader.read(encode_value("a"), level=AtLeast(VectorClock({"counter/0": Position(99)})))

    asyncio.run(main())


def test_what_can_not_be_read_or_does_not_fit_is_rejected() -> None:
    async def body(leader: Leader, _: Storage) -> None:
        with pytest.raises(Rejected, match="can't read"):
            await leader.submit([msgspec.structs.replace(request(Add("a", 1)), command=b"\xc1")])
        with pytest.raises(Rejected, match="several calls"):
            await leader.submit([request(Add("a", 1))] * 3)

    run(memory, body, bounds=Bounds(batch_requests_max=2))


def test_a_timer_fires_though_nobody_asks_anything() -> None:
    async def body(leader: Leader, _: Storage) -> None:
        await leader.submit([request(AddAt("a", 7, time.time_ns() + 20_000_000))])
        async with asyncio.timeout(5):
            while await value(leader, "a") != 7:
                await asyncio.sleep(0)

    run(memory, body)


def test_a_timer_that_a_full_disk_refuses_is_tried_again_with_pauses_and_fires_when_there_is_room() -> None:
    log = FullLog()

    async def main() -> None:
        now_s = asyncio.get_running_loop().time
        async with (
            lead(counter(), await memory(log), IDENTITY, now_ns=lambda: int(now_s() * 10**9)) as leader,
            asyncio.timeout(60),
        ):
            await leader.submit([request(AddAt("a", 7, time_ns=int(now_s() * 10**9)))])
            log.is_full = True
            await seconds_pass(10)
            assert 9 <= log.refused <= 11, "as often as the disk says"
            with pytest.raises(NotAccepted, match="the disk is full"):
                await leader.submit([request(Add("a", 1))])
            log.is_full = False
            await seconds_pass(2)
            assert await value(leader, "a") == 7

    run_virtual(main())


def test_reads_see_what_their_level_says() -> None:
    async def body(leader: Leader, _: Storage) -> None:
        answers = await leader.submit([request(Add("a", 1))])
        token = leader.token(answers.position)
        assert await value(leader, "a") == 1
        assert await value(leader, "a", level=AtLeast(token)) == 1
        assert await value(leader, "a", level=Stale(60.0)) == 1
        ahead = AtLeast(VectorClock({"counter/0": Position(99)}))
        with pytest.raises(NotAccepted, match=r"did not reach what the token counter/0:99 includes within 0\.05 s"):
            await value(leader, "a", level=ahead, deadline_s=0.05)

    run(memory, body)


def test_snapshots_bound_the_log_and_a_damaged_one_falls_back(tmp_path: Path) -> None:
    bounds = Bounds(snapshot_log_bytes=2_000)

    async def main() -> None:
        engine = SqliteEngine(tmp_path)
        storage = await engine.open("counter", 0)
        async with lead(counter(), storage, IDENTITY, now_ns=time.time_ns, bounds=bounds) as leader:
            for _ in range(100):
                await leader.submit([request(Add("a", 1))])
        positions = await storage.snapshots.positions()
        assert len(positions) == SNAPSHOTS_KEPT
        assert (await kept(storage))[0].position == positions[0] + 1
        await engine.close()
        newest = tmp_path / "counter" / "0000" / "snapshots" / f"{positions[-1]:020}.snapshot"
        newest.write_bytes(newest.read_bytes()[:-1] + b"?")
        engine = SqliteEngine(tmp_path)
        storage = await engine.open("counter", 0)
        async with lead(counter(), storage, IDENTITY, now_ns=time.time_ns, bounds=bounds) as leader:
            assert await value(leader, "a") == 100
        await engine.close()

    asyncio.run(main())


async def kept(storage: Storage) -> Sequence[LogRecord]:
    positions = await storage.snapshots.positions()
    return await storage.log.read(after=positions[0], limit=1)
