"""Strangers' bytes as an element tree: nothing is fetched, nothing is expanded, nothing is without bound.

A message is UTF-8, has no document type and so no entities but the five of XML, and is bounded in bytes, elements,
depth and names. Comments and processing instructions are left out.

Promise:    whatever the bytes are, the answer is a tree or `MessageRefused`; no file or address is opened.
Checked by: tests/payments/iso20022/test_parsing.py
"""

from typing import Final, cast

from lxml import etree

from ropewalk.systems.payments.iso20022.faults import Fault, MessageRefused
from ropewalk.systems.payments.iso20022.limits import DEPTH_MAX, ELEMENTS_MAX, MESSAGE_BYTES_MAX, NAME_CHARS_MAX

_SMALLER: Final = "no message that is read here is so large: send one payment a message"
_DOCUMENT_TYPE: Final = "<!DOCTYPE"


def parse(content: bytes, *, bytes_max: int = MESSAGE_BYTES_MAX, elements_max: int = ELEMENTS_MAX) -> etree._Element:
    """The root element of a message. Raises MessageRefused if it is no XML that may be read."""
    if len(content) > bytes_max:
        raise _refused(0, f"the message has {len(content)} bytes, and {bytes_max} are allowed", "send a smaller one")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _refused(line, f"byte {error.start} is not UTF-8", "send the message in UTF-8") from error
    if _DOCUMENT_TYPE in text:
        line = text.count("\n", 0, text.index(_DOCUMENT_TYPE)) + 1
        raise _refused(line, "there is a document type", f"leave {_DOCUMENT_TYPE} and its entities out")
    try:
        root = etree.fromstring(text.encode(), _parser())
    except etree.XMLSyntaxError as error:
        what = error.msg or "this is no XML"
        raise _refused(error.lineno or 0, what, "send well-formed XML") from error
    _check_size(root, elements_max)
    return root


def name_of(element: etree._Element) -> str:
    """An element's name without its namespace."""
    return etree.QName(element).localname


def namespace_of(element: etree._Element) -> str:
    """An element's namespace, or nothing."""
    return etree.QName(element).namespace or ""


def line_of(element: etree._Element) -> int:
    """The line of a message that an element begins on."""
    return cast("int | None", element.sourceline) or 0


def _parser() -> etree.XMLParser:
    """A new one for each message: a parser keeps what it has read last."""
    return etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )


def _check_size(root: etree._Element, elements_max: int) -> None:
    depth = count = 0
    for event, element in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        count += event == "start"
        if depth > DEPTH_MAX:
            raise _refused(line_of(element), f"elements are more than {DEPTH_MAX} deep", _SMALLER)
        if len(element.tag) > NAME_CHARS_MAX:
            raise _refused(line_of(element), f"a name has more than {NAME_CHARS_MAX} characters", _SMALLER)
        if count > elements_max:
            raise _refused(line_of(element), f"there are more than {elements_max} elements", _SMALLER)


def _refused(line: int, message: str, advice: str) -> MessageRefused:
    return MessageRefused([Fault(line, "the message", message, advice)])
