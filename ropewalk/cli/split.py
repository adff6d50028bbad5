"""`ropewalk split MODULE:SERVICE`: more partitions for a service that stands still.

    FOLDER ──copy, divide, compare──► FOLDER.split        then, when all of it is right:
    FOLDER ──► FOLDER.before-split     FOLDER.split ──► FOLDER

Checked by: tests/cli/test_split.py
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from ropewalk.cli.serve import found_service
from ropewalk.engines.sqlite import SqliteEngine
from ropewalk.errors import RopewalkError
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
@click.option("--folder", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path),
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
        before = await count_partitions(service, source)
        kept_names = {name for name, _ in source.partitions()}
    beside = [each.service for each in service.followers if each.service.name in kept_names]
    others = sorted(kept_names - {service.name, *(each.name for each in beside)})
    if not before:
        raise click.ClickException(f"{folder} holds nothing of {service.name}")
    service = msgspec.structs.replace(service, partitions=before)
    await _deliver_all(service, folder)
    with ExitStack() as undo:
        undo.callback(shutil.rmtree, copy, ignore_errors=True)
        async with _opened(folder) as source, _opened(copy) as target:
            parts = await split_service(service, source, target, partitions=partitions, on_part=on_part)
            for each in beside:
                await renumber(each, source, target)
        for name in others:
            shutil.copytree(folder / name, copy / name)
        undo.pop_all()
    folder.rename(kept)
    copy.rename(folder)
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
    async with open_node(service, SqliteEngine(folder)) as node, asyncio.timeout(_SETTLE_S):
        leaders = [leader for each in (node, *node.followers.values()) for leader in each.leaders]
        while any(leader.partition.mailbox.waiting for leader in leaders):
            await asyncio.sleep(_LOOK_S)


def _show(done: Split) -> None:
    table = Table("partition", "divided from", "values and timers", title=f"{done.service}", title_justify="left")
    for part in done.parts:
        table.add_row(str(part.partition), str(part.divided_from), f"{part.things:,}")
    console = Console(highlight=False, soft_wrap=True)
    console.print(table)
    console.print(f"{done.folder} now has {done.partitions} partitions; what it was is in {done.kept}")
    console.print(f"Say partitions={done.partitions} in {done.service}, and start it")
