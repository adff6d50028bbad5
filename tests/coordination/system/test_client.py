"""The Python API: the same over a node in the program and over HTTP; in virtual time where it is about time."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, aclosing, suppress
from typing import Any, TypeVar

import pytest

from ropewalk.coordination.recipes.messages import EndSession
from ropewalk.errors import NotAccepted, OutcomeUnknown, Rejected
from ropewalk.runtime.node import Node
from ropewalk.runtime.problems import Problem
from ropewalk.systems.coordination.catalogue import ACQUIRE, KEEP_ALIVE, OFFERS
from ropewalk.systems.coordination.client import Coordination, SessionLost, connected, lock
from ropewalk.systems.coordination.doors import Door, opened
from ropewalk.systems.coordination.giving import applied
from ropewalk.systems.coordination.offers import Offer, Terms
from tests.coordination.system.served import both_ways, in_virtual_time, over_http

A = TypeVar("A")
B = TypeVar("B")


async def wait_until_queued(coordination: Coordination, name: str, count: int) -> None:
    while len((await coordination.claims(name)).queue) < count:
        await asyncio.sleep(0)


def test_a_lock_is_held_by_one_and_handed_on_in_order() -> None:
    async def main(coordination: Coordination) -> None:
        seen: list[tuple[str, int]] = []

        async def work(name: str) -> None:
            async with coordination.lock("orders/42") as token:
                seen.append((name, token))

        async with asyncio.TaskGroup() as tasks, coordination.lock("orders/42") as first:
            for number, name in enumerate(("ada", "ben", "cleo"), start=1):
                tasks.create_task(work(name))
                await wait_until_queued(coordination, "orders/42", number)
            assert seen == []
        assert [name for name, _ in seen] == ["ada", "ben", "cleo"]
        tokens = [first, *(token for _, token in seen)]
        assert tokens == sorted({*tokens})
        assert list((await coordination.claims("orders/42")).held) == []

    asyncio.run(both_ways(main))


def test_who_does_not_wait_is_told_that_it_is_not_free() -> None:
    async def main(coordination: Coordination) -> None:
        async with coordination.lock("orders/42"):
            with pytest.raises(NotAccepted, match="not free"):
                async with coordination.lock("orders/42", wait_s=0):
                    pytest.fail("two have it")
            with pytest.raises(NotAccepted, match="not free within"):
                async with coordination.lock("orders/42", wait_s=0.01):
                    pytest.fail("two have it")
            assert list((await coordination.claims("orders/42")).queue) == []

    asyncio.run(both_ways(main))


def test_who_is_cancelled_while_waiting_gives_up_the_place() -> None:
    async def main(coordination: Coordination) -> None:
        async def wait() -> None:
            async with coordination.lock("orders/42"):
                pytest.fail("two have it")

        async with coordination.lock("orders/42"), asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(wait())
            await wait_until_queued(coordination, "orders/42", 1)
            waiting.cancel()
        assert list((await coordination.claims("orders/42")).queue) == []

    asyncio.run(both_ways(main))


def test_permits_are_shared_by_so_many() -> None:
    async def main(coordination: Coordination) -> None:
        async with AsyncExitStack() as stack:
            for _ in range(3):
                await stack.enter_async_context(coordination.semaphore("pool/gpu", permits=3))
            with pytest.raises(NotAccepted, match="not free"):
                await stack.enter_async_context(coordination.semaphore("pool/gpu", permits=3, wait_s=0))
            with pytest.raises(Problem, match="it is 3") as refused:
                await stack.enter_async_context(coordination.semaphore("pool/gpu", permits=4, wait_s=0))
            assert refused.value.name == "permits_differ"
        async with coordination.semaphore("pool/gpu", permits=4, takes=4) as token:
            assert token > 0

    asyncio.run(both_ways(main))


def test_a_leader_is_known_by_what_it_says_and_followed() -> None:
    async def main(coordination: Coordination) -> None:
        assert await coordination.leader("cluster/primary") is None
        async with aclosing(coordination.watch("cluster/primary", "election")) as changes:
            async with coordination.lead("cluster/primary", value="10.0.0.1") as token:
                leader = await coordination.leader("cluster/primary")
                assert leader is not None
                assert (leader.token, leader.value) == (token, "10.0.0.1")
                change = await anext(changes)
                assert (change.what, change.value, change.version) == ("elected", "10.0.0.1", token)
            assert (await anext(changes)).what == "vacant"

    asyncio.run(both_ways(main))


def test_counters_and_configuration_are_compared_and_set() -> None:
    async def main(coordination: Coordination) -> None:
        counters, config = coordination.counters, coordination.config
        assert [await counters.add("hits/today"), await counters.add("hits/today", 5)] == [1, 6]
        assert await counters.set("hits/today", 1, expected=6) == 1
        with pytest.raises(Problem, match="it is 1") as differs:
            await counters.set("hits/today", 2, expected=6)
        assert differs.value.more == {"current": 1}
        assert await counters.get("hits/today") == 1
        version = await config.set("app/limit", "10", version=0)
        with pytest.raises(Problem, match="another version"):
            await config.set("app/limit", "11", version=0)
        assert (await config.get("app/limit")).version == version
        assert await config.delete("app/limit", version=version) > version
        assert (await config.get("app/limit")).value is None
        for number in range(3):
            await config.set(f"app/{number}", "x")
        assert [key.name async for key in config.list("app/")] == ["app/0", "app/1", "app/2"]

    asyncio.run(both_ways(main))


def test_one_session_holds_many_things_and_ends_with_all_of_them() -> None:
    async def main(coordination: Coordination) -> None:
        async with coordination.session("orders") as mine, mine.lock("orders/1"), mine.lock("orders/2"):
            await mine.set("orders/worker", "10.0.0.1")
            with pytest.raises(Rejected, match="has a claim on 'orders/1' already"):
                async with mine.lock("orders/1"):
                    pytest.fail("twice")
            assert (await coordination.config.get("orders/worker")).session == mine.id
        assert (await coordination.config.get("orders/worker")).version == 0

    asyncio.run(both_ways(main))


def test_a_block_may_last_longer_than_the_time_to_live() -> None:
    async def main(_: Node, coordination: Coordination) -> None:
        async with coordination.lock("orders/42", ttl_s=1) as token, asyncio.TaskGroup() as tasks:
            tasks.create_task(expect_busy(coordination))
            [held] = (await coordination.claims("orders/42")).held
            assert held.token == token

    async def expect_busy(coordination: Coordination) -> None:
        with pytest.raises(NotAccepted):
            async with coordination.lock("orders/42", wait_s=60):
                pytest.fail("two have it")

    in_virtual_time(main)


def test_a_block_whose_session_is_lost_is_cancelled_and_told() -> None:
    async def main(node: Node, coordination: Coordination) -> None:
        async def work() -> None:
            async with coordination.lock("orders/42", ttl_s=1):
                [held] = (await coordination.claims("orders/42")).held
                await applied(node, EndSession("orders", held.session), Terms())
                await asyncio.Event().wait()

        with pytest.raises(SessionLost):
            await work()
        async with coordination.lock("orders/42", wait_s=0):
            pass

    in_virtual_time(main)


class CutDoor:
    """A way in that can be cut: what is asked arrives, or not, and no answer comes back."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self.cut: tuple[Offer[Any, Any], ...] = ()

    async def ask(self, offer: Offer[B, A], body: B, *, key: str = "") -> A:
        if offer in self.cut:
            raise OutcomeUnknown("the answer was lost")
        return await self._door.ask(offer, body, key=key)


async def ends_within(ttl_s: int, node: Node, work: Callable[[CutDoor], Awaitable[None]]) -> None:
    """The work is told in time that nobody has confirmed its session."""
    now_s = asyncio.get_running_loop().time
    async with opened(node) as door:
        began_s = now_s()
        with pytest.raises(SessionLost, match="has not confirmed"):
            await work(CutDoor(door))
        assert now_s() - began_s <= ttl_s


def test_a_block_is_told_when_nobody_confirms_its_session() -> None:
    async def main(node: Node, _: Coordination) -> None:
        async def work(door: CutDoor) -> None:
            async with Coordination(door).lock("orders/42", ttl_s=3):
                door.cut = OFFERS
                await asyncio.Event().wait()

        await ends_within(3, node, work)

    in_virtual_time(main)


def test_who_can_not_even_queue_does_not_wait_longer_than_it_said() -> None:
    async def main(node: Node, _: Coordination) -> None:
        now_s = asyncio.get_running_loop().time
        async with opened(node) as inner, Coordination(door := CutDoor(inner)).session("orders", ttl_s=3) as mine:
            door.cut = (ACQUIRE,)
            began_s = now_s()
            with pytest.raises(OutcomeUnknown):
                async with asyncio.timeout(60), mine.lock("orders/42", wait_s=5):
                    pytest.fail("it was answered")
            assert 5 <= now_s() - began_s < 6

    in_virtual_time(main)


def test_only_what_keeps_a_session_alive_counts_as_its_life() -> None:
    async def main(node: Node, _: Coordination) -> None:
        async def work(door: CutDoor) -> None:
            async with Coordination(door).session("orders", ttl_s=3) as mine:
                async with mine.lock("orders/42"):
                    door.cut = (KEEP_ALIVE,)
                    with suppress(TimeoutError):
                        await asyncio.wait_for(asyncio.Event().wait(), 2)
                await asyncio.Event().wait()

        await ends_within(3, node, work)

    in_virtual_time(main)


def test_a_block_whose_claim_is_gone_when_it_ends_is_told() -> None:
    async def main(node: Node, coordination: Coordination) -> None:
        async def work() -> None:
            async with coordination.lock("orders/42"):
                [held] = (await coordination.claims("orders/42")).held
                await applied(node, EndSession("orders", held.session), Terms())

        with pytest.raises(SessionLost):
            await work()

    in_virtual_time(main)


def test_where_no_service_answers_the_error_says_what_to_do() -> None:
    async def main() -> None:
        with pytest.raises(NotAccepted, match="ropewalk up coordination"):
            async with lock("orders/42", "http://127.0.0.1:9"):
                pytest.fail("held by nobody's leave")
        async with over_http() as (url, _), lock("orders/42", url) as token:
            assert token > 0

    asyncio.run(main())


@pytest.mark.parametrize("ttl_s", [math.inf, math.nan])
def test_a_time_to_live_that_is_no_number_of_seconds_is_refused(ttl_s: float) -> None:
    async def main(coordination: Coordination) -> None:
        with pytest.raises(Rejected, match="a session lives for a number of seconds"):
            await coordination.lease("orders/42", ttl_s=ttl_s)

    asyncio.run(both_ways(main))


def test_a_lease_is_held_for_its_time_and_no_longer() -> None:
    async def main(_: Node, coordination: Coordination) -> None:
        now_s = asyncio.get_running_loop().time
        lease, began_s = await coordination.lease("jobs/nightly", ttl_s=5, wait_s=0), now_s()
        assert 4 < lease.left_s <= 5
        assert await holders(coordination) == [(lease.session, lease.token)]
        with pytest.raises(NotAccepted, match="not free"):
            await coordination.lease("jobs/nightly", wait_s=0)
        other = await coordination.lease("jobs/nightly", ttl_s=3)
        assert 5 <= now_s() - began_s < 6
        assert other.token > lease.token
        assert (lease.left_s, other.left_s > 2.9) == (0.0, True)
        with pytest.raises(SessionLost):
            await lease.renew()
        await lease.end()
        assert await holders(coordination) == [(other.session, other.token)]
        await other.end()
        assert await holders(coordination) == []

    in_virtual_time(main)


def test_a_lease_is_renewed_by_hand_also_by_another_program() -> None:
    async def main(node: Node, coordination: Coordination) -> None:
        lease = await coordination.lease("jobs/nightly", ttl_s=5)
        for _ in range(3):
            await pass_time(4)
            await lease.renew()
        async with connected(node) as other:
            await pass_time(4)
            renewed = await other.renew("jobs/nightly", lease.session)
            assert renewed.token == lease.token
            assert 4 < renewed.left_s <= 5
            with pytest.raises(Rejected, match="has no lease on 'jobs/other'"):
                await other.renew("jobs/other", lease.session)
            await pass_time(6)
            with pytest.raises(Problem) as over:
                await other.renew("jobs/nightly", lease.session)
            assert over.value.name == "session_expired"

    in_virtual_time(main)


def test_leases_are_the_same_over_http() -> None:
    async def main(coordination: Coordination) -> None:
        lease = await coordination.lease("jobs/nightly", ttl_s=60)
        await lease.renew()
        await (await coordination.renew("jobs/nightly", lease.session)).end()
        with pytest.raises(SessionLost):
            await lease.renew()

    asyncio.run(both_ways(main))


async def holders(coordination: Coordination) -> list[tuple[str, int]]:
    return [(each.session, each.token) for each in (await coordination.claims("jobs/nightly")).held]


async def pass_time(seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), seconds)
