"""The pages for people: an index, and the documentation of the API, drawn by Swagger UI from files of this machine.

Checked by: tests/runtime/test_edge.py
"""

import html
from collections.abc import Iterator
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from swagger_ui_bundle import swagger_ui_path

from ropewalk.runtime.node import Node
from ropewalk.runtime.openapi import Document
from ropewalk.runtime.operations import JSON, Operation

_FILES: Final = ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png")
_HTML: Final = "text/html"

_DOCS: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{name}</title>
<link rel="icon" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script>SwaggerUIBundle({{url: "openapi.json", dom_id: "#swagger-ui"}})</script>
"""

_INDEX: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{name}</title>
<h1>{name}</h1>
<ul>
<li><a href="docs">docs</a>: what can be asked here, to read and to try</li>
<li><a href="openapi.json">openapi.json</a>: the same for programs</li>
<li><a href="health">health</a>: how each partition is</li>
<li><a href="metrics">metrics</a>: for Prometheus</li>
</ul>
"""


def documentation(name: str, document: Document) -> Iterator[Operation]:
    """The operations that show what a service answers. They are not in the document themselves."""
    escaped = html.escape(name)
    yield _page("/", _INDEX.format(name=escaped).encode(), media=_HTML)
    yield _page("/docs", _DOCS.format(name=escaped).encode(), media=_HTML)
    yield _page("/openapi.json", msgspec.json.encode(document), media=JSON)
    for file in _FILES:
        yield _file(file)


def _page(path: str, content: bytes, *, media: str) -> Operation:
    async def handle(_: Node, __: Request) -> Response:
        return Response(content, media_type=media)

    return Operation(method="GET", path=path, summary="", handler=handle)


def _file(name: str) -> Operation:
    async def handle(_: Node, __: Request) -> Response:
        return FileResponse(swagger_ui_path / name)

    return Operation(method="GET", path=f"/docs/{name}", summary="", handler=handle)
