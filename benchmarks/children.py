"""One row in a process of its own, with a bound on its time.

What the row's process starts (a database, a server, a load generator) is in its process group, and ends with it.
"""

import multiprocessing
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import msgspec

from benchmarks.measures import Result, Scale, Setting
from benchmarks.rows import Row

_CONTEXT = multiprocessing.get_context("spawn")


class Failure(msgspec.Struct, frozen=True):
    """Why a row has no result."""

    reason: str


Message = str | Result | Failure


def run_row(row: Row, scale: Scale, *, folder: Path, tell: Callable[[str], None]) -> Result | Failure:
    """Run a row in a new process and in a new folder below `folder`, which is removed afterwards."""
    # Readable for others, because a database server runs as a user of its own.
    place = Path(tempfile.mkdtemp(prefix="ropewalk-bench-", dir=folder))
    place.chmod(0o755)
    ours, theirs = _CONTEXT.Pipe(duplex=False)
    child = _CONTEXT.Process(target=_child, args=(row, scale, place, theirs))
    child.start()
    theirs.close()
    try:
        return _followed(ours, bound_s=row.bound_s, tell=tell)
    finally:
        _end(child)
        shutil.rmtree(place, ignore_errors=True)


def _followed(ours: Connection, *, bound_s: float, tell: Callable[[str], None]) -> Result | Failure:
    until_s = time.monotonic() + bound_s
    while ours.poll(max(0.0, until_s - time.monotonic())):
        try:
            message: Message = ours.recv()
        except EOFError:
            return Failure("its process ended without a result: what it said is above")
        if not isinstance(message, str):
            return message
        tell(message)
    return Failure(f"it took longer than {bound_s:g} s")


def _end(child: BaseProcess) -> None:
    try:
        os.killpg(child.pid or 0, signal.SIGKILL)
    except ProcessLookupError:
        # It has ended before it could lead a group of its own, or all of the group has.
        child.kill()
    child.join()


def _child(row: Row, scale: Scale, folder: Path, theirs: Connection) -> None:
    os.setsid()
    run = getattr(import_module(f"benchmarks.rows.{row.module}"), row.function)
    theirs.send(run(Setting(scale, folder, theirs.send), **row.options))
