"""The card port of `ropewalk up payments`: the service with operations about cards, and what listens beside HTTP.

Checked by: tests/cli/test_cards.py
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import click
import msgspec

from ropewalk.cli.running import Beside
from ropewalk.errors import Rejected
from ropewalk.runtime.node import Node
from ropewalk.runtime.service import Service
from ropewalk.systems.payments.cards.server import Terms, serving_cards
from ropewalk.systems.payments.cards.specification import load_specification
from ropewalk.systems.payments.cards.tokens import open_key
from ropewalk.systems.payments.rest.cards import card_operations


class CardsPort(msgspec.Struct, frozen=True):
    """Where card messages are taken, with which key and in which encoding."""

    host: str
    port: int
    key_path: str
    specification: str


def with_cards(service: Service, opened: CardsPort) -> tuple[Service, Mapping[str, Beside]]:
    """The service as it is served then, and what is served beside it. Raises ClickException if a file is none."""
    try:
        terms = Terms(open_key(Path(opened.key_path)), load_specification(opened.specification))
    except Rejected as error:
        raise click.ClickException(str(error)) from error

    @asynccontextmanager
    async def listening(node: Node) -> AsyncIterator[str]:
        async with serving_cards(node, terms, host=opened.host, port=opened.port) as (host, port):
            yield f"{host}:{port}"

    operations = (*service.operations, *card_operations(terms.key))
    return msgspec.structs.replace(service, operations=operations), {"cards": listening}
