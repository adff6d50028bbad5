"""Messages as typed views: the fields that a message's layout lists, each checked; what else there is is left alone.

    element tree ─► every element by its path ─► field by field as the layout says ─► view

Promise:    whatever the bytes are, the answer is an envelope or `MessageRefused`, which names line, element, what is
            wrong and what to do; what is written by `writing` is read as the same.
Checked by: tests/payments/iso20022/test_reading.py, test_samples.py, test_mutations.py
"""

from collections.abc import Mapping
from typing import Final, TypeVar

import msgspec
from lxml import etree

from ropewalk.systems.payments.iso20022.faults import Fault, MessageRefused
from ropewalk.systems.payments.iso20022.fields import (
    Bank,
    Field,
    Fixed,
    Kind,
    Layout,
    Money,
    Several,
    Text,
    Texts,
    field_name,
)
from ropewalk.systems.payments.iso20022.layouts import DEFINITIONS, HEADER, HEADER_DEFINITION, NAMESPACE, Definition
from ropewalk.systems.payments.iso20022.limits import REPEATS_MAX
from ropewalk.systems.payments.iso20022.model import Envelope, Header
from ropewalk.systems.payments.iso20022.money import Amount, amount_of
from ropewalk.systems.payments.iso20022.parsing import line_of, name_of, namespace_of, parse

_DOCUMENT: Final = "Document"
_APPLICATION_HEADER: Final = "AppHdr"
_HEADER_NAMESPACE: Final = NAMESPACE + HEADER_DEFINITION

_NAMES: Final = ("routing", "bic", "name")
"""The fields of a view that name a bank."""

_NAME_ONE: Final = "name the bank that is to be answered: by its ClrSysMmbId/MmbId, BICFI or Nm"

Fields = dict[str, object]
T = TypeVar("T")


class Parts:
    """Where a message's header and its document are, whatever envelope is around them."""

    def __init__(self, root: etree._Element) -> None:
        documents = _outermost(root, _DOCUMENT)
        headers = _outermost(root, _APPLICATION_HEADER)
        if len(documents) != 1:
            what = f"there are {len(documents)} elements {_DOCUMENT}"
            raise MessageRefused([Fault(line_of(root), name_of(root), what, "send one message at a time, in one")])
        if len(headers) > 1:
            what = f"there are {len(headers)} elements {_APPLICATION_HEADER}"
            raise MessageRefused([Fault(line_of(headers[1]), name_of(root), what, "send one header, or none")])
        self.document = documents[0]
        self.header = headers[0] if headers else None
        if self.header is not None and namespace_of(self.header) != _HEADER_NAMESPACE:
            what = f"it is of {namespace_of(self.header) or 'no namespace'}"
            raise MessageRefused(
                [Fault(line_of(self.header), _APPLICATION_HEADER, what, f"send {HEADER_DEFINITION}, or no header")]
            )
        self.definition = _definition_of(self.document)


def read(content: bytes) -> Envelope:
    """The message in some bytes. Raises MessageRefused if it is none of those here, or says what it may not."""
    return read_parts(Parts(parse(content)))


def read_parts(parts: Parts) -> Envelope:
    """The message in a tree. Raises MessageRefused if it says what it may not."""
    definition = parts.definition
    roots = [child for child in parts.document if _is_named(child, definition.element, parts.document)]
    if len(roots) != 1 or len(parts.document) != 1:
        what = f"it holds something else than one {definition.element}"
        raise MessageRefused(
            [
                Fault(
                    line_of(parts.document),
                    _DOCUMENT,
                    what,
                    f"put one {definition.element} into it, and nothing else",
                )
            ]
        )
    reader = _Reader()
    message = reader.made(definition.view, definition.layout, roots[0])
    header = None if parts.header is None else reader.made(Header, HEADER, parts.header)
    if header is not None and header.definition != definition.name:
        what = f"MsgDefIdr is {header.definition!r}, and the document is {definition.name}"
        reader.faults.append(
            Fault(0, _APPLICATION_HEADER, what, "let the header name the document that it goes with")
        )
    if message is None or reader.faults:
        raise MessageRefused(reader.faults)
    return Envelope(message, header)


class _Reader:
    """Collects what is wrong, so that all of it is told at once."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def made(self, view: type[T], layout: Layout, element: etree._Element) -> T | None:
        """A view of what is below an element; None if a fault keeps it from being one."""
        known = len(self.faults)
        values: Fields = {outer: {} for outer, dot, _ in (field_name(each).partition(".") for each in layout) if dot}
        places = _places(element)
        # Two payments that are named by different fields would be read as one.
        for path in places.repeated():
            if any(field.path.startswith(f"{path}/") for field in layout):
                self._object_to_repeat(path, places)
        for field in layout:
            self._read(field, places, values)
        return None if len(self.faults) > known else msgspec.convert(values, view)

    def _read(self, field: Field, places: "_Places", values: Fields) -> None:
        match field:
            case Text(path, name, kind, is_needed):
                element = self._one(places, path, is_needed=is_needed)
                if element is not None:
                    _put(values, name, self._text(path, element, kind))
            case Fixed(path, value, advice):
                element = self._one(places, path, is_needed=True)
                if element is not None and element.text != value:
                    self._object(path, element, f"it is {element.text!r}, and only {value!r} is taken", advice=advice)
            case Money(path, name, is_needed):
                element = self._one(places, path, is_needed=is_needed)
                if element is not None:
                    _put(values, name, self._amount(path, element))
            case Texts(path, name, kind):
                _put(values, name, [self._text(path, each, kind) for each in self._some(places, path)])
            case Several(path, name, made, layout):
                _put(values, name, [self.made(made, layout, each) for each in self._some(places, path)])
            case Bank(path, name, of):
                bank = values[name]
                is_named = isinstance(bank, dict) and any(bank.get(each) for each in _NAMES)
                if not is_named and (not of or places.at(of)):
                    self._object(path, places.root, "it names no bank", advice=_NAME_ONE)

    def _one(self, places: "_Places", path: str, *, is_needed: bool) -> etree._Element | None:
        found = places.at(path)
        if len(found) > 1:
            self._object_to_repeat(path, places)
        if not found and is_needed:
            self._object(path, places.root, "it is missing", advice=f"add {path}")
        return found[0] if len(found) == 1 else None

    def _some(self, places: "_Places", path: str) -> list[etree._Element]:
        found = places.at(path)
        if len(found) > REPEATS_MAX:
            what = f"it comes {len(found)} times"
            self._object(path, found[REPEATS_MAX], what, advice=f"send it up to {REPEATS_MAX} times")
        return found

    def _text(self, path: str, element: etree._Element, kind: Kind) -> str:
        text = element.text or ""
        if len(element):
            self._object(path, element, f"it holds {name_of(element[0])} instead of text", advice=kind.advice)
        elif kind.pattern.fullmatch(text) is None:
            self._object(path, element, f"it is {_shown(text)}", advice=kind.advice)
        return text

    def _amount(self, path: str, element: etree._Element) -> Amount | None:
        amount = amount_of((element.text or "").strip(), element.get("Ccy", ""))
        if isinstance(amount, Amount) and not len(element):
            return amount
        what = amount if isinstance(amount, str) else "it holds elements"
        self._object(path, element, what, advice='give an amount like <… Ccy="USD">51.74</…>')
        return None

    def _object_to_repeat(self, path: str, places: "_Places") -> None:
        advice = "send one payment a message, and this once"
        self._object(path, places.at(path)[1], "it comes more than once", advice=advice)

    def _object(self, path: str, element: etree._Element, what: str, *, advice: str) -> None:
        self.faults.append(Fault(line_of(element), path, what, advice))


class _Places:
    """The elements below a root by their path; elements of another namespace are not looked into."""

    def __init__(self, root: etree._Element, found: Mapping[str, list[etree._Element]]) -> None:
        self.root = root
        self._found = found

    def at(self, path: str) -> list[etree._Element]:
        """The elements at a path, in order."""
        return self._found.get(path, [])

    def repeated(self) -> list[str]:
        """The paths at which there are several elements."""
        return [path for path, found in self._found.items() if len(found) > 1]


def _places(root: etree._Element) -> _Places:
    found: dict[str, list[etree._Element]] = {}
    waiting = [("", root)]
    for path, element in waiting:
        for child in element:
            if not _is_named(child, None, root):
                continue
            below = f"{path}{name_of(child)}"
            found.setdefault(below, []).append(child)
            waiting.append((f"{below}/", child))
    return _Places(root, found)


def _is_named(element: etree._Element, name: str | None, like: etree._Element) -> bool:
    """Whether it is an element (and no entity) of the namespace of another, and has the name if one is given."""
    if not isinstance(element.tag, str) or namespace_of(element) != namespace_of(like):
        return False
    return name is None or name_of(element) == name


def _outermost(root: etree._Element, name: str) -> list[etree._Element]:
    """The elements of a name in order, but for those inside such a one."""
    found = []
    waiting = [root]
    while waiting:
        element = waiting.pop()
        if not isinstance(element.tag, str):
            continue
        if name_of(element) == name:
            found.append(element)
        else:
            waiting += reversed(element)
    return found


def _definition_of(document: etree._Element) -> Definition:
    namespace = namespace_of(document)
    definition = DEFINITIONS.get(namespace)
    if definition is None:
        known = ", ".join(each.name for each in DEFINITIONS.values())
        what = f"it is {namespace.removeprefix(NAMESPACE) or 'of no namespace'}, which is not read here"
        raise MessageRefused([Fault(line_of(document), _DOCUMENT, what, f"send one of {known}")])
    return definition


def _put(values: Fields, name: str, value: object) -> None:
    """Set a field, of a struct inside the view if its name has a dot."""
    outer, _, inner = name.partition(".")
    struct = values.get(outer)
    if isinstance(struct, dict):
        struct[inner] = value
    else:
        values[name] = value


def _shown(text: str) -> str:
    return repr(text) if len(text) <= 40 else f"{text[:40]!r}… of {len(text)} characters"
