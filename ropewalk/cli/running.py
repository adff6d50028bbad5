"""A service run in the foreground until a signal stops it: what `ropewalk serve` and `ropewalk up` share.

Promise:    SIGTERM or SIGINT: no request is taken any more, what was accepted is answered, the state is saved, and
            the exit code is 0.
Checked by: tests/cli/test_serve.py
"""

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Final

import click
import msgspec

from ropewalk.cli.terminal import open_console
from ropewalk.data.engine import Engine
from ropewalk.engines.sqlite import SqliteEngine
from ropewalk.errors import RopewalkError
from ropewalk.observability.traces import exported_traces
from ropewalk.runtime.config import open_engine
from ropewalk.runtime.node import Node, open_node
from ropewalk.runtime.server import open_listener, serving
from ropewalk.runtime.service import Service

PAGES: Final = ("docs", "health", "metrics")


class Place(msgspec.Struct, frozen=True):
    """Where a service keeps its logs, and where it listens."""

    engine: str
    host: str
    port: int


class Started(msgspec.Struct, frozen=True, omit_defaults=True):
    """What `--json` prints when requests are answered; `beside` is where else, by name, if anywhere."""

    event: str
    service: str
    url: str
    engine: str
    partitions: int
    beside: Mapping[str, str] = {}


Beside = Callable[[Node], AbstractAsyncContextManager[str]]
"""Another way in than HTTP: open while the node is; yields where it listens."""


def run(service: Service, place: Place, *, as_json: bool, beside: Mapping[str, Beside] | None = None) -> None:
    """Serve over HTTP, and on what is `beside` it by name, until told to stop.

    Raises ClickException, with a sentence to act on, if that is not possible.
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s", stream=sys.stderr)
    try:
        with exported_traces(service.name), asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(service, place, as_json=as_json, beside=beside or {}))
    except RopewalkError as error:
        raise click.ClickException(str(error)) from error


async def _serve(service: Service, place: Place, *, as_json: bool, beside: Mapping[str, Beside]) -> None:
    stopped = asyncio.Event()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signal_number, stopped.set)
    # Before a folder is made for nothing.
    open_listener(place.host, place.port).close()
    engine = open_engine(place.engine)
    began = _began(engine, service)
    async with AsyncExitStack() as stack:
        node = await stack.enter_async_context(open_node(service, engine))
        url = await stack.enter_async_context(serving(node, host=place.host, port=place.port))
        where = {name: await stack.enter_async_context(opened(node)) for name, opened in beside.items()}
        # What was imported and loaded stays: to look through it at each full collection stops all for 20 ms.
        gc.collect()
        gc.freeze()
        started = Started("started", service.name, url, place.engine, service.partitions, where)
        _announce(started, began=began, as_json=as_json)
        await stopped.wait()
        if not as_json:
            what = "saving" if isinstance(engine, SqliteEngine) else "forgetting"
            click.echo(f"stopping: answering what was accepted, and {what} the state")


def _began(engine: Engine, service: Service) -> str:
    """What tells a folder whose name is misspelt from the one that was meant."""
    if not isinstance(engine, SqliteEngine):
        return "until it stops"
    return "which goes on" if service.name in {name for name, _ in engine.partitions()} else "which is new"


def _announce(started: Started, *, began: str, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(started))
        return
    console = open_console()
    where = f"[cyan]{started.url}[/], kept in {started.engine}, {began}"
    console.print(f"[bold]{started.service}[/] is up on {where}")
    for page in PAGES:
        console.print(f"  {started.url}/{page}")
    for name, address in started.beside.items():
        console.print(f"  {name} on {address}")
    console.print("[dim]Ctrl-C stops it[/]")


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """uvloop's where there is one: it is not made for Windows."""
    if sys.platform == "win32":
        return asyncio.SelectorEventLoop
    import uvloop

    return uvloop.new_event_loop
