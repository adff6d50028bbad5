"""Views as messages: the same walk over a layout that reads, the other way, and FedNow's envelope around it.

Promise:    what `read` gives back of the bytes is what was written; they are valid if the view holds what the schema
            asks for.
Checked by: tests/payments/iso20022/test_writing.py, test_samples.py
"""

import re
from typing import Final, cast

from lxml import etree

from ropewalk.systems.payments.iso20022.fields import Fixed, Layout, Money, Several, Text, Texts
from ropewalk.systems.payments.iso20022.layouts import BY_VIEW, HEADER, HEADER_DEFINITION, NAMESPACE, Definition
from ropewalk.systems.payments.iso20022.model import Envelope
from ropewalk.systems.payments.iso20022.money import Amount, decimal

_ENVELOPE: Final = "urn:fednow:{}:v001"
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write(envelope: Envelope, *, is_incoming: bool = False) -> bytes:
    """A message as bytes: with its header in FedNow's envelope, without one as a bare Document.

    `is_incoming`: on its way to the service; the others come from there.
    """
    definition = BY_VIEW[type(envelope.message)]
    if envelope.header is None:
        return serialized(_document(envelope, definition))
    way = "Incoming" if is_incoming else "Outgoing"
    root = new_root(_ENVELOPE.format(way.lower()), f"FedNow{way}")
    body = _at(root, f"FedNow{way}Message/{definition.envelope}")
    header = new_root(NAMESPACE + HEADER_DEFINITION, "AppHdr")
    fill(header, HEADER, envelope.header)
    body.append(header)
    body.append(_document(envelope, definition))
    return serialized(root)


def new_root(namespace: str, name: str) -> etree._Element:
    """An element without a parent, whose namespace has no prefix."""
    return etree.Element(f"{{{namespace}}}{name}", nsmap=cast("dict[str, str]", {None: namespace}))


def fill(root: etree._Element, layout: Layout, view: object) -> None:
    """Add to an element what a view says, in the order of the layout; what is empty is left out."""
    for field in layout:
        match field:
            case Text(path, name, _, _):
                text = _get(view, name)
                if text:
                    _at(root, path).text = clean(str(text))
            case Fixed(path, value, _):
                _at(root, path).text = value
            case Money(path, name, _):
                amount = _get(view, name)
                if isinstance(amount, Amount):
                    put_amount(_at(root, path), amount)
            case Texts(path, name, _):
                for text in _list(view, name):
                    _new(root, path).text = clean(str(text))
            case Several(path, name, _, inside):
                for each in _list(view, name):
                    fill(_new(root, path), inside, each)


def put_amount(element: etree._Element, amount: Amount) -> None:
    """Write an amount into an element."""
    element.set("Ccy", amount.currency)
    element.text = decimal(amount)


def clean(text: str) -> str:
    """A text without what XML can't hold, such as control characters in a name."""
    return _NOT_XML.sub("?", text)


def serialized(root: etree._Element) -> bytes:
    """The bytes of a tree."""
    content: bytes = etree.tostring(root, encoding="UTF-8", xml_declaration=True, pretty_print=True)
    return content


def _document(envelope: Envelope, definition: Definition) -> etree._Element:
    document = new_root(definition.namespace, "Document")
    fill(_new(document, definition.element), definition.layout, envelope.message)
    return document


def _get(view: object, name: str) -> object:
    outer, dot, inner = name.partition(".")
    value: object = getattr(view, outer)
    return getattr(value, inner) if dot else value


def _list(view: object, name: str) -> list[object]:
    values = _get(view, name)
    return list(values) if isinstance(values, (list, tuple)) else []


def _at(root: etree._Element, path: str) -> etree._Element:
    """The element at a path: what is there already as far as it is the last of its parent, and new ones below."""
    element = root
    for name in path.split("/"):
        last = element[-1] if len(element) else None
        if last is not None and etree.QName(last).localname == name:
            element = last
        else:
            element = etree.SubElement(element, _named(root, name))
    return element


def _new(root: etree._Element, path: str) -> etree._Element:
    """A new element at a path, beside any that are there."""
    outer, _, name = path.rpartition("/")
    return etree.SubElement(_at(root, outer) if outer else root, _named(root, name))


def _named(root: etree._Element, name: str) -> str:
    return f"{{{etree.QName(root).namespace}}}{name}"
