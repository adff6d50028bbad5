"""What every command that asks a URL says if somebody else answers there: no traceback, and not that it is done."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from traceback import format_exception
from typing import ClassVar

import pytest
from click.testing import CliRunner

from ropewalk.cli.client import NO_SERVICE
from ropewalk.cli.main import main
from tests.cli.answering import serving
from tests.cli.walking import every_command

COMMANDS = """
ach entries 1
ach files
ach returns
ach returns --window 1
ach settle
ach submit examples/ach/payroll.ach
ach windows
cards issue 991000122 1 4000000000000002 --expires 9912
cards list 991000122
cards programme 991000122 400000
cards stand-ins
claims list jobs/
claims watch jobs/a --count 1
claims who jobs/a
config delete app/a
config get app/a
config list app/
config set app/a 1
config watch app/a --count 1
controls freeze 991000122 1 --who ann --why law
controls limit 991000122 1 --who ann --why law
controls list
controls reverse 1 --who ann --why law
controls show 991000122 1
controls unfreeze 991000122 1 --who ann --why law
counter add hits/a
counter get hits/a
counter list hits/
counter set hits/a 1
counter watch hits/a --count 1
election lead jobs/a -- true
election leader jobs/a
election watch jobs/a --count 1
instant decide 1 --who ann
instant payments
instant policy 991000122 1 --who ann
instant send examples/ach/payroll.ach
instant show 1
lease jobs/a
lease jobs/a --end 1
lease jobs/a --renew 1
ledger account 1
ledger accounts
ledger balances 1
ledger statement 991000122 1
ledger statement 991000122 1 --format camt053
ledger statement 991000122 1 --format csv
ledger transfer --debit 1 --credit 2 --amount 1
ledger transfers
ledger trial-balance
lock jobs/a -- true
saga answer 1 pay done
saga compensate 1
saga list
saga resolve 1 pay
saga retry 1
saga show 1
saga tasks
semaphore jobs/a --permits 1 -- true
webhooks add http://127.0.0.1:9
webhooks dead till
webhooks disable till
webhooks drop till --all
webhooks enable till
webhooks list
webhooks remove till
webhooks replay till --after 1
webhooks retry till --all
webhooks rotate till
webhooks waiting till
""".strip().splitlines()

ANSWERS = [
    b"{}",
    b"[]",
    b"1",
    b'"x"',
    b"[{}]",
    b'{"items":1,"next":null}',
    b'{"items":[{}],"next":null}',
    b'{"results":[]}',
    b"<!doctype html><title>Welcome</title>",
    b"",
]

NONE_LISTED = {
    "ach returns --window 1", "cards stand-ins", "claims list jobs/", "config list app/", "counter list hits/",
    "instant payments",
}  # fmt: skip
"""What is answered with a list: an empty one is one of ours, whoever answers it."""


class Stranger(BaseHTTPRequestHandler):
    """Who has an idea of its own of everything that it is asked."""

    content: ClassVar[bytes] = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html" if self.content.startswith(b"<") else "application/json")
        self.end_headers()
        self.wfile.write(self.content)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        while size := int(self.rfile.readline(), 16) if self.headers["Transfer-Encoding"] else 0:
            self.rfile.read(size + 2)
        self.do_GET()

    do_PUT = do_POST

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(Stranger) as url:
        yield url


def test_every_command_that_asks_a_url_is_here() -> None:
    asking = {words for words, command in every_command() if "--url" in {each.opts[0] for each in command.params}}
    assert {words for words in asking if not any(f"{each} ".startswith(f"{words} ") for each in COMMANDS)} == set()


@pytest.mark.parametrize("content", ANSWERS, ids=repr)
@pytest.mark.parametrize("words", COMMANDS)
def test_what_a_stranger_answers_is_told_as_one(words: str, content: bytes, url: str) -> None:
    Stranger.content = content
    command, *run = words.split(" -- ")
    done = CliRunner().invoke(main, [*command.split(), "--url", url, *(["--", *run] if run else [])])
    if words in NONE_LISTED and content == b"[]":
        assert done.exit_code == 0
        return
    assert isinstance(done.exception, SystemExit), "".join(format_exception(done.exception))
    assert done.exit_code == NO_SERVICE, done.output
    assert url in done.output
    assert "is --url right?" in done.output or "is it the URL?" in done.output
