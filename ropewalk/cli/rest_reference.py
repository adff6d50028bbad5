"""The reference of an HTTP API, as Markdown, from its OpenAPI document.

Checked by: tests/test_docs.py, tests/test_promises.py
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ropewalk.cli.markdown import one_line, table

Schema = Mapping[str, Any]
"""JSON, as OpenAPI 3.0 nests it."""

_METHODS: Final = ("get", "post", "put", "patch", "delete")


def rest_pages(document: Schema) -> str:
    """Its operations by group, then the types of their messages."""
    groups: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method in (each for each in _METHODS if each in methods):
            group = next(iter(methods[method]["tags"]), "others")
            groups.setdefault(group, []).append(_operation(f"{method.upper()} {path}", methods[method]))
    parts = [part for group in sorted(groups) for part in (f"## {group.capitalize()}\n", *groups[group])]
    schemas = document["components"]["schemas"]
    parts += ["## Types\n", *(_type(name, schemas[name]) for name in sorted(schemas))]
    return "\n".join(parts)


def _operation(name: str, operation: Schema) -> str:
    parts = [f"### {name}\n\n{one_line(operation['summary']).rstrip('.')}.\n"]
    rows = [
        (f"`{each['name']}`", each["in"], _name(each["schema"]), one_line(each["description"]))
        for each in operation["parameters"]
    ]
    if rows:
        parts.append(table(("parameter", "in", "type", ""), rows))
    bodies = [f"- body: {each}" for each in _contents(operation.get("requestBody", {}))]
    answers = [f"- answer: {each}" for each in _contents(operation["responses"]["200"])]
    return "\n".join([*parts, "\n".join(bodies + answers) + "\n"])


def _contents(described: Schema) -> Iterator[str]:
    for media, content in described.get("content", {}).items():
        yield f"`{media}`: {_name(content['schema'])}"


def _type(name: str, schema: Schema) -> str:
    required: Sequence[str] = schema.get("required", ())
    begin = f"### {name}\n"
    if "description" in schema:
        begin += f"\n{one_line(schema['description'])}\n"
    if "properties" not in schema:
        return f"{begin}\n{_name(schema)}\n"
    rows = [
        (f"`{field}`", _name(each), "" if field in required else f"`{_default(each)}`")
        for field, each in schema["properties"].items()
    ]
    return f"{begin}\n{table(('field', 'type', 'if left out'), rows)}"


def _name(schema: Schema) -> str:
    """What a schema is, in a word or a few."""
    return f"{_kind(schema)} or null" if schema.get("nullable") else _kind(schema)


def _kind(schema: Schema) -> str:
    match schema:
        case {"$ref": str(reference)}:
            name = reference.rpartition("/")[2]
            return f"[{name}](#{name.lower()})"
        case {"anyOf": list(choices)} | {"oneOf": list(choices)}:
            return " or ".join(_name(each) for each in choices)
        case {"allOf": [one]}:
            return _name(one)
        case {"enum": list(values)}:
            return " or ".join(f"`{value}`" for value in values)
        case {"type": "array", "items": items}:
            return f"array of {_name(items) if items else 'anything'}"
        case {"type": "object", "additionalProperties": dict(values)}:
            return f"object of {_name(values)}"
        case {"type": "string", "format": "byte" | "binary"}:
            return "bytes"
        case {"type": str(name), "format": str(form)}:
            return f"{name}, {form}"
        case {"type": str(name)}:
            return name
        case _:
            return "anything"


def _default(schema: Schema) -> str:
    return str(schema.get("default", "absent"))
