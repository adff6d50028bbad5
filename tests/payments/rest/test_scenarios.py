"""Scenarios that break others hold over HTTP, asked by many at once, with accounts in one shard or in several."""

import asyncio

import pytest

from ropewalk.systems.payments.service import payments_with
from tests.payments.rest.scenes import CHECKS, Check
from tests.runtime.served import client_of


@pytest.mark.parametrize("shards", [1, 2])
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_scenario(check: Check, shards: int) -> None:
    async def main() -> None:
        async with client_of(payments_with(shards=shards)) as (client, _):
            await check(client, shards)

    asyncio.run(main())
