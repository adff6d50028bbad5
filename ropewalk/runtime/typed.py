"""The operations of a service whose messages are typed: its commands, its state by key, its queries.

    POST /commands/Add    {"counter": "visits", "amount": 1}    {"reply": 1, "token": "counters/0:2"}
    POST /commands        [{"type": "Add", …}, …]               {"replies": [1, …], "token": …}
    GET  /state/visits                                          {"value": 1, "token": …}
    POST /queries/Top     {"count": 10}                         {"answer": […], "token": …}

Promise:    as of `Node.call`; the same Idempotency-Key with another body is refused (422) if both are about the same
            partition; a repeat that overtakes the first answer waits for it.
Not given:  that commands of one POST /commands which go to several partitions happen together: each partition's do.
Checked by: tests/runtime/test_edge.py, tests/runtime/test_idempotency_keys.py
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from http import HTTPStatus
from types import GenericAlias, UnionType
from typing import TypeVar, Union, cast, get_args, get_origin

import msgspec
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from ropewalk.communication.admission import Priority
from ropewalk.core.clock import VectorClock
from ropewalk.core.codec import checksum
from ropewalk.core.limits import BATCH_BYTES_MAX, BATCH_REQUESTS_MAX
from ropewalk.core.machine import NO_ID, Request
from ropewalk.core.sessions import Reply
from ropewalk.errors import OutcomeUnknown, Rejected, RopewalkError
from ropewalk.runtime.bodies import reader_of
from ropewalk.runtime.node import Node, encoded
from ropewalk.runtime.operations import (
    COMMAND_PARAMETERS,
    JSON,
    LEVEL_PARAMETERS,
    Operation,
    Parameter,
)
from ropewalk.runtime.problems import Problem
from ropewalk.runtime.requests import (
    ABOUT_KEYS,
    body_of,
    deadline_s_of,
    json_response,
    level_of,
    priority_of,
    request_id_of,
)
from ropewalk.runtime.service import Service, Types

T = TypeVar("T")


class _Replied(msgspec.Struct, frozen=True):
    reply: object
    token: str


class _RepliedMany(msgspec.Struct, frozen=True):
    replies: Sequence[object]
    token: str


class _Found(msgspec.Struct, frozen=True):
    value: object
    token: str


class Answered(msgspec.Struct, frozen=True):
    answer: object
    token: str


def typed_operations(service: Service) -> Iterator[Operation]:
    """Those of a service; none if it takes encoded requests only."""
    types = service.types
    if types is None:
        return
    replied = _with_token("Replied", "reply", types.reply)
    for name, kind in members(types.commands):
        yield _command(name, kind, types=types, replied=replied)
    yield _commands(types)
    yield _state(types)
    if types.queries is not None:
        for name, kind in members(types.queries):
            yield _query(name, kind)


def members(union: object) -> Iterator[tuple[str, type]]:
    """The types in a union, or the one type, each with the name by which its messages are told apart."""
    for kind in get_args(union) if get_origin(union) in (Union, UnionType) else (union,):
        if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
            raise Rejected(
                f"{kind!r} is no msgspec.Struct: commands and queries are structs, for an edge to name them"
            )
        tag = kind.__struct_config__.tag
        yield str(kind.__name__ if tag is None else tag), kind


def reused(request_id: bytes) -> Problem:
    """The id came before, with another command."""
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "key_reused",
        "this Idempotency-Key was used before with another body, and nothing happened now: take a new key",
        more={**ABOUT_KEYS, "request_id": request_id.hex()},
    )


def _command(name: str, kind: type, *, types: Types, replied: type) -> Operation:
    read: Callable[[bytes], object] = reader_of(kind)
    replies: msgspec.msgpack.Decoder[object] = msgspec.msgpack.Decoder(cast(type, types.reply))

    async def handle(node: Node, http: HttpRequest) -> Response:
        command = read(await body_of(http))
        request_id = request_id_of(http)
        partition = node.service.partition_of(node.service.key(command))
        request = Request(request_id, encoded(command))
        answers = await node.submit(
            [request], partition=partition, deadline_s=deadline_s_of(http), priority=priority_of(http)
        )
        reply = answers.replies[0]
        if reply is None:
            raise reused(request_id)
        token = node.leaders[partition].token(answers.position)
        return json_response(_Replied(replies.decode(reply), str(token)), token=token)

    return Operation(
        method="POST",
        path=f"/commands/{name}",
        summary=_summary(kind) or f"Have {name} applied once",
        handler=handle,
        body={JSON: kind},
        answer={JSON: replied},
        parameters=COMMAND_PARAMETERS,
        group="commands",
    )


def _commands(types: Types) -> Operation:
    many = GenericAlias(list, (types.commands,))
    read = reader_of(cast(type[list[msgspec.Struct]], many))
    replies: msgspec.msgpack.Decoder[object] = msgspec.msgpack.Decoder(cast(type, types.reply))

    async def handle(node: Node, http: HttpRequest) -> Response:
        commands = read(await body_of(http, bytes_max=BATCH_BYTES_MAX))
        if not 1 <= len(commands) <= BATCH_REQUESTS_MAX:
            raise Rejected(f"{len(commands)} commands were given: send 1 to {BATCH_REQUESTS_MAX}")
        key = request_id_of(http)
        answered, token = await _submit(
            node, commands, key=key, deadline_s=deadline_s_of(http), priority=priority_of(http)
        )
        if None in answered:
            raise reused(key)
        values = [replies.decode(reply) for reply in answered if reply is not None]
        return json_response(_RepliedMany(values, str(token)), token=token)

    return Operation(
        method="POST",
        path="/commands",
        summary="Have many commands applied, in order: those of one partition together, in one record",
        handler=handle,
        body={JSON: many},
        answer={JSON: _with_token("RepliedMany", "replies", GenericAlias(list, (types.reply,)))},
        parameters=COMMAND_PARAMETERS,
        group="commands",
    )


async def _submit(
    node: Node, commands: Sequence[msgspec.Struct], *, key: bytes, deadline_s: float, priority: Priority
) -> tuple[list[Reply], VectorClock]:
    """The replies in the order of the commands, and the token of all of them."""
    # All of them, before any is sent: one that can't be encoded is refused with the rest.
    requests = [Request(_numbered(key, index), encoded(command)) for index, command in enumerate(commands)]
    routed: dict[int, list[int]] = {}
    for index, command in enumerate(commands):
        routed.setdefault(node.service.partition_of(node.service.key(command)), []).append(index)
    replies: list[Reply] = [None] * len(commands)

    async def submit(partition: int, indexes: list[int]) -> VectorClock | RopewalkError:
        mine = [requests[index] for index in indexes]
        try:
            answers = await node.submit(mine, partition=partition, deadline_s=deadline_s, priority=priority)
        except RopewalkError as error:
            return error
        for index, reply in zip(indexes, answers.replies, strict=True):
            replies[index] = reply
        return node.leaders[partition].token(answers.position)

    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(submit(partition, indexes)) for partition, indexes in routed.items()]
    return replies, _merged([task.result() for task in running])


def _numbered(key: bytes, index: int) -> bytes:
    """The request id of one of many commands under the same key."""
    return NO_ID if key == NO_ID else checksum(key, index.to_bytes(8, "little"))


def _merged(outcomes: Iterable[VectorClock | RopewalkError]) -> VectorClock:
    token = VectorClock()
    errors = []
    for outcome in outcomes:
        if isinstance(outcome, RopewalkError):
            errors.append(outcome)
        else:
            token = token.merged(outcome)
    if errors and token:
        raise OutcomeUnknown(f"some of it happened ({token}), and some did not: {errors[0]}")
    if errors:
        raise next((error for error in errors if isinstance(error, OutcomeUnknown)), errors[0])
    return token


def _state(types: Types) -> Operation:
    async def handle(node: Node, http: HttpRequest) -> Response:
        found = await node.get(http.path_params["key"], level=level_of(http), deadline_s=deadline_s_of(http))
        return json_response(_Found(found.value, str(found.token)), token=found.token)

    return Operation(
        method="GET",
        path="/state/{key:path}",
        summary="The value of a key, or null",
        handler=handle,
        answer={JSON: _with_token("Found", "value", Union[types.value, None])},  # noqa: UP007
        parameters=(Parameter("key", "The key.", place="path"), *LEVEL_PARAMETERS),
        group="state",
    )


def _query(name: str, kind: type) -> Operation:
    read = reader_of(cast("type[msgspec.Struct]", kind))

    async def handle(node: Node, http: HttpRequest) -> Response:
        query = read(await body_of(http))
        answer = await node.ask(query, level=level_of(http), deadline_s=deadline_s_of(http))
        return json_response(Answered(answer.value, str(answer.token)), token=answer.token)

    return Operation(
        method="POST",
        path=f"/queries/{name}",
        summary=_summary(kind) or f"Answer {name}",
        handler=handle,
        body={JSON: kind},
        answer={JSON: Answered},
        parameters=LEVEL_PARAMETERS,
        group="queries",
    )


def _with_token(name: str, field: str, type_: object) -> type[msgspec.Struct]:
    """The type of an answer, for the documentation."""
    return msgspec.defstruct(name, [(field, cast(type, type_)), ("token", str)])


def _summary(kind: type) -> str:
    """The first line of a message's docstring; msgspec gives a struct without one none."""
    return (kind.__doc__ or "").strip().partition("\n")[0]
