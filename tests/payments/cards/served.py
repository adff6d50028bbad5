"""Payments with a card port, in memory, with a bank that has issued some cards. Not a test."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count

import msgspec

from ropewalk import open_engine, open_node
from ropewalk.core.machine import NO_ID, Request
from ropewalk.core.place import Place
from ropewalk.runtime.node import Node
from ropewalk.runtime.service import Service
from ropewalk.systems.payments.cards.codec import Fields
from ropewalk.systems.payments.cards.commands import (
    AnyCommand,
    CardsDone,
    IssueCards,
    NewCard,
    OpenProgramme,
    decode_reply,
    encode_command,
)
from ropewalk.systems.payments.cards.limits import CONNECTIONS_MAX, IDLE_S
from ropewalk.systems.payments.cards.masking import masked
from ropewalk.systems.payments.cards.server import Terms, serving_cards
from ropewalk.systems.payments.cards.specification import load_specification
from ropewalk.systems.payments.ledger.commands import Operation, encode
from ropewalk.systems.payments.ledger.layout import TRANSFER, rows_of
from ropewalk.systems.payments.machine import PaymentsMachine
from ropewalk.systems.payments.processing.books import USD, Holder, account_id
from ropewalk.systems.payments.processing.messages import NewAccount, OpenAccounts, OpenInstitution
from ropewalk.systems.payments.processing.messages import encode_command as encode_ach
from ropewalk.systems.payments.shards.addresses import full_id
from tests.payments.cards.bank import BIN, KEY, number_of
from tests.payments.processing.town import HARBOR

Address = tuple[str, int]
NOW_NS = 1_795_608_000_000_000_000
_traces = count(1)


def service(partitions: int = 1) -> Service:
    return Service("payments", lambda shelf, place: PaymentsMachine(shelf, place=place), partitions=partitions)


@asynccontextmanager
async def card_port(
    *,
    cards: int = 2,
    specification: str = "1987-ascii",
    connections_max: int = CONNECTIONS_MAX,
    idle_s: float = IDLE_S,
) -> AsyncIterator[tuple[Node, Address]]:
    """A node and its port, until the block ends."""
    terms = Terms(KEY, load_specification(specification), connections_max, idle_s)
    async with open_node(service(), open_engine("memory:"), clock_ns=lambda: NOW_NS) as node:
        await open_bank(node, cards=cards)
        async with serving_cards(node, terms, port=0) as address:
            yield node, address


async def open_bank(
    node: Node, *, cards: int, partition: int = 0, bin_: str = BIN, routing: str = HARBOR, stand_in: int = 0
) -> None:
    """A bank whose n-th card is of an account with a thousand dollars."""
    place = Place("payments", partition, node.service.partitions)
    accounts = [NewAccount(routing, f"{card}") for card in range(cards)]
    rows = [
        {
            "id": card + 1, "debit_account_id": full_id(account_id(Holder.SETTLEMENT, 0), place), "amount": 1_000_00,
            "credit_account_id": full_id(account_id(Holder.DEPOSIT, card), place), "ledger": USD, "code": 1,
        }
        for card in range(cards)
    ]  # fmt: skip
    for command in (encode_ach(OpenInstitution(routing, "BANK")), encode_ach(OpenAccounts(accounts))):
        await submit(node, [command], partition=partition)
    await submit(node, [encode(Operation.CREATE_TRANSFERS, rows_of(TRANSFER, rows))], partition=partition)
    numbers = [number_of(card, bin_=bin_) for card in range(cards)]
    issued = [NewCard(KEY.token(each), masked(each), routing, f"{card}", "2912") for card, each in enumerate(numbers)]
    commands: list[AnyCommand] = [
        OpenProgramme(bin_, routing, 7, stand_in, 2 * stand_in), IssueCards(issued, KEY.check),
    ]  # fmt: skip
    replies = await submit(node, [encode_command(command) for command in commands], partition=partition)
    assert [decode_reply(reply) for reply in replies] == [CardsDone(), CardsDone()]


async def submit(node: Node, commands: Sequence[bytes], *, partition: int = 0) -> list[bytes]:
    """Commands in one record, and their replies."""
    answers = await node.submit([Request(NO_ID, command) for command in commands], partition=partition)
    return [reply for reply in answers.replies if reply is not None]


def message(message_type: str, card: int = 0, cents: int = 10_00, *, bin_: str = BIN, **changes: str) -> Fields:
    """A message with a trace number of its own; `changes` are fields by `f` and their number."""
    now = datetime.fromtimestamp(NOW_NS // 1_000_000_000, UTC)
    fields = {
        "t": message_type, "2": number_of(card, bin_=bin_), "3": "000000", "4": f"{cents:012}",
        "7": f"{now:%m%d%H%M%S}", "11": f"{next(_traces):06}", "32": "21000021", "49": "840",
    }  # fmt: skip
    fields |= {number.removeprefix("f"): text for number, text in changes.items()}
    return {number: text for number, text in fields.items() if text}


def management(code: str) -> Fields:
    """A network message."""
    asked = message("0800", f70=code)
    return {number: asked[number] for number in ("t", "7", "11", "70")}


def naming(original: Fields) -> str:
    """Field 90 of a message that names another."""
    return f"{original['t']}{original['11']}{original['7']}{original['32']:0>11}{0:011}"


def rows(answer: bytes, kind: type[msgspec.Struct]) -> list[msgspec.Struct]:
    """The rows that answer a query."""
    found: list[msgspec.Struct] = msgspec.msgpack.decode(answer, type=list[kind])  # type: ignore[valid-type]
    return found
