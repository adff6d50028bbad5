"""Accounts are limited and frozen, and transfers reversed, from the command line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.running import Running, ropewalk, running
from tests.payments.processing.town import HARBOR

WHY = ("--who", "ann", "--why", "a reason")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder: Path = tmp_path_factory.mktemp("books")
    with running("up", "payments", "--engine", f"sqlite:{folder}") as service:
        with httpx.Client(base_url=service.url) as client:
            client.post("/institutions", json={"routing": HARBOR, "name": "Harbor"}).raise_for_status()
            accounts = [{"routing": HARBOR, "number": each, "overdraft": True} for each in ("1", "2")]
            client.post("/accounts", json=accounts).raise_for_status()
        yield service
        assert service.stop() == 0


def said(service: Running, *words: str, code: int = 0) -> str:
    done = ropewalk("controls", *words, "--url", service.url)
    assert done.returncode == code, done.stderr + done.stdout
    return done.stdout + done.stderr


def paid(service: Running, number: int, cents: int) -> str:
    """What becomes of a transfer from account 1 to account 2."""
    with httpx.Client(base_url=service.url) as client:
        one, two = (client.get(f"/institutions/{HARBOR}/accounts/{each}").json()["ledger_id"] for each in ("1", "2"))
        row: dict[str, Any] = {"id": f"{number}", "debit_account_id": one, "credit_account_id": two}
        done = client.post("/ledger/transfers", json=[row | {"amount": f"{cents}", "ledger": 840, "code": 1}])
        return str(done.json()["results"][0]["status"])


def test_what_is_limited_frozen_and_reversed_is_listed_with_who_and_why(service: Running) -> None:
    assert said(service, "limit", HARBOR, "1", "--a-day", "10", *WHY) == "done, and listed as 0\n"
    assert paid(service, 1, 600) == "created"
    assert paid(service, 2, 600) == "exceeds_window_limit"
    assert said(service, "show", HARBOR, "1").splitlines() == [
        "frozen: none",
        "at once: no limit",
        "in 24 hours: 10.00, of which 6.00 is spent",
        "times in 24 hours: no limit, of which 1 have been",
    ]
    said(service, "freeze", HARBOR, "1", "--sides", "debits", *WHY)
    assert paid(service, 3, 1) == "debit_account_frozen"
    assert "the account is frozen: debits" in said(service, "freeze", HARBOR, "1", "--sides", "debits", *WHY, code=1)
    said(service, "unfreeze", HARBOR, "1", *WHY)
    reversal = said(service, "reverse", "1", "--amount", "100", "--reference", "CASE-7", *WHY)
    assert reversal.startswith("done, and listed as 3; transfer ")
    assert "CASE-7" in said(service, "reverse", "1", "--reference", "CASE-7", *WHY, code=1)
    listed = ropewalk("controls", "list", "--url", service.url, "--json").stdout.splitlines()
    assert [json.loads(row)["what"] for row in listed] == ["limits", "freeze", "unfreeze", "reverse"]
    assert {json.loads(row)["who"] for row in listed} == {"ann"}
    assert "a reason" in said(service, "list")
    assert "day_cents 10.00" in said(service, "list")
    assert "reverse" not in said(service, "list", "--routing", HARBOR, "--number", "1")


def test_nothing_is_done_without_who_and_why(service: Running) -> None:
    assert "Missing option '--who'" in said(service, "freeze", HARBOR, "1", code=2)
    assert json.loads(said(service, "show", HARBOR, "2", "--json"))["frozen"] == "none"
