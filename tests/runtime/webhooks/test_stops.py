"""Stops in between: what was taken is not repeated, what hangs is not waited for, and nothing is lost."""

import asyncio

import pytest

from ropewalk.communication.webhooks.limits import RETRY_DELAYS_S
from ropewalk.communication.webhooks.messages import ChangeEndpoint, RemoveEndpoint, Replay, Supply
from ropewalk.data.engine import Storage
from ropewalk.engines.memory import MemoryEngine
from ropewalk.runtime.webhooks import deliveries
from tests.runtime.gated import GatedLog
from tests.runtime.webhooks.receiver import TAKEN, Receiver, answer, receiving
from tests.runtime.webhooks.shop import Clock, numbered, shop


def test_after_a_stop_it_goes_on_where_it_was_and_repeats_nothing() -> None:
    async def main() -> None:
        engine = MemoryEngine()
        async with receiving() as receiver:
            async with shop(engine=engine) as first:
                await first.add(receiver)
                await first.pay(*numbered(40))
                await receiver.wait_until(lambda: len(receiver.got) == 40)
            async with shop(engine=engine) as second:
                await second.pay(*numbered(60)[40:])
                state = await second.wait_behind()
                assert receiver.subjects == dict.fromkeys(numbered(60), 1)
                assert state.progress.delivered == 60

    asyncio.run(main())


def test_a_stop_does_not_wait_for_a_receiver_that_hangs_and_loses_nothing() -> None:
    async def main() -> None:
        engine = MemoryEngine()
        async with receiving() as receiver:
            receiver.answers = lambda _: None
            async with shop(engine=engine) as first:
                await first.add(receiver)
                await first.pay("order-1")
                await receiver.wait_until(lambda: len(receiver.got) == 1)
            receiver.answers = lambda _: TAKEN
            async with shop(engine=engine) as second:
                await second.wait_behind()
                assert receiver.subjects == {"order-1": 2}

    asyncio.run(main())


def test_an_endpoint_that_is_removed_while_another_is_stopped_is_sent_nothing_more() -> None:
    async def remove_both(turns: int) -> None:
        async with receiving() as receiver, shop() as open_shop:
            for name in ("a", "b"):
                await open_shop.add(receiver, name)
            await open_shop.pay("order-1")
            await receiver.wait_until(lambda: len(receiver.got) == 2)
            await open_shop.tell(RemoveEndpoint("a"))
            for _ in range(turns):
                await asyncio.sleep(0)
            await open_shop.tell(RemoveEndpoint("b"))
            # What is added later is looked after later: by then the others are, if they ever will be.
            await open_shop.add(receiver, "c")
            for name in ("order-2", "order-3"):
                await open_shop.pay(name)
                await open_shop.wait_behind("c")
            assert receiver.subjects["order-3"] == 1, turns

    async def main() -> None:
        for turns in range(12):
            await remove_both(turns)

    asyncio.run(main())


def test_a_log_that_is_shorter_than_what_was_sent_of_it_is_said_and_keeps_nobody_waiting(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        engine = MemoryEngine()
        async with receiving() as receiver:
            async with shop(engine=engine) as first:
                await first.add(receiver)
                await first.pay(*numbered(3))
                await first.wait_behind()
            restored = RestoredEngine(engine)
            async with shop(engine=restored) as second:
                await second.add(receiver, "b")
                await second.pay("order-9")
                await second.wait_behind("b")
                assert receiver.subjects == {"order-0": 1, "order-1": 1, "order-2": 1, "order-9": 1}
                assert "a: event 3 of orders/0 was sent, and it has 0" in caplog.text
                await second.tell(Supply(oldest={"orders/0": 1}, last={"orders/0": 1}))
                await second.tell(Replay("a", {"orders/0": 0}))
                await second.wait_behind("a")
                assert receiver.subjects["order-9"] == 2

    asyncio.run(main())


class RestoredEngine(MemoryEngine):
    """What webhooks have of another engine, and orders that begin anew."""

    def __init__(self, other: MemoryEngine) -> None:
        super().__init__()
        self._other = other

    async def open(self, service: str, partition: int) -> Storage:
        if service == "orders-webhooks":
            return await self._other.open(service, partition)
        return await super().open(service, partition)


def test_an_endpoint_that_is_removed_while_a_message_is_sent_again_is_nothing_wrong(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def remove(turns: int) -> None:
        clock = Clock()
        async with receiving() as receiver, shop(clock=clock) as open_shop:
            receiver.answers = lambda _: answer(500)
            await open_shop.add(receiver)
            await open_shop.pay("order-1")
            while not (await open_shop.state()).progress.waiting:
                await asyncio.sleep(0)
            clock.added_s += RETRY_DELAYS_S[0]
            # A change has it look at what is due.
            await open_shop.tell(ChangeEndpoint("a", in_flight=2))
            for _ in range(turns):
                await asyncio.sleep(0)
            await open_shop.tell(RemoveEndpoint("a"))
            for _ in range(20):
                await asyncio.sleep(0)
            assert "wrong" not in caplog.text, turns

    async def main() -> None:
        for turns in range(12):
            await remove(turns)

    asyncio.run(main())


class GatedEngine(MemoryEngine):
    """Memory, with a gate before the webhooks' log."""

    def __init__(self) -> None:
        super().__init__()
        self.log = GatedLog()

    async def open(self, service: str, partition: int) -> Storage:
        storage = await super().open(service, partition)
        return storage._replace(log=self.log) if service == "orders-webhooks" else storage


def test_a_record_that_is_cut_off_before_it_is_written_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "RECORD_EVERY_S", 0)

    async def stop_before_the_record_is_written(engine: GatedEngine, receiver: Receiver) -> None:
        async with asyncio.TaskGroup() as tasks, shop(engine=engine) as stopped:
            await stopped.add(receiver)
            engine.log.gate.clear()
            # While this is being written, the record of the first failure waits behind it, and is cut off there.
            tasks.create_task(stopped.webhooks.call(RemoveEndpoint("other")))
            for name in ("order-1", "order-2"):
                await stopped.pay(name)
                await receiver.wait_until(lambda name=name: receiver.subjects[name] == 1)  # type: ignore[misc]
                for _ in range(20):
                    await asyncio.sleep(0)
            assert stopped.webhooks.leaders[0].waiting == 2
            asyncio.get_running_loop().call_later(0.05, engine.log.gate.set)

    async def main() -> None:
        engine = GatedEngine()
        async with receiving() as receiver:
            receiver.answers = lambda _: answer(500)
            await stop_before_the_record_is_written(engine, receiver)
            async with shop(engine=engine) as again:
                state = await again.wait_behind()
                assert {letter.subject for letter in state.progress.waiting} == {"order-1", "order-2"}

    asyncio.run(main())
