"""Every command that there is, for tests of what all have in common."""

from collections.abc import Iterator

import click

from ropewalk.cli.main import main


def every_command(group: click.Group = main, *, within: str = "") -> Iterator[tuple[str, click.Command]]:
    """Commands and groups by their words behind `ropewalk`."""
    for name in group.commands:
        command = group.commands[name]
        words = f"{within}{name}"
        yield words, command
        if isinstance(command, click.Group):
            yield from every_command(command, within=f"{words} ")
