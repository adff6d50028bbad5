"""Merging and splitting keep every record and every cent, stay valid, and stay under the limit."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ropewalk.systems.payments.ach import File, merge, read, split, write
from ropewalk.systems.payments.ach.limits import LINES_MAX
from ropewalk.systems.payments.ach.samples import bulk
from tests.payments.ach.files import BASES

MERGED = sorted(set(BASES) - {"broken.ach", "ADV"})


def _file(name: str) -> File:
    file = read(BASES[name]()).file
    assert file is not None
    return file


def _payload(files: list[File]) -> list[bytes]:
    """The entries and addenda of files, in order."""
    return [row.tobytes() for file in files for row in file.rows if row[0] in (ord("6"), ord("7"))]


def _check(before: list[File], after: list[File], *, lines_max: int) -> None:
    readings = [read(write(file)) for file in after]
    assert [reading.errors for reading in readings] == [[]] * len(after)
    assert all(len(file.rows) <= lines_max for file in after)
    assert sum(reading.debit_cents for reading in readings) == sum(read(write(file)).debit_cents for file in before)
    assert sum(reading.credit_cents for reading in readings) == sum(read(write(file)).credit_cents for file in before)
    headers = [file.data(1)[3:34] for file in after]
    assert len(set(headers)) == len(headers)


@settings(max_examples=12, deadline=None)
@given(st.lists(st.sampled_from(MERGED), min_size=1, max_size=8), st.sampled_from([40, 60, 10_000]))
def test_merged_files_hold_the_same_records_and_cents(names: list[str], lines_max: int) -> None:
    files = [_file(name) for name in names]
    merged = merge(files, lines_max=lines_max)
    _check(files, merged, lines_max=lines_max)
    assert sorted(_payload(merged)) == sorted(_payload(files))


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 400), st.sampled_from([10, 30, 100]))
def test_a_file_is_split_at_any_length(entries: int, lines_max: int) -> None:
    file = bulk(entries, accounts=7)
    parts = split(file, lines_max=lines_max)
    _check([file], parts, lines_max=lines_max)
    assert _payload(parts) == _payload([file])


def test_a_large_file_is_split_into_files_that_operators_take() -> None:
    file = bulk(25_000)
    parts = split(file)
    _check([file], parts, lines_max=LINES_MAX)
    assert len(parts) == 3
    assert sum(len(part.entries) for part in parts) == 25_000


def test_a_small_file_is_not_split() -> None:
    file = _file("PPD")
    assert split(file) == [file]


def test_files_of_different_senders_stay_apart() -> None:
    merged = merge([_file("payroll.ach"), _file("utility.ach"), _file("payroll.ach")])
    assert sorted(len(file.batches) for file in merged) == [2, 2]


def test_an_entry_stays_with_its_addenda() -> None:
    for part in split(_file("corporate.ach"), lines_max=20):
        first = np.flatnonzero(part.rows[:, 0] == ord("5")) + 1
        assert {chr(kind) for kind in part.rows[first, 0]} == {"6"}


def test_advices_are_merged_with_advices() -> None:
    merged = merge([_file("ADV"), _file("PPD"), _file("ADV")])
    assert [read(write(file)).errors for file in merged] == [[], []]
    assert [file.is_adv for file in merged] == [True, False]
