"""Looking after webhooks over HTTP: endpoints, and the messages that they did not take.

    POST /webhooks            {"url": "https://…"}    add one; the answer has its secret, also if it was there
    GET  /webhooks                                    how each is
    GET  /webhooks/ID/dead    /webhooks/ID/waiting    what was not taken, and why
    POST /webhooks/ID/retry   {"event_ids": [...]}    try dead letters again, those named or all; so with /drop
    POST /webhooks/ID/replay  {"after": 17}           send again the events behind one that is kept
    POST /webhooks/ID/change  /rotate /enable /disable /remove

What is done under an Idempotency-Key is done once, and a repeat gets the first answer: also the secret that was drawn
then, which follows from nothing that a caller gives.

Checked by: tests/runtime/webhooks/test_operations.py
"""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated, Final, TypeVar, cast

import msgspec
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from ropewalk.communication.webhooks.delivery import room
from ropewalk.communication.webhooks.limits import IN_FLIGHT_DEFAULT
from ropewalk.communication.webhooks.messages import (
    AddEndpoint,
    Begin,
    ChangeEndpoint,
    Done,
    Drop,
    Endpoint,
    Failed,
    Refused,
    RemoveEndpoint,
    Replay,
    Reply,
    Retry,
    RotateSecret,
    State,
    Supply,
    SwitchEndpoint,
)
from ropewalk.communication.webhooks.signatures import secret_text
from ropewalk.engines.system import random_bytes
from ropewalk.errors import OutcomeUnknown, invariant
from ropewalk.runtime.bodies import reader_of
from ropewalk.runtime.neighbours import answered, caller_of
from ropewalk.runtime.node import Node
from ropewalk.runtime.operations import DEADLINE_PARAMETER, JSON, WRITE_PARAMETERS, Operation, Parameter
from ropewalk.runtime.problems import Problem, not_found
from ropewalk.runtime.requests import body_of, json_response
from ropewalk.runtime.webhooks.deliveries import states_of

T = TypeVar("T", bound=msgspec.Struct)
Number = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Numbers = Number | dict[Number, Number]
Handler = Callable[[Node, HttpRequest], Awaitable[Response]]

_SECRET_BYTES: Final = 32
_ID_BYTES: Final = 8
_KEEP_S: Final = 86_400
_BY_AN_OPERATOR: Final = "an operator disabled it"
_STATUSES: Final = {
    "unknown_endpoint": HTTPStatus.NOT_FOUND,
    "exists": HTTPStatus.CONFLICT,
    "events_gone": HTTPStatus.GONE,
}


class NewEndpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where events are to be sent. Left out, `endpoint` (its id) and `secret` are drawn.

    `kinds` and `subject_prefix` choose events. `after` is the number of an event to begin behind, or a number for
    each partition; where none is given, `from_oldest` begins with the oldest that is kept, else it is the next. One
    `in_flight` at a time keeps the order as long as all are taken.
    """

    url: str
    endpoint: str | None = None
    kinds: tuple[str, ...] = ()
    subject_prefix: str = ""
    in_flight: int = IN_FLIGHT_DEFAULT
    secret: str | None = None
    from_oldest: bool = False
    after: Numbers = {}


class Changes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change; the rest stays."""

    url: str | None = None
    kinds: tuple[str, ...] | None = None
    subject_prefix: str | None = None
    in_flight: int | None = None


class Rotation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For how many seconds messages are signed with the old secret too. Left out, the new one is drawn."""

    keep_s: int = _KEEP_S
    secret: str | None = None


class Replaying(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The number of the event to begin again behind, or a number for each partition that is to be set back."""

    after: Numbers


class Chosen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Dead letters by their ids; all if none are named."""

    event_ids: tuple[str, ...] | None = None


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An empty object."""


class Settings(msgspec.Struct, frozen=True, omit_defaults=True):
    """An endpoint. Its `secret`, that a receiver verifies messages with, is shown to who adds or rotates it."""

    endpoint: str
    url: str
    kinds: tuple[str, ...] = ()
    subject_prefix: str = ""
    in_flight: int = IN_FLIGHT_DEFAULT
    disabled_because: str = ""
    secret: str = ""


class EndpointStatus(msgspec.Struct, frozen=True):
    """How an endpoint is: sending, held_up (too much was not taken: nothing new is sent) or disabled.

    `behind` counts events that it is not done with; `missed` those that were no longer kept when their turn came.
    """

    endpoint: str
    url: str
    kinds: tuple[str, ...]
    subject_prefix: str
    in_flight: int
    status: str
    disabled_because: str
    delivered: int
    behind: int
    waiting: int
    dead: int
    missed: int


class Endpoints(msgspec.Struct, frozen=True):
    """All of them."""

    items: tuple[EndpointStatus, ...]


class Letters(msgspec.Struct, frozen=True):
    """Messages that were not taken, the oldest first."""

    items: tuple[Failed, ...]


class Counted(msgspec.Struct, frozen=True):
    """To how many messages it was done."""

    count: int


def webhook_operations(name: str) -> list[Operation]:
    """The operations of webhooks that follow a service; `name` is that of their own service."""
    desk = _Desk(name)
    return [
        _operation("POST", "", "Send events to an endpoint", handler=desk.add, body=NewEndpoint, answer=Settings),
        _operation("GET", "", "How each endpoint is", handler=desk.show, answer=Endpoints),
        _operation("GET", "waiting", "Messages that will be sent again", handler=desk.waiting, answer=Letters),
        _operation("GET", "dead", "Messages that will not, unless you say so", handler=desk.dead, answer=Letters),
        _operation("POST", "retry", "Send dead letters again", handler=desk.retry, body=Chosen, answer=Counted),
        _operation("POST", "drop", "Forget dead letters", handler=desk.drop, body=Chosen, answer=Counted),
        _operation("POST", "replay", "Send events again", handler=desk.replay, body=Replaying, answer=Counted),
        _operation("POST", "change", "Change an endpoint", handler=desk.change, body=Changes, answer=Settings),
        _operation("POST", "rotate", "Sign with a new secret", handler=desk.rotate, body=Rotation, answer=Settings),
        _operation("POST", "enable", "Send events again", handler=desk.enable, body=Nothing, answer=Settings),
        _operation("POST", "disable", "Send no events", handler=desk.disable, body=Nothing, answer=Settings),
        _operation("POST", "remove", "Forget an endpoint", handler=desk.remove, body=Nothing, answer=Counted),
    ]


class _Desk:
    """What an operator asks for, of the webhooks of that name."""

    def __init__(self, name: str) -> None:
        self._name = name

    async def add(self, node: Node, http: HttpRequest) -> Response:
        given = await _body(http, NewEndpoint)
        begin = Begin.OLDEST if given.from_oldest else Begin.NEXT
        command = AddEndpoint(_new(given), _after(node, given.after), begin)
        return _settings(await self._done(node, http, command), shows_secret=True)

    async def show(self, node: Node, _: HttpRequest) -> Response:
        states = await states_of(node.followers[self._name])
        return json_response(Endpoints(tuple(_status(state, node) for state in states)))

    async def waiting(self, node: Node, http: HttpRequest) -> Response:
        return json_response(Letters((await self._state(node, http)).progress.waiting))

    async def dead(self, node: Node, http: HttpRequest) -> Response:
        return json_response(Letters((await self._state(node, http)).progress.dead))

    async def retry(self, node: Node, http: HttpRequest) -> Response:
        chosen = await _body(http, Chosen)
        return _counted(await self._done(node, http, Retry(_endpoint(http), chosen.event_ids)))

    async def drop(self, node: Node, http: HttpRequest) -> Response:
        chosen = await _body(http, Chosen)
        return _counted(await self._done(node, http, Drop(_endpoint(http), chosen.event_ids)))

    async def replay(self, node: Node, http: HttpRequest) -> Response:
        given = await _body(http, Replaying)
        return _counted(await self._done(node, http, Replay(_endpoint(http), _after(node, given.after))))

    async def change(self, node: Node, http: HttpRequest) -> Response:
        given = msgspec.structs.asdict(await _body(http, Changes))
        return _settings(await self._done(node, http, ChangeEndpoint(_endpoint(http), **given)))

    async def rotate(self, node: Node, http: HttpRequest) -> Response:
        given = await _body(http, Rotation)
        command = RotateSecret(_endpoint(http), given.secret or "", given.keep_s)
        return _settings(await self._done(node, http, command), shows_secret=True)

    async def enable(self, node: Node, http: HttpRequest) -> Response:
        await _body(http, Nothing)
        return _settings(await self._done(node, http, SwitchEndpoint(_endpoint(http))))

    async def disable(self, node: Node, http: HttpRequest) -> Response:
        await _body(http, Nothing)
        return _settings(await self._done(node, http, SwitchEndpoint(_endpoint(http), _BY_AN_OPERATOR)))

    async def remove(self, node: Node, http: HttpRequest) -> Response:
        await _body(http, Nothing)
        return _counted(await self._done(node, http, RemoveEndpoint(_endpoint(http))))

    async def _done(self, node: Node, http: HttpRequest, command: msgspec.Struct) -> Reply:
        """What a command was answered. Raises Problem if it was refused."""
        own = node.followers[self._name]
        match await answered(own, command, caller_of(http), before=[_supply(node)]):
            case Refused(reason, detail):
                raise Problem(_STATUSES.get(reason, HTTPStatus.UNPROCESSABLE_ENTITY), reason, detail)
            case Endpoint() | Done() as done:
                return done
            case unknown:
                raise OutcomeUnknown(f"{type(unknown).__name__} is no answer to this: start the newer program")

    async def _state(self, node: Node, http: HttpRequest) -> State:
        endpoint = _endpoint(http)
        for state in await states_of(node.followers[self._name]):
            if state.endpoint.endpoint == endpoint:
                return state
        raise not_found(f"there is no endpoint {endpoint!r}: GET /webhooks lists them")


def _operation(
    method: str, verb: str, summary: str, *, handler: Handler, answer: type, body: type | None = None
) -> Operation:
    parameters = (Parameter("endpoint", "The endpoint's id.", place="path"),) if verb else ()
    return Operation(
        method=method,
        path=f"/webhooks/{{endpoint}}/{verb}" if verb else "/webhooks",
        summary=summary,
        handler=handler,
        body={} if body is None else {JSON: body},
        answer={JSON: answer},
        parameters=(*parameters, *(WRITE_PARAMETERS if method == "POST" else (DEADLINE_PARAMETER,))),
        group="webhooks",
    )


def _endpoint(http: HttpRequest) -> str:
    endpoint: str = http.path_params["endpoint"]
    return endpoint


async def _body(http: HttpRequest, kind: type[T]) -> T:
    """What was sent; nothing at all is an empty object."""
    return reader_of(kind)(await body_of(http) or b"{}")


def _new(given: NewEndpoint) -> Endpoint:
    return Endpoint(
        endpoint=given.endpoint or "",
        url=given.url,
        secrets=(given.secret,) if given.secret else (),
        kinds=given.kinds,
        subject_prefix=given.subject_prefix,
        in_flight=given.in_flight,
    )


def _after(node: Node, given: Numbers) -> dict[str, int]:
    """The numbers by the names of their logs. Raises Problem (422) if it is not clear which those are."""
    logs = [leader.identity.log_name for leader in node.leaders]
    if isinstance(given, int) and len(logs) > 1:
        raise _no_partition(f"{given} may be of any of {len(logs)} partitions: name them")
    numbers = {0: given} if isinstance(given, int) else given
    unknown = [partition for partition in numbers if partition >= len(logs)]
    if unknown:
        raise _no_partition(f"there is no partition {unknown[0]}: {node.service.name} has {len(logs)}, from 0")
    return {logs[partition]: number for partition, number in numbers.items()}


def _no_partition(detail: str) -> Problem:
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "no_partition", detail)


def _supply(node: Node) -> Supply:
    feeds = {leader.identity.log_name: leader.partition.feed for leader in node.leaders}
    return Supply(
        endpoint=f"ep_{random_bytes(_ID_BYTES).hex()}",
        secret=secret_text(random_bytes(_SECRET_BYTES)),
        oldest={log: feed.oldest for log, feed in feeds.items()},
        last={log: feed.last for log, feed in feeds.items()},
    )


def _settings(reply: Reply, *, shows_secret: bool = False) -> Response:
    invariant(isinstance(reply, Endpoint), "a change of an endpoint is answered with the endpoint")
    endpoint = cast(Endpoint, reply)
    return json_response(
        Settings(
            endpoint.endpoint,
            endpoint.url,
            endpoint.kinds,
            endpoint.subject_prefix,
            endpoint.in_flight,
            endpoint.disabled_because,
            secret=endpoint.secrets[0] if shows_secret else "",
        )
    )


def _counted(reply: Reply) -> Response:
    invariant(isinstance(reply, Done), "what is done to messages is answered with their number")
    return json_response(Counted(cast(Done, reply).count))


def _status(state: State, followed: Node) -> EndpointStatus:
    endpoint, progress = state.endpoint, state.progress
    lasts = {leader.identity.log_name: leader.partition.feed.last for leader in followed.leaders}
    held_up = "held_up" if room(progress) == 0 else "sending"
    return EndpointStatus(
        endpoint=endpoint.endpoint,
        url=endpoint.url,
        kinds=endpoint.kinds,
        subject_prefix=endpoint.subject_prefix,
        in_flight=endpoint.in_flight,
        status="disabled" if endpoint.disabled_because else held_up,
        disabled_because=endpoint.disabled_because,
        delivered=progress.delivered,
        behind=sum(last - progress.after.get(log, 0) for log, last in lasts.items()),
        waiting=len(progress.waiting),
        dead=len(progress.dead),
        missed=progress.missed,
    )
