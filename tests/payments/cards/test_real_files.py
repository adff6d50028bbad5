"""Messages of strangers: each is unpacked as an independent reading of the same bytes says, or is refused."""

import json
from typing import Any

import pytest

from ropewalk.systems.payments.cards.codec import Codec, Malformed
from ropewalk.systems.payments.cards.specification import SPECIFICATIONS, load_specification, read_specification
from tests.payments.shared import PAYMENTS

MESSAGES = PAYMENTS / "iso8583" / "messages"
EXPECTED: dict[str, Any] = json.loads((PAYMENTS / "iso8583" / "expected.json").read_text())["messages"]
CODEC = Codec(load_specification("1987-ascii"))


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_each_is_unpacked_as_expected(name: str) -> None:
    content = (MESSAGES / name).read_bytes()
    expected = EXPECTED[name]
    if "fields" in expected:
        fields = CODEC.unpack(content)
        assert fields == expected["fields"]
        assert CODEC.pack(fields) == content.rstrip(b"\n")
    else:
        with pytest.raises(Malformed) as raised:
            CODEC.unpack(content)
        assert f"field {raised.value.field} " in expected["pyiso8583_says"]


def test_every_file_has_an_expectation() -> None:
    assert {path.name for path in MESSAGES.glob("*.dat")} == set(EXPECTED)


def test_another_encoding_is_a_matter_of_the_specification() -> None:
    plain = json.loads((SPECIFICATIONS / "1987-ascii.json").read_text())
    for number in ("7", "11", "12"):
        plain["fields"][number]["encoding"] = "bcd"
    codec = Codec(read_specification(json.dumps(plain).encode(), path="ours.json"))
    fields = codec.unpack((MESSAGES / "message_with_number_bcd_encoding.dat").read_bytes())
    assert [fields[number] for number in ("7", "11", "12")] == ["0420090613", "900001", "090613"]
