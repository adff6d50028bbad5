"""Instant payments and statements from the command line, at a service that was brought up with schemas."""

import csv
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest

from ropewalk.systems.payments.iso20022 import samples
from ropewalk.systems.payments.iso20022.parsing import name_of, parse
from ropewalk.systems.payments.iso20022.reading import read
from ropewalk.systems.payments.iso20022.schemas import NEEDED
from tests.cli.running import Running, asked, ropewalk, running
from tests.payments.iso20022.test_schemas import LENIENT, put
from tests.payments.rest.town import open_everything_at

EXAMPLES = Path(__file__).parents[2] / "examples" / "instant"
BARBARA = ("992000231", "20000001")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("schemas")
    for namespace in NEEDED:
        element = "AppHdr" if "head." in namespace else "Document"
        put(folder, namespace, LENIENT.format(namespace=namespace, element=element, inside=""))
    with running("up", "payments", "--engine", "memory:", "--schemas", str(folder)) as service:
        open_everything_at(service.url)
        yield service
        assert service.stop() == 0


def shown(service: Running, *words: str, code: int = 0) -> str:
    done = ropewalk(*words, "--url", service.url)
    assert done.returncode == code, done.stderr + done.stdout
    return done.stdout


def test_messages_are_sent_decided_about_and_shown(service: Running, tmp_path: Path) -> None:
    names = ["pacs.008.xml", "pacs.028.xml", "pacs.004.xml", "camt.056.xml"]
    sent = asked(service, "instant", "send", *(str(EXAMPLES / name) for name in names), "--output", str(tmp_path))
    assert [(each["answer"], each["status"]) for each in sent] == [
        ("pacs.002.001.10", "ACCC"),
        ("pacs.002.001.10", "ACCC"),
        ("pacs.002.001.10", "ACSC"),
        ("camt.029.001.09", "PDCR"),
    ]
    assert read(Path(sent[0]["saved"]).read_bytes()).header is not None
    words = ("instant", "decide", samples.UETR, "--recall", "--who", "GRACE", "--why", "paid twice")
    assert asked(service, *words)[0]["status"] == "IPAY"
    assert "the recall is decided: it is accepted" in ropewalk(*words, "--url", service.url).stderr
    [payment] = asked(service, "instant", "show", samples.UETR)
    assert (payment["returned_cents"], payment["recall"]["outcome"]) == (51_74, "accepted")
    assert [each["uetr"] for each in asked(service, "instant", "payments", "--status", "ACCC")] == [samples.UETR]
    table = shown(service, "instant", "show", samples.UETR)
    assert "51.74" in table
    assert "recall accepted" in table
    assert "paid twice" in table


def test_a_rejection_and_faults_are_told_and_are_the_exit_code(service: Running, tmp_path: Path) -> None:
    nobody, broken = str(EXAMPLES / "pacs.008-to-nobody.xml"), str(EXAMPLES / "broken.xml")
    [rejected] = asked(service, "instant", "send", nobody, code=1)
    assert (rejected["status"], rejected["reasons"]) == ("RJCT", "AC03 (invalid creditor account number)")
    [refused] = asked(service, "instant", "send", broken, code=2)
    assert [fault["line"] for fault in refused["faults"]] == [44, 54, 29]
    [unreadable] = asked(service, "instant", "send", str(tmp_path / "absent.xml"), code=2)
    assert unreadable["status"] == "unreadable"
    table = shown(service, "instant", "send", broken, code=2)
    assert "uuidgen --random" in table
    assert asked(service, "instant", "payments", "--limit", "1")[0]["reason"] == "AC03"


def test_a_policy_lets_payments_wait(service: Running, tmp_path: Path) -> None:
    told = shown(service, "instant", "policy", *BARBARA, "--arrivals", "ask", "--who", "OPS")
    assert told == "arrivals: ask, recalls: ask\n"
    assert asked(service, "instant", "policy", *BARBARA, "--arrivals", "ask", "--who", "OPS")[0]["repeated"]
    waiting = tmp_path / "waiting.xml"
    uetr = samples.UETR.replace("2a01", "2a07")
    waiting.write_bytes(samples.credit_transfer().replace(samples.UETR.encode(), uetr.encode()))
    assert asked(service, "instant", "send", str(waiting))[0]["status"] == "PDNG"
    words = ("instant", "decide", uetr, "--reject", "BE04", "--who", "GRACE")
    assert asked(service, *words)[0]["reasons"] == "BE04 (missing creditor address)"
    asked(service, "instant", "policy", *BARBARA, "--who", "OPS")


def test_a_statement_is_printed_as_camt_053_and_as_csv(service: Running) -> None:
    camt = shown(service, "ledger", "statement", *BARBARA, "--format", "camt053")
    assert name_of(parse(camt.encode())[0]) == "BkToCstmrStmt"
    rows = list(csv.DictReader(StringIO(shown(service, "ledger", "statement", *BARBARA, "--format", "csv"))))
    assert rows[0]["balance"] == "5000.00"
    none = shown(service, "ledger", "statement", *BARBARA, "--format", "csv", "--from", "2100-01-01")
    assert len(none.splitlines()) == 1


def test_a_folder_that_lacks_a_schema_is_told_before_anything_is_served(tmp_path: Path) -> None:
    done = ropewalk("up", "payments", "--engine", "memory:", "--schemas", str(tmp_path))
    assert done.returncode == 1
    assert f"{tmp_path} has no schema of head.001.001.02, pacs.008.001.08" in done.stderr
