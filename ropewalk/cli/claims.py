"""`ropewalk lock`, `semaphore` and `election`: run a command while something is held.

The command finds its token in the environment, as ROPEWALK_TOKEN. If the session is lost it is told to end, and is
killed if it does not.

Promise:    the exit code is the command's; 75 if the claim was lost, so that whoever runs it again may.
Checked by: tests/cli/test_coordination.py
"""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, TypeVar

import click
import msgspec

from ropewalk.cli.client import asking
from ropewalk.cli.coordinating import coordinated, tell, tell_changes
from ropewalk.systems.coordination.client import Coordination, SessionLost
from ropewalk.systems.coordination.holding import TTL_S
from ropewalk.systems.coordination.offers import Change

F = TypeVar("F", bound=Callable[..., object])
Claim = Callable[[Coordination], AbstractAsyncContextManager[int]]

TOKEN: Final = "ROPEWALK_TOKEN"
_END_S: Final = 10.0


class Lost(click.ClickException):
    """The session was lost while the command ran."""

    exit_code = 75
    """EX_TEMPFAIL of sysexits: it may go well the next time."""


class HeldNow(msgspec.Struct, frozen=True):
    """What `--json` prints on stderr when the command is about to run: stdout is the command's."""

    name: str
    token: int


def holding(command: F) -> F:
    """What every command that holds something takes."""
    for option in (
        click.argument("command", nargs=-1, required=True, metavar="-- COMMAND..."),
        click.argument("name"),
        click.option("--wait", "wait_s", type=float, help="Seconds to wait for it; 0: not at all. Else for ever."),
        click.option(
            "--ttl", "ttl_s", type=float, default=TTL_S, show_default=True, help="Seconds it may be silent."
        ),
        asking,
    ):
        command = option(command)
    return command


@click.command()
@holding
def lock(name: str, *, command: tuple[str, ...], ttl_s: float, wait_s: float | None, url: str, as_json: bool) -> None:
    """Run COMMAND while the lock NAME is held, and nobody else's command with it.

    The fencing token is in the environment, as ROPEWALK_TOKEN.
    """
    _run(name, command, lambda service: service.lock(name, ttl_s=ttl_s, wait_s=wait_s), url=url, as_json=as_json)


@click.command()
@click.option("--permits", type=click.IntRange(1), required=True, help="How many permits there are.")
@click.option("--takes", type=click.IntRange(1), default=1, show_default=True, help="How many of them are taken.")
@holding
def semaphore(
    name: str,
    *,
    command: tuple[str, ...],
    permits: int,
    takes: int,
    ttl_s: float,
    wait_s: float | None,
    url: str,
    as_json: bool,
) -> None:
    """Run COMMAND while permits of the semaphore NAME are held."""

    def claim(service: Coordination) -> AbstractAsyncContextManager[int]:
        return service.semaphore(name, permits=permits, takes=takes, ttl_s=ttl_s, wait_s=wait_s)

    _run(name, command, claim, url=url, as_json=as_json)


election = click.Group("election", help="Lead, and know who does.")


@election.command()
@click.option("--value", default="", help="What others learn of the leader: its address perhaps.")
@holding
def lead(
    name: str, *, command: tuple[str, ...], value: str, ttl_s: float, wait_s: float | None, url: str, as_json: bool
) -> None:
    """Run COMMAND while this process leads in the election NAME."""

    def claim(service: Coordination) -> AbstractAsyncContextManager[int]:
        return service.lead(name, value=value, ttl_s=ttl_s, wait_s=wait_s)

    _run(name, command, claim, url=url, as_json=as_json)


@election.command()
@click.argument("name")
@asking
def leader(name: str, *, url: str, as_json: bool) -> None:
    """Print who leads; fail if nobody does."""

    async def work(coordination: Coordination) -> None:
        found = await coordination.leader(name)
        if found is None:
            raise click.ClickException(f"nobody leads {name!r}")
        tell(found, f"{found.value or found.session} (token {found.token})", as_json=as_json)

    coordinated(url, work)


@election.command()
@click.argument("name")
@click.option("--count", type=click.IntRange(1), help="Stop after so many lines; else Ctrl-C stops it.")
@asking
def watch(name: str, *, count: int | None, url: str, as_json: bool) -> None:
    """Print who leads, and then each change."""

    def words(change: Change) -> str:
        return f"{change.value or change.session} (token {change.version})" if change.version else "nobody"

    async def work(coordination: Coordination) -> None:
        await tell_changes(coordination.watch(name, "election"), words, count=count, as_json=as_json)

    coordinated(url, work)


def _run(name: str, command: Sequence[str], claim: Claim, *, url: str, as_json: bool) -> None:
    """Run a command under a claim, and exit as it does."""
    code = 0

    async def work(coordination: Coordination) -> None:
        nonlocal code
        async with claim(coordination) as token:
            if as_json:
                click.echo(msgspec.json.encode(HeldNow(name, token)), err=True)
            code = await _exit_code(command, token)

    try:
        coordinated(url, work)
    except click.ClickException as error:
        if isinstance(error.__cause__, SessionLost):
            raise Lost(error.message) from error
        raise
    sys.exit(code)


async def _exit_code(command: Sequence[str], token: int) -> int:
    try:
        process = await asyncio.create_subprocess_exec(*command, env={**os.environ, TOKEN: str(token)})
    except OSError as error:
        raise click.ClickException(f"can't run {command[0]}: {error.strerror}") from error
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, process.terminate)
    try:
        code = await process.wait()
    finally:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
        await _end(process)
    # As a shell says it: a signal's number is told by adding 128.
    return code if code >= 0 else 128 - code


async def _end(process: Process) -> None:
    """End a command that still runs: its claim is lost, or it is no longer wanted."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(_END_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
