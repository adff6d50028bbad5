"""Sagas over HTTP: callers start them, operators look after them.

    POST /sagas                 {"id": "t1", "saga": "trip", "input": {…}}
    GET  /sagas?state=stuck     which there are            GET /sagas/t1    one, with its history
    POST /sagas/t1/retry        {"who": "ada", "why": ""}  what stuck is tried again
    POST /sagas/t1/compensate   {"who": "ada", "why": "…"} what was done is undone
    POST /sagas/t1/resolve      {"step": "hotel", "who": "ada", "why": "…"}

Workers, and people, take the tasks that steps are, and answer them:

    GET  /saga-tasks?kind=charge                           those that wait for an answer
    POST /saga-tasks/take       {"kinds": ["charge"], "limit": 10, "lease_s": 30, "wait_s": 10}
    POST /saga-tasks/extend     {"tasks": […], "lease_s": 30}
    POST /sagas/t1/answer       {"step": "card", "tries": 1, "reply": {"charged": true}}

Checked by: tests/runtime/test_sagas_rest.py, test_saga_tasks.py
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from http import HTTPStatus
from typing import Final, TypeVar, Union, cast

import msgspec
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from ropewalk.coordination.sagas.definition import Definitions, Saga, newest
from ropewalk.coordination.sagas.limits import SAGAS_PAGE_MAX, TASKS_PAGE_MAX
from ropewalk.coordination.sagas.messages import Summary, TaskName, TaskView, View
from ropewalk.coordination.sagas.state import State
from ropewalk.errors import Rejected
from ropewalk.runtime.bodies import reader_of, strict
from ropewalk.runtime.neighbours import caller_of
from ropewalk.runtime.node import Node
from ropewalk.runtime.operations import JSON, WRITE_PARAMETERS, Operation, Parameter
from ropewalk.runtime.problems import Problem
from ropewalk.runtime.requests import body_of, json_response, query_of
from ropewalk.runtime.sagas.calls import (
    LEASE_S,
    answer,
    compensate,
    extend,
    resolve,
    retry,
    saga,
    sagas,
    start,
    take,
    tasks,
)

T = TypeVar("T", bound=msgspec.Struct)

_LIMIT: Final = 100


class NewSaga(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A saga to start: the same id with the same input starts none, and is told how it is."""

    id: str
    saga: str
    input: object = None


class Doing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who does it, and why."""

    who: str
    why: str = ""


class Resolving(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which step was seen to by hand, by whom, and why that is right."""

    step: str
    who: str
    why: str


class Answering(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What came of the task of a step, of this try; 0 is the one that waits. A repeat changes nothing."""

    step: str
    reply: object
    tries: int = 0
    who: str = ""


class Taking(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who asks for tasks of these kinds has them for `lease_s`; the answer waits `wait_s` for the first."""

    kinds: Sequence[str]
    limit: int = 1
    lease_s: float = LEASE_S
    wait_s: float = 0.0


class Extending(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Tasks that were given are had for `lease_s` from now on."""

    tasks: Sequence[TaskName]
    lease_s: float = LEASE_S


class Tasks(msgspec.Struct, frozen=True):
    """Tasks that wait for an answer."""

    items: Sequence[TaskView]


class TaskPage(msgspec.Struct, frozen=True):
    """Tasks by the ids of their sagas; `next` is the `after` of those behind, null if these are the last."""

    items: Sequence[TaskView]
    next: str | None


class Page(msgspec.Struct, frozen=True):
    """Sagas by their ids; `next` is what to give as `after` for those behind, null if these are the last."""

    items: Sequence[Summary]
    next: str | None


class _Asked(msgspec.Struct, frozen=True):
    state: State | None = None
    after: str = ""
    limit: int = _LIMIT


class _AskedTasks(msgspec.Struct, frozen=True):
    kind: str | None = None
    after: str = ""
    limit: int = _LIMIT


async def _start(node: Node, http: HttpRequest, *, definitions: Definitions) -> Response:
    given = await _body(http, NewSaga)
    definition = newest(definitions, given.saga)
    if definition is not None:
        _check_input(definition, given.input)
    return json_response(await start(node, given.saga, given.input, id_=given.id, caller=caller_of(http)))


def _check_input(definition: Saga, given: object) -> None:
    """Raise Problem for what the saga would refuse, and for a field that it would drop: a log reads less strictly."""
    try:
        msgspec.convert(given, cast(type, strict(definition.input)))
    except msgspec.ValidationError as error:
        detail = f"this is no input of {definition.name}: {error}"
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "bad_input", detail) from error


async def _list(node: Node, http: HttpRequest) -> Response:
    asked = query_of(http, _Asked)
    _check_limit(asked.limit)
    items = await sagas(node, state=asked.state, after=asked.after, limit=asked.limit)
    return json_response(Page(items, items[-1].id if len(items) == asked.limit else None))


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= SAGAS_PAGE_MAX:
        raise Rejected(f"limit is {limit}: give 1 to {SAGAS_PAGE_MAX}")


async def _show(node: Node, http: HttpRequest) -> Response:
    return json_response(await saga(node, http.path_params["id"]))


async def _retry(node: Node, http: HttpRequest) -> Response:
    given = await _body(http, Doing)
    id_ = http.path_params["id"]
    return json_response(await retry(node, id_, who=given.who, why=given.why, caller=caller_of(http)))


async def _compensate(node: Node, http: HttpRequest) -> Response:
    given = await _body(http, Doing)
    id_ = http.path_params["id"]
    return json_response(await compensate(node, id_, who=given.who, why=given.why, caller=caller_of(http)))


async def _resolve(node: Node, http: HttpRequest) -> Response:
    given = await _body(http, Resolving)
    id_, who, why = http.path_params["id"], given.who, given.why
    return json_response(await resolve(node, id_, given.step, who=who, why=why, caller=caller_of(http)))


async def _answer(node: Node, http: HttpRequest) -> Response:
    given = await _body(http, Answering)
    summary = await answer(
        node,
        http.path_params["id"],
        given.step,
        reply=given.reply,
        tries=given.tries,
        who=given.who,
        caller=caller_of(http),
    )
    return json_response(summary)


async def _tasks(node: Node, http: HttpRequest) -> Response:
    asked = query_of(http, _AskedTasks)
    _check_limit(asked.limit)
    items = await tasks(node, kind=asked.kind, after=asked.after, limit=asked.limit)
    is_full = len({each.id for each in items}) == min(asked.limit, TASKS_PAGE_MAX)
    return json_response(TaskPage(items, items[-1].id if is_full else None))


async def _take(node: Node, http: HttpRequest) -> Response:
    given = await _body(http, Taking)
    taken = await take(
        node,
        given.kinds,
        limit=given.limit,
        lease_s=given.lease_s,
        wait_s=given.wait_s,
        is_gone=http.is_disconnected,
    )
    return json_response(Tasks(taken))


async def _extend(node: Node, http: HttpRequest) -> Response:
    given = await _body(http, Extending)
    extend(node, given.tasks, lease_s=given.lease_s)
    return json_response({})


async def _body(http: HttpRequest, kind: type[T]) -> T:
    return reader_of(kind)(await body_of(http))


def _operation(
    line: str,
    summary: str,
    handler: Callable[[Node, HttpRequest], Awaitable[Response]],
    *,
    body: type | None = None,
    answer: type = Summary,
    parameters: Sequence[Parameter] = (),
    waits: bool = False,
) -> Operation:
    method, path = line.split()
    writes = method == "POST" and path.startswith("/sagas")
    named = (Parameter("id", "Its id.", place="path"),) if "{id}" in path else ()
    return Operation(
        method=method,
        path=path,
        summary=summary,
        handler=handler,
        body={} if body is None else {JSON: body},
        answer={JSON: answer},
        parameters=(*named, *parameters, *(WRITE_PARAMETERS if writes else ())),
        group="sagas",
        waits=waits,
    )


_CHOICE: Final = (
    Parameter("state", f"Only those that are so: {', '.join(State)}."),
    Parameter("after", "Only ids behind this one."),
    Parameter("limit", f"How many at most, up to {SAGAS_PAGE_MAX}.", int),
)
_TASK_CHOICE: Final = (
    Parameter("kind", "Only those of this kind."),
    Parameter("after", "Only those of sagas whose ids are behind this one."),
    Parameter("limit", f"Of how many sagas at most; a page has those of {TASKS_PAGE_MAX}.", int),
)
_OTHERS: Final[Sequence[Operation]] = (
    _operation("GET /sagas", "Sagas by their ids", _list, answer=Page, parameters=_CHOICE),
    _operation("GET /sagas/{id}", "One saga, with its steps and its history", _show, answer=View),
    _operation("POST /sagas/{id}/retry", "Try again what a stuck saga could not do", _retry, body=Doing),
    _operation("POST /sagas/{id}/compensate", "Undo what a saga has done", _compensate, body=Doing),
    _operation("POST /sagas/{id}/resolve", "Take a step as seen to by hand", _resolve, body=Resolving),
    _operation("POST /sagas/{id}/answer", "Say what came of the task that a step is", _answer, body=Answering),
    _operation("GET /saga-tasks", "Tasks that wait for an answer", _tasks, answer=TaskPage, parameters=_TASK_CHOICE),
    _operation(
        "POST /saga-tasks/take",
        "Take tasks to do, for a time; waits for the first",
        _take,
        body=Taking,
        answer=Tasks,
        waits=True,
    ),
    _operation(
        "POST /saga-tasks/extend",
        "Have tasks that were taken for longer",
        _extend,
        body=Extending,
        answer=dict[str, str],
    ),
)


def saga_operations(definitions: Definitions) -> list[Operation]:
    """The operations of a service with these sagas."""
    start_ = partial(_start, definitions=definitions)
    return [_operation("POST /sagas", "Start a saga", start_, body=_new_saga(definitions)), *_OTHERS]


def _new_saga(definitions: Definitions) -> type:
    """`NewSaga` as it is documented: which sagas there are, and what each takes."""
    kinds = []
    for name in sorted({name for name, _ in definitions}):
        definition = cast(Saga, newest(definitions, name))
        fields = [("id", str), ("input", cast(type, definition.input))]
        kind = msgspec.defstruct(f"New_{re.sub(r'[^A-Za-z0-9]', '_', name)}", fields, tag_field="saga", tag=name)
        kind.__doc__ = f"{NewSaga.__doc__}"
        kinds.append(kind)
    return cast(type, Union[tuple(kinds)]) if kinds else NewSaga  # noqa: UP007
