"""The samples are the files of `examples/ach`, and their entries find the accounts that they name."""

from pathlib import Path

import pytest

from ropewalk.systems.payments.ach import File, read, write
from ropewalk.systems.payments.ach.columns import check_digit
from ropewalk.systems.payments.ach.samples import (
    ACCOUNTS,
    INSTITUTIONS,
    OPERATOR,
    ORIGINATORS,
    SAMPLES,
    bulk,
    bulk_accounts,
)

EXAMPLES = Path(__file__).parents[3] / "examples" / "ach"
OPENED = {(account.routing_number[:8], account.number) for account in ACCOUNTS}


@pytest.mark.parametrize("name", SAMPLES)
def test_the_file_in_examples_is_what_the_sample_makes(name: str) -> None:
    assert (EXAMPLES / name).read_bytes() == SAMPLES[name](), "run: python examples/ach/write.py"


def test_there_is_no_other_file_in_examples() -> None:
    assert {path.name for path in EXAMPLES.glob("*.ach")} == set(SAMPLES)


@pytest.mark.parametrize("name", sorted(set(SAMPLES) - {"broken.ach"}))
def test_a_sample_is_valid_without_a_warning(name: str) -> None:
    reading = read(SAMPLES[name]())
    assert (reading.errors, reading.warnings) == ([], [])


def test_the_broken_sample_is_wrong_in_three_places() -> None:
    reading = read(SAMPLES["broken.ach"]())
    assert [problem.line for problem in reading.errors] == [5, 8, 24]


def test_routing_numbers_are_not_in_use_and_have_their_check_digits() -> None:
    for institution in (*INSTITUTIONS, OPERATOR):
        assert institution.routing_number.startswith("99")
        assert check_digit(institution.routing_number) == int(institution.routing_number[8])


def _unknown(file: File) -> list[str]:
    return [
        row["account"].decode()
        for row in file.entries
        if (f"{row['rdfi']:08}", row["account"].decode()) not in OPENED
    ]


def test_every_account_but_one_is_opened() -> None:
    unknown = []
    for name in sorted(set(SAMPLES) - {"broken.ach"}):
        file = read(SAMPLES[name]()).file
        assert file is not None
        unknown += _unknown(file)
    assert unknown == ["20000999"]
    assert len(OPENED) == len(ACCOUNTS)


def test_every_batch_is_of_an_originator_at_the_bank_it_names() -> None:
    banks = {originator.company_identification: originator.account.routing_number[:8] for originator in ORIGINATORS}
    for sample in SAMPLES.values():
        file = read(sample()).file
        assert file is not None
        for batch in file.batches:
            assert f"{batch.columns['odfi']:08}" == banks[batch.columns["company_id"].decode()]


def test_a_bulk_file_pays_its_accounts_in_turn() -> None:
    reading = read(write(bulk(25_001, accounts=100)))
    assert reading.errors == []
    assert reading.file is not None
    assert (reading.batches, reading.entries) == (3, 25_001)
    paid = {(f"{row['rdfi']:08}", row["account"].decode(), row["name"].decode()) for row in reading.file.entries}
    assert paid == {(each.routing_number[:8], each.number, each.name) for each in bulk_accounts(100)}
