"""Bytes that mean harm open nothing, expand nothing, and are refused with a line and a sentence."""

from pathlib import Path

import pytest

from ropewalk.systems.payments.iso20022.faults import MessageRefused
from ropewalk.systems.payments.iso20022.limits import DEPTH_MAX, ELEMENTS_MAX, MESSAGE_BYTES_MAX, NAME_CHARS_MAX
from ropewalk.systems.payments.iso20022.parsing import parse

LAUGHS = b"""<?xml version="1.0"?>
<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>
<a>&c;</a>"""


def refused(content: bytes) -> tuple[int, str]:
    with pytest.raises(MessageRefused) as caught:
        parse(content)
    fault = caught.value.faults[0]
    assert fault.advice
    return fault.line, fault.message


def test_a_document_type_is_refused_before_anything_is_expanded() -> None:
    assert refused(LAUGHS) == (2, "there is a document type")


@pytest.mark.parametrize("kind", ["SYSTEM", "PUBLIC 'x'"])
def test_no_file_is_opened(tmp_path: Path, kind: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    content = f'<!DOCTYPE a [<!ENTITY s {kind} "{secret.as_uri()}">]><a>&s;</a>'.encode()
    assert refused(content) == (1, "there is a document type")


def test_an_entity_that_is_not_declared_is_refused() -> None:
    assert refused(b"<a>\n&s;</a>") == (2, "Entity 's' not defined, line 2, column 4")


def test_what_is_not_utf_8_is_refused() -> None:
    assert refused("<a>\n</a>".encode("utf-16")) == (1, "byte 0 is not UTF-8")
    assert refused(b"<a>\n\xff</a>") == (2, "byte 4 is not UTF-8")


def test_a_declaration_of_another_encoding_changes_nothing() -> None:
    assert parse('<?xml version="1.0" encoding="ISO-8859-1"?><a>é</a>'.encode()).text == "é"


def test_a_mark_of_the_byte_order_is_left_out() -> None:
    assert parse(b"\xef\xbb\xbf<a>b</a>").text == "b"


def test_comments_and_instructions_are_left_out() -> None:
    assert parse(b"<a>b<!-- c --><?d e?>f</a>").text == "bf"


def test_depth_is_bounded() -> None:
    deepest = DEPTH_MAX * b"<a>" + DEPTH_MAX * b"</a>"
    parse(deepest)
    assert refused(b"<a>" + deepest + b"</a>") == (1, f"elements are more than {DEPTH_MAX} deep")
    assert refused(100_000 // 2 * b"<a>")[0] == 1


def test_the_number_of_elements_is_bounded() -> None:
    most = b"<a>" + (ELEMENTS_MAX - 1) * b"<b/>"
    parse(most + b"</a>")
    assert refused(most + b"\n<b/></a>") == (2, f"there are more than {ELEMENTS_MAX} elements")


def test_names_are_bounded() -> None:
    longest = NAME_CHARS_MAX * b"a"
    parse(b"<" + longest + b"/>")
    assert refused(b"<b>\n<a" + longest + b"/></b>") == (2, f"a name has more than {NAME_CHARS_MAX} characters")


def test_size_is_bounded() -> None:
    largest = b"<a>" + (MESSAGE_BYTES_MAX - 7) * b"b" + b"</a>"
    parse(largest)
    assert refused(largest + b" ") == (
        0,
        f"the message has {MESSAGE_BYTES_MAX + 1} bytes, and {MESSAGE_BYTES_MAX} are allowed",
    )


@pytest.mark.parametrize("content", [b"", b" ", b"hello", b"<a>", b"<a></b>", b"<a/><b/>", b"<a>\x00</a>", b"<a b/>"])
def test_what_is_not_well_formed_is_refused(content: bytes) -> None:
    assert refused(content)[1]
