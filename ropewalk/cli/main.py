"""The command `ropewalk`: each line of `COMMANDS` is a command, and where it is found.

Checked by: tests/cli/test_main.py
"""

from typing import Final

import click

from ropewalk.cli.lazy import LazyCommands

COMMANDS: Final = {
    "ach": "ropewalk.cli.ach:ach",
    "audit": "ropewalk.cli.audit:audit",
    "demo": "ropewalk.cli.demo:demo",
    "prove": "ropewalk.cli.prove:prove",
    "ledger": "ropewalk.cli.ledger:ledger",
    "serve": "ropewalk.cli.serve:serve",
    "up": "ropewalk.cli.up:up",
}

main = click.Group(
    "ropewalk",
    commands=LazyCommands(COMMANDS),
    help="Choose, build and prove distributed systems.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
click.version_option(package_name="ropewalk")(main)
