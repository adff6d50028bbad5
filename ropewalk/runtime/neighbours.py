"""Services that stand beside a service on its node, and what is known of them to those that send them commands.

Checked by: tests/runtime/test_transactions.py, tests/runtime/test_sagas.py
"""

from collections.abc import Sequence

import msgspec

from ropewalk.coordination.neighbours import Neighbour, Neighbours
from ropewalk.errors import Rejected
from ropewalk.runtime.node import Node
from ropewalk.runtime.service import Follower, Service
from ropewalk.runtime.typed import members


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


def _kinds(service: Service) -> tuple[type, ...]:
    if service.types is None:
        return ()
    spoken = (service.types.commands, service.types.messages)
    return tuple(kind for union in spoken if union is not None for _, kind in members(union))
