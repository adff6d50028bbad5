"""The HTTP edge of any service, as an ASGI application: its operations, how it is, its metrics and its documentation.

    POST /commands/…  GET /state/…  POST /queries/…    what a typed service is asked (`ropewalk.runtime.typed`)
    …                                                  the service's own operations
    GET /events  /health  /metrics  /openapi.json …    what every service has

A request meets one dictionary, its handler and nothing else: no middleware, and no span unless tracing is on.

Promise:    every error is a problem (RFC 9457) that says whether anything happened.
Checked by: tests/runtime/test_edge.py, tests/runtime/test_traces.py
"""

import asyncio
import logging
import re
from collections.abc import Sequence
from http import HTTPStatus
from importlib.metadata import version
from typing import Final, cast

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import compile_path
from starlette.types import Receive, Scope, Send

from ropewalk.errors import NotAccepted, OutcomeUnknown, RopewalkError
from ropewalk.observability.metrics import REGISTRY
from ropewalk.observability.traces import is_tracing, request_span
from ropewalk.runtime.documentation import documentation
from ropewalk.runtime.following import FOLLOWING_OPERATIONS
from ropewalk.runtime.health import Health, health_of
from ropewalk.runtime.node import Node
from ropewalk.runtime.openapi import Document, openapi
from ropewalk.runtime.operations import JSON, Operation
from ropewalk.runtime.problems import Problem, not_found, problem_response
from ropewalk.runtime.requests import header, json_response
from ropewalk.runtime.service import Service
from ropewalk.runtime.typed import typed_operations

LOG = logging.getLogger("ropewalk")

_Methods = dict[str, Operation]

_PARAMETER: Final = "{"


class Edge:
    """The application of one node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._is_closing = False
        self._waiting: set[asyncio.Task[object]] = set()
        self._is_tracing = is_tracing()
        operations = [*_operations_of(node.service), *documentation(node.service.name, document_of(node.service))]
        self._exact: dict[str, _Methods] = {}
        self._patterns: dict[str, tuple[re.Pattern[str], _Methods]] = {}
        for operation in operations:
            self._methods_at(operation.path)[operation.method] = operation

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        try:
            operation = self._operation(scope)
            if operation.method != "GET" and header(request, b"sec-fetch-site") == "cross-site":
                raise _foreign()
            if self._is_tracing:
                response = await self._traced(operation, request)
            else:
                response = await self._handled(operation, request)
        except RopewalkError as error:
            response = problem_response(error)
        except Exception as error:
            # The supervisor: what a handler raises by mistake is its caller's answer, and stops nobody else.
            LOG.exception("%s %s", scope["method"], scope["path"])
            response = problem_response(OutcomeUnknown(f"this program is wrong here ({type(error).__name__})"))
        await response(scope, receive, send)

    def close(self) -> None:
        """Break off what waits for something to happen; all else is answered."""
        self._is_closing = True
        for task in self._waiting:
            task.cancel()

    async def _handled(self, operation: Operation, request: Request) -> Response:
        if not operation.waits:
            return await operation.handler(self._node, request)
        if self._is_closing:
            raise _stopping()
        task = cast("asyncio.Task[object]", asyncio.current_task())
        self._waiting.add(task)
        try:
            return await operation.handler(self._node, request)
        except asyncio.CancelledError:
            # Only the first to cancel it may be ours: who else wants its end is obeyed.
            if not self._is_closing or task.uncancel():
                raise
            if operation.method == "GET":
                raise _stopping() from None
            # Who waits for his turn has his place in the queue, or has it already.
            raise OutcomeUnknown("this is stopping, and it may have happened") from None
        finally:
            self._waiting.discard(task)

    async def _traced(self, operation: Operation, request: Request) -> Response:
        with request_span(operation.method, operation.path, request.headers) as span:
            try:
                response = await self._handled(operation, request)
            except RopewalkError as error:
                response = problem_response(error)
            span.set_attribute("http.response.status_code", response.status_code)
            return response

    def _methods_at(self, path: str) -> _Methods:
        if _PARAMETER not in path:
            return self._exact.setdefault(path, {})
        pattern, _, _ = compile_path(path)
        return self._patterns.setdefault(path, (pattern, {}))[1]

    def _operation(self, scope: Scope) -> Operation:
        path: str = scope["path"]
        methods = self._exact.get(path)
        if methods is None:
            methods = self._matched(scope, path)
        operation = methods.get("GET" if scope["method"] == "HEAD" else scope["method"])
        if operation is None:
            allow = ", ".join(sorted(methods))
            detail = f"{path} takes {allow} and no {scope['method']}"
            raise Problem(HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed", detail, allow=allow)
        return operation

    def _matched(self, scope: Scope, path: str) -> _Methods:
        for pattern, methods in self._patterns.values():
            matched = pattern.match(path)
            if matched is not None:
                scope["path_params"] = matched.groupdict()
                return methods
        raise not_found(f"there is nothing at {path}: /docs lists what there is")


def _foreign() -> Problem:
    """A browser says that a page of another site asks, behind the back of whoever looks at it."""
    detail = "a page of another site may look and not change anything: ask from a page of this service, or a program"
    return Problem(HTTPStatus.FORBIDDEN, "foreign_page", detail)


def document_of(service: Service) -> Document:
    """The OpenAPI document of a service."""
    return openapi(service.name, version("ropewalk"), _operations_of(service))


def _operations_of(service: Service) -> Sequence[Operation]:
    return [*typed_operations(service), *service.operations, *FOLLOWING_OPERATIONS, *_OF_EVERY_SERVICE]


async def _health(node: Node, _: Request) -> Response:
    health = health_of(node)
    return json_response(health, status=HTTPStatus.OK if health.serves else HTTPStatus.SERVICE_UNAVAILABLE)


async def _metrics(_: Node, __: Request) -> Response:
    return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)


_OF_EVERY_SERVICE: Final[Sequence[Operation]] = (
    Operation(
        method="GET",
        path="/health",
        summary="How each partition is, of this and of what runs beside it: 200 if all can be written to, else 503",
        handler=_health,
        answer={JSON: Health},
        group="operation",
    ),
    Operation(
        method="GET",
        path="/metrics",
        summary="Metrics for Prometheus",
        handler=_metrics,
        answer={"text/plain": str},
        group="operation",
    ),
)


def _stopping() -> NotAccepted:
    return NotAccepted("this is stopping: ask again, or another", retry_after_s=1.0)
