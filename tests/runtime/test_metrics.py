"""What operators read of partitions: which is hot, what waits, what is taken on."""

import asyncio

from ropewalk import open_engine, open_node
from ropewalk.observability.metrics import REGISTRY
from ropewalk.runtime.calls import Bounds
from tests.runtime.served import Add, client_of, counters


def of_partition(name: str, partition: int) -> float:
    return REGISTRY.get_sample_value(name, {"service": "counters", "partition": f"{partition}"}) or 0.0


def answered() -> list[float]:
    return [of_partition("ropewalk_requests_answered_total", partition) for partition in range(2)]


def test_a_hot_partition_is_the_one_that_answers_more() -> None:
    async def main() -> list[float]:
        service = counters(partitions=2)
        async with client_of(service) as (client, _):
            names = [f"counter-{number}" for number in range(100)]
            hot = next(name for name in names if service.partition_of(name) == 1)
            cold = next(name for name in names if service.partition_of(name) == 0)
            before = answered()
            for name in [hot] * 9 + [cold]:
                response = await client.post("/commands/Add", json={"counter": name, "amount": 1})
                response.raise_for_status()
            text = (await client.get("/metrics")).text
            after = answered()
            assert f'ropewalk_requests_answered_total{{partition="1",service="counters"}} {after[1]}' in text
            return [late - early for late, early in zip(after, before, strict=True)]

    assert asyncio.run(main()) == [1, 9]


def test_what_waits_for_a_partition_is_shown() -> None:
    async def main() -> list[float]:
        async with open_node(counters(), open_engine("memory:"), bounds=Bounds(batch_requests_max=1)) as node:
            seen: list[float] = []

            async def call() -> None:
                await node.call(Add("a", 1))
                seen.append(of_partition("ropewalk_waiting_requests", 0))

            async with asyncio.TaskGroup() as tasks:
                for _ in range(3):
                    tasks.create_task(call())
            return seen

    seen = asyncio.run(main())
    assert max(seen) >= 1
    assert seen[-1] == 0


def test_what_a_partition_takes_on_is_shown_for_as_long_as_it_is_led() -> None:
    async def main() -> str:
        async with client_of(counters()) as (client, _):
            return (await client.get("/metrics")).text

    text = asyncio.run(main())
    assert 'ropewalk_admission_state{partition="0",service="counters",state="free"} 1.0' in text
    assert 'ropewalk_admission_refused_calls_total{partition="0",priority="bulk",service="counters"} 0.0' in text
