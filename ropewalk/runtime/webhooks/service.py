"""Webhooks beside a service: what it publishes is sent to endpoints that are added while it runs.

    orders = with_webhooks(Service.keyed("orders", …))
    POST /webhooks {"url": "https://example.org/hook"}

They have a log of their own, `orders-webhooks`, on the same engine.

Checked by: tests/runtime/webhooks/test_deliveries.py
"""

import re
from collections.abc import Callable, Set
from typing import Final

import msgspec

from ropewalk.communication.webhooks.delivery import answer, apply, check
from ropewalk.communication.webhooks.messages import Command, ForgetSecret, ListEndpoints, Reply, Value
from ropewalk.communication.webhooks.sending import Sender
from ropewalk.engines.http import HttpSender
from ropewalk.engines.system import now_ns, random_below
from ropewalk.errors import Rejected
from ropewalk.runtime.node import Node
from ropewalk.runtime.service import Follower, Service
from ropewalk.runtime.webhooks.deliveries import Outside, deliver
from ropewalk.runtime.webhooks.operations import webhook_operations

_SUFFIX: Final = "-webhooks"
_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")


def with_webhooks(
    service: Service,
    *,
    internal: Set[str] = frozenset(),
    sender: Callable[[], Sender] = HttpSender,
    clock_ns: Callable[[], int] = now_ns,
    draw: Callable[[int], int] = random_below,
) -> Service:
    """The same service, and beside it the follower that sends its events and the operations under /webhooks.

    Events of `internal` kinds are only sent to endpoints that name their kind.
    Raises Rejected if the service's name can't be part of an id in a header, where a dot ends it.
    """
    if not _NAME.fullmatch(service.name):
        raise Rejected(f"events of {service.name!r} can't be sent: give it a name of letters, digits, - and _")

    async def follow(followed: Node, own: Node) -> None:
        await deliver(followed, own, Outside(sender, clock_ns, draw), internal=internal)

    own = Service.keyed(
        f"{service.name}{_SUFFIX}",
        commands=Command,
        messages=ForgetSecret,
        value=Value,
        reply=Reply,
        queries=ListEndpoints,
        answer=answer,
        apply=apply,
        check=check,
    )
    return msgspec.structs.replace(
        service,
        followers=[*service.followers, Follower(own, follow)],
        operations=[*service.operations, *webhook_operations(own.name)],
    )
