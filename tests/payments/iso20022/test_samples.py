"""The samples of FedNow and Fedwire, and the published schemas: both lie beside the repository, not in it."""

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ropewalk.systems.payments.iso20022.faults import MessageRefused
from ropewalk.systems.payments.iso20022.layouts import DEFINITIONS
from ropewalk.systems.payments.iso20022.parsing import parse
from ropewalk.systems.payments.iso20022.reading import Parts, read, read_parts
from ropewalk.systems.payments.iso20022.samples import SAMPLES
from ropewalk.systems.payments.iso20022.schemas import Schemas, schemas_in
from ropewalk.systems.payments.iso20022.writing import write
from tests.payments.iso20022.mutations import mutated
from tests.payments.shared import PAYMENTS

FOLDER = PAYMENTS / "iso20022"
FILES = {path.relative_to(FOLDER).as_posix(): path.read_bytes() for path in sorted(FOLDER.rglob("*.xml"))}

REFUSED = {
    "fednow/admi004-ping.xml": (31, "it is admi.004.001.02, which is not read here"),
    "fednow/fednow-sample-message-admi998.xml": (
        46,
        "it is urn:swift:xsd:admi.998.001.02, which is not read here",
    ),
    "fedwire/ActivityReport/ActivityReport_Scenario1_Step1_camt.052_ACTR.xml": (
        1,
        "it is camt.052.001.08, which is not read here",
    ),
    "fedwire/ConnectionCheck/ConnectionCheck_Scenario1_Step1_admi.004.xml": (
        1,
        "it is admi.004.001.02, which is not read here",
    ),
}
"""Messages that are no part of a payment, and what is said of them."""

READ = sorted(set(FILES) - set(REFUSED))


@cache
def schemas() -> Schemas:
    return schemas_in(FOLDER / "xsd")


@pytest.mark.parametrize("name", READ)
def test_a_sample_is_valid_and_read_and_written_as_valid_and_read_as_the_same(name: str) -> None:
    parts = Parts(parse(FILES[name]))
    schemas().check(parts)
    envelope = read_parts(parts)
    written = Parts(parse(write(envelope)))
    schemas().check(written)
    assert read_parts(written) == envelope


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_sample_that_is_no_part_of_a_payment_is_refused(name: str) -> None:
    with pytest.raises(MessageRefused) as caught:
        read(FILES[name])
    fault = caught.value.faults[0]
    assert (fault.line, fault.message) == REFUSED[name]


def test_there_are_samples_of_what_banks_send() -> None:
    assert len(READ) == 21
    assert {Parts(parse(FILES[name])).definition.name for name in READ} == {
        "pacs.002.001.10",
        "pacs.004.001.10",
        "pacs.008.001.08",
    }


@pytest.mark.parametrize("name", sorted(set(SAMPLES) - {"broken.xml"}))
def test_our_own_samples_are_valid(name: str) -> None:
    schemas().check(Parts(parse(SAMPLES[name]())))


@settings(max_examples=200)
@given(st.sampled_from([FILES[name] for name in sorted(FILES)]).flatmap(mutated))
def test_a_changed_sample_is_valid_and_read_or_refused(content: bytes) -> None:
    try:
        parts = Parts(parse(content))
        schemas().check(parts)
        envelope = read_parts(parts)
    except MessageRefused as refusal:
        told = refusal.faults
    else:
        told = []
        assert read(write(envelope)) == envelope
    assert all(fault.element and fault.message and fault.advice for fault in told)


def test_every_message_that_is_written_has_a_schema() -> None:
    assert all(schemas().knows(namespace) for namespace in DEFINITIONS)
