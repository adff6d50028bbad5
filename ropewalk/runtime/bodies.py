"""Reading a JSON body as messages of a type, where a field that is misspelt is refused.

msgspec drops what a type does not know, and takes the default of what was meant: right for what a log keeps, which an
older or newer program may have written, and wrong for what somebody has just asked.

Not given:  that of structs in fields: give them `forbid_unknown_fields=True`, and old records are read as strictly.
Checked by: tests/runtime/test_bodies.py
"""

from collections.abc import Callable
from http import HTTPStatus
from types import GenericAlias, UnionType
from typing import TypeVar, Union, cast, get_args, get_origin

import msgspec

from ropewalk.runtime.problems import Problem, bad_request

T = TypeVar("T")


def reader_of(kind: type[T]) -> Callable[[bytes], T]:
    """What reads a body of a type: a struct, a union of such, or a list of them; of any other it is no stricter.

    It raises Problem: 400 if the body is not JSON, 422 if it is not of the type.
    """
    checked = strict(kind)
    decoder = msgspec.json.Decoder(kind)
    if checked is kind:
        return lambda body: _decoded(decoder, body)
    checker: msgspec.json.Decoder[object] = msgspec.json.Decoder(cast(type, checked))

    def read(body: bytes) -> T:
        # Only checked by the strict type, which is none that the service's own functions know.
        _decoded(checker, body)
        return _decoded(decoder, body)

    return read


def strict(kind: object) -> object:
    """The same type without room for fields that it does not have: to check with, and not to keep."""
    within = tuple(strict(each) for each in get_args(kind))
    if get_origin(kind) is list:
        return kind if within == get_args(kind) else GenericAlias(list, within)
    if get_origin(kind) in (Union, UnionType):
        return Union[within]  # noqa: UP007
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return kind
    config = kind.__struct_config__
    if config.forbid_unknown_fields:
        return kind
    return msgspec.defstruct(kind.__name__, (), bases=(kind,), tag=config.tag, forbid_unknown_fields=True)


def _decoded(decoder: "msgspec.json.Decoder[T]", body: bytes) -> T:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_body", f"the body is not what is expected: {error}"
        ) from error
    except (ValueError, RecursionError) as error:
        # Beside its own errors: text that is no UTF-8, and what is nested too deep.
        raise bad_request(f"the body is not JSON: {error}") from error
