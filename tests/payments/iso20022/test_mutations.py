"""Whatever is done to a message, it is read or refused with a place and advice; what is read can be written."""

from hypothesis import given, settings
from hypothesis import strategies as st

from ropewalk.systems.payments.iso20022.faults import MessageRefused
from ropewalk.systems.payments.iso20022.reading import read
from ropewalk.systems.payments.iso20022.samples import SAMPLES
from ropewalk.systems.payments.iso20022.writing import write
from tests.payments.iso20022.mutations import mutated

BASES = [sample() for sample in SAMPLES.values()]


def check(content: bytes) -> bool:
    """False if it is refused as it should be; raises if it is neither refused nor read."""
    try:
        envelope = read(content)
    except MessageRefused as refusal:
        return not all(fault.element and fault.message and fault.advice for fault in refusal.faults)
    assert read(write(envelope)) == envelope
    return True


def is_read(content: bytes) -> bool:
    try:
        read(content)
    except MessageRefused:
        return False
    return True


@settings(max_examples=500)
@given(st.sampled_from(BASES).flatmap(mutated))
def test_a_changed_message_is_read_or_refused(content: bytes) -> None:
    assert check(content) == is_read(content)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_message_are_refused(content: bytes) -> None:
    assert not check(content)


def test_the_samples_are_read() -> None:
    assert [check(base) for base in BASES] == [True] * 5 + [False]
