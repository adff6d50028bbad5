"""`ropewalk audit FOLDER`: read everything that is kept, and tell what is not what was written.

Checked by: tests/cli/test_audit.py
"""

import asyncio
import json
import os
import sys
from itertools import groupby
from pathlib import Path

import click
import msgspec

from ropewalk.cli.terminal import open_console
from ropewalk.engines.sqlite import SqliteEngine
from ropewalk.errors import RopewalkError
from ropewalk.runtime.audit import Audited, audited_missing
from ropewalk.runtime.audit import audit as audit_partition
from ropewalk.runtime.recovery import missing_partitions


class _Folder(click.Path):
    """A folder that is there, named alone or as an engine is."""

    def convert(
        self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None
    ) -> str | bytes | os.PathLike[str]:
        return super().convert(os.fspath(value).removeprefix("sqlite:"), param, ctx)


@click.command()
@click.argument("folder", type=_Folder(exists=True, file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a partition.")
def audit(*, folder: Path, as_json: bool) -> None:
    """Compare every record, snapshot and blob of FOLDER or sqlite:FOLDER, or of a backup of it, with its checksum.

    Nothing may use the folder meanwhile. Exits 1 if anything is damaged, 2 if there is nothing to read.
    """
    try:
        found = _audited(folder)
    except RopewalkError as error:
        raise click.ClickException(str(error)) from error
    for service, partition, audited in found:
        if as_json:
            click.echo(json.dumps({"service": service, "partition": partition, **msgspec.to_builtins(audited)}))
        else:
            _tell(f"{service}/{partition}", audited)
    if not found:
        click.echo(f"{folder} holds no service: name the folder that stands behind sqlite:", err=True)
        sys.exit(2)
    sys.exit(1 if any(audited.damages for _, _, audited in found) else 0)


def _audited(folder: Path) -> list[tuple[str, int, Audited]]:
    if not (folder / "lock").exists():
        return []
    engine = SqliteEngine(folder)
    with asyncio.Runner() as runner:
        try:
            return runner.run(_all(engine))
        finally:
            runner.run(engine.close())


async def _all(engine: SqliteEngine) -> list[tuple[str, int, Audited]]:
    found = []
    for service, kept in groupby(engine.partitions(), key=lambda each: each[0]):
        storages = {partition: await engine.open(service, partition) for _, partition in kept}
        audits = {partition: await audit_partition(storage) for partition, storage in storages.items()}
        for partition in await missing_partitions(storages):
            audits[partition] = audited_missing()
        found += [(service, partition, audited) for partition, audited in sorted(audits.items())]
    return found


def _tell(name: str, audited: Audited) -> None:
    console = open_console()
    what = f"{audited.records:,} records, {audited.snapshots} snapshots, {audited.blobs:,} blobs"
    if not audited.damages:
        console.print(f"[green]whole[/]    {name}: {what}")
    for damage in audited.damages:
        console.print(f"[red]damaged[/]  {name}: {damage}")
