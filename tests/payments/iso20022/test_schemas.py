"""A folder of schemas is whole or told what it lacks; messages are checked against it. The schemas are made up."""

from pathlib import Path

import pytest

from ropewalk.errors import Rejected
from ropewalk.systems.payments.iso20022.faults import MessageRefused
from ropewalk.systems.payments.iso20022.layouts import NAMESPACE
from ropewalk.systems.payments.iso20022.parsing import parse
from ropewalk.systems.payments.iso20022.reading import Parts
from ropewalk.systems.payments.iso20022.samples import credit_transfer, recall
from ropewalk.systems.payments.iso20022.schemas import NEEDED, Schemas, schemas_in

LENIENT = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="{namespace}">
  <xs:element name="{element}"><xs:complexType><xs:sequence>
    {inside}<xs:any minOccurs="0" maxOccurs="unbounded" processContents="skip"/>
  </xs:sequence></xs:complexType></xs:element>
</xs:schema>
"""
STRICT = '<xs:element name="FIToFICstmrCdtTrf" form="qualified" type="xs:int"/>'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for namespace in NEEDED:
        element = "AppHdr" if "head." in namespace else "Document"
        put(tmp_path, namespace, LENIENT.format(namespace=namespace, element=element, inside=""))
    return tmp_path


def put(folder: Path, namespace: str, text: str) -> Path:
    path = folder / f"{namespace.removeprefix(NAMESPACE)}.xsd"
    path.write_text(text)
    return path


def strict(folder: Path) -> Schemas:
    namespace = f"{NAMESPACE}pacs.008.001.08"
    put(folder, namespace, LENIENT.format(namespace=namespace, element="Document", inside=STRICT))
    return schemas_in(folder)


def refused(folder: Path) -> str:
    with pytest.raises(Rejected) as caught:
        schemas_in(folder)
    return str(caught.value)


def test_a_whole_folder_checks_each_message(folder: Path) -> None:
    schemas = strict(folder)
    schemas.check(Parts(parse(recall())))
    with pytest.raises(MessageRefused) as caught:
        schemas.check(Parts(parse(credit_transfer())))
    fault = caught.value.faults[0]
    assert (fault.line, fault.element) == (29, "FIToFICstmrCdtTrf")
    assert fault.message.startswith("Element 'FIToFICstmrCdtTrf': Element content is not allowed")


def test_a_prefix_in_a_message_does_not_hide_the_place(folder: Path) -> None:
    document = (
        f'<p:Document xmlns:p="{NAMESPACE}pacs.008.001.08"><p:FIToFICstmrCdtTrf>x</p:FIToFICstmrCdtTrf></p:Document>'
    )
    with pytest.raises(MessageRefused) as caught:
        strict(folder).check(Parts(parse(document.encode())))
    assert caught.value.faults[0].element == "FIToFICstmrCdtTrf"


def test_what_a_folder_lacks_is_told(folder: Path) -> None:
    (folder / "camt.056.001.08.xsd").unlink()
    (folder / "head.001.001.02.xsd").unlink()
    assert f"{folder} has no schema of head.001.001.02, camt.056.001.08: get" in refused(folder)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert refused(tmp_path / "nowhere").endswith("can't be read (No such file or directory): name another")


@pytest.mark.parametrize("text", ["", "<a/>", "<!DOCTYPE a><a/>", "<xs:schema", "not XML"])
def test_a_file_that_is_no_schema_is_named(folder: Path, text: str) -> None:
    path = put(folder, NEEDED[0], text)
    assert refused(folder).startswith(f"{path} is no XML schema")


def test_a_message_without_a_schema_is_not_taken_for_valid(folder: Path) -> None:
    with pytest.raises(Rejected, match="the folder has no schema of urn:other: add its XSD file"):
        schemas_in(folder).faults_of(parse(b'<Document xmlns="urn:other"/>'))


def test_a_schema_may_not_open_a_file_of_another_folder(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "other.xsd"
    outside.write_text(LENIENT.format(namespace="urn:outside", element="a", inside=""))
    importing = LENIENT.replace(
        '<xs:element name="{element}">',
        f'<xs:import namespace="urn:outside" schemaLocation="{outside.as_uri()}"/><xs:element name="{{element}}">',
        1,
    )
    put(folder, NEEDED[0], importing.format(namespace=NEEDED[0], element="AppHdr", inside=""))
    assert "imports another file" in refused(folder)
