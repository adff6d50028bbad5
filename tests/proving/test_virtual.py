"""Virtual time: nothing waits, and a seed decides who goes first."""

import asyncio
import time
from random import Random

import pytest

from ropewalk.proving.virtual import Deadlock, Livelock, run_virtual


def test_hours_pass_in_no_time() -> None:
    async def main() -> float:
        await asyncio.sleep(36_000)
        return asyncio.get_running_loop().time()

    began_s = time.monotonic()
    assert run_virtual(main()) >= 36_000
    assert time.monotonic() - began_s < 5


def test_a_task_that_nobody_will_wake_is_reported() -> None:
    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Deadlock):
        run_virtual(main())


@pytest.mark.parametrize("shuffle", [None, Random(1)])
def test_a_task_that_never_waits_is_reported(shuffle: Random | None) -> None:
    async def main() -> None:
        while True:
            await asyncio.sleep(0)

    with pytest.raises(Livelock):
        run_virtual(main(), shuffle=shuffle)


def order(seed: int) -> list[int]:
    async def main() -> list[int]:
        seen: list[int] = []

        async def note(number: int) -> None:
            await asyncio.sleep(0)
            seen.append(number)

        async with asyncio.TaskGroup() as tasks:
            for number in range(8):
                tasks.create_task(note(number))
        return seen

    return run_virtual(main(), shuffle=Random(seed))


def test_a_seed_decides_the_order_of_what_is_ready_at_once() -> None:
    assert order(1) == order(1)
    assert len({tuple(order(seed)) for seed in range(20)}) > 10


def test_tasks_that_are_ended_together_are_ended_in_the_order_of_their_beginning() -> None:
    async def main() -> list[int]:
        seen: list[int] = []

        async def note(number: int) -> None:
            try:
                await asyncio.sleep(1)
            finally:
                seen.append(number)

        async def group() -> None:
            async with asyncio.TaskGroup() as tasks:
                for number in range(100):
                    tasks.create_task(note(number))

        ended = asyncio.get_running_loop().create_task(group())
        await asyncio.sleep(0.5)
        ended.cancel()
        await asyncio.wait([ended])
        return seen

    assert run_virtual(main()) == list(range(100))
