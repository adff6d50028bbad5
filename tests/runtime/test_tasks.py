"""Tasks beside a block: they end with it, and an error comes out as itself."""

import asyncio
from contextlib import suppress

import pytest

from ropewalk.errors import NotAccepted, Rejected
from ropewalk.runtime.tasks import beside, open_tasks


async def fail(error: Exception) -> None:
    raise error


async def wait_for_ever(ended: asyncio.Event) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        ended.set()


def test_what_runs_beside_a_block_is_cancelled_when_it_ends() -> None:
    async def main() -> None:
        ended = asyncio.Event()
        async with beside(wait_for_ever(ended)):
            await asyncio.sleep(0)
            assert not ended.is_set()
        assert ended.is_set()

    asyncio.run(main())


def test_what_was_started_is_waited_for() -> None:
    async def main() -> None:
        done = []

        async def work() -> None:
            await asyncio.sleep(0)
            done.append("work")

        async with open_tasks() as tasks:
            tasks.create_task(work())
        assert done == ["work"]

    asyncio.run(main())


def test_an_error_of_the_block_comes_out_as_it_is_with_its_cause() -> None:
    async def main() -> None:
        ended = asyncio.Event()
        async with beside(wait_for_ever(ended)):
            await asyncio.sleep(0)
            try:
                raise OSError("no disk")
            except OSError as error:
                raise NotAccepted("nothing was written") from error

    with pytest.raises(NotAccepted) as raised:
        asyncio.run(main())
    assert isinstance(raised.value.__cause__, OSError)


def test_an_error_of_a_task_ends_the_block_and_comes_out_as_it_is() -> None:
    async def main() -> None:
        async with beside(fail(Rejected("no"))):
            await asyncio.Event().wait()

    with pytest.raises(Rejected, match="no") as raised:
        asyncio.run(main())
    assert not isinstance(raised.value.__context__, BaseExceptionGroup)


def test_a_group_that_the_block_raised_stays_a_group() -> None:
    async def main() -> None:
        async with open_tasks():
            raise ExceptionGroup("two", [Rejected("one"), Rejected("other")])

    with pytest.raises(ExceptionGroup, match="two"):
        asyncio.run(main())


def test_of_several_errors_the_first_comes_out_and_tells_of_the_others() -> None:
    async def main() -> None:
        async with beside(fail(Rejected("the first")), fail(NotAccepted("the second"))):
            await asyncio.Event().wait()

    with pytest.raises(Rejected, match="the first") as raised:
        asyncio.run(main())
    assert raised.value.__notes__ == ["and then: NotAccepted('the second')"]


def test_a_cancellation_of_the_block_stays_one() -> None:
    async def main() -> None:
        ended, began = asyncio.Event(), asyncio.Event()

        async def block() -> None:
            async with beside(wait_for_ever(ended)):
                began.set()
                await asyncio.Event().wait()

        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(block())
            await began.wait()
            running.cancel()
        assert running.cancelled()
        assert ended.is_set()

    asyncio.run(main())


def test_a_cancellation_is_not_forgotten_because_of_an_error_at_the_same_time() -> None:
    async def ends_slowly() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)

    async def try_again_and_again() -> None:
        while True:
            with suppress(Rejected):
                async with open_tasks() as tasks:
                    tasks.create_task(ends_slowly())
                    tasks.create_task(fail(Rejected("no")))
            await asyncio.Event().wait()

    async def main() -> None:
        for turns in range(10):
            async with asyncio.timeout(1), asyncio.TaskGroup() as tasks:
                task = tasks.create_task(try_again_and_again())
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()

    asyncio.run(main())
