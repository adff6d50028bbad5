"""Tasks of sagas: given to workers for a time, done at least once, answered once."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from ropewalk.coordination.sagas.messages import TaskView
from ropewalk.coordination.sagas.state import State
from ropewalk.core import partition
from ropewalk.core.feed import Feed
from ropewalk.data.engine import Engine
from ropewalk.engines.memory import MemoryEngine
from ropewalk.engines.sqlite import SqliteEngine
from ropewalk.errors import NotAccepted, Rejected
from ropewalk.proving.virtual import VirtualLoop, run_virtual
from ropewalk.proving.workloads.travel import Stock, Trip, travel
from ropewalk.runtime.node import Node, open_node
from ropewalk.runtime.problems import Problem
from ropewalk.runtime.sagas import offering
from ropewalk.runtime.sagas import working as workers
from ropewalk.runtime.sagas.calls import answer, compensate, extend, saga, start, take, tasks, wait_saga
from ropewalk.runtime.sagas.offering import offers_of
from ropewalk.runtime.sagas.working import working
from ropewalk.runtime.server import serving


async def begin(node: Node, *ids: str) -> None:
    for id_ in ids:
        await node.call(Stock(f"F-{id_}", 1))
        await start(node, "paid_trip", Trip(id_, f"F-{id_}", ""), id_=id_)


async def charged(_: TaskView) -> str:
    return "charged"


@asynccontextmanager
async def travelling(engine: Engine | None = None, *, partitions: int = 1) -> AsyncIterator[Node]:
    async with open_node(travel(partitions=partitions), engine or MemoryEngine()) as node:
        yield node


async def passed(seconds: float) -> None:
    """So much time passes."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.Event().wait()


def in_virtual_time(story: Callable[[Node], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        async with open_node(travel(), MemoryEngine(), clock_ns=loop.now_ns) as node:
            await story(node)

    run_virtual(main())


@pytest.mark.parametrize("over_http", [False, True], ids=["node", "url"])
@pytest.mark.parametrize("partitions", [1, 4])
def test_workers_do_what_sagas_ask(over_http: bool, partitions: int) -> None:
    done: list[str] = []

    async def charge(task: TaskView) -> str:
        assert (task.kind, task.step, task.undoes, task.data_as(str)) == ("charge", "card", False, task.id)
        done.append(task.key)
        return "charged"

    async def main() -> None:
        async with travelling(partitions=partitions) as node, serving(node, port=0) as url:
            ids = [f"t{number}" for number in range(20)]
            await begin(node, *ids[:10])
            at = url if over_http else node
            async with (
                working(at, {"charge": charge}, at_once=3, who="one"),
                working(at, {"charge": charge}, who="two"),
            ):
                await begin(node, *ids[10:])
                for id_ in ids:
                    assert (await wait_saga(node, id_)).state is State.COMPLETED
            assert sorted(done) == sorted(f"{id_}/card/1" for id_ in ids), "each once, where nothing goes wrong"
            assert {each.who for id_ in ids for each in (await saga(node, id_)).history} == {"", "one", "two"}
            assert await tasks(node) == []

    asyncio.run(main())


def test_a_task_is_given_to_one_at_a_time_until_his_lease_is_over() -> None:
    async def story(node: Node) -> None:
        await begin(node, "t1", "t2")
        [first] = await take(node, ["charge"], lease_s=30)
        [second] = await take(node, ["charge"], limit=5, lease_s=50)
        assert {first.id, second.id} == {"t1", "t2"}
        assert await take(node, ["charge"]) == []
        await passed(20)
        extend(node, [first.name], lease_s=25)
        await passed(20)
        assert await take(node, ["charge"]) == []
        [again] = await take(node, ["charge"], wait_s=60)
        assert (again, asyncio.get_running_loop().time()) == (first, pytest.approx(45, abs=0.1))

    in_virtual_time(story)


def test_what_was_answered_or_resolved_is_given_to_nobody() -> None:
    async def story(node: Node) -> None:
        await begin(node, "t1", "t2", "t3")
        await take(node, ["charge"], limit=3, lease_s=1)
        await answer(node, "t1", "card", reply="charged", tries=1)
        await answer(node, "t2", "card", reply="charged")
        await passed(2)
        assert [each.id for each in await take(node, ["charge"], limit=1)] == ["t3"]

    in_virtual_time(story)


def test_who_waits_is_told_of_what_is_asked_and_of_no_other_kind() -> None:
    async def story(node: Node) -> None:
        async with asyncio.TaskGroup() as group:
            refunds = group.create_task(take(node, ["refund"], wait_s=5))
            charges = group.create_task(take(node, ["refund", "charge"], wait_s=60))
            await passed(1)
            await begin(node, "t1")
            assert [each.id for each in await charges] == ["t1"]
            assert await refunds == []

    in_virtual_time(story)


def test_what_a_worker_can_not_do_is_offered_again_with_the_same_key() -> None:
    keys: list[str] = []

    async def charge(task: TaskView) -> object:
        keys.append(task.key)
        if len(keys) < 3:
            raise ConnectionError("the provider does not answer")
        return object() if len(keys) == 3 else "charged"

    async def story(node: Node) -> None:
        await begin(node, "t1")
        async with working(node, {"charge": charge}, lease_s=1):
            assert (await wait_saga(node, "t1", deadline_s=60)).state is State.COMPLETED
        assert keys == ["t1/card/1"] * 4, "an answer that can't be written is none"

    in_virtual_time(story)


def test_a_worker_has_a_task_for_as_long_as_it_works_on_it() -> None:
    begun: list[str] = []

    async def charge(task: TaskView) -> str:
        begun.append(task.key)
        await passed(9)
        return "charged"

    async def story(node: Node) -> None:
        await begin(node, "t1", "t2", "t3")
        async with working(node, {"charge": charge}, at_once=1, lease_s=1):
            await passed(8)
            assert begun == ["t1/card/1"]
            assert await take(node, ["charge"], limit=5) != [], "the others are for anybody"

    in_virtual_time(story)


def test_a_task_outlives_its_worker_and_the_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_AGAIN_S", 0.01)
    engine = partial(SqliteEngine, tmp_path)

    async def main() -> None:
        async with travelling(engine()) as node, serving(node, port=0) as url:
            await begin(node, "t1")
            await take(node, ["charge"], lease_s=3_600)
        port = int(url.rpartition(":")[2])
        async with working(url, {"charge": charged}), travelling(engine()) as node, serving(node, port=port):
            assert (await wait_saga(node, "t1")).state is State.COMPLETED

    asyncio.run(main())


def test_tasks_are_found_though_their_events_are_kept_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition, "Feed", partial(Feed, count_max=2))

    async def main() -> None:
        async with travelling() as node:
            assert await take(node, ["charge"]) == []
            await begin(node, *(f"t{number}" for number in range(9)))
            found = await take(node, ["charge"], limit=5) + await take(node, ["charge"], limit=5)
            assert sorted(each.id for each in found) == [f"t{number}" for number in range(9)]

    asyncio.run(main())


def test_over_http_tasks_are_listed_taken_and_answered_and_bad_requests_are_told() -> None:
    async def main() -> None:
        async with (
            travelling(partitions=2) as node,
            serving(node, port=0) as url,
            httpx.AsyncClient(base_url=url, timeout=20.0) as client,
        ):
            await begin(node, "t1", "t2", "t3")

            async def listed(**query: str) -> list[str]:
                return [each["key"] for each in (await client.get("/saga-tasks", params=query)).json()["items"]]

            assert await listed() == ["t1/card/1", "t2/card/1", "t3/card/1"]
            assert await listed(after="t1", limit="1") == ["t2/card/1"]
            assert await listed(kind="refund") == []
            for bad in ({"kinds": []}, {"kinds": ["charge"], "limit": 0}, {"kinds": ["charge"], "lease_s": 0}):
                assert (await client.post("/saga-tasks/take", json=bad)).status_code == 422
            taken = (await client.post("/saga-tasks/take", json={"kinds": ["charge"], "limit": 9})).json()["items"]
            assert len(taken) == 3
            name = {field: taken[0][field] for field in ("kind", "id", "step", "tries")}
            extended = await client.post("/saga-tasks/extend", json={"tasks": [name], "lease_s": 5})
            assert extended.status_code == 200
            answered = await client.post("/sagas/t1/answer", json={"step": "card", "tries": 1, "reply": "charged"})
            assert answered.json()["id"] == "t1"
            refused = await client.post("/sagas/t1/answer", json={"step": "card", "tries": 9, "reply": "charged"})
            assert (refused.status_code, refused.json()["type"]) == (409, "urn:ropewalk:problem:not_asked")
            large = await client.post("/sagas/t2/answer", json={"step": "card", "reply": "x" * 70_000})
            assert (large.status_code, "65536 are kept" in large.json()["detail"]) == (422, True)

    asyncio.run(main())


def test_who_has_gone_away_while_he_waited_is_given_nothing() -> None:
    async def main() -> None:
        async with travelling() as node, serving(node, port=0) as url, httpx.AsyncClient(base_url=url) as client:
            body = {"kinds": ["charge"], "wait_s": 60, "lease_s": 3_600}
            with pytest.raises(httpx.ReadTimeout):
                await client.post("/saga-tasks/take", json=body, timeout=0.2)
            await client.aclose()
            await begin(node, "t1")
            for _ in range(1_000):
                await asyncio.sleep(0)
            assert [each.id for each in await take(node, ["charge"])] == ["t1"]

    asyncio.run(main())


def test_a_worker_at_a_service_without_sagas_is_told() -> None:
    async def work(at: str) -> None:
        async with working(at, {"charge": charged}):
            await passed(5)

    async def main() -> None:
        service = travel().followers[0].service
        async with open_node(service, MemoryEngine()) as node, serving(node, port=0) as url:
            with pytest.raises(Problem, match="saga-tasks"):
                await work(url)
            with pytest.raises(Rejected, match="no URL"):
                await work("localhost")
            with pytest.raises(Rejected, match="a worker for 0 tasks of 1 kinds"):
                await workers.work(url, {"charge": charged}, at_once=0)

    asyncio.run(main())


@pytest.mark.parametrize("value", [b"\x00\xff", {"a": [1, None]}, Trip("t1", "F1", "")])
def test_what_is_answered_means_the_same_over_a_node_and_over_http(value: object) -> None:
    async def told(over_http: bool) -> str:
        async def charge(_: TaskView) -> object:
            return value

        async with travelling() as node, serving(node, port=0) as url:
            await begin(node, "t1")
            async with working(url if over_http else node, {"charge": charge}):
                while not [each for each in (await saga(node, "t1")).history if each.what == "do_answered"]:
                    await asyncio.sleep(0)
            return next(each.detail for each in (await saga(node, "t1")).history if each.what == "do_answered")

    async def main() -> None:
        assert await told(False) == await told(True)

    asyncio.run(main())


@pytest.mark.parametrize("turns", range(6))
def test_who_is_cancelled_takes_nothing_with_him(turns: int, tmp_path: Path) -> None:
    async def main() -> None:
        async with travelling(SqliteEngine(tmp_path)) as node:
            await begin(node, "t1", "t2")
            async with asyncio.TaskGroup() as group:
                taking = group.create_task(take(node, ["charge"], lease_s=3_600))
                for _ in range(turns):
                    await asyncio.sleep(0)
                taking.cancel()
            if not taking.cancelled():
                extend(node, [task.name for task in taking.result()], lease_s=0.001)
            found = await take(node, ["charge"], limit=5, wait_s=0.1)
            found += await take(node, ["charge"], limit=5, wait_s=0.1)
            assert {each.id for each in found} == {"t1", "t2"}

    asyncio.run(main())


def test_a_partition_that_has_stopped_keeps_no_task_of_another_back() -> None:
    async def main() -> None:
        async with travelling(partitions=4) as node:
            own = node.followers["flights-sagas"]
            ids = [f"t{number}" for number in range(20)]
            await begin(node, *ids)
            stopped = own.leaders[2]
            stopped.stopped_because = NotAccepted("it was wrong")
            there = {id_ for id_ in ids if own.service.partition_of(id_) != 2}
            assert {each.id for each in await take(node, ["charge"], limit=50, wait_s=5)} == there != {*ids}
            with pytest.raises(NotAccepted, match="it was wrong"):
                await take(node, ["charge"])
            async with asyncio.TaskGroup() as group:
                waiting = group.create_task(take(node, ["charge"], wait_s=5))
                await asyncio.sleep(0)
                new = next(f"n{number}" for number in range(99) if own.service.partition_of(f"n{number}") != 2)
                await begin(node, new)
            assert [each.id for each in waiting.result()] == [new]
            stopped.stopped_because = None

    asyncio.run(main())


def test_no_kind_is_passed_over_for_another_that_has_much_to_do() -> None:
    async def story(node: Node) -> None:
        await begin(node, "t0")
        await answer(node, "t0", "card", reply="charged")
        while (await saga(node, "t0")).summary.state is not State.COMPLETED:
            await passed(0.1)
        assert await take(node, ["charge"]) == []
        await begin(node, "t1", "t2")
        await compensate(node, "t0", who="ada", why="the customer called")
        await passed(1)
        await begin(node, "t3", "t4")
        taken = [(await take(node, ["charge", "refund"]))[0] for _ in range(5)]
        assert [each.id for each in taken] == ["t1", "t2", "t0", "t3", "t4"], "the oldest first"

    in_virtual_time(story)


def test_what_nobody_takes_and_somebody_answers_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offering, "_NAMES_KEPT", 5)

    async def story(node: Node) -> None:
        [partition] = offers_of(node.followers["flights-sagas"])._partitions
        await begin(node, "open")
        for number in range(50):
            await begin(node, f"t{number}")
            assert await take(node, ["refund"]) == []
            await answer(node, f"t{number}", "card", reply="charged")
        assert sum(map(len, partition._waiting.values())) <= 7
        for number in range(50):
            await begin(node, f"u{number}")
            for task in await take(node, ["charge"], limit=5, lease_s=3_600):
                if task.id != "open":
                    await answer(node, task.id, "card", reply="charged")
        assert len(partition._given) + len(partition._leases) <= 14
        assert [each.id for each in await tasks(node)] == ["open"]
        await passed(3_600)
        assert [each.id for each in await take(node, ["charge"])] == ["open"]

    in_virtual_time(story)


def test_tasks_are_listed_by_the_ids_of_their_sagas_page_by_page() -> None:
    async def listed(client: httpx.AsyncClient, limit: int) -> list[str]:
        seen, after = [], ""
        while after is not None:
            page = (await client.get("/saga-tasks", params={"limit": limit, "after": after})).json()
            seen += [each["id"] for each in page["items"]]
            after = page["next"]
        return seen

    async def main() -> None:
        async with travelling(partitions=2) as node, serving(node, port=0) as url:
            ids = sorted(["t", "t-1", "t-2", "t!", "t0", "u"])
            await begin(node, *ids)
            async with httpx.AsyncClient(base_url=url) as client:
                assert [await listed(client, limit) for limit in range(1, 8)] == [ids] * 7

    asyncio.run(main())


@pytest.mark.parametrize("value", [{1: "a"}, 2**70, "x" * 70_000], ids=["keys", "number", "large"])
@pytest.mark.parametrize("over_http", [False, True], ids=["node", "url"])
def test_an_answer_that_can_not_be_given_ends_no_worker(value: object, over_http: bool) -> None:
    async def charge(task: TaskView) -> object:
        return value if task.id == "t1" else "charged"

    async def main() -> None:
        async with travelling() as node, serving(node, port=0) as url:
            await begin(node, "t1", "t2")
            async with working(url if over_http else node, {"charge": charge}, at_once=1):
                assert (await wait_saga(node, "t2")).state is State.COMPLETED

    asyncio.run(main())
