"""Bodies that are read strictly: a field that nobody knows is an error, wherever its struct stands."""

from typing import Any

import msgspec
import pytest

from ropewalk.runtime.bodies import reader_of
from ropewalk.runtime.problems import Problem


class Pay(msgspec.Struct, frozen=True, tag=True):
    cents: int
    note: str = ""


class Stop(msgspec.Struct, frozen=True, tag=True):
    why: str = ""


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    cents: int = 0


@pytest.mark.parametrize(
    ("kind", "body", "read"),
    [
        (Pay, b'{"cents": 1}', Pay(1)),
        (Pay, b'{"type": "Pay", "cents": 1, "note": "a"}', Pay(1, "a")),
        (Pay | Stop, b'{"type": "Stop"}', Stop()),
        (list[Pay], b'[{"cents": 1}, {"cents": 2}]', [Pay(1), Pay(2)]),
        (list[Pay | Stop], b'[{"type": "Stop", "why": "a"}]', [Stop("a")]),
        (Strict, b"{}", Strict()),
        (list[str], b'["a"]', ["a"]),
    ],
)
def test_what_is_read_is_of_the_type_itself(kind: Any, body: bytes, read: object) -> None:
    found = reader_of(kind)(body)
    assert found == read
    assert type(found) is type(read)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (Pay, b'{"cents": 1, "niote": "a"}'),
        (Pay | Stop, b'{"type": "Stop", "niote": "a"}'),
        (list[Pay], b'[{"cents": 1}, {"cents": 2, "niote": "a"}]'),
        (list[Pay | Stop], b'[{"type": "Stop", "niote": "a"}]'),
        (Strict, b'{"niote": "a"}'),
    ],
)
def test_a_field_that_is_misspelt_is_refused(kind: Any, body: bytes) -> None:
    with pytest.raises(Problem, match="unknown field `niote`") as refused:
        reader_of(kind)(body)
    assert refused.value.status == 422


@pytest.mark.parametrize(
    ("body", "status"), [(b"{", 400), (b'{"cents": 1, "note": "\xff"}', 400), (b'{"cents": "1"}', 422), (b"{}", 422)]
)
def test_what_is_no_such_message_is_refused(body: bytes, status: int) -> None:
    with pytest.raises(Problem) as refused:
        reader_of(Pay)(body)
    assert refused.value.status == status
