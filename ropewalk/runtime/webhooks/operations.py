"""Looking after webhooks over HTTP: endpoints, and the messages that they did not take.

    POST /webhooks            {"url": "https://…"}    add one; the answer has its secret, which is not shown again
    GET  /webhooks                                    how each is
    GET  /webhooks/ID/dead    /webhooks/ID/waiting    what was not taken, and why
    POST /webhooks/ID/retry   {"event_ids": [...]}    try dead letters again, those named or all; so with /drop
    POST /webhooks/ID/change  /rotate /enable /disable /remove

Checked by: tests/runtime/webhooks/test_operations.py
"""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final, TypeVar, cast

import msgspec
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from ropewalk.communication.webhooks.delivery import room
from ropewalk.communication.webhooks.limits import IN_FLIGHT_DEFAULT
from ropewalk.communication.webhooks.messages import (
    AddEndpoint,
    ChangeEndpoint,
    Done,
    Drop,
    Endpoint,
    Failed,
    Refused,
    RemoveEndpoint,
    Reply,
    Retry,
    RotateSecret,
    State,
    SwitchEndpoint,
)
from ropewalk.communication.webhooks.signatures import secret_text
from ropewalk.engines.system import random_bytes
from ropewalk.errors import OutcomeUnknown, invariant
from ropewalk.runtime.node import Node
from ropewalk.runtime.operations import DEADLINE_PARAMETER, JSON, Operation, Parameter
from ropewalk.runtime.problems import Problem, not_found
from ropewalk.runtime.requests import body_of, deadline_s_of, decoded, json_response
from ropewalk.runtime.webhooks.deliveries import states_of

T = TypeVar("T", bound=msgspec.Struct)
Handler = Callable[[Node, HttpRequest], Awaitable[Response]]

_SECRET_BYTES: Final = 32
_ID_BYTES: Final = 8
_KEEP_S: Final = 86_400
_BY_AN_OPERATOR: Final = "an operator disabled it"
_STATUSES: Final = {"unknown_endpoint": HTTPStatus.NOT_FOUND, "exists": HTTPStatus.CONFLICT}


class NewEndpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where events are to be sent. Left out, `endpoint` (its id) and `secret` are drawn.

    `kinds` and `subject_prefix` choose events; `from_oldest` begins with the oldest event that is kept, else with the
    next. One `in_flight` at a time keeps the order as long as all are taken.
    """

    url: str
    endpoint: str | None = None
    kinds: tuple[str, ...] = ()
    subject_prefix: str = ""
    in_flight: int = IN_FLIGHT_DEFAULT
    secret: str | None = None
    from_oldest: bool = False


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


class Chosen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Dead letters by their ids; all if none are named."""

    event_ids: tuple[str, ...] | None = None


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An empty object."""


class Settings(msgspec.Struct, frozen=True, omit_defaults=True):
    """An endpoint. Its `secret`, that a receiver verifies messages with, is shown when it is new and then no more."""

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

    async def add(node: Node, http: HttpRequest) -> Response:
        given = await _body(http, NewEndpoint)
        feeds = {leader.identity.log_name: leader.partition.feed for leader in node.leaders}
        after = {log: feed.oldest - 1 if given.from_oldest else feed.last for log, feed in feeds.items()}
        reply = await _done(node.followers[name], http, AddEndpoint(_new(given), after))
        return json_response(_settings(reply, shows_secret=True))

    async def show(node: Node, _: HttpRequest) -> Response:
        return json_response(
            Endpoints(tuple(_status(state, node) for state in await states_of(node.followers[name])))
        )

    async def dead(node: Node, http: HttpRequest) -> Response:
        return json_response(Letters((await _state(node.followers[name], http)).progress.dead))

    async def waiting(node: Node, http: HttpRequest) -> Response:
        return json_response(Letters((await _state(node.followers[name], http)).progress.waiting))

    async def rotate(node: Node, http: HttpRequest) -> Response:
        given = await _body(http, Rotation)
        secret = given.secret or secret_text(random_bytes(_SECRET_BYTES))
        command = RotateSecret(http.path_params["endpoint"], secret, given.keep_s)
        return json_response(_settings(await _done(node.followers[name], http, command), shows_secret=True))

    async def change(node: Node, http: HttpRequest) -> Response:
        given = await _body(http, Changes)
        command = ChangeEndpoint(http.path_params["endpoint"], **msgspec.structs.asdict(given))
        return json_response(_settings(await _done(node.followers[name], http, command)))

    def switch(reason: str) -> Handler:
        async def handle(node: Node, http: HttpRequest) -> Response:
            await _body(http, Nothing)
            command = SwitchEndpoint(http.path_params["endpoint"], reason)
            return json_response(_settings(await _done(node.followers[name], http, command)))

        return handle

    def counted(command: Callable[[str, tuple[str, ...] | None], msgspec.Struct]) -> Handler:
        async def handle(node: Node, http: HttpRequest) -> Response:
            given = await _body(http, Chosen)
            reply = await _done(node.followers[name], http, command(http.path_params["endpoint"], given.event_ids))
            return json_response(Counted(reply.count if isinstance(reply, Done) else 0))

        return handle

    removed = counted(lambda endpoint, _: RemoveEndpoint(endpoint))
    return [
        _operation("POST", "", "Send events to an endpoint", add, body=NewEndpoint, answer=Settings),
        _operation("GET", "", "How each endpoint is", show, answer=Endpoints),
        _operation("GET", "waiting", "Messages that will be tried again", waiting, answer=Letters),
        _operation("GET", "dead", "Messages that will not be tried again unless you say so", dead, answer=Letters),
        _operation("POST", "retry", "Try dead letters again", counted(Retry), body=Chosen, answer=Counted),
        _operation("POST", "drop", "Forget dead letters", counted(Drop), body=Chosen, answer=Counted),
        _operation("POST", "change", "Change an endpoint", change, body=Changes, answer=Settings),
        _operation("POST", "rotate", "Sign with a new secret", rotate, body=Rotation, answer=Settings),
        _operation("POST", "enable", "Send events again", switch(""), body=Nothing, answer=Settings),
        _operation("POST", "disable", "Send no events", switch(_BY_AN_OPERATOR), body=Nothing, answer=Settings),
        _operation("POST", "remove", "Forget an endpoint and its messages", removed, body=Chosen, answer=Counted),
    ]


def _operation(
    method: str, verb: str, summary: str, handler: Handler, *, answer: type, body: type | None = None
) -> Operation:
    parameters = (Parameter("endpoint", "The endpoint's id.", place="path"),) if verb else ()
    return Operation(
        method=method,
        path=f"/webhooks/{{endpoint}}/{verb}" if verb else "/webhooks",
        summary=summary,
        handler=handler,
        body={} if body is None else {JSON: body},
        answer={JSON: answer},
        parameters=(*parameters, DEADLINE_PARAMETER),
        group="webhooks",
    )


async def _body(http: HttpRequest, kind: type[T]) -> T:
    """What was sent; nothing at all is an empty object."""
    return decoded(msgspec.json.Decoder(kind), await body_of(http) or b"{}")


async def _done(own: Node, http: HttpRequest, command: msgspec.Struct) -> Reply:
    """What a command was answered. Raises Problem if it was refused."""
    reply = await own.call(command, deadline_s=deadline_s_of(http))
    match reply.value:
        case Refused(reason, detail):
            raise Problem(_STATUSES.get(reason, HTTPStatus.UNPROCESSABLE_ENTITY), reason, detail)
        case Endpoint() | Done() as done:
            return done
        case unknown:
            raise OutcomeUnknown(f"{type(unknown).__name__} is no answer to this: start the newer program")


async def _state(own: Node, http: HttpRequest) -> State:
    endpoint = http.path_params["endpoint"]
    for state in await states_of(own):
        if state.endpoint.endpoint == endpoint:
            return state
    raise not_found(f"there is no endpoint {endpoint!r}: GET /webhooks lists them")


def _new(given: NewEndpoint) -> Endpoint:
    return Endpoint(
        endpoint=given.endpoint or f"ep_{random_bytes(_ID_BYTES).hex()}",
        url=given.url,
        secrets=(given.secret or secret_text(random_bytes(_SECRET_BYTES)),),
        kinds=given.kinds,
        subject_prefix=given.subject_prefix,
        in_flight=given.in_flight,
    )


def _settings(reply: Reply, *, shows_secret: bool = False) -> Settings:
    invariant(isinstance(reply, Endpoint), "a change of an endpoint is answered with the endpoint")
    endpoint = cast(Endpoint, reply)
    return Settings(
        endpoint.endpoint,
        endpoint.url,
        endpoint.kinds,
        endpoint.subject_prefix,
        endpoint.in_flight,
        endpoint.disabled_because,
        secret=endpoint.secrets[0] if shows_secret else "",
    )


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
