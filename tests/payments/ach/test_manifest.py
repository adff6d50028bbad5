"""Files from the wild, each with the verdict and the totals that an independent checker found.

The data lies beside the repository, in `shared`; it is not part of it.
"""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from ropewalk.systems.payments.ach import Code, Reading, read, write
from tests.payments.shared import PAYMENTS as SHARED


def _cases(tree: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = {}
    for name, value in tree.items():
        if isinstance(value, dict) and "expect" in value:
            found[name] = value
        elif isinstance(value, dict):
            found |= _cases(value)
    return found


def _manifest() -> dict[str, dict[str, Any]]:
    cases = _cases(json.loads((SHARED / "MANIFEST.json").read_text()))
    return {name: case for name, case in cases.items() if name.startswith("ach/")}


MANIFEST = _manifest()
ACCEPTED = sorted(name for name, case in MANIFEST.items() if case["expect"].startswith("accept"))
REFUSED = sorted(name for name, case in MANIFEST.items() if case["expect"].startswith("refuse"))

NAMED = {
    "20110805A.ach": (93, "file_control", Code.BATCH_COUNT),
    "2lCompanyNameAllZeros.txt": (2, "batch_header", Code.MANDATORY),
    "2mCompanyEntryDescAllZeros.txt": (2, "batch_header", Code.MANDATORY),
    "3fTELIndvNameAllZeros.txt": (8, "entry_detail", Code.MANDATORY),
    "adv-invalidBatchEntries.ach": (3, "addenda", Code.ENTRY_MISSING),
    "iat-batchHeaderErr.ach": (4, "batch_header", Code.BATCH_CONTROL_MISSING),
    "iat-invalidAddenda10.ach": (4, "addenda_10", Code.VALUE),
    "iat-invalidAddenda12.ach": (6, "addenda_12", Code.CHARACTER),
    "iat-invalidAddenda14.ach": (8, "addenda_14", Code.CHARACTER),
    "iat-invalidAddenda16.ach": (10, "addenda_16", Code.CHARACTER),
    "iat-invalidAddenda18.ach": (12, "addenda_18", Code.CHARACTER),
    "iat-invalidAddenda98.ach": (11, "addenda_98", Code.CHANGE_CODE),
    "iat-invalidAddendaRecordIndicator.ach": (3, "iat_entry_detail", Code.ADDENDA_INDICATOR),
    "iat-invalidBatchHeader.ach": (2, "iat_batch_header", Code.SERVICE_CLASS),
    "pos-invalidEntryDetail.ach": (3, "entry_detail", Code.CHARACTER),
    # Its totals agree with its service class; what no rule allows is an immediate origin of "000TESTER".
    "ppd-mixedDebitCredit-invalid.ach": (1, "file_header", Code.ORIGIN),
    "return-PPD-custom-reason-code.ach": (4, "addenda_99", Code.RETURN_REASON),
    "return-no-batch-controls.ach": (4, "batch_header", Code.BATCH_CONTROL_MISSING),
    "return-no-file-header-control.ach": (1, "file_header", Code.FILE_HEADER_MISSING),
    # The line ends in blanks, and not in all of them: it was cut off, not stripped.
    "short-line.ach": (5, "record", Code.RECORD_LENGTH),
    "16545e7d7a82f9df": (1, "record", Code.RECORD_TYPE),
    "166bc29378824062": (1, "record", Code.RECORD_TYPE),
}
"""What each file is refused for: line, record and code."""

ODD = {
    # A trace number may end in seven zeros.
    "issue1595.ach": None,
    # "Prenote" in a description says nothing about the entries. The file counts two batches and has one.
    "issue1620.ach": (5, "file_control", Code.BATCH_COUNT),
    # A returned entry of one cent whose addenda carry another trace number: banks send such, and it balances.
    "issue1620_return.ach": None,
    # Routing numbers were masked before these were published; the first has no batch at all.
    "issue702-1.ach": (2, "file_control", Code.BATCHES_MISSING),
    "issue702.ach": (1, "file_header", Code.DIGITS),
    # Part of a file: it has neither header nor control.
    "issue751.ach": (1, "file_header", Code.FILE_HEADER_MISSING),
}
"""Files that an issue of moov-io/ach is about, and what we make of them."""


def _content(name: str) -> bytes:
    content = (SHARED / name).read_bytes()
    return gzip.decompress(content) if name.endswith(".gz") else content


def _places(reading: Reading) -> set[tuple[int, str, Code]]:
    return {(problem.line, problem.record, problem.code) for problem in reading.errors}


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_valid_file_is_accepted_with_its_totals(name: str) -> None:
    reading = read(_content(name))
    assert reading.errors == []
    assert reading.file is not None
    batches = reading.file.batch_columns
    totals = MANIFEST[name]["totals"]
    assert {
        "lines": len(reading.file.rows),
        "batches": reading.batches,
        "entries_and_addenda": int(batches["entry_addenda_count"].sum()),
        "entry_hash": int(batches["entry_hash"].sum()) % 10**10,
        "debit_cents": reading.debit_cents,
        "credit_cents": reading.credit_cents,
        "sec": sorted({batch.entry_class for batch in reading.file.batches}),
    } == totals


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_valid_file_is_written_as_the_same_bytes(name: str) -> None:
    content = _content(name)
    file = read(content).file
    assert file is not None
    assert write(file) == content


@pytest.mark.parametrize("name", REFUSED)
def test_an_invalid_file_is_refused_by_the_record_that_is_wrong(name: str) -> None:
    assert NAMED[Path(name).name] in _places(read(_content(name)))


@pytest.mark.parametrize("name", sorted(ODD))
def test_an_odd_file_gets_the_verdict_we_gave_its_issue(name: str) -> None:
    reading = read(_content(f"ach/odd/{name}"))
    expected = ODD[name]
    if expected is None:
        assert reading.is_valid
    else:
        assert expected in _places(reading)


def test_stripped_blanks_are_a_warning() -> None:
    reading = read(_content("ach/lenient/cie-credit.ach"))
    assert [(warning.line, warning.code) for warning in reading.warnings] == [(6, Code.RECORD_STRIPPED)]


def test_every_file_beside_the_repository_has_a_verdict() -> None:
    files = {f"ach/{path.relative_to(SHARED / 'ach')}" for path in (SHARED / "ach").rglob("*") if path.is_file()}
    assert {name for name in files if not name.endswith(".json")} == set(MANIFEST)
    assert {Path(name).name for name in REFUSED} == set(NAMED)
