"""The command `ropewalk`: each line of `COMMANDS` is a command, and where it is found.

Checked by: tests/cli/test_main.py
"""

import signal
from typing import Final

import click

from ropewalk.cli.lazy import LazyCommands

INTERRUPTED: Final = 128 + signal.SIGINT

COMMANDS: Final = {
    "ach": "ropewalk.cli.ach:ach",
    "audit": "ropewalk.cli.audit:audit",
    "cards": "ropewalk.cli.cards:cards",
    "config": "ropewalk.cli.config:config",
    "controls": "ropewalk.cli.controls:controls",
    "claims": "ropewalk.cli.claimed:claims",
    "counter": "ropewalk.cli.counter:counter",
    "demo": "ropewalk.cli.demo:demo",
    "instant": "ropewalk.cli.instant:instant",
    "election": "ropewalk.cli.claims:election",
    "lock": "ropewalk.cli.claims:lock",
    "semaphore": "ropewalk.cli.claims:semaphore",
    "prove": "ropewalk.cli.prove:prove",
    "lease": "ropewalk.cli.claims:lease",
    "ledger": "ropewalk.cli.ledger:ledger",
    "saga": "ropewalk.cli.saga:saga",
    "serve": "ropewalk.cli.serve:serve",
    "split": "ropewalk.cli.split:split",
    "up": "ropewalk.cli.up:up",
    "webhooks": "ropewalk.cli.webhooks:webhooks",
}


class _Commands(click.Group):
    """A group that ends as shells expect when Ctrl-C breaks it off, wherever it is: also while it imports."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)


main = _Commands(
    "ropewalk",
    commands=LazyCommands(COMMANDS),
    help=(
        "Choose, build and prove distributed systems.\n\nWhat asks a running service exits with 1 if it is refused, "
        "69 if no service answers, and 75 if it was not accepted this time or may have happened."
    ),
    context_settings={"help_option_names": ["-h", "--help"]},
)
click.version_option(package_name="ropewalk")(main)
