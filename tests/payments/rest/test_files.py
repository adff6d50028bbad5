"""Files that are larger than one command, sent over HTTP."""

import asyncio
from collections.abc import AsyncIterator

import httpx

from ropewalk.systems.payments.ach import samples, write
from ropewalk.systems.payments.processing.limits import PART_BYTES_MAX, UPLOADS_MAX
from ropewalk.systems.payments.service import payments
from tests.payments.rest.town import open_everything
from tests.runtime.served import client_of, problem


def test_a_file_of_many_parts_is_taken_whole_and_a_key_is_good_for_one_file() -> None:
    content = write(samples.bulk(25_000, accounts=10))
    assert len(content) > 2 * PART_BYTES_MAX

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(content), 50_000):
            yield content[start : start + 50_000]

    async def story(client: httpx.AsyncClient) -> None:
        await open_everything(client)
        headers = {"Idempotency-Key": "bulk", "Ropewalk-Deadline": "60"}
        accepted = await client.post("/files", content=pieces(), headers=headers)
        assert accepted.json()["entries"] == 25_000
        again = await client.post("/files", content=content, headers=headers)
        assert again.json() == accepted.json()
        other = await client.post("/files", content=content.replace(b"BULK PAYER", b"BULK PAYOR"), headers=headers)
        assert problem(other)["status"] == 422

    async def main() -> None:
        async with client_of(payments) as (client, _):
            await story(client)

    asyncio.run(main())


def test_more_files_at_once_than_processing_keeps_are_told_to_come_back() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        waiting = asyncio.Event()
        begun = 0

        async def slow() -> AsyncIterator[bytes]:
            nonlocal begun
            begun += 1
            yield b"1"
            await waiting.wait()

        async with asyncio.TaskGroup() as tasks:
            sent = [tasks.create_task(client.post("/files", content=slow())) for _ in range(UPLOADS_MAX)]
            while begun < UPLOADS_MAX:
                await asyncio.sleep(0)
            while (refused := await client.post("/files", content=b"1")).status_code != 503:
                assert problem(refused)["status"] == 422
            assert problem(refused)["type"].endswith(":not_accepted")
            waiting.set()
        assert {task.result().status_code for task in sent} == {422}
        assert (await client.post("/files", content=b"1")).status_code == 422

    async def main() -> None:
        async with client_of(payments) as (client, _):
            await story(client)

    asyncio.run(main())
