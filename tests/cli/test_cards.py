"""Cards from the command line: a service with a card port, cards issued over HTTP, messages sent and answered."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from ropewalk.systems.payments.cards.tokens import card_number
from tests.cli.running import Running, asked, ropewalk, running
from tests.payments.processing.town import HARBOR

NUMBER = card_number("400000123456789")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One service for all of these tests, with a bank that issues cards."""
    folder = tmp_path_factory.mktemp("books")
    key = str(folder / "card.key")
    words = ("up", "payments", "--engine", f"sqlite:{folder}", "--cards-port", "0", "--cards-key", key)
    with running(*words) as service:
        open_bank(service)
        yield service
        assert service.stop() == 0


def open_bank(service: Running) -> None:
    import httpx

    with httpx.Client(base_url=service.url) as client:
        opened = [
            client.post("/institutions", json={"routing": HARBOR, "name": "HARBOR"}),
            client.post("/accounts", json=[{"routing": HARBOR, "number": "7", "overdraft": True}]),
        ]
    assert [each.status_code for each in opened] == [200, 200]
    assert asked(service, "cards", "programme", HARBOR, "400000", "--stand-in", "50")[0]["repeated"] is False
    assert asked(service, "cards", "issue", HARBOR, "7", NUMBER, "--expires", "4912", "--limit", "100")


def sent(service: Running, *words: str, code: int = 0) -> Any:
    """What a command that sends a message prints as JSON."""
    done = ropewalk("cards", *words, "--address", service.started["beside"]["cards"], "--json")
    assert done.returncode == code, done.stderr + done.stdout
    assert NUMBER not in done.stdout
    return json.loads(done.stdout)


def test_money_is_held_spent_and_given_back(service: Running) -> None:
    hold = sent(service, "authorise", NUMBER, "60")
    assert (hold["t"], hold["39"]) == ("0110", "00")
    assert sent(service, "complete", hold["name"], NUMBER, "45.50")["39"] == "00"
    bought = sent(service, "authorise", NUMBER, "10", "--purchase")
    assert sent(service, "reverse", bought["name"], NUMBER, "10")["39"] == "00"
    refused = sent(service, "authorise", NUMBER, "100.01", code=1)
    assert (refused["39"], refused["44"]) == ("61", "over limit of card")
    [card] = asked(service, "cards", "list", HARBOR)
    assert (card["masked"], card["spent_minor"]) == ("400000******" + NUMBER[-4:], 60_00)
    assert asked(service, "cards", "stand-ins") == []


def test_limits_are_listed_in_dollars_as_they_are_given(service: Running) -> None:
    shown = ropewalk("cards", "list", HARBOR, "--url", service.url).stdout
    assert shown.splitlines()[1].split()[4:6] == ["100.00", "none"]


def test_an_answer_is_told_in_words(service: Running) -> None:
    done = ropewalk("cards", "authorise", NUMBER, "1", "--address", service.started["beside"]["cards"])
    assert done.returncode == 0
    assert "0110 00 approved" in done.stdout


def test_a_payment_that_was_never_asked_or_may_be_approved_does_not_end_as_one_that_is_refused() -> None:
    nobody = ropewalk("cards", "authorise", NUMBER, "1", "--address", "127.0.0.1:1")
    assert (nobody.returncode, "nobody answers card messages" in nobody.stderr) == (69, True)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            connection, _ = server.accept()
            connection.recv(1)
            connection.close()

        listener = Thread(target=hang_up)
        listener.start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        unknown = ropewalk("cards", "authorise", NUMBER, "1", "--address", address)
        listener.join()
    assert (unknown.returncode, "its name is 0100" in unknown.stderr) == (75, True)


def test_mistakes_are_told_with_what_to_do(service: Running, tmp_path: Path) -> None:
    for words, told in [
        (("authorise", NUMBER, "1.005"), "write dollars, like 12.50"),
        (("authorise", NUMBER, "1", "--address", "nowhere"), "write HOST:PORT"),
        (("authorise", NUMBER, "1", "--address", "127.0.0.1:1"), "nobody answers card messages"),
        (("authorise", NUMBER, "1", "--address", service.url.removeprefix("http://")), "is perhaps no card port"),
        (("authorise", "4" * 30, "1"), "field"),
        (("reverse", "badname", NUMBER, "1"), "'badname' is none: give the 42 digits"),
        (("complete", "badname", NUMBER, "1"), "'badname' is none: give the 42 digits"),
        (("issue", HARBOR, "7", NUMBER, "--expires", "1812"), "2018-12 is over"),
        (("issue", HARBOR, "7", NUMBER, "--expires", "4913"), "write YYMM"),
        (("authorise", NUMBER, "1", "--specification", "none.json"), "no specification at none.json"),
        (("issue", HARBOR, "7", "4000000000000000", "--expires", "4912", "--url", service.url), "check digit"),
        (("issue", HARBOR, "8", NUMBER, "--expires", "4912", "--url", service.url), "keeps no account '8'"),
    ]:
        done = ropewalk("cards", *words)
        assert done.returncode != 0
        assert told in done.stderr.replace("\n", " ")
    (tmp_path / "bad.key").write_text("short")
    up = ropewalk(
        "up", "payments", "--engine", "memory:", "--cards-port", "0", "--cards-key", str(tmp_path / "bad.key")
    )
    assert up.returncode != 0
    assert "holds no card key" in up.stderr


def test_payments_without_cards_is_told_from_another_service() -> None:
    with running("up", "payments", "--engine", "memory:") as service:
        for words in (("list", HARBOR), ("stand-ins",), ("programme", HARBOR, "400000")):
            done = ropewalk("cards", *words, "--url", service.url)
            told = f"payments answers at {service.url} without cards: start it with --cards-port"
            assert (done.returncode, told in done.stderr) == (69, True), done.stderr
