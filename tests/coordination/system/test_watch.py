"""Watches in the Python API: what is there, and then each change, over a node in the program and over HTTP."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest

from ropewalk import open_engine, open_node
from ropewalk.coordination.recipes.messages import Kind
from ropewalk.core import partition
from ropewalk.core.feed import Feed
from ropewalk.errors import NotAccepted
from ropewalk.runtime.server import serving
from ropewalk.systems.coordination import giving, watching
from ropewalk.systems.coordination.client import Coordination, connected
from ropewalk.systems.coordination.offers import Change, Changes, Following, Terms
from ropewalk.systems.coordination.service import coordination_of
from tests.coordination.system.served import both_ways

A = TypeVar("A")
B = TypeVar("B")


def test_a_watch_tells_what_is_there_and_then_each_change() -> None:
    async def main(coordination: Coordination) -> None:
        config = coordination.config
        await config.set("app/limit", "10")
        await config.set("other/limit", "1")
        async with aclosing(coordination.watch("app/")) as changes:
            seen = [await anext(changes)]
            await config.set("app/limit", "11")
            await config.set("application/limit", "12")
            await config.set("app/colour", "red")
            await config.delete("app/limit")
            seen += [await anext(changes) for _ in range(3)]
        assert [(each.what, each.name, each.value) for each in seen] == [
            ("set", "app/limit", "10"),
            ("set", "app/limit", "11"),
            ("set", "app/colour", "red"),
            ("deleted", "app/limit", None),
        ]

    asyncio.run(both_ways(main))


def test_a_watch_goes_on_when_the_service_is_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "_AGAIN_S", 0.01)

    async def main() -> None:
        engine = f"sqlite:{tmp_path}"
        async with AsyncExitStack() as opened_for_good:
            async with open_node(coordination_of(1), open_engine(engine)) as node, serving(node, port=0) as url:
                coordination = await opened_for_good.enter_async_context(connected(url))
                changes = await opened_for_good.enter_async_context(aclosing(coordination.watch("app/")))
                for value in ("10", "11"):
                    await coordination.config.set("app/limit", value)
                    assert (await anext(changes)).value == value
            port = int(url.rpartition(":")[2])
            async with asyncio.TaskGroup() as tasks:
                waiting = tasks.create_task(anext(changes))
                await asyncio.sleep(0)
                async with open_node(coordination_of(1), open_engine(engine)) as node, serving(node, port=port):
                    await coordination.config.set("app/limit", "12")
                    assert (await waiting).value == "12"

    asyncio.run(main())


def test_a_watch_of_a_node_that_has_stopped_ends() -> None:
    async def main() -> None:
        async with open_node(coordination_of(1), open_engine("memory:")) as node, connected(node) as coordination:
            changes = coordination.watch("app/")
            for value in ("10", "11"):
                await coordination.config.set("app/limit", value)
                assert (await anext(changes)).value == value
        with pytest.raises(NotAccepted, match="has stopped"):
            await anext(changes)

    asyncio.run(main())


def test_a_watch_tells_what_changes_while_it_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "PAGE_MAX", 1)

    async def main(coordination: Coordination) -> None:
        config, changed = coordination.config, list[str]()
        for name in ("app/a", "app/b"):
            await config.set(name, "old")
        read = watching.paged

        async def read_and_changed(*asked: Any) -> AsyncGenerator[Any, None]:
            async for each in read(*asked):
                yield each
                for name in ("app/a", "app/b"):
                    changed.append(name)
                    await config.set(name, f"new {len(changed)}")

        with monkeypatch.context() as patched:
            patched.setattr(watching, "paged", read_and_changed)
            async with asyncio.timeout(5), aclosing(coordination.watch("app/")) as changes:
                seen = [await anext(changes) for _ in range(5)]
        assert [(change.name, change.value) for change in seen] == [
            ("app/a", "old"),
            ("app/b", "new 2"),
            ("app/a", "new 1"),
            ("app/a", "new 3"),
            ("app/b", "new 4"),
        ]

    asyncio.run(both_ways(main))


Told = list[tuple[str, str, str | None, int]]


async def told(changes: AsyncGenerator[Change, None], count: int) -> Told:
    """The next changes, in short."""
    seen = [await anext(changes) for _ in range(count)]
    return [(each.what, each.name, each.value, each.version) for each in seen]


def test_locks_and_permits_are_watched() -> None:
    async def main(coordination: Coordination) -> None:
        async with coordination.lock("jobs/a") as first, coordination.semaphore("jobs/gpu", permits=2) as permit:
            async with aclosing(coordination.watch("jobs/", "lock")) as locks:
                assert await told(locks, 1) == [("held", "jobs/a", "", first)]
                async with coordination.lock("jobs/b") as second:
                    pass
                assert await told(locks, 2) == [
                    ("held", "jobs/b", "", second),
                    ("released", "jobs/b", None, second),
                ]
            async with aclosing(coordination.watch("jobs/gpu", "semaphore")) as permits:
                assert await told(permits, 1) == [("held", "jobs/gpu", "", permit)]
                async with coordination.semaphore("jobs/gpu", permits=2) as other:
                    pass
                assert await told(permits, 2) == [
                    ("held", "jobs/gpu", "", other),
                    ("released", "jobs/gpu", None, other),
                ]

    asyncio.run(both_ways(main))


def test_leaders_below_a_name_are_watched_until_nobody_leads() -> None:
    async def main(coordination: Coordination) -> None:
        async with aclosing(coordination.watch("cluster/", "election")) as changes:
            async with coordination.lead("cluster/a", value="10.0.0.1") as token:
                assert await told(changes, 1) == [("elected", "cluster/a", "10.0.0.1", token)]
            assert await told(changes, 1) == [("vacant", "cluster/a", None, token)]

    asyncio.run(both_ways(main))


def test_counters_are_watched() -> None:
    async def main(coordination: Coordination) -> None:
        await coordination.counters.add("hits/today", 5)
        async with aclosing(coordination.watch("hits/", "counter")) as changes:
            assert await told(changes, 1) == [("counted", "hits/today", "5", 0)]
            await coordination.counters.add("hits/today", -5)
            await coordination.counters.add("hits/old", 1)
            assert await told(changes, 2) == [("counted", "hits/today", "0", 0), ("counted", "hits/old", "1", 0)]
        async with aclosing(coordination.watch("hits/today", "counter")) as changes:
            assert await told(changes, 1) == [("counted", "hits/today", "0", 0)]

    asyncio.run(both_ways(main))


@pytest.mark.parametrize("name", ["app/limit", "app/"])
def test_a_watch_that_was_away_for_too_long_is_told_what_is_there(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition, "Feed", partial(Feed, count_max=4))

    async def main() -> None:
        async with open_node(coordination_of(1), open_engine("memory:")) as node, connected(node) as coordination:
            config = coordination.config
            await config.set("app/limit", "1")
            async with aclosing(coordination.watch(name)) as changes:
                assert (await anext(changes)).value == "1"
                await config.delete("app/limit")
                for _ in range(10):
                    await coordination.counters.add("other/hits")
                gone = await anext(changes)
                assert (gone.what, gone.name, gone.value) == ("deleted", "app/limit", None)
                for number in range(10):
                    await config.set("app/limit", str(number))
                assert (await anext(changes)).value == "9"
                await config.set("app/limit", "last")
                assert (await anext(changes)).value == "last"

    asyncio.run(main())


def test_a_watch_begins_again_at_a_service_that_has_lost_what_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "_AGAIN_S", 0.01)

    async def main() -> None:
        async with AsyncExitStack() as opened_for_good:
            async with open_node(coordination_of(1), open_engine("memory:")) as node, serving(node, port=0) as url:
                coordination = await opened_for_good.enter_async_context(connected(url))
                for number in range(9):
                    await coordination.config.set("app/limit", str(number))
                await coordination.config.set("app/old", "old")
                changes = await opened_for_good.enter_async_context(aclosing(coordination.watch("app/")))
                assert [(each[1], each[2]) for each in await told(changes, 2)] == [
                    ("app/limit", "8"),
                    ("app/old", "old"),
                ]
            async with asyncio.TaskGroup() as tasks, open_node(coordination_of(1), open_engine("memory:")) as node:
                async with connected(node) as other:
                    await other.config.set("app/limit", "0")
                waiting = tasks.create_task(told(changes, 2))
                async with serving(node, port=int(url.rpartition(":")[2])):
                    assert [each[:3] for each in await waiting] == [
                        ("deleted", "app/old", None),
                        ("set", "app/limit", "0"),
                    ]

    asyncio.run(main())


def test_who_watches_is_not_woken_by_what_happens_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition, "Feed", partial(Feed, count_max=4))
    looked: list[str] = []
    behind = giving._behind

    def look(leader: Any, asked: Following, after: int) -> Any:
        looked.append(asked.name)
        return behind(leader, asked, after)

    monkeypatch.setattr(giving, "_behind", look)

    async def main() -> None:
        async with open_node(coordination_of(1), open_engine("memory:")) as node, connected(node) as coordination:
            async with aclosing(coordination.watch("app/")) as changes, asyncio.TaskGroup() as tasks:
                waiting = tasks.create_task(told(changes, 1))
                while len(looked) < 2:
                    await asyncio.sleep(0)
                for _ in range(50):
                    await coordination.counters.add("app/hits")
                assert len(looked) == 2
                await coordination.config.set("app/limit", "1")
                assert [each[:3] for each in await waiting] == [("set", "app/limit", "1")]
            following = Following("app/", after=node.leaders[0].partition.feed.last, wait_s=0.05)
            async with asyncio.TaskGroup() as tasks:
                nothing = tasks.create_task(giving.changes(node, following, Terms()))
                for _ in range(50):
                    await coordination.counters.add("app/hits")
            assert nothing.result() == Changes([], 101), "who waited in vain is not behind what is kept"

    asyncio.run(main())


def test_a_watch_of_counters_forgets_those_that_are_0_and_tells_it_once() -> None:
    known = watching.Known("counter")

    def counted(name: str, value: int) -> Change:
        return Change(0, "counted", name, str(value), 0, "")

    assert list(known.all_of([counted("a", 0)])) == [counted("a", 0)]
    assert not known.takes(counted("a", 0))
    assert [known.takes(counted("a", value)) for value in (1, 1, 0, 0)] == [True, False, True, False]
    for number in range(100):
        assert known.takes(counted(f"b{number}", 1))
        assert known.takes(counted(f"b{number}", 0))
    assert not known._told
    assert list(known.all_of([])) == []


@pytest.mark.parametrize(
    ("kind", "known", "there", "expected"),
    [
        ("lock", [("a", 5, "s")], [("a", 7, "t")], [("released", "a", 5), ("held", "a", 7)]),
        ("lock", [("a", 5, "s")], [("a", 7, "s")], [("held", "a", 7)]),
        ("semaphore", [("a", 5, "s"), ("a", 6, "t")], [("a", 6, "t")], [("released", "a", 5)]),
        ("election", [("a", 5, "s")], [("a", 7, "t")], [("elected", "a", 7)]),
        ("election", [("a", 5, "s")], [], [("vacant", "a", 5)]),
    ],
)
def test_what_is_told_when_a_watch_begins_again(
    kind: Kind,
    known: list[tuple[str, int, str]],
    there: list[tuple[str, int, str]],
    expected: list[tuple[str, str, int]],
) -> None:
    what = "elected" if kind == "election" else "held"

    def changes(rows: list[tuple[str, int, str]]) -> list[Change]:
        return [Change(0, what, name, "", token, session) for name, token, session in rows]

    told_last = watching.Known(kind)
    assert list(told_last.all_of(changes(known))) == changes(known)
    again = list(told_last.all_of(changes(there)))
    assert [(each.what, each.name, each.version) for each in again] == expected
    assert not list(told_last.all_of(changes(there)))


def test_what_is_read_twice_is_told_once() -> None:
    known = watching.Known("lock")
    held = Change(0, "held", "a", "", 7, "s")
    assert list(known.all_of([held])) == [held]
    # The number of changes is asked for before what is there: these were before it.
    assert not known.takes(Change(1, "held", "a", "", 5, "s"))
    assert not known.takes(Change(2, "released", "a", None, 5, "s"))
    assert not known.takes(Change(3, "held", "a", "", 7, "s"))
    assert known.takes(Change(4, "released", "a", None, 7, "s"))
    assert not known.takes(Change(4, "released", "a", None, 7, "s"))
