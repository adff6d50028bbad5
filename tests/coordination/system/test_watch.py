"""Watches in the Python API: what is there, and then each change, over a node in the program and over HTTP."""

import asyncio
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import TypeVar

import pytest

from ropewalk import open_engine, open_node
from ropewalk.errors import NotAccepted
from ropewalk.runtime.server import serving
from ropewalk.systems.coordination import client
from ropewalk.systems.coordination.client import Coordination, connected
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
    monkeypatch.setattr(client, "_AGAIN_S", 0.01)

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


def test_a_watch_tells_what_changes_while_it_reads_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PAGE_MAX", 1)

    async def main(coordination: Coordination) -> None:
        for name in ("app/a", "app/b"):
            await coordination.config.set(name, "old")
        async with aclosing(coordination.watch("app/")) as changes:
            seen = [await anext(changes)]
            for name in ("app/a", "app/b"):
                await coordination.config.set(name, "new")
            seen += [await anext(changes), await anext(changes)]
        assert [(change.name, change.value) for change in seen] == [
            ("app/a", "old"),
            ("app/b", "new"),
            ("app/a", "new"),
        ]

    async def in_time(coordination: Coordination) -> None:
        async with asyncio.timeout(5):
            await main(coordination)

    asyncio.run(both_ways(in_time))
