"""Why a lock has a token: what a paused holder, or a clock that jumps, does without one, and not with one."""

import asyncio

from ropewalk import open_engine, open_node
from ropewalk.coordination.recipes.messages import Held
from ropewalk.runtime.node import Node
from ropewalk.systems.coordination.giving import acquire
from ropewalk.systems.coordination.offers import Claiming, Terms
from ropewalk.systems.coordination.service import coordination

TTL_MS = 1_000
DAY_NS = 86_400 * 10**9


class Trusting:
    """A resource that takes what it is given."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, line: str, _: int) -> bool:
        self.lines.append(line)
        return True


class Careful:
    """A resource that remembers the highest token, and refuses lower ones."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._highest = 0

    def write(self, line: str, token: int) -> bool:
        if token < self._highest:
            return False
        self._highest = token
        self.lines.append(line)
        return True


class Clock:
    """The time of the machine that leads."""

    def __init__(self) -> None:
        self.now_ns = 1_700_000_000 * 10**9

    def __call__(self) -> int:
        return self.now_ns


async def token_of(node: Node, session: str) -> int:
    """Get the lock, as a client in some other process does."""
    answer = await acquire(node, Claiming("reports/daily", session, ttl_ms=TTL_MS), Terms())
    assert isinstance(answer, Held)
    return answer.token


def written_after_a_pause(resource: Trusting | Careful, *, jump_ns: int) -> list[bool]:
    """Ada has the lock and is paused before she writes. Her session ends, Ben gets the lock and writes, Ada wakes."""

    async def main() -> list[bool]:
        clock = Clock()
        async with open_node(coordination, open_engine("memory:"), clock_ns=clock) as node:
            adas = await token_of(node, "ada")
            clock.now_ns += jump_ns
            bens = await token_of(node, "ben")
            assert bens > adas
            return [resource.write("ben", bens), resource.write("ada", adas), resource.write("ben", bens)]

    return asyncio.run(main())


def test_without_a_token_a_paused_holder_writes_over_the_next_one() -> None:
    resource = Trusting()
    assert written_after_a_pause(resource, jump_ns=2 * 10**9) == [True, True, True]
    assert resource.lines == ["ben", "ada", "ben"]


def test_with_a_token_it_is_refused() -> None:
    resource = Careful()
    assert written_after_a_pause(resource, jump_ns=2 * 10**9) == [True, False, True]
    assert resource.lines == ["ben", "ben"]


def test_a_clock_that_jumps_a_day_ahead_hands_the_lock_on_with_another_token() -> None:
    resource = Careful()
    assert written_after_a_pause(resource, jump_ns=DAY_NS) == [True, False, True]


def test_a_clock_that_jumps_back_ends_no_session_early_and_repeats_no_token() -> None:
    async def main() -> None:
        clock = Clock()
        async with open_node(coordination, open_engine("memory:"), clock_ns=clock) as node:
            adas = await token_of(node, "ada")
            clock.now_ns -= DAY_NS
            assert await token_of(node, "ada") == adas
            clock.now_ns += DAY_NS + 2 * 10**9
            assert await token_of(node, "ben") > adas

    asyncio.run(main())
