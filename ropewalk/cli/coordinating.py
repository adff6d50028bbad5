"""What the commands of the coordination service share: a connection while they need it, errors in a sentence.

Checked by: tests/cli/test_coordination.py
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

import click
import msgspec

from ropewalk.errors import RopewalkError
from ropewalk.systems.coordination.client import Coordination, connected
from ropewalk.systems.coordination.offers import Change


def coordinated(url: str, work: Callable[[Coordination], Awaitable[None]]) -> None:
    """Do some work with the service at a URL. Raises ClickException if it refuses, or is not there."""

    async def main() -> None:
        async with connected(url) as coordination:
            await work(coordination)

    try:
        asyncio.run(main())
    except RopewalkError as error:
        raise click.ClickException(str(error)) from error


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
