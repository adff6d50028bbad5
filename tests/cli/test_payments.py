"""Payments from the command line: brought up, opened over HTTP, and then asked by command."""

import re
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest

from ropewalk.systems.payments.ach import read, samples
from tests.cli.running import Running, asked, ropewalk, running
from tests.payments.rest.town import open_everything_at


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One service for all of these tests: each opens what it needs, or leaves it as it was."""
    folder = tmp_path_factory.mktemp("books")
    with running("up", "payments", "--engine", f"sqlite:{folder}") as service:
        open_everything_at(service.url)
        yield service
        assert service.stop() == 0


def test_files_are_submitted_settled_and_their_returns_saved(service: Running, tmp_path: Path) -> None:
    good, bad, absent = tmp_path / "good.ach", tmp_path / "bad.ach", tmp_path / "absent.ach"
    good.write_bytes(samples.utility())
    bad.write_bytes(samples.broken())
    submitted = asked(service, "ach", "submit", str(good), str(bad), str(absent), code=2)
    assert [each["verdict"] for each in submitted] == ["accepted", "refused", "unreadable"]
    assert submitted[1]["errors"][0]["line"] > 0
    again = asked(service, "ach", "submit", str(good))
    assert again[0]["file"] == submitted[0]["file"]
    [window] = asked(service, "ach", "settle")
    assert window["posted"]
    assert window["returned"]
    assert sum(each["net_cents"] for each in window["positions"]) == 0
    over = ropewalk("ach", "settle", "--url", service.url)
    assert (over.returncode, over.stderr) == (1, "Error: nothing is due: no entry waits for a window\n")
    check_lists(service, file=submitted[0]["file"], window=window)
    files = asked(service, "ach", "returns", "--output", str(tmp_path / "returns"))
    assert files
    for each in files:
        assert read(Path(each["saved"]).read_bytes()).is_valid
    book = asked(service, "ledger", "trial-balance")[0]
    assert book["debit_cents"] == book["credit_cents"]


def check_lists(service: Running, *, file: int, window: Mapping[str, Any]) -> None:
    """What was submitted and settled is listed: all of it, or what is behind a number."""
    [listed] = asked(service, "ach", "files")
    assert (listed["file"], listed["states"]["posted"]["entries"]) == (file, window["posted"])
    assert asked(service, "ach", "files", "--after", str(file)) == []
    entries = asked(service, "ach", "entries", str(file), "--limit", "1000")
    assert len(entries) == listed["entries"]
    assert asked(service, "ach", "entries", str(file), "--after", "2", "--limit", "2") == entries[3:5]
    returned = asked(service, "ach", "entries", str(file), "--state", "returned")
    assert len(returned) == window["returned"]
    assert asked(service, "ach", "windows") == [window]
    for words, told in (
        (("files",), f"{window['posted']} posted, {window['returned']} returned"),
        (("entries", str(file), "--state", "returned"), returned[0]["reason"]),
        (("windows",), window["settled"]),
    ):
        assert told in ropewalk("ach", *words, "--url", service.url).stdout


def test_accounts_and_transfers_are_made_and_listed(service: Running) -> None:
    for number in ("501", "502"):
        opened = asked(service, "ledger", "account", number, "--ledger", "7", "--flag", "history")
        assert opened[0]["status"] == "created"
    words = ("ledger", "transfer", "--debit", "501", "--credit", "502", "--amount", "25", "--ledger", "7")
    moved = asked(service, *words, "--id", "9001")
    assert moved[0]["status"] == "created"
    assert asked(service, *words, "--id", "9001")[0]["status"] == "exists"
    other = ("ledger", "transfer", "--debit", "501", "--credit", "502", "--amount", "26", "--ledger", "7")
    assert asked(service, *other, "--id", "9001", code=1)[0]["status"] == "exists_with_different_amount"
    listed = asked(service, "ledger", "accounts", "--ledger", "7")
    assert [(each["id"], each["debits_posted"], each["credits_posted"]) for each in listed] == [
        ("501", "25", "0"),
        ("502", "0", "25"),
    ]
    assert [each["id"] for each in asked(service, "ledger", "transfers", "502")] == ["9001"]
    assert re.search(r" \d{4}-\d\d-\d\dT", ropewalk("ledger", "transfers", "502", "--url", service.url).stdout)
    assert asked(service, "ledger", "balances", "502", "--newest")[0]["credits_posted"] == "25"


def test_a_statement_is_shown_as_a_table_and_as_json(service: Running) -> None:
    employer = samples.SHOP.account
    words = ("ledger", "statement", employer.routing_number, employer.number)
    [statement] = asked(service, *words)
    assert statement["account"]["balance_cents"] == employer.opening_cents
    shown = ropewalk(*words, "--url", service.url)
    assert "50,000,000.00" in shown.stdout
    *_, last = shown.stdout.splitlines()
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ", last)
    assert str(statement["lines"][-1]["timestamp"]) not in shown.stdout
    assert " -1" not in shown.stdout


class Stranger(BaseHTTPRequestHandler):
    """Answers whatever is asked, and is no service of ours."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<h1>hello</h1>")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_stranger_at_the_url_is_not_taken_for_payments() -> None:
    with HTTPServer(("127.0.0.1", 0), Stranger) as stranger:
        thread = Thread(target=stranger.serve_forever)
        thread.start()
        done = ropewalk("ledger", "trial-balance", "--url", f"http://127.0.0.1:{stranger.server_port}")
        stranger.shutdown()
        thread.join()
    assert done.returncode == 69
    assert "not as Ropewalk does: is --url right?" in done.stderr


def test_a_refusal_is_told_in_the_words_of_the_service(service: Running) -> None:
    done = ropewalk("ledger", "balances", "one", "--url", service.url)
    assert done.returncode == 1
    assert "id is 'one'" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_a_program_reads_is_in_one_piece_however_many_columns_it_has(service: Running) -> None:
    number = str(2**127 + 1)
    assert asked(service, "ledger", "account", number, "--ledger", "8")[0]["status"] == "created"
    lines = ropewalk("ledger", "accounts", "--ledger", "8", "--url", service.url).stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["id", number]


@pytest.mark.parametrize(
    ("words", "start"),
    [
        (["ledger", "accounts"], "`ropewalk up payments`"),
        (["ach", "settle"], "`ropewalk up payments`"),
        (["ach", "returns"], "`ropewalk up payments`"),
        (["saga", "list"], "`ropewalk up` or `ropewalk serve`"),
        (["webhooks", "list"], "`ropewalk up` or `ropewalk serve`"),
    ],
)
def test_a_service_that_is_not_there_is_named_with_what_to_do(words: list[str], start: str) -> None:
    done = ropewalk(*words, "--url", "http://127.0.0.1:9")
    assert done.returncode == 69
    assert "no service answers at http://127.0.0.1:9" in done.stderr
    assert f"start one with {start}, or give" in done.stderr


@pytest.mark.parametrize("url", ["nonsense", "localhost:8080", "", "http://", "https:///accounts"])
def test_what_is_no_url_is_told_so(url: str) -> None:
    done = ropewalk("ledger", "accounts", "--url", url)
    assert done.returncode == 2
    assert "give a URL that begins with http:// or https://" in done.stderr


def test_a_service_of_another_kind_is_not_taken_for_payments() -> None:
    with running("serve", "tests.cli.served:SERVICE") as other:
        done = ropewalk("ledger", "accounts", "--url", other.url)
        cards = ropewalk("cards", "stand-ins", "--url", other.url)
    assert done.returncode == 69
    assert "there is nothing at /ledger/accounts" in done.stderr
    for each in (done, cards):
        assert f"another service answers at {other.url}: is --url right?" in each.stderr


def test_payments_comes_up_in_several_shards_and_stays_so(tmp_path: Path) -> None:
    engine = f"sqlite:{tmp_path}"
    with running("up", "payments", "--engine", engine, "--shards", "3") as service:
        health = httpx.get(f"{service.url}/health").json()
        assert len(health["partitions"]) == 3
        assert service.stop() == 0
    refused = ropewalk("up", "payments", "--engine", engine, "--shards", "2", "--port", "0")
    assert refused.returncode == 1
    assert "created with 3 partitions" in refused.stderr
