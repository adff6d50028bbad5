"""Specifications that come with Ropewalk can be read; others are refused with what is wrong in them, and where."""

from pathlib import Path

import iso8583
import msgspec
import pytest
from iso8583.specs import default_ascii

from ropewalk.errors import Rejected
from ropewalk.systems.payments.cards.specification import (
    SPECIFICATIONS,
    USUAL,
    Specification,
    layout_of,
    load_specification,
    read_specification,
)

NAMES = sorted(path.stem for path in SPECIFICATIONS.glob("*.json"))


@pytest.mark.parametrize("name", NAMES)
def test_each_has_all_fields_of_1987(name: str) -> None:
    specification = load_specification(name)
    assert {int(number) for number in specification.fields} == set(range(2, 129)) - {65}
    assert all(field.name for field in specification.fields.values())


def test_the_usual_one_lays_fields_out_as_pyiso8583_has_them_but_for_one_that_the_standard_has_shorter() -> None:
    layout = layout_of(load_specification(USUAL))
    told = {number: {**element, "desc": ""} for number, element in default_ascii.items() if number != "65"}
    differ = {number for number, element in layout.items() if {**element, "desc": ""} != told[number]}
    assert differ == {"54"}
    assert iso8583.decode(b"08000000000000000000", layout)[0]["t"] == "0800"


def changed(**changes: object) -> bytes:
    """The usual specification with some of it replaced; `fields` are added."""
    plain = msgspec.to_builtins(load_specification())
    added = changes.pop("fields", {})
    assert isinstance(added, dict)
    plain["fields"] = {**plain["fields"], **added}
    return msgspec.json.encode({**plain, **changes})


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"{", "Input data was truncated"),
        (changed(bitmap="rot13"), r"Invalid enum value 'rot13' - at `\$.bitmap`"),
        (changed(bitmap="bcd"), "bitmap: it is binary, or hexadecimal digits"),
        (changed(framing={"encoding": "bcd", "bytes": 2}), "framing: a length is digits"),
        (changed(framing={"encoding": "binary", "bytes": 9}), "in 1 to 4 bytes"),
        (changed(colour="red"), "unknown field `colour`"),
        (changed(fields={"2": {"longest": 19}}), r"missing required field `name` - at `\$.fields"),
        (changed(fields={"129": {"name": "x", "longest": 1}}), "'129' is no field: they are numbered 2 to 128"),
        (changed(fields={"02": {"name": "x", "longest": 1}}), "'02' is no field"),
        (changed(fields={"65": {"name": "x", "longest": 1}}), "65 announces a third bitmap"),
        (changed(fields={"3": {"name": "x", "longest": 0}}), "fields, 3: longest is 0"),
        (changed(fields={"48": {"name": "x", "longest": 1000, "length": "LLL"}}), "LLL announces 999 at most"),
        (changed(fields={"48": {"name": "x", "longest": 9, "length": "LLLL"}}), "Invalid enum value 'LLLL'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(content: bytes, told: str) -> None:
    with pytest.raises(Rejected, match=f"^ours.json is no specification of messages: .*{told}"):
        read_specification(content, path="ours.json")


def test_fields_that_answers_need_can_not_be_left_out() -> None:
    plain = msgspec.to_builtins(load_specification())
    del plain["fields"]["39"]
    with pytest.raises(Rejected, match="39 are missing, without which nothing can be answered"):
        read_specification(msgspec.json.encode(plain), path="ours.json")


def test_a_file_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match=r"no specification at .*none.json .*: give a file, or one of 1987-ascii,"):
        load_specification(str(tmp_path / "none.json"))


def test_a_file_of_ones_own_is_read(tmp_path: Path) -> None:
    path = tmp_path / "ours.json"
    path.write_bytes(changed(name="ours"))
    specification = load_specification(str(path))
    assert isinstance(specification, Specification)
    assert specification.name == "ours"
