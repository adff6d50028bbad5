"""What a command says of an answer that is none: whether it was refused, may be tried again, or was never asked."""

import gzip
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from click.testing import CliRunner

from ropewalk.cli import client as asking
from ropewalk.cli import terminal
from ropewalk.cli.main import main
from ropewalk.systems.payments.ach import samples
from tests.cli.answering import serving


@contextmanager
def answering(status: int, problem: Mapping[str, Any], *, told: list[bytes] | None = None) -> Iterator[str]:
    """A server that answers whatever it is asked in one way; `told` gets what it was sent."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(problem).encode())

        def do_POST(self) -> None:
            content = b""
            while size := int(self.rfile.readline(), 16) if self.headers["transfer-encoding"] else 0:
                content += self.rfile.read(size)
                self.rfile.readline()
            if told is not None:
                told.append(content)
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with serving(Handler) as url:
        yield url


@contextmanager
def silent() -> Iterator[str]:
    """A server that takes requests and answers none until the block ends."""
    over = Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            over.wait()

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with serving(Handler) as url:
        try:
            yield url
        finally:
            over.set()


def problem(name: str, detail: str) -> Mapping[str, Any]:
    return {"type": f"urn:ropewalk:problem:{name}", "detail": detail, "retry_after_s": 0}


HINT = "`ropewalk ach validate FILE` shows each error"


@pytest.mark.parametrize(
    ("status", "answer", "verdict", "code"),
    [
        (422, problem("file_invalid", "the file has 1 error"), "refused", 1),
        (404, problem("unknown_originator", "nobody sends for it"), "refused", 1),
        (409, problem("other_bytes", "the name is taken"), "refused", 1),
        (503, problem("not_accepted", "the disk is full"), "not_accepted", 75),
        (504, problem("outcome_unknown", "it may be written"), "unknown", 75),
        (500, problem("stopped", "the partition has stopped"), "unknown", 75),
        (502, {}, "unknown", 75),
        (501, {}, "no_service", 69),
        (404, problem("not_found", "there is nothing at /files"), "no_service", 69),
    ],
)
def test_a_file_is_refused_only_if_it_is_for_good(
    status: int, answer: Mapping[str, Any], verdict: str, code: int, tmp_path: Path
) -> None:
    file = tmp_path / "a.ach"
    file.write_bytes(samples.utility())
    with answering(status, answer) as url:
        words = ["ach", "submit", str(file), "--url", url]
        done = CliRunner().invoke(main, [*words, "--json"])
        shown = CliRunner().invoke(main, words)
    row = json.loads(done.stdout)
    assert (row["verdict"], done.exit_code, shown.exit_code) == (verdict, code, code)
    assert str(answer.get("detail", "")) in row["detail"]
    assert row["detail"] in shown.stdout
    assert (HINT in shown.stderr) == (row.get("problem") == "file_invalid") == (status == 422)


def test_a_file_that_no_service_took_is_told_so(tmp_path: Path) -> None:
    file = tmp_path / "a.ach"
    file.write_bytes(samples.utility())
    done = CliRunner().invoke(main, ["ach", "submit", str(file), "--url", "http://127.0.0.1:9", "--json"])
    row = json.loads(done.stdout)
    assert (row["verdict"], done.exit_code) == ("no_service", 69)
    assert "start one with `ropewalk up payments`" in row["detail"]


@pytest.mark.parametrize("status", [200, 404])
@pytest.mark.parametrize("content", [b'{"detail":"\xff"}', b'{"detail":' + b"[" * 5_000])
def test_an_answer_that_no_service_of_ours_gives_is_told_as_one(status: int, content: bytes) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with serving(Handler) as url:
        done = CliRunner().invoke(main, ["ledger", "accounts", "--url", url])
    assert done.exit_code == 69
    assert f"answered {status}, and not as Ropewalk does" in done.output


@pytest.mark.parametrize(
    ("status", "answer", "code"),
    [
        (404, {"detail": "Not Found"}, 69),
        (503, {"type": "about:blank", "detail": "busy", "retry_after_s": "soon"}, 75),
    ],
)
def test_an_error_that_no_service_of_ours_gives_is_told_with_its_url(
    status: int, answer: Mapping[str, Any], code: int
) -> None:
    with answering(status, answer) as url:
        done = CliRunner().invoke(main, ["ledger", "accounts", "--url", url])
    assert done.exit_code == code
    assert f"{url}/ledger/accounts?limit=20 answered {status}, and not as Ropewalk does" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        "ach entries 1", "ach files", "ach windows", "cards list 021000021", "cards stand-ins", "controls list",
        "instant payments", "ledger accounts", "ledger transfers", "saga list",
    ],
)  # fmt: skip
def test_what_asks_for_no_row_is_a_wrong_use_and_not_told_that_there_is_none(words: str) -> None:
    done = CliRunner().invoke(main, [*words.split(), "--limit", "0", "--url", "http://127.0.0.1:9"])
    assert done.exit_code == 2
    assert "0 is not in the range x>=1" in done.output


def test_what_is_packed_is_sent_as_it_was_before(tmp_path: Path) -> None:
    packed, damaged = tmp_path / "a.ach.gz", tmp_path / "b.ach.gz"
    packed.write_bytes(gzip.compress(samples.payroll()))
    damaged.write_bytes(packed.read_bytes()[:-20])
    told: list[bytes] = []
    with answering(200, {"file": 0}, told=told) as url:
        done = CliRunner().invoke(main, ["ach", "submit", str(packed), str(damaged), "--url", url, "--json"])
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert ([row["verdict"] for row in rows], done.exit_code) == (["accepted", "unreadable"], 2)
    assert told == [samples.payroll()]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["ledger", "accounts"], "did not answer within 0.1 s: try again"),
        (["ach", "settle"], "did not answer within 0.1 s: it may have happened, so look before you do it again"),
        (["ach", "submit", "examples/ach/payroll.ach"], "it may have happened, and doing it again is harmless"),
    ],
)
def test_a_service_that_is_silent_is_not_taken_for_none(
    words: list[str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "ANSWER_S", 0.1)
    monkeypatch.setattr(asking, "UPLOAD_S", 0.1)
    monkeypatch.setattr(asking, "_LATE_S", 0.1)
    with silent() as url:
        done = CliRunner().invoke(main, [*words, "--url", url])
    assert done.exit_code == 75
    assert told in done.output
    assert "no service" not in done.output


def test_a_terminal_says_that_something_is_waited_for_once_it_takes_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal.error_console.cache_clear()
    monkeypatch.setattr(terminal.sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    console = terminal.error_console()
    with console.capture() as quick, terminal.waiting("waiting for ten"):
        pass
    monkeypatch.setattr(terminal, "_PATIENCE_S", 0.0)
    with console.capture() as slow, terminal.waiting("waiting for ten"):
        pass
    terminal.error_console.cache_clear()
    assert ("waiting for ten" in quick.get(), "waiting for ten" in slow.get()) == (False, True)
