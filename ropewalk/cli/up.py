"""`ropewalk up SYSTEM`: one of the systems that come with Ropewalk, served over HTTP.

Checked by: tests/cli/test_payments.py, tests/cli/test_coordination.py
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ropewalk.cli.running import Place, run
from ropewalk.cli.serve import PORTS, listening
from ropewalk.errors import Rejected

if TYPE_CHECKING:
    from ropewalk.systems.payments.iso20022.schemas import Schemas
from ropewalk.core.limits import PARTITIONS_MAX

up = click.Group("up", help="Run a system that comes with Ropewalk.")


@up.command()
@click.option(
    "--engine",
    default="sqlite:payments-data",
    show_default=True,
    help="Where the books are kept: sqlite:FOLDER, or memory: to forget them.",
)
@click.option(
    "--shards",
    type=click.IntRange(1, PARTITIONS_MAX),
    default=1,
    show_default=True,
    help="How many shards institutions are spread over; it stays what it is when payments is first run.",
)
@click.option("--cards-port", type=PORTS, help="Take ISO 8583 messages on this port too; 0 takes a free one.")
@click.option(
    "--cards-key", default="card.key", show_default=True, help="The file of the key that hides card numbers."
)
@click.option(
    "--cards-specification",
    default="1987-ascii",
    show_default=True,
    help="How messages are encoded: a name, or a file.",
)
@click.option(
    "--schemas",
    type=click.Path(file_okay=False, path_type=Path),
    help="A folder of ISO 20022's XSD files; without one, messages are not checked against schemas.",
)
@listening
def payments(
    *, engine: str, shards: int, cards_port: int | None, cards_key: str, cards_specification: str,
    schemas: Path | None, host: str, port: int, as_json: bool,
) -> None:  # fmt: skip
    """Run payments: a double-entry ledger, ACH files from submission to settlement, cards and instant payments."""
    # Imported here: it brings NumPy and Numba, which take a second.
    from ropewalk.cli.cards_port import CardsPort, with_cards
    from ropewalk.systems.payments.service import payments_with

    service = payments_with(_schemas(schemas), shards=shards)
    if sys.stderr.isatty() and not as_json:
        click.echo("starting; the first time the ledger is compiled, which takes half a minute", err=True)
        if schemas is None:
            click.echo("ISO 20022 messages are not checked against schemas: --schemas names their folder", err=True)
    if cards_port is None:
        run(service, Place(engine, host, port), as_json=as_json)
    else:
        opened = CardsPort(host, cards_port, cards_key, cards_specification)
        with_operations, beside = with_cards(service, opened)
        run(with_operations, Place(engine, host, port), as_json=as_json, beside=beside)


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


def _schemas(folder: Path | None) -> "Schemas | None":
    """The schemas of a folder. Raises ClickException if one that is needed is not there."""
    if folder is None:
        return None
    from ropewalk.systems.payments.iso20022.schemas import schemas_in

    try:
        return schemas_in(folder)
    except Rejected as error:
        raise click.ClickException(str(error)) from error
