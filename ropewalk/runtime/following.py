"""The operations with which somebody outside follows a service's events, partition by partition.

    GET /events                               {"partitions": [{"partition": 0, "oldest": 1, "last": 42}, …]}
    GET /events/0?after=40&wait_s=30          {"events": [{"number": 41, "kind": …}, …], "last": 42}

Whoever follows keeps the number of the last event that it has dealt with, and asks for what comes behind; with
`wait_s` the answer waits until there is something. A service does it with `ropewalk.runtime.followers`.

Promise:    as of `ropewalk.core.feed`; an event that is kept no more is said to be gone (410), and not passed over.
Checked by: tests/runtime/test_following.py
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ropewalk.core.feed import NumberedEvent
from ropewalk.core.limits import DEADLINE_MAX_S, EVENTS_READ_BYTES, EVENTS_READ_MAX
from ropewalk.errors import Rejected
from ropewalk.runtime.leader import Leader
from ropewalk.runtime.node import Node
from ropewalk.runtime.operations import JSON, Operation, Parameter
from ropewalk.runtime.problems import Problem, not_found
from ropewalk.runtime.requests import json_response, natural, seconds, whole


class FeedState(msgspec.Struct, frozen=True):
    """Which events of a partition are kept: from `oldest` to `last`; none if `oldest` is behind `last`."""

    partition: int
    oldest: int
    last: int


class Feeds(msgspec.Struct, frozen=True):
    """All partitions."""

    partitions: Sequence[FeedState]


class EventView(msgspec.Struct, frozen=True):
    """One event: its number in its partition, when it happened (nanoseconds since 1970, UTC), and what."""

    number: int
    time_ns: int
    kind: str
    subject: str
    data: object


class Events(msgspec.Struct, frozen=True):
    """Some events, oldest first, and the number of the newest that there is: not all of them may be here."""

    events: Sequence[EventView]
    last: int


async def _feeds(node: Node, _: Request) -> Response:
    states = [
        FeedState(number, leader.partition.feed.oldest, leader.partition.feed.last)
        for number, leader in enumerate(node.leaders)
    ]
    return json_response(Feeds(states))


async def _events(node: Node, request: Request) -> Response:
    leader = _leader(node, request.path_params["partition"])
    query = request.query_params
    after = whole("after", query.get("after", "0"), most=2**63)
    limit = whole("limit", query.get("limit", str(EVENTS_READ_MAX)), most=EVENTS_READ_MAX)
    wait_s = seconds("wait_s", query.get("wait_s", "0"), least_s=0.0, most_s=DEADLINE_MAX_S)
    if wait_s > 0:
        await leader.wait_events(after, deadline_s=wait_s)
    try:
        found = leader.events(after, limit=limit)
    except Rejected as error:
        raise Problem(HTTPStatus.GONE, "events_gone", str(error)) from error
    return json_response(Events(views_of(found), leader.partition.feed.last))


def views_of(found: Sequence[NumberedEvent]) -> list[EventView]:
    """Events as JSON has them: as many as are answered at once, and one if there is any."""
    views: list[EventView] = []
    size = 0
    for numbered in found:
        size += numbered.event.size
        if views and size > EVENTS_READ_BYTES:
            break
        views.append(_view_of(numbered))
    return views


def _view_of(numbered: NumberedEvent) -> EventView:
    event = numbered.event
    data = msgspec.msgpack.decode(event.data) if event.data else None
    return EventView(numbered.number, numbered.time_ns, event.kind, event.subject, data)


def _leader(node: Node, partition: str) -> Leader:
    number = natural(partition)
    if number is None or number >= len(node.leaders):
        raise not_found(f"there is no partition {partition}: {node.service.name} has {len(node.leaders)}, from 0")
    return node.leaders[number]


FOLLOWING_OPERATIONS: Final[Sequence[Operation]] = (
    Operation(
        method="GET",
        path="/events",
        summary="Which events of each partition are kept",
        handler=_feeds,
        answer={JSON: Feeds},
        group="events",
    ),
    Operation(
        method="GET",
        path="/events/{partition}",
        summary="The events of a partition behind a number, oldest first",
        handler=_events,
        answer={JSON: Events},
        parameters=(
            Parameter("partition", "The number of the partition, from 0.", int, place="path"),
            Parameter("after", "The number of the last event that the caller has dealt with.", int),
            Parameter("limit", "How many events at most.", int),
            Parameter("wait_s", "How long to wait for an event if there is none, in seconds.", float),
        ),
        group="events",
        waits=True,
    ),
)
"""What every service has."""
