"""Cards over HTTP: programmes, cards and decisions in place of an issuer; authorisation itself is ISO 8583.

A card's number is in the body of a request and nowhere else: what is kept, shown and logged is its token, made with
the service's card key, and the number with its middle hidden.

Checked by: tests/payments/rest/test_cards.py
"""

from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Final, TypeVar

import msgspec
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from ropewalk.core.machine import Request
from ropewalk.runtime.bodies import reader_of
from ropewalk.runtime.node import Node
from ropewalk.runtime.operations import JSON, LEVEL_PARAMETERS, WRITE_PARAMETERS, Operation, Parameter
from ropewalk.runtime.problems import Problem, bad_request
from ropewalk.runtime.requests import body_of, deadline_s_of, json_response, level_of, request_id_of
from ropewalk.runtime.typed import reused
from ropewalk.systems.payments.cards.commands import (
    AnyCommand,
    AnyQuery,
    BlockCard,
    CardsDone,
    CardView,
    IssueCards,
    ListCards,
    ListProgrammes,
    ListStandIns,
    NewCard,
    OpenProgramme,
    ProgrammeView,
    Refused,
    StandInView,
    decode_reply,
    encode_command,
    encode_query,
)
from ropewalk.systems.payments.cards.limits import CARDS_ISSUED_MAX
from ropewalk.systems.payments.cards.masking import masked
from ropewalk.systems.payments.cards.tokens import CardKey, is_card_number
from ropewalk.systems.payments.processing.limits import PAGE_MAX
from ropewalk.systems.payments.rest.asking import PAGE_PARAMETERS, next_of, number, page_of, page_type

T = TypeVar("T")

_GROUP: Final = "cards"
_ROUTING: Final = Parameter("routing", "The nine digits of the institution that issues them.", place="path")
_STATUSES: Final = {
    "unknown_institution": HTTPStatus.NOT_FOUND,
    "unknown_account": HTTPStatus.NOT_FOUND,
    "unknown_card": HTTPStatus.NOT_FOUND,
    "exists": HTTPStatus.CONFLICT,
    "other_key": HTTPStatus.CONFLICT,
}
"""What a refusal's reason is in HTTP; every other is 422."""


class Programme(msgspec.Struct, frozen=True):
    """Cards whose numbers begin with these six digits; amounts are cents, and zero declines."""

    bin: str
    hold_days: int = 7
    stand_in_cents: int = 0
    stand_in_day_cents: int = 0


class PlasticCard(msgspec.Struct, frozen=True):
    """A card to be issued; `expires` is YYMM, amounts are cents, and zero is no limit."""

    number: str
    account_number: str
    expires: str
    limit_cents: int = 0
    day_limit_cents: int = 0
    day_count_max: int = 0


class CardState(msgspec.Struct, frozen=True):
    """What a card is from now on: active, blocked, lost or stolen."""

    number: str
    state: str


def card_operations(key: CardKey) -> Sequence[Operation]:
    """What a service with this card key is asked over HTTP."""
    return (
        _change(
            "/institutions/{routing}/card-programmes",
            "Let an institution issue cards",
            body=Programme,
            command=_programme,
            check=_check_issued_nowhere_else,
        ),
        _change(
            "/institutions/{routing}/cards",
            f"Issue up to {CARDS_ISSUED_MAX} cards: all, or none and why",
            body=list[PlasticCard],
            command=lambda cards, routing: _issue(key, cards, routing),
        ),
        _change(
            "/institutions/{routing}/cards/state",
            "Block a card, or make it active again",
            body=CardState,
            command=lambda given, _: BlockCard(_token(key, given.number), given.state),
        ),
        _programmes_listed(),
        _cards_listed(),
        _stand_ins_listed(),
    )


def _programme(given: Programme, routing: str) -> AnyCommand:
    return OpenProgramme(given.bin, routing, given.hold_days, given.stand_in_cents, given.stand_in_day_cents)


async def _check_issued_nowhere_else(node: Node, http: HttpRequest, given: Programme) -> None:
    """Raise Problem (409) if a bank of another shard issues these cards: messages would find one of the two."""
    own = node.service.partition_of(http.path_params["routing"])
    for partition in range(node.service.partitions):
        if partition == own:
            continue
        query = encode_query(ListProgrammes())
        read = await node.leaders[partition].read(query, deadline_s=deadline_s_of(http))
        for programme in msgspec.msgpack.decode(read.answer, type=list[ProgrammeView]):
            if programme.bin == given.bin:
                detail = f"cards that begin with {given.bin} are issued by {programme.routing} already"
                raise Problem(HTTPStatus.CONFLICT, "exists", detail)


def _issue(key: CardKey, cards: Sequence[PlasticCard], routing: str) -> AnyCommand:
    issued = [
        NewCard(
            _token(key, card.number), masked(card.number), routing, card.account_number, card.expires,
            card.limit_cents, card.day_limit_cents, card.day_count_max,
        )
        for card in cards
    ]  # fmt: skip
    return IssueCards(issued, key.check)


def _token(key: CardKey, card_number: str) -> bytes:
    if not is_card_number(card_number):
        detail = "a card number has 12 to 19 digits, the last a check digit: one of those given has not"
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "card_number", detail)
    return key.token(card_number)


async def _check_nothing(_: Node, __: HttpRequest, ___: object) -> None:
    """For what concerns one institution."""


def _change(
    path: str,
    summary: str,
    *,
    body: type[T],
    command: Callable[[T, str], AnyCommand],
    check: Callable[[Node, HttpRequest, T], Awaitable[None]] = _check_nothing,
) -> Operation:
    """An operation that has a command applied, in the partition of the institution."""
    read = reader_of(body)

    async def handle(node: Node, http: HttpRequest) -> Response:
        routing = http.path_params["routing"]
        given = read(await body_of(http))
        await check(node, http, given)
        partition = node.service.partition_of(routing)
        request = Request(request_id_of(http), encode_command(command(given, routing)))
        answers = await node.submit([request], partition=partition, deadline_s=deadline_s_of(http))
        reply = answers.replies[0]
        if reply is None:
            raise reused(request.id)
        done = decode_reply(reply)
        if isinstance(done, Refused):
            status = _STATUSES.get(done.reason, HTTPStatus.UNPROCESSABLE_ENTITY)
            raise Problem(status, done.reason, done.detail)
        return json_response(done, token=node.leaders[partition].token(answers.position))

    return Operation(
        method="POST",
        path=path,
        summary=summary,
        handler=handle,
        body={JSON: body},
        answer={JSON: CardsDone},
        parameters=(_ROUTING, *WRITE_PARAMETERS),
        group=_GROUP,
    )


def _programmes_listed() -> Operation:
    async def handle(node: Node, http: HttpRequest) -> Response:
        routing = http.path_params["routing"]
        rows = await _rows(node, http, node.service.partition_of(routing), query=ListProgrammes(routing))
        return json_response(rows)

    return Operation(
        method="GET",
        path="/institutions/{routing}/card-programmes",
        summary="List the programmes of an institution",
        handler=handle,
        answer={JSON: list[ProgrammeView]},
        parameters=(_ROUTING, *LEVEL_PARAMETERS),
        group=_GROUP,
    )


def _cards_listed() -> Operation:
    async def handle(node: Node, http: HttpRequest) -> Response:
        page, routing = page_of(http), http.path_params["routing"]
        query = ListCards(routing, -1 if page.after is None else page.after, page.limit)
        answer = await _rows(node, http, node.service.partition_of(routing), query=query)
        rows = msgspec.convert(answer, list[CardView])
        return json_response({"items": rows, "next": next_of(rows, page, cursor="number")})

    return Operation(
        method="GET",
        path="/institutions/{routing}/cards",
        summary="List the cards of an institution, their numbers hidden",
        handler=handle,
        answer={JSON: page_type("CardViewPage", CardView)},
        parameters=(_ROUTING, *PAGE_PARAMETERS),
        group=_GROUP,
    )


def _stand_ins_listed() -> Operation:
    async def handle(node: Node, http: HttpRequest) -> Response:
        limit = number(http.query_params.get("limit", "100"), "limit")
        disputed = http.query_params.get("disputed", "false")
        if disputed not in ("true", "false") or not 1 <= limit <= PAGE_MAX:
            raise bad_request(f"disputed is true or false, and limit 1 to {PAGE_MAX}")
        query = ListStandIns(disputed == "true", limit)
        listed = [await _rows(node, http, partition, query=query) for partition in range(node.service.partitions)]
        return json_response([row for rows in listed for row in rows])

    return Operation(
        method="GET",
        path="/card-stand-ins",
        summary="List what was decided in place of an issuer, the newest of each partition first",
        handler=handle,
        answer={JSON: list[StandInView]},
        parameters=(
            Parameter("disputed", "Only those that the issuer would not have made, or pays for.", bool),
            Parameter("limit", f"How many of each partition at most, up to {PAGE_MAX}.", int),
            *LEVEL_PARAMETERS,
        ),
        group=_GROUP,
    )


async def _rows(node: Node, http: HttpRequest, partition: int, *, query: AnyQuery) -> list[object]:
    """The rows that answer a query in one partition."""
    read = await node.leaders[partition].read(
        encode_query(query), level=level_of(http), deadline_s=deadline_s_of(http)
    )
    rows: list[object] = msgspec.msgpack.decode(read.answer, type=list)
    return rows
