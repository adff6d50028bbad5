"""A coordination service that is divided among more partitions: what was held is held, and tokens go on growing."""

import asyncio

from ropewalk.coordination.recipes.messages import Claims, GetClaims, Held
from ropewalk.engines.memory import MemoryEngine
from ropewalk.runtime.node import Node, open_node
from ropewalk.runtime.splitting import split
from ropewalk.systems.coordination.catalogue import GET_CLAIMS
from ropewalk.systems.coordination.giving import acquire
from ropewalk.systems.coordination.offers import Claiming, Terms
from ropewalk.systems.coordination.service import coordination_of

NAMES = [f"space-{number}/lock" for number in range(12)]


async def tokens(node: Node, session: str) -> list[int]:
    answers = [await acquire(node, Claiming(name, session, ttl_ms=60_000), Terms()) for name in NAMES]
    return [answer.token for answer in answers if isinstance(answer, Held)]


def test_what_is_held_stays_held_and_later_tokens_are_larger() -> None:
    async def main() -> None:
        source, target = MemoryEngine(), MemoryEngine()
        async with open_node(coordination_of(1), source, clock_ns=lambda: 1) as node:
            before = await tokens(node, "ada")
        await split(coordination_of(1), source, target, partitions=4, on_part=lambda _: None)
        late_ns = 10**18
        async with open_node(coordination_of(4), target, clock_ns=lambda: 1) as node:
            assert await tokens(node, "ada") == before
            assert await tokens(node, "ben") == []
        async with open_node(coordination_of(4), target, clock_ns=lambda: late_ns) as node:
            after = await tokens(node, "ben")
            assert len(after) == len(NAMES)
            assert min(after) > max(before)
            claims: Claims = await GET_CLAIMS.give(node, GetClaims(NAMES[0]), Terms())
            assert [each.session for each in claims.held] == ["ben"]

    asyncio.run(main())
