"""Whether anything is lost: senders that are stopped again and again, and a receiver that does what it likes."""

import asyncio
from random import Random

from ropewalk.engines.memory import MemoryEngine
from tests.runtime.webhooks.receiver import CLOSED, TAKEN, Got, answer, receiving
from tests.runtime.webhooks.shop import Clock, orders, shop

EVENTS = 60
STOPS = 4


async def check_losses(seed: int) -> None:
    """Raise AssertionError unless every event was taken, or waits with its body, once the sender is done with it."""
    random, clock, engine = Random(seed), Clock(), MemoryEngine()
    names = [f"order-{number}" for number in range(EVENTS)]
    taken: set[str] = set()
    weights = [90, 4, 3, 3]

    def answers(got: Got) -> bytes | None:
        told = random.choices([TAKEN, answer(500), CLOSED, None], weights)[0]
        if told == TAKEN:
            taken.add(got.subject)
        return told

    async with receiving() as receiver:
        receiver.answers = answers
        for stop in range(STOPS):
            async with shop(orders(clock, timeout_s=0.5), engine=engine, clock=clock) as some:
                await some.add(receiver)
                await some.pay(*names[stop::STOPS])
                await receiver.wait_for(random.randint(1, EVENTS // STOPS))
        weights[-1] = 0
        async with shop(orders(clock, timeout_s=0.5), engine=engine, clock=clock) as last:
            state = await last.wait_behind()
    waiting = {letter.subject for letter in state.progress.waiting if letter.body_bytes}
    assert set(names) <= taken | waiting, "nothing is lost"


def losses(seed: int) -> None:
    """The same, run to its end within bounds."""
    asyncio.run(asyncio.wait_for(check_losses(seed), 30))
