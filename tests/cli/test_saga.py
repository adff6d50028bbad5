"""`ropewalk saga` against a real server: what an operator sees, does, and is refused."""

import getpass
import json
from collections.abc import Iterator

import httpx
import pytest

from tests.cli.running import ropewalk, running

TRIP = {"id": "t1", "flight": "F1", "hotel": ""}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running("serve", "tests.cli.travelling:SERVICE") as server:
        yield server.url


def say(url: str, *words: str) -> str:
    done = ropewalk("saga", *words, "--url", url)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_operator_finds_a_stuck_saga_and_sees_to_it(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with httpx.Client(base_url=url) as client:
        client.post("/commands/Stock", json={"house": "F1", "free": 1}).raise_for_status()
        client.post("/sagas", json={"id": "t1", "saga": "trip", "input": TRIP}).raise_for_status()
        while client.get("/sagas/t1").json()["summary"]["state"] != "completed":
            pass
        assert "completed" in say(url, "list")
        client.post("/commands/Close", json={"house": "F1"}).raise_for_status()
        assert "compensating" in say(url, "compensate", "t1", "--why", "the customer called")
        while client.get("/sagas/t1").json()["summary"]["state"] != "stuck":
            pass
    assert "flight is not undone: closed" in say(url, "list", "--state", "stuck")
    assert "compensating" in say(url, "retry", "t1", "--who", "ada")
    shown = say(url, "show", "t1")
    assert all(word in shown for word in ("undo_sent", "the customer called", getpass.getuser(), "ada", "failed"))
    monkeypatch.setenv("ROPEWALK_WHO", "eve")
    resolved = json.loads(say(url, "resolve", "t1", "flight", "--why", "refunded by phone", "--json"))
    assert resolved["state"] == "compensated"
    history = json.loads(say(url, "show", "t1", "--json"))["history"]
    assert history[-1]["what"] == "compensated"
    assert "eve" in {each["who"] for each in history}
    assert say(url, "list", "--state", "stuck").strip() == "none"


def test_tasks_are_listed_and_answered_by_hand(url: str) -> None:
    with httpx.Client(base_url=url) as client:
        for id_ in ("p1", "p2"):
            given = {"id": id_, "saga": "paid_trip", "input": {"id": id_, "flight": "F9", "hotel": ""}}
            client.post("/sagas", json=given).raise_for_status()
    assert [line.split() for line in say(url, "tasks", "--kind", "charge").splitlines()] == [
        ["saga", "step", "kind", "data", "tries"],
        ["p1", "card", "charge", "p1", "1"],
        ["p2", "card", "charge", "p2", "1"],
    ]
    assert json.loads(say(url, "tasks", "--limit", "1", "--json"))["key"] == "p1/card/1"
    assert json.loads(say(url, "answer", "p1", "card", "charged", "--json"))["id"] == "p1"
    say(url, "answer", "p2", "card", '{"charged": false}', "--tries", "1", "--who", "ada")
    answered = json.loads(say(url, "show", "p2", "--json"))["history"][-1]
    assert (answered["what"], answered["who"]) == ("do_answered", "ada")
    late = ropewalk("saga", "answer", "p1", "card", "charged", "--tries", "9", "--url", url)
    assert (late.returncode, "nobody outside is asked" in late.stderr) == (1, True)


def test_an_id_may_have_signs_that_mean_something_in_a_url(url: str) -> None:
    with httpx.Client(base_url=url) as client:
        given = {"id": "p#1?%41", "saga": "paid_trip", "input": {"id": "p", "flight": "F9", "hotel": ""}}
        client.post("/sagas", json=given).raise_for_status()
    assert json.loads(say(url, "answer", "p#1?%41", "card", "no", "--json"))["id"] == "p#1?%41"
    assert "p#1?%41" in say(url, "show", "p#1?%41")


def test_what_can_not_be_done_is_said(url: str) -> None:
    refused = ropewalk("saga", "retry", "t9", "--url", url)
    assert (refused.returncode, refused.stderr.strip()) == (1, "Error: no saga of this id is remembered")
