"""`ropewalk audit FOLDER`: read everything that is kept, and tell what is not what was written.

Checked by: tests/cli/test_audit.py
"""

import asyncio
import fcntl
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TextIO

import click
import msgspec

from ropewalk.cli.client import NotDone
from ropewalk.cli.terminal import open_console
from ropewalk.engines.sqlite import SqliteEngine
from ropewalk.errors import Damaged, Rejected, RopewalkError
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

    Nothing may use the folder meanwhile. One that can't be written to is left as it is: copies of its logs are read.
    Exits 1 if anything is damaged, 2 if there is nothing to read, 75 if something keeps it from being read.
    """
    try:
        found = _audited(folder)
    except Damaged as error:
        raise click.ClickException(str(error)) from error
    except (RopewalkError, OSError) as error:
        raise NotDone(str(error), "not_accepted") from error
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
    with _writable(folder) as place, asyncio.Runner() as runner:
        engine = SqliteEngine(place)
        try:
            found = runner.run(_all(engine))
        except RopewalkError as error:
            raise type(error)(str(error).replace(str(place), str(folder))) from error
        finally:
            runner.run(engine.close())
    for _, _, audited in found:
        audited.damages[:] = [damage.replace(str(place), str(folder)) for damage in audited.damages]
    return found


@contextmanager
def _writable(folder: Path) -> Iterator[Path]:
    """The folder itself; if it can't be written to, one with links to what it holds, and copies of its logs.

    SQLite reads the newest records, which are in a file beside the log, only where it may write. Logs are trimmed, so
    they are small beside the rest.
    """
    if os.access(folder, os.W_OK):
        yield folder
        return
    with (folder / "lock").open() as lock, TemporaryDirectory(prefix="ropewalk-audit-") as made:
        _keep_out_writers(lock, folder)
        for path in sorted(folder.resolve().rglob("*")):
            here = Path(made, path.relative_to(folder.resolve()))
            if path.is_dir():
                here.mkdir()
            elif path.name.startswith("log.db"):
                shutil.copyfile(path, here)
            elif path.name != "lock":
                here.symlink_to(path)
        yield Path(made)


def _keep_out_writers(lock: TextIO, folder: Path) -> None:
    """Hold the lock as readers may. Raises Rejected if a service has it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Rejected(f"{folder} is in use by process {lock.read()}: stop that one first") from None


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
