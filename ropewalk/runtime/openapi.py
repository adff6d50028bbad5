"""The OpenAPI document of an edge, made from its operations and the types of their messages.

It says version 3.0.3 because that is what the bundled Swagger UI draws. msgspec writes the JSON Schema of 3.1, so
what 3.0 spells otherwise (null, constants, byte strings, exclusive bounds, tuples) is rewritten.

Checked by: tests/runtime/test_openapi.py, test_edge.py
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from ropewalk.errors import Rejected
from ropewalk.runtime.operations import Operation, Parameter
from ropewalk.runtime.problems import MEDIA_TYPE, ProblemBody

Document = dict[str, object]

_REFERENCE: Final = "#/components/schemas/{name}"
_PATH_PARAMETER: Final = re.compile(r"{(\w+)(?::\w+)?}")


def openapi(title: str, version: str, operations: Sequence[Operation]) -> Document:
    """The document. Raises Rejected if msgspec can't describe one of the types."""
    types = list(_types(operations))
    try:
        described, components = msgspec.json.schema_components(types, schema_hook=_anything, ref_template=_REFERENCE)
    except TypeError as error:
        raise Rejected(f"{title} can't be described: {error}") from error
    schemas = {_key(each): schema for each, schema in zip(types, described, strict=True)}
    paths: dict[str, dict[str, object]] = {}
    for operation in operations:
        path = _PATH_PARAMETER.sub(r"{\1}", operation.path)
        paths.setdefault(path, {})[operation.method.lower()] = _operation(operation, schemas)
    document = {
        "openapi": "3.0.3",
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": {"schemas": components},
    }
    rewritten = _rewritten(document)
    return rewritten if isinstance(rewritten, dict) else {}


def _types(operations: Iterable[Operation]) -> Iterable[object]:
    yield ProblemBody
    for operation in operations:
        yield from operation.body.values()
        yield from operation.answer.values()
        yield from (parameter.type for parameter in operation.parameters)


def _anything(kind: type) -> Document:
    """The schema of a type that msgspec has none for: `object` takes whatever comes."""
    if kind is object:
        return {"description": "any JSON"}
    raise NotImplementedError


def _key(given: object) -> str:
    return repr(given)


def _operation(operation: Operation, schemas: dict[str, Document]) -> Document:
    def content(types: Iterable[tuple[str, object]]) -> Document:
        return {media: {"schema": schemas[_key(each)]} for media, each in types}

    problem = {"description": "What went wrong (RFC 9457)", "content": content([(MEDIA_TYPE, ProblemBody)])}
    described: Document = {
        "summary": operation.summary,
        "operationId": f"{operation.method.lower()}{re.sub(r'[^a-zA-Z0-9]+', '_', operation.path)}",
        "tags": [operation.group] if operation.group else [],
        "parameters": [_parameter(parameter, schemas) for parameter in operation.parameters],
        "responses": {
            "200": {"description": "Done", "content": content(operation.answer.items())},
            "default": problem,
        },
    }
    if operation.body:
        described["requestBody"] = {"required": True, "content": content(operation.body.items())}
    return described


def _parameter(parameter: Parameter, schemas: dict[str, Document]) -> Document:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.place == "path",
        "description": parameter.summary,
        "schema": schemas[_key(parameter.type)],
    }


def _rewritten(node: object) -> object:
    """The same in the words of OpenAPI 3.0."""
    if isinstance(node, list):
        return [_rewritten(each) for each in node]
    if not isinstance(node, dict):
        return node
    node = {name: _rewritten(value) for name, value in node.items()}
    for limit in ("minimum", "maximum"):
        exclusive = f"exclusive{limit.capitalize()}"
        if isinstance(node.get(exclusive), (int, float)) and not isinstance(node.get(exclusive), bool):
            node[limit], node[exclusive] = node[exclusive], True
    if "const" in node and not isinstance(node["const"], dict):
        # A dict there is the schema of a field of that name.
        node["enum"] = [node.pop("const")]
    if node.get("contentEncoding") == "base64":
        node["format"] = "byte"
        del node["contentEncoding"]
    if isinstance(node.get("prefixItems"), list):
        node["items"] = {"anyOf": node.pop("prefixItems")}
    return _without_null(node)


def _without_null(node: Document) -> Document:
    if node.get("type") == "null":
        return {"nullable": True, "enum": [None]}
    choices = node.get("anyOf")
    if not isinstance(choices, list):
        return node
    rest = [each for each in choices if each != {"nullable": True, "enum": [None]}]
    if len(rest) == len(choices):
        return node
    return {**{name: value for name, value in node.items() if name != "anyOf"}, "anyOf": rest, "nullable": True}
