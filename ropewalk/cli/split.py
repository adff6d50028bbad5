"""`ropewalk split MODULE:SERVICE`: more partitions for a service that stands still.

    FOLDER ──copy, divide, compare──► FOLDER.split        then, when all of it is right:
    FOLDER ◄──exchange──► FOLDER.split ──► FOLDER.before-split

Promise:    FOLDER is the old one or the new one and whole, whatever is killed when.
Checked by: tests/cli/test_split.py
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from ropewalk.cli.serve import found_service
from ropewalk.cli.terminal import open_console
from ropewalk.engines.files import exchange
from ropewalk.engines.sqlite import SqliteEngine
from ropewalk.errors import RopewalkError
from ropewalk.runtime.leader import Leader
from ropewalk.runtime.node import open_node
from ropewalk.runtime.service import Service
from ropewalk.runtime.splitting import Part, count_partitions, renumber
from ropewalk.runtime.splitting import split as split_service

_SETTLE_S = 60.0
_LOOK_S = 0.02


class Split(msgspec.Struct, frozen=True):
    """What `--json` prints: the service, how many partitions it had and has, and each of them."""

    service: str
    before: int
    partitions: int
    folder: str
    kept: str
    parts: list[Part]


@click.command()
@click.argument("service", metavar="MODULE:SERVICE")
@click.option("--folder", required=True,
              type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path),
              help="The folder that stands behind sqlite:.")  # fmt: skip
@click.option("--partitions", required=True, type=click.IntRange(2), help="How many it is to have: a multiple.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def split(*, service: str, folder: Path, partitions: int, as_json: bool) -> None:
    """Divide a service's state among more partitions, while nothing else uses FOLDER.

    The state is copied beside, compared, and then takes the place of the old one, which is kept.
    """
    found = found_service(service)
    try:
        with Progress(console=Console(stderr=True), transient=True, disable=as_json) as progress:
            bar = progress.add_task(found.name, total=partitions)
            done = asyncio.run(_split(found, folder, partitions, on_part=lambda _: progress.advance(bar)))
    except RopewalkError as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{error}; {folder} is as it was") from error
    if as_json:
        click.echo(msgspec.json.encode(done))
    else:
        _show(done)


async def _split(service: Service, folder: Path, partitions: int, *, on_part: Callable[[Part], None]) -> Split:
    copy, kept = folder.with_name(f"{folder.name}.split"), folder.with_name(f"{folder.name}.before-split")
    for taken in (copy, kept):
        if taken.exists():
            raise click.ClickException(f"{taken} is there from an earlier try: look at it, and move it away")
    async with _opened(folder) as source:
        is_kept = service.name in {name for name, _ in source.partitions()}
        before = await count_partitions(service, source) if is_kept else 0
    if not before:
        raise click.ClickException(f"{folder} holds nothing of {service.name}")
    service = msgspec.structs.replace(service, partitions=before)
    await _deliver_all(service, folder)
    with ExitStack() as undo:
        undo.callback(shutil.rmtree, copy, ignore_errors=True)
        async with _opened(folder) as source, _opened(copy) as target:
            parts = await split_service(service, source, target, partitions=partitions, on_part=on_part)
            for follower in service.followers:
                await renumber(follower.service, source, target)
        _copy_others(folder, copy)
        os.sync()
        exchange(folder, copy)
        undo.pop_all()
    copy.rename(kept)
    os.sync()
    return Split(service.name, before, partitions, str(folder), str(kept), parts)


@asynccontextmanager
async def _opened(folder: Path) -> AsyncIterator[SqliteEngine]:
    engine = SqliteEngine(folder)
    try:
        yield engine
    finally:
        await engine.close()


async def _deliver_all(service: Service, folder: Path) -> None:
    """Run the service as it is until no message waits."""
    async with open_node(service, SqliteEngine(folder)) as node:
        leaders = [leader for each in (node, *node.followers.values()) for leader in each.leaders]
        waiting = await _settle(leaders)
        if waiting:
            raise click.ClickException(
                f"messages still wait after {_SETTLE_S:g} s ({', '.join(waiting)}): start the service as it is, and "
                f"see whether those whom they are for are led; {folder} is as it was"
            )


async def _settle(leaders: Sequence[Leader]) -> list[str]:
    """Wait until no message waits; return how many still do, and whose, when the time is over."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_SETTLE_S):
            while _waiting(leaders):
                await asyncio.sleep(_LOOK_S)
    return _waiting(leaders)


def _waiting(leaders: Sequence[Leader]) -> list[str]:
    counts = [(leader.partition.mailbox.waiting, leader.identity.log_name) for leader in leaders]
    return [f"{count} of {log_name}" for count, log_name in counts if count]


def _copy_others(folder: Path, copy: Path) -> None:
    """Whatever else stands in the folder: services that have nothing to do with the divided one, and files."""
    for path in folder.iterdir():
        if (copy / path.name).exists():
            continue
        if path.is_dir():
            shutil.copytree(path, copy / path.name)
        else:
            shutil.copy2(path, copy / path.name)


def _show(done: Split) -> None:
    table = Table("partition", "divided from", "values and timers", title=f"{done.service}", title_justify="left")
    for part in done.parts:
        table.add_row(str(part.partition), str(part.divided_from), f"{part.things:,}")
    console = open_console()
    console.print(table)
    console.print(f"{done.folder} now has {done.partitions} partitions; what it was is in {done.kept}")
    console.print(f"Say partitions={done.partitions} in {done.service}, and start it")
