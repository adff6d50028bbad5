"""The published schemas: a folder of XSD files that the user keeps, since ISO 20022's are not ours to pass on.

Every message is checked against them on its way in and on its way out. Without a folder only `reading` checks, which
asks for less: a service that runs so says it with every answer.

Promise:    with schemas, what is taken and what is sent is valid; nothing but the folder's own files is opened.
Checked by: tests/payments/iso20022/test_schemas.py
"""

from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Final, Protocol, cast

from lxml import etree

from ropewalk.errors import Rejected
from ropewalk.systems.payments.iso20022.faults import Fault, MessageRefused
from ropewalk.systems.payments.iso20022.layouts import DEFINITIONS, HEADER_DEFINITION, NAMESPACE
from ropewalk.systems.payments.iso20022.limits import FAULTS_TOLD_MAX, SCHEMA_BYTES_MAX, SCHEMA_ELEMENTS_MAX
from ropewalk.systems.payments.iso20022.parsing import line_of, name_of, namespace_of, parse
from ropewalk.systems.payments.iso20022.reading import Parts

NEEDED: Final = (NAMESPACE + HEADER_DEFINITION, *DEFINITIONS)
"""The namespaces that a folder has a schema for."""

_OPENING: Final = ("import", "include", "redefine", "override")
"""What would make libxml2 open a file or address that a schema names."""

_ADVICE: Final = "change the message as its schema asks"


class _Entry(Protocol):
    """What libxml2 says of one fault."""

    line: int
    path: str | None
    message: str


class Schemas:
    """Compiled schemas by namespace."""

    def __init__(self, compiled: Mapping[str, etree.XMLSchema]) -> None:
        self._compiled = compiled

    def check(self, parts: Parts) -> None:
        """Raise MessageRefused unless the header and the document are valid."""
        elements = [parts.document] if parts.header is None else [parts.header, parts.document]
        faults = [fault for element in elements for fault in self.faults_of(element)]
        if faults:
            raise MessageRefused(faults)

    def faults_of(self, element: etree._Element) -> list[Fault]:
        """What the schema of an element's namespace objects to. Raises Rejected if there is none in the folder."""
        namespace = namespace_of(element)
        schema = self._compiled.get(namespace)
        if schema is None:
            raise Rejected(f"the folder has no schema of {namespace}: add its XSD file and start again")
        if schema.validate(element):
            return []
        return [
            Fault(entry.line, _place(element, entry.path), _plain(entry.message, namespace), _ADVICE)
            for entry in islice(cast(Iterable[_Entry], schema.error_log), FAULTS_TOLD_MAX)
        ]

    def knows(self, namespace: str) -> bool:
        """Whether there is a schema of a namespace."""
        return namespace in self._compiled


def schemas_in(folder: Path) -> Schemas:
    """The schemas in a folder. Raises Rejected if it can't be read, or one that is needed is missing or damaged."""
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix == ".xsd")
    except OSError as error:
        raise Rejected(f"the folder of schemas {folder} can't be read ({error.strerror}): name another") from error
    compiled = dict(_compiled(path) for path in files)
    missing = [each.removeprefix(NAMESPACE) for each in NEEDED if each not in compiled]
    if missing:
        raise Rejected(
            f"{folder} has no schema of {', '.join(missing)}: get the XSD files from the catalogue of ISO 20022 "
            "messages, or with those of the FedNow service, and put them there"
        )
    return Schemas(compiled)


def _compiled(path: Path) -> tuple[str, etree.XMLSchema]:
    try:
        root = parse(path.read_bytes(), bytes_max=SCHEMA_BYTES_MAX, elements_max=SCHEMA_ELEMENTS_MAX)
        for child in root:
            if name_of(child) in _OPENING:
                raise Rejected(f"{path} imports another file on line {line_of(child)}: ISO 20022's schemas do not")
        return root.get("targetNamespace", ""), etree.XMLSchema(root)
    except OSError as error:
        raise Rejected(f"{path} can't be read ({error.strerror})") from error
    except (MessageRefused, etree.XMLSchemaParseError) as error:
        raise Rejected(f"{path} is no XML schema ({error}): get the file again") from error


def _place(root: etree._Element, path: str | None) -> str:
    """An element below a root in names; libxml2 gives numbers where a name has no prefix: /*/*[2]/*[1]."""
    _, _, below = (path or "").removeprefix("/").partition("/")
    prefixes = {prefix: namespace for prefix, namespace in root.nsmap.items() if prefix}
    try:
        found = root.xpath(below or ".", namespaces=prefixes)
    except etree.XPathError:
        found = []
    element = found[0] if isinstance(found, list) and found and isinstance(found[0], etree._Element) else root
    above = [name_of(each) for each in element.iterancestors() if root in each.iterancestors()]
    return "/".join([*reversed(above), name_of(element)])


def _plain(message: str, namespace: str) -> str:
    """Without the namespace, which is in front of every name."""
    return message.replace(f"{{{namespace}}}", "").removesuffix(".")
