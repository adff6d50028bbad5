"""`ropewalk up SYSTEM`: one of the systems that come with Ropewalk, served over HTTP.

Checked by: tests/cli/test_payments.py, tests/cli/test_coordination.py
"""

import sys

import click

from ropewalk.cli.running import Place, run
from ropewalk.cli.serve import listening
from ropewalk.core.limits import PARTITIONS_MAX

up = click.Group("up", help="Run a system that comes with Ropewalk.")


@up.command()
@click.option(
    "--engine",
    default="sqlite:payments-data",
    show_default=True,
    help="Where the books are kept: sqlite:FOLDER, or memory: to forget them.",
)
@listening
def payments(*, engine: str, host: str, port: int, as_json: bool) -> None:
    """Run payments: a double-entry ledger, and ACH files from submission to settlement."""
    # Imported here: it brings NumPy and Numba, which take a second.
    from ropewalk.systems.payments.service import payments as service

    if sys.stderr.isatty() and not as_json:
        click.echo("starting; the first time the ledger is compiled, which takes half a minute", err=True)
    run(service, Place(engine, host, port), as_json=as_json)


@up.command()
@click.option(
    "--engine",
    default="sqlite:coordination-data",
    show_default=True,
    help="Where it is kept: sqlite:FOLDER, or memory: to forget it.",
)
@click.option(
    "--partitions",
    type=click.IntRange(1, PARTITIONS_MAX),
    default=1,
    show_default=True,
    help="How many logs the spaces are spread over; it stays what it is when the service is first run.",
)
@listening
def coordination(*, engine: str, partitions: int, host: str, port: int, as_json: bool) -> None:
    """Run coordination: locks, leases, elections, semaphores, counters and configuration."""
    from ropewalk.systems.coordination.service import coordination_of

    run(coordination_of(partitions), Place(engine, host, port), as_json=as_json)
