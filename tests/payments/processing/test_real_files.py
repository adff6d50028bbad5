"""Every valid file of the shared collection is processed to its end: each kind of entry, each class."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from ropewalk.systems.payments.ach.columns import check_digit
from ropewalk.systems.payments.ach.model import Category
from ropewalk.systems.payments.ach.reading import read
from ropewalk.systems.payments.processing.messages import (
    FileAccepted,
    FileRefused,
    GetFile,
    GetReturnFile,
    ListReturnFiles,
    NewAccount,
    OpenAccounts,
    OpenInstitution,
    OpenOriginator,
    SubmitFile,
)
from tests.payments.processing.town import Town
from tests.payments.shared import PAYMENTS

FOLDER = PAYMENTS / "ach/valid"
FILES = sorted(FOLDER.glob("*.ach"))


def asked(town: Town, query: Any) -> Any:
    return msgspec.msgpack.decode(town.ask(query))


def test_the_collection_is_there() -> None:
    assert len(FILES) >= 25, f"{FOLDER} holds {len(FILES)} files: bring the shared data beside the repository"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_is_processed_to_its_end(path: Path) -> None:
    town = Town()
    content = path.read_bytes()
    _open_parties(town, content)
    reply = town.do(SubmitFile(content))
    if isinstance(reply, FileRefused):
        assert reply.reason == "advices", reply
        return
    assert isinstance(reply, FileAccepted), reply
    town.at("2026-11-26 09:00")
    states = asked(town, GetFile(0))["states"]
    assert states["accepted"]["entries"] == states["pending"]["entries"] == 0
    assert sum(state["entries"] for state in states.values()) == reply.entries
    for window in range(town.machine.processing.state.windows.closed):
        for listed in asked(town, ListReturnFiles(window)):
            written = read(asked(town, GetReturnFile(window, listed["routing"], listed["part"])))
            assert written.is_valid, written.errors


def _open_parties(town: Town, content: bytes) -> None:
    """Who sends the batches: receivers' banks and accounts are left unknown, so everything forward comes back."""
    file = read(content).file
    assert file is not None
    for batch in file.batches:
        eight = f"{batch.columns['odfi']:08}"
        bank = eight + str(check_digit(eight))
        town.do(OpenInstitution(bank, bank))
        town.do(OpenAccounts([NewAccount(bank, "1", overdraft=True)]))
        if batch.entries["category"][0] == Category.FORWARD:
            company = batch.header["company_identification"].strip()
            town.do(OpenOriginator(bank, company, company, "1"))
