"""Faulty ports: each fate does what its name says, over the log of any engine."""

import asyncio
from collections.abc import Sequence
from contextlib import nullcontext
from random import Random

import pytest

from ropewalk.core.chain import START, Position
from ropewalk.core.mailbox import Delivery
from ropewalk.engines.memory import MemoryLog, MemorySnapshots
from ropewalk.errors import NotAccepted, OutcomeUnknown
from ropewalk.proving.faults import FaultyLog, FaultySnapshots, FaultyTransport, Odds
from ropewalk.proving.virtual import run_virtual


def appended(odds: Odds, *, error: type[Exception] | None) -> Sequence[bytes]:
    """What the log holds after one append, some time later."""

    async def main() -> Sequence[bytes]:
        log = MemoryLog()
        async with asyncio.TaskGroup() as tasks:
            faulty = FaultyLog(log, Random(1), odds, spawn=tasks.create_task)
            if error is None:
                await faulty.append(b"a")
            else:
                with pytest.raises(error):
                    await faulty.append(b"a")
        return [record.payload for record in await log.read(after=START, limit=10)]

    return run_virtual(main())


def test_each_fate_does_what_its_name_says() -> None:
    assert appended(Odds(), error=None) == [b"a"]
    assert appended(Odds(refused=1.0), error=NotAccepted) == []
    assert appended(Odds(lost=1.0), error=OutcomeUnknown) == []
    assert appended(Odds(untold=1.0), error=OutcomeUnknown) == [b"a"]
    assert appended(Odds(repeated=1.0), error=None) == [b"a", b"a"]
    assert appended(Odds(late=1.0), error=OutcomeUnknown) == [b"a"]


def delivered(odds: Odds, *, error: type[Exception] | None, cut: bool = False) -> list[int]:
    """The first numbers of what comes out of a way into which a delivery goes, and then another."""

    class Receiver:
        def __init__(self) -> None:
            self.firsts: list[int] = []

        async def deliver(self, delivery: Delivery) -> int:
            self.firsts.append(delivery.first)
            return delivery.first

    async def main() -> list[int]:
        receiver = Receiver()
        async with asyncio.TaskGroup() as tasks:
            way = FaultyTransport(receiver, Random(1), odds, spawn=tasks.create_task)
            if cut:
                way.cut.add(("a/0", "a/1"))
            for number in (1, 2):
                with nullcontext() if error is None else pytest.raises(error):
                    assert await way.deliver(Delivery("a/0", "a/1", number, [])) == number
            assert way.fates.total() == 2
        return receiver.firsts

    return run_virtual(main())


def test_each_fate_does_with_a_delivery_what_its_name_says() -> None:
    assert delivered(Odds(), error=None) == [1, 2]
    assert delivered(Odds(refused=1.0), error=NotAccepted) == []
    assert delivered(Odds(lost=1.0), error=OutcomeUnknown) == []
    assert delivered(Odds(untold=1.0), error=OutcomeUnknown) == [1, 2]
    assert sorted(delivered(Odds(repeated=1.0), error=None)) == [1, 1, 2, 2]
    assert sorted(delivered(Odds(late=1.0), error=OutcomeUnknown)) == [1, 2]
    assert delivered(Odds(overtaken=1.0), error=None) == [1, 2, 1]
    assert delivered(Odds(), error=OutcomeUnknown, cut=True) == []


def test_a_read_may_return_one_changed_bit_and_says_so_to_the_world() -> None:
    async def main() -> tuple[bytes, bytes]:
        log = MemoryLog()
        await log.append(b"whole")
        faulty = FaultyLog(log, Random(1), Odds(read_damaged=1.0), spawn=lambda _: None)
        [read] = await faulty.read(after=START, limit=1)
        [kept] = await log.read(after=START, limit=1)
        assert faulty.has_damaged
        return read.payload, kept.payload

    read, kept = run_virtual(main())
    assert kept == b"whole"
    assert sum((one ^ other).bit_count() for one, other in zip(read, kept, strict=True)) == 1


def test_a_slow_disk_takes_up_to_a_second_and_not_a_moment_of_real_time() -> None:
    async def main() -> float:
        faulty = FaultyLog(MemoryLog(), Random(1), Odds(slow=1.0), spawn=lambda _: None)
        for _ in range(1_000):
            await faulty.append(b"a")
        return asyncio.get_running_loop().time()

    assert 900 < run_virtual(main()) < 1_100


def test_a_snapshot_rots_but_never_all_that_are_kept() -> None:
    async def main() -> list[bool]:
        kept = MemorySnapshots()
        faulty = FaultySnapshots(kept, Random(1), Odds(snapshot_damaged=1.0))
        for number in range(1, 7):
            await faulty.write(Position(number), [b"whole"])
        return [await kept.read(position) == b"whole" for position in await kept.positions()]

    assert run_virtual(main()) == [True, False, True, False, True, False]
