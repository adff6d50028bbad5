"""Whatever is built is valid and comes back as the same bytes; whatever is altered is refused; nothing raises."""

import string
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ropewalk.systems.payments.ach import BatchBuilder, Code, build, header, read, write
from ropewalk.systems.payments.ach.building import remittance
from ropewalk.systems.payments.ach.layout import RECORD_LENGTH
from ropewalk.systems.payments.ach.samples import CORDAGE, HARBOR, OPERATOR, SAMPLES
from tests.payments.ach.files import BASES

HEADER = header(
    destination=OPERATOR.routing_number, origin="1990000001", creation_date="261124", creation_time="1015"
)
VALID = sorted(set(BASES) - {"broken.ach"})
TEXT = st.text(string.ascii_uppercase + string.digits + ".-/", min_size=1, max_size=15).filter(
    lambda text: text.strip("0")
)
CENTS = st.integers(1, 10**10 - 1)
ENTRY = st.tuples(st.sampled_from([22, 27, 32, 37]), CENTS, TEXT, TEXT, st.none() | TEXT)
BATCH = st.tuples(st.sampled_from(["PPD", "CCD"]), st.lists(ENTRY, min_size=1, max_size=5))


def _built(batches: list[tuple[str, list[tuple[int, int, str, str, str | None]]]]) -> bytes:
    builders = []
    for entry_class, entries in batches:
        builder = BatchBuilder(
            entry_class,
            odfi=HARBOR.routing_number[:8],
            company_name="ROPE WORKS",
            company_identification="1990000001",
            company_entry_description="TEST",
        )
        for code, cents, account, name, text in entries:
            builder.add(
                transaction_code=code,
                routing_number=CORDAGE.routing_number,
                account=account,
                amount_cents=cents,
                individual_name=name,
                addenda=[] if text is None else [remittance(text)],
            )
        builders.append(builder)
    return write(build(HEADER, builders))


@settings(max_examples=40, deadline=None)
@given(st.lists(BATCH, min_size=1, max_size=4))
def test_what_is_built_is_valid_with_its_totals(
    batches: list[tuple[str, list[tuple[int, int, str, str, str | None]]]],
) -> None:
    content = _built(batches)
    reading = read(content)
    entries = [entry for _, group in batches for entry in group]
    assert reading.errors == []
    assert reading.file is not None
    assert write(reading.file) == content
    assert (reading.batches, reading.entries) == (len(batches), len(entries))
    assert reading.debit_cents == sum(cents for code, cents, *_ in entries if code in (27, 37))
    assert reading.credit_cents == sum(cents for code, cents, *_ in entries if code in (22, 32))
    assert [(row["account"], row["name"]) for row in reading.file.entries] == [
        (account.encode(), name.encode()) for _, _, account, name, _ in entries
    ]


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b""])
@pytest.mark.parametrize("name", VALID)
def test_every_line_ending_is_read_and_kept(name: str, ending: bytes) -> None:
    content = BASES[name]().replace(b"\n", ending)
    contents = [content, content.removesuffix(ending)] if ending else [content]
    for each in contents:
        reading = read(each)
        assert reading.errors == []
        assert reading.file is not None
        assert write(reading.file) == each


COUNTED = ("amount", "entry_addenda_count", "entry_hash", "total_debit_amount", "total_credit_amount")
COUNTED_IN_FILE = ("batch_count", "block_count")


@pytest.mark.parametrize("name", sorted(set(VALID) - set(SAMPLES)))
def test_any_one_changed_digit_of_an_amount_count_hash_or_total_is_refused(name: str) -> None:
    content = BASES[name]()
    file = read(content).file
    assert file is not None
    for line in range(1, file.control_line + 1):
        record = file.record(line)
        for field in record.layout.fields:
            if field.name not in COUNTED + COUNTED_IN_FILE:
                continue
            for column in range(field.start, field.stop):
                place = (line - 1) * (RECORD_LENGTH + 1) + column
                altered = bytearray(content)
                altered[place] = ord("0") + (altered[place] - ord("0") + 1 + column % 9) % 10
                assert not read(bytes(altered)).is_valid, (line, field.name, column)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_mutation_raises_and_none_makes_a_file_that_reads_otherwise(data: st.DataObject) -> None:
    content = bytearray(BASES[data.draw(st.sampled_from(VALID))]())
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, max(0, len(content) - 1)))
        width = data.draw(st.sampled_from([1, 1, 1, 2, 94, 95, 300]))
        match data.draw(st.sampled_from(["change", "cut", "insert", "repeat"])):
            case "change":
                content[place : place + 1] = bytes([data.draw(st.integers(0, 255))])
            case "cut":
                del content[place : place + width]
            case "insert":
                content[place:place] = data.draw(st.binary(max_size=3))
            case _:
                content[place:place] = content[place : place + width]
    reading = read(bytes(content))
    if reading.is_valid:
        assert reading.file is not None
        assert write(reading.file) == bytes(content)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_judged(content: bytes) -> None:
    assert not read(content).is_valid


# Few letters, most of which begin a record: so they are in order by chance, or not, in files of many lines.
LINE = st.builds(
    lambda kind, rest: bytes([kind]) + rest, st.sampled_from(b"15678901"), st.sampled_from([b"", b"01", b" " * 93])
)


@settings(max_examples=100, deadline=None)
@given(st.lists(LINE, min_size=1, max_size=30), st.sampled_from([0, 1_000, 1_001]))
def test_lines_that_begin_like_records_are_judged_also_after_more_problems_than_are_named(
    lines: list[bytes], wrong: int
) -> None:
    """Problems of lines fill the list first: what is out of order must be known nevertheless."""
    assert not read(b"\n".join([b"101", *[b"5" * 95] * wrong, *lines])).is_valid


@pytest.mark.parametrize("seed", range(6))
def test_a_megabyte_of_noise_is_judged(seed: int) -> None:
    noise = Random(seed).randbytes(1_000_000)
    assert not read(noise).is_valid
    assert not read(b"101" + noise).is_valid


@pytest.mark.parametrize(
    "content",
    [
        b'<?xml version="1.0"?>\n<Document>\n  <GrpHdr/>\n</Document>\n' * 30,
        b'{"a": 1}',
        b"%PDF-1.7\n%\xe2\xe3\n1 0 obj\n<<\n>>\nendobj\n",
        b"id,name\nA,Ada\n9,Ben\nC,Cy",
    ],
)
def test_a_file_of_another_format_is_told_so_once(content: bytes) -> None:
    (error,) = read(content).errors
    assert (error.line, error.code) == (1, Code.RECORD_TYPE)
    assert error.message.startswith("this is no ACH file: it begins with")


def test_an_ach_file_with_another_first_character_is_still_read() -> None:
    content = bytearray(BASES[VALID[0]]())
    content[0] = ord("<")
    reading = read(bytes(content))
    assert reading.entries
    assert [(error.line, error.code) for error in reading.errors] == [(1, Code.RECORD_TYPE)]


@pytest.mark.parametrize(
    "content", [b"", b"\n", b" " * 94, b"9" * 94, b"1", b"\r\n" * 5, b"5" * 940, b"101" + b" " * 91]
)
def test_degenerate_files_are_refused(content: bytes) -> None:
    assert not read(content).is_valid


def test_a_file_that_is_wrong_everywhere_names_a_bounded_number_of_problems() -> None:
    rows = np.tile(np.frombuffer(b"6" * RECORD_LENGTH + b"\n", np.uint8), 30_000)
    reading = read(rows.tobytes())
    assert len(reading.errors) <= 1_001
    assert read(b"1" * 94 + b"2" * 94 * 3_000).errors[-1].code is Code.TOO_MANY_PROBLEMS
