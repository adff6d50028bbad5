"""No operation drops a field that it does not know: a misspelt limit would be none."""

import asyncio
from typing import get_origin

import httpx
import pytest

from ropewalk.runtime.operations import JSON, Operation
from ropewalk.runtime.service import Service
from ropewalk.systems.coordination.service import coordination
from ropewalk.systems.payments.service import payments
from tests.runtime.served import client_of, problem


@pytest.mark.parametrize("service", [payments, coordination], ids=lambda service: service.name)
def test_a_field_that_there_is_none_of_is_refused_by_every_operation(service: Service) -> None:
    async def main() -> None:
        async with client_of(service) as (client, _):
            asked = [operation for operation in service.operations if JSON in operation.body]
            assert len(asked) > 5
            for operation in asked:
                await check(client, operation)

    async def check(client: httpx.AsyncClient, operation: Operation) -> None:
        path = operation.path.replace("{", "").replace("}", "")
        message = {"niote": 1}
        body = [message] if get_origin(operation.body[JSON]) is list else message
        refused = await client.request(operation.method, path, json=body)
        known = "Expected `str`" if path.endswith("/lookup") else "unknown field `niote`"
        assert known in problem(refused)["detail"], operation.path

    asyncio.run(main())
