"""The document of an API: what msgspec says of types, in the words of OpenAPI 3.0."""

import asyncio
from typing import Annotated, Any, Literal

import msgspec
import pytest

from ropewalk import Applied, Entry, Service, open_engine, open_node
from ropewalk.errors import Rejected
from ropewalk.runtime.edge import Edge
from ropewalk.runtime.openapi import openapi
from ropewalk.runtime.operations import JSON, Operation
from tests.runtime.test_edge import GREET


class Odd(msgspec.Struct):
    """One field of each kind that the two versions spell differently, and fields that are named like keywords."""

    absent: int | None
    bounded: Annotated[int, msgspec.Meta(gt=0, lt=10)]
    content: bytes
    pair: tuple[int, str]
    word: Literal["only"]
    const: int
    type: str
    prefixItems: int
    anything: object


def described(kind: object) -> dict[str, Any]:
    operation = msgspec.structs.replace(GREET, body={JSON: kind})
    document: Any = openapi("odd", "1", [operation])
    properties: dict[str, Any] = document["components"]["schemas"]["Odd"]["properties"]
    return properties


def test_what_openapi_3_0_spells_otherwise_is_rewritten() -> None:
    fields = described(Odd)
    assert fields["absent"] == {"anyOf": [{"type": "integer"}], "nullable": True}
    bounded = {"type": "integer", "minimum": 0, "exclusiveMinimum": True, "maximum": 10, "exclusiveMaximum": True}
    assert fields["bounded"] == bounded
    assert fields["content"] == {"type": "string", "format": "byte"}
    assert fields["pair"]["items"] == {"anyOf": [{"type": "integer"}, {"type": "string"}]}
    assert fields["word"] == {"enum": ["only"]}


def test_fields_that_are_named_like_keywords_stay_fields() -> None:
    fields = described(Odd)
    assert fields["const"] == fields["prefixItems"] == {"type": "integer"}
    assert fields["type"] == {"type": "string"}


def test_a_type_that_can_not_be_described_is_named() -> None:
    with pytest.raises(Rejected, match=r"(?s)odd can't be described: .*complex"):
        openapi("odd", "1", [msgspec.structs.replace(GREET, answer={JSON: complex})])


def test_commands_that_are_no_structs_are_refused_before_anything_is_served() -> None:
    def apply(_: object, entry: Entry[int]) -> Applied[int]:
        return Applied(entry.command)

    async def main() -> None:
        service = Service.keyed("numbers", commands=int, value=int, apply=apply)
        async with open_node(service, open_engine("memory:")) as node:
            Edge(node)

    with pytest.raises(Rejected, match=r"int.* is no msgspec.Struct"):
        asyncio.run(main())


def test_operations_are_told_apart_by_method_and_path() -> None:
    operations: list[Operation] = [msgspec.structs.replace(GREET, method=method) for method in ("GET", "PUT")]
    document: Any = openapi("greetings", "1", operations)
    ids = {method["operationId"] for method in document["paths"]["/greetings/{name}"].values()}
    assert ids == {"get_greetings_name_", "put_greetings_name_"}
