"""`ropewalk lock`, `semaphore` and `election`: run a command while something is held; `lease`: hold it for so long.

The command finds its token in the environment, as ROPEWALK_TOKEN. If the session is lost it is told to end, and is
killed if it does not.

Promise:    the exit code is the command's; what kept it from running or from ending by itself has another.
Checked by: tests/cli/test_coordination.py
"""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Callable, Sequence
from functools import wraps
from inspect import getdoc
from typing import Any, Final, TypeVar

import click
import msgspec

from ropewalk.cli.client import NO_SERVICE, TRY_AGAIN, asking
from ropewalk.cli.coordinating import coordinated, naming, tell, tell_changes, watching
from ropewalk.cli.values import Seconds
from ropewalk.coordination.recipes.limits import PERMITS_MAX, TTL_MAX_MS, TTL_MIN_MS
from ropewalk.systems.coordination.client import Coordination
from ropewalk.systems.coordination.holding import TTL_S, Wanted
from ropewalk.systems.coordination.offers import Change

F = TypeVar("F", bound=Callable[..., object])

TOKEN: Final = "ROPEWALK_TOKEN"
_END_S: Final = 10.0

_NO_COMMAND: Final = 127
"""As shells say it."""
_CODES: Final = (
    f"The exit code is COMMAND's; {TRY_AGAIN} if NAME was not free, or was lost while COMMAND ran; "
    f"{_NO_COMMAND} if COMMAND can't be run; {NO_SERVICE} if the service gives no answer, or refuses."
)


_TTL: Final = Seconds(TTL_MIN_MS / 1_000, TTL_MAX_MS / 1_000)


class _NotRun(click.ClickException):
    """What was to run is no program."""

    exit_code = _NO_COMMAND


class HeldNow(msgspec.Struct, frozen=True):
    """What `--json` prints on stderr when the command is about to run: stdout is the command's."""

    name: str
    token: int


class Leased(msgspec.Struct, frozen=True):
    """What `ropewalk lease --json` prints."""

    name: str
    token: int
    session: str
    left_s: float


class Terms(msgspec.Struct, frozen=True):
    """What every command that holds something is told."""

    name: str
    command: tuple[str, ...]
    wait_s: float | None
    ttl_s: float
    url: str
    as_json: bool


def claiming(command: F) -> F:
    """The options of what claims something."""
    for option in (
        naming,
        click.option(
            "--wait", "wait_s", type=Seconds(0), help="Seconds to wait for it; 0: not at all. Else for ever."
        ),
        asking,
    ):
        command = option(command)
    return command


def holding(run: Callable[..., None]) -> Callable[..., None]:
    """What every command that holds something takes, as one argument."""

    @wraps(run)
    def with_terms(**given: Any) -> None:
        terms = Terms(**{field: given.pop(field) for field in Terms.__struct_fields__})
        run(terms, **given)

    with_terms.__doc__ = f"{getdoc(run)}\n\n{_CODES}"
    for option in (
        click.argument("command", nargs=-1, metavar="-- COMMAND..."),
        click.option("--ttl", "ttl_s", type=_TTL, default=TTL_S, show_default=True, help="Seconds it may be silent."),
        claiming,
    ):
        with_terms = option(with_terms)
    return with_terms


@click.command()
@holding
def lock(terms: Terms) -> None:
    """Run COMMAND while the lock NAME is held, and nobody else's command with it.

    The fencing token is in the environment, as ROPEWALK_TOKEN.
    """
    _run(terms, Wanted(terms.name))


@click.command()
@click.option(
    "--permits",
    type=click.IntRange(1, PERMITS_MAX),
    required=True,
    help="How many permits there are; all who use it say the same.",
)
@click.option("--takes", type=click.IntRange(1), default=1, show_default=True, help="How many of them are taken.")
@holding
def semaphore(terms: Terms, *, permits: int, takes: int) -> None:
    """Run COMMAND while permits of the semaphore NAME are held."""
    if takes > permits:
        raise click.UsageError(f"it can't take {takes} of {permits}: give fewer --takes, or more --permits")
    _run(terms, Wanted(terms.name, "semaphore", takes, permits))


@click.command()
@claiming
@click.option("--ttl", "ttl_s", type=_TTL, default=TTL_S, show_default=True, help="Seconds that it lasts.")
@click.option("--renew", metavar="SESSION", help="Let the lease that this session has last for its time once more.")
@click.option("--end", metavar="SESSION", help="End the lease that this session has.")
def lease(
    name: str,
    *,
    ttl_s: float,
    wait_s: float | None,
    renew: str | None,
    end: str | None,
    url: str,
    as_json: bool,
) -> None:
    """Take the lock NAME for so long, and print its token and session; it ends by itself unless it is renewed.

    The exit code is 75 if NAME was not free, 69 if the service gives no answer, 1 if it refuses.
    """
    if renew and end:
        raise click.UsageError("a lease is renewed or ended: give one of --renew and --end")

    async def work(coordination: Coordination) -> None:
        session = renew or end
        if session:
            taken = await coordination.renew(name, session)
        else:
            taken = await coordination.lease(name, ttl_s=ttl_s, wait_s=wait_s)
        if end:
            await taken.end()
            return
        told = Leased(name, taken.token, taken.session, round(taken.left_s, 3))
        tell(told, f"token {told.token}, session {told.session}, for {told.left_s:g} s", as_json=as_json)

    coordinated(url, work)


election = click.Group("election", help="Lead, and know who does.")


@election.command()
@click.option("--value", default="", help="What others learn of the leader: its address perhaps.")
@holding
def lead(terms: Terms, *, value: str) -> None:
    """Run COMMAND while this process leads in the election NAME."""
    _run(terms, Wanted(terms.name, "election", value=value))


@election.command()
@naming
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
@watching
def watch(name: str, *, count: int | None, url: str, as_json: bool) -> None:
    """Print who leads, and then each change."""

    def words(change: Change) -> str:
        return f"{change.value or change.session} (token {change.version})" if change.value is not None else "nobody"

    async def work(coordination: Coordination) -> None:
        await tell_changes(coordination.watch(name, "election"), words, count=count, as_json=as_json)

    coordinated(url, work)


def _run(terms: Terms, wanted: Wanted) -> None:
    """Run a command under a claim, and exit as it does."""
    code = 0

    async def work(coordination: Coordination) -> None:
        nonlocal code
        async with coordination.holding(wanted, ttl_s=terms.ttl_s, wait_s=terms.wait_s) as token:
            if terms.as_json:
                click.echo(msgspec.json.encode(HeldNow(wanted.name, token)), err=True)
            code = await _exit_code(terms.command, token)

    if not terms.command:
        raise click.UsageError("give a command to run while it is held, behind --")
    try:
        coordinated(terms.url, work)
    except click.ClickException as error:
        error.show()
        # 1 may be what COMMAND says.
        code = NO_SERVICE if error.exit_code == 1 else error.exit_code
    sys.exit(code)


async def _exit_code(command: Sequence[str], token: int) -> int:
    try:
        process = await asyncio.create_subprocess_exec(*command, env={**os.environ, TOKEN: str(token)})
    except OSError as error:
        raise _NotRun(f"can't run {command[0]}: {error.strerror}") from error
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
