"""What goes out with a window is valid by the rules that submitted files are held to, whatever went in."""

from typing import Any

import msgspec
import pytest

from ropewalk.systems.payments.ach import samples
from ropewalk.systems.payments.ach.reading import read
from ropewalk.systems.payments.processing.limits import RETURN_FILE_ENTRIES
from ropewalk.systems.payments.processing.messages import (
    FileAccepted,
    GetFile,
    GetReturnFile,
    ListReturnFiles,
    NewAccount,
    OpenAccounts,
    OpenInstitution,
    OpenOriginator,
    SubmitFile,
)
from tests.payments.processing.town import HARBOR, MEADOW, Town, batch_of, file_of


def asked(town: Town, query: Any) -> Any:
    return msgspec.msgpack.decode(town.ask(query))


@pytest.fixture
def town() -> Town:
    """Every bank and company of the samples, and nobody else's account."""
    town = Town()
    for bank in samples.INSTITUTIONS:
        town.do(OpenInstitution(bank.routing_number, bank.name))
    for company in samples.ORIGINATORS:
        account = company.account
        town.do(OpenAccounts([NewAccount(account.routing_number, account.number, overdraft=True)]))
        town.do(OpenOriginator(account.routing_number, company.company_identification, company.name, account.number))
    return town


@pytest.mark.parametrize("name", sorted(set(samples.SAMPLES) - {"broken.ach"}))
def test_returns_of_every_sample_are_valid(town: Town, name: str) -> None:
    reply = town.do(SubmitFile(samples.SAMPLES[name]()))
    assert isinstance(reply, FileAccepted), reply
    town.at("2026-11-27 09:00")
    assert asked(town, GetFile(0))["states"]["returned"]["entries"] > 0
    for listed in asked(town, ListReturnFiles(0)):
        reading = read(asked(town, GetReturnFile(0, listed["routing"], listed["part"])))
        assert reading.is_valid, reading.errors
        assert reading.entries == listed["entries"]


def test_many_returns_go_out_in_parts_under_ten_thousand_lines(town: Town) -> None:
    batch = batch_of("PPD", company=samples.ROPE_WORKS.company_identification, odfi=HARBOR)
    count = RETURN_FILE_ENTRIES + 3
    for _ in range(count):
        batch.add(transaction_code=22, routing_number=MEADOW, account="9", amount_cents=1, individual_name="A")
    assert isinstance(town.do(SubmitFile(file_of(batch))), FileAccepted)
    town.at("2026-11-25 09:00")
    assert [each["entries"] for each in asked(town, ListReturnFiles(0))] == [RETURN_FILE_ENTRIES, 3]
    contents = [asked(town, GetReturnFile(0, HARBOR, part)) for part in range(2)]
    assert all(content.count(b"\n") <= 10_000 for content in contents)
    readings = [read(content) for content in contents]
    assert all(reading.is_valid for reading in readings)
    assert sum(reading.entries for reading in readings) == count
    traces = [int(trace) for reading in readings for trace in reading.file.entries["trace"]]  # type: ignore[union-attr] # both are valid
    assert len(set(traces)) == count
