"""What the commands of the coordination service share: a connection while they need it, errors in a sentence.

Checked by: tests/cli/test_coordination.py
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar

import click
import msgspec

from ropewalk.cli.client import NoService, NotDone, asking
from ropewalk.communication.outcomes import Unreachable
from ropewalk.errors import NotAccepted, OutcomeUnknown, RopewalkError
from ropewalk.systems.coordination.client import Coordination, SessionLost, connected
from ropewalk.systems.coordination.offers import Change

F = TypeVar("F", bound=Callable[..., object])


def naming(command: F) -> F:
    """The argument of what is about something that has a name."""
    return click.argument("name", callback=named)(command)


def watching(command: F) -> F:
    """The arguments of what follows the changes of something that has a name."""
    count = click.option("--count", type=click.IntRange(1), help="Stop after so many lines; else Ctrl-C stops it.")
    return naming(count(asking(command)))


def named(_: click.Context, __: click.Parameter, name: str) -> str:
    """A name, if it is any: the service tells what else is wrong with it."""
    if not name:
        raise click.BadParameter("it is empty: give a name, like jobs/report")
    return name


def coordinated(url: str, work: Callable[[Coordination], Awaitable[None]]) -> None:
    """Do some work with the service at a URL. Raises ClickException if it refuses, NotDone if it may yet be done."""

    async def main() -> None:
        async with connected(url) as coordination:
            await work(coordination)

    try:
        asyncio.run(main())
    except RopewalkError as error:
        raise _failure(error) from error


def _failure(error: RopewalkError) -> click.ClickException:
    match error:
        case NotAccepted() if isinstance(error.__cause__, Unreachable):
            return NoService(str(error))
        case NotAccepted() | SessionLost():
            return NotDone(str(error), "not_accepted")
        case OutcomeUnknown():
            # Also what a stranger at the URL answers, so it is not said that the same should be tried again.
            return NoService(str(error))
        case _:
            return click.ClickException(str(error))


async def tell_changes(
    changes: AsyncGenerator[Change, None], words: Callable[[Change], str], *, count: int | None, as_json: bool
) -> None:
    """Print each change, until so many are printed."""
    printed = 0
    async with aclosing(changes):
        async for change in changes:
            tell(change, words(change), as_json=as_json)
            printed += 1
            if printed == count:
                return


def tell(row: msgspec.Struct, words: str, *, as_json: bool) -> None:
    """Print a row as JSON, or in words."""
    click.echo(msgspec.json.encode(row) if as_json else words)
