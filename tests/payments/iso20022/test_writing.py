"""What is written is read back as the same, whatever a view holds; and the samples are the files of `examples`."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk.systems.payments.iso20022 import layouts
from ropewalk.systems.payments.iso20022.fields import (
    BIC,
    CODE,
    CODE_5,
    DATE,
    DATE_TIME,
    IBAN,
    MEMBER,
    TEXT_34,
    TEXT_35,
    TEXT_105,
    TEXT_140,
    TEXT_350,
    UETR,
    Bank,
    Fixed,
    Kind,
    Layout,
    Money,
    Several,
    Text,
    Texts,
)
from ropewalk.systems.payments.iso20022.layouts import BY_VIEW, DEFINITIONS, HEADER
from ropewalk.systems.payments.iso20022.model import Envelope, Header, Message
from ropewalk.systems.payments.iso20022.reading import read
from ropewalk.systems.payments.iso20022.samples import SAMPLES, credit_transfer
from ropewalk.systems.payments.iso20022.writing import write
from tests.payments.iso20022.test_money import AMOUNTS

EXAMPLES = Path(__file__).parents[3] / "examples" / "instant"
LENGTHS = {TEXT_34: 34, TEXT_35: 35, TEXT_105: 105, TEXT_140: 140, TEXT_350: 350}
# XML has no control characters but three, and a carriage return is a line feed to its readers.
LETTERS = st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff")


def texts(kind: Kind) -> st.SearchStrategy[str]:
    """Texts that are of a kind."""
    if kind in LENGTHS:
        return st.text(LETTERS, min_size=1, max_size=LENGTHS[kind]).filter(lambda text: bool(text.strip()))
    assert kind in (BIC, CODE, CODE_5, DATE, DATE_TIME, IBAN, MEMBER, UETR)
    return st.from_regex(kind.pattern, fullmatch=True)


def values(layout: Layout) -> st.SearchStrategy[dict[str, object]]:
    """What a view may hold, by its fields' names: each that is not needed may be absent."""
    needed, others = {}, {}
    for field in layout:
        match field:
            case Text(_, name, kind, is_needed):
                (needed if is_needed else others)[name] = texts(kind)
            case Money(_, name, is_needed):
                (needed if is_needed else others)[name] = AMOUNTS
            case Texts(_, name, kind):
                needed[name] = st.lists(texts(kind), max_size=3)
            case Several(_, name, made, inside):
                needed[name] = st.lists(values(inside).map(lambda each, made=made: nested(each, made)), max_size=2)
            case Bank(_, name, _):
                needed[f"{name}.routing"] = others.pop(f"{name}.routing")
            case Fixed():
                pass
    return st.fixed_dictionaries(needed, optional=others)


def nested(flat: dict[str, object], kind: type) -> object:
    """A view from its fields by name, those of a struct inside it with a dot."""
    fields: dict[str, object] = {field: {} for field, dot, _ in (name.partition(".") for name in flat) if dot}
    for field in msgspec.structs.fields(kind):
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct) and field.required:
            fields.setdefault(field.name, {})
    for name, value in flat.items():
        outer, dot, inner = name.partition(".")
        struct = fields.get(outer)
        if dot and isinstance(struct, dict):
            struct[inner] = value
        else:
            fields[name] = value
    return msgspec.convert(fields, kind)


def views(kind: type[Message]) -> st.SearchStrategy[Message]:
    return values(BY_VIEW[kind].layout).map(lambda flat: nested(flat, kind))  # type: ignore[arg-type, return-value]


def headers(definition: str) -> st.SearchStrategy[Header | None]:
    made = values(HEADER).map(lambda flat: nested({**flat, "definition": definition}, Header))
    return st.none() | made  # type: ignore[return-value]


ENVELOPES = st.sampled_from(sorted(DEFINITIONS.values())).flatmap(
    lambda definition: st.builds(Envelope, views(definition.view), headers(definition.name))
)


@given(ENVELOPES, st.booleans())
def test_what_is_written_is_read_back(envelope: Envelope, is_incoming: bool) -> None:
    assert read(write(envelope, is_incoming=is_incoming)) == envelope


def test_a_field_that_is_read_from_another_place_than_it_is_written_to_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    definition = BY_VIEW[type(read(credit_transfer()).message)]
    content = credit_transfer()
    moved = tuple(
        field._replace(path=f"{field.path}s") if isinstance(field, Text) and field.field == "settled_on" else field
        for field in definition.layout
    )
    monkeypatch.setitem(layouts.DEFINITIONS, definition.namespace, definition._replace(layout=moved))
    assert write(read(content), is_incoming=True) != content


def test_what_xml_can_not_hold_is_left_out_of_a_text() -> None:
    envelope = read(credit_transfer())
    odd = msgspec.structs.replace(envelope.message, end_to_end_id="a\x00b\ud800c")
    assert b"<EndToEndId>a?b?c</EndToEndId>" in write(Envelope(odd))


@pytest.mark.parametrize("name", SAMPLES)
def test_the_file_in_examples_is_what_the_sample_makes(name: str) -> None:
    assert (EXAMPLES / name).read_bytes() == SAMPLES[name](), "run: python examples/instant/write.py"


def test_there_is_no_other_file_in_examples() -> None:
    assert {path.name for path in EXAMPLES.glob("*.xml")} == set(SAMPLES)


@pytest.mark.parametrize("name", sorted(set(SAMPLES) - {"broken.xml"}))
def test_a_sample_is_read_and_written_as_the_same_bytes(name: str) -> None:
    assert write(read(SAMPLES[name]()), is_incoming=True) == SAMPLES[name]()
