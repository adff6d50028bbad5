"""Services that stand beside a service on its node, and what is known of them to those that send them commands.

Checked by: tests/runtime/test_transactions.py, test_sagas.py, test_idempotency_keys.py
"""

from collections.abc import Sequence
from typing import Final, cast

import msgspec
from starlette.requests import Request as HttpRequest

from ropewalk.coordination.neighbours import Neighbour, Neighbours
from ropewalk.core.limits import DEADLINE_DEFAULT_S
from ropewalk.core.machine import NO_ID, Request
from ropewalk.errors import Rejected
from ropewalk.runtime.node import Node, encoded
from ropewalk.runtime.requests import deadline_s_of, request_id_of
from ropewalk.runtime.service import Follower, Service, Types
from ropewalk.runtime.typed import members, reused


class Caller(msgspec.Struct, frozen=True):
    """How a caller asks: for how long it waits, and under which id, with which a repeat gets the first answer."""

    request_id: bytes = NO_ID
    deadline_s: float = DEADLINE_DEFAULT_S


ANYBODY: Final = Caller()


def caller_of(http: HttpRequest) -> Caller:
    """How a request over HTTP asks. Raises Problem (400) if its key or its deadline is none."""
    return Caller(request_id_of(http), deadline_s_of(http))


def neighbours_of(services: Sequence[Service]) -> Neighbours:
    """Each service by its name."""
    return {each.name: Neighbour(each.places[0], _kinds(each)) for each in services}


def with_beside(service: Service, *services: Service) -> Service:
    """The same service, and those beside it that are not yet there. Raises Rejected if two have one name."""
    there = {service.name: service} | {each.service.name: each.service for each in service.followers}
    for each in services:
        if there.setdefault(each.name, each) is not each:
            raise Rejected(f"there would be two services {each.name!r} on one node: rename one")
    known = [each.service.name for each in service.followers]
    fresh = [Follower(each) for each in services if each.name not in known]
    return msgspec.structs.replace(service, followers=[*service.followers, *fresh])


def beside(node: Node, suffix: str, *, made_by: str) -> Node:
    """The node of the service that was put beside another under its name with a suffix."""
    name = f"{node.service.name}{suffix}"
    own = node.followers.get(name)
    if own is None:
        raise Rejected(f"there is no {name} on this node: open it with `{made_by}({node.service.name}, …)`")
    return own


async def answered(
    own: Node, command: msgspec.Struct, caller: Caller = ANYBODY, *, before: Sequence[msgspec.Struct] = ()
) -> object:
    """What a service beside another answers to a command. What is to be applied `before` it, in the same record, is
    no part of the request: a repeat may bring something else. Raises Problem if the id was another command's.
    """
    requests = [*(Request(NO_ID, encoded(each)) for each in before), Request(caller.request_id, encoded(command))]
    partition = own.service.partition_of(own.service.key(command))
    reply = (await own.submit(requests, partition=partition, deadline_s=caller.deadline_s)).replies[-1]
    if reply is None:
        raise reused(caller.request_id)
    return msgspec.msgpack.decode(reply, type=cast(type, cast(Types, own.service.types).reply))


def _kinds(service: Service) -> tuple[type, ...]:
    if service.types is None:
        return ()
    spoken = (service.types.commands, service.types.messages)
    return tuple(kind for union in spoken if union is not None for _, kind in members(union))
