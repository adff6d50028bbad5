"""Card authorisations over TCP: a service with a card port in a process of its own, and a client in another."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from benchmarks.cards_client import BIN
from benchmarks.measures import Measure, Result, Setting
from benchmarks.rows.disk import SMALL
from benchmarks.rows.postgresql import SINGLE as POSTGRESQL_SINGLE
from ropewalk.systems.payments.cards.tokens import card_number

_ROOT = Path(__file__).parents[2]
_CONNECTIONS = 64
_IN_FLIGHT = 256
_CARDS = 10_000
_AT_ONCE = 4_000
_ROUTING = "991000122"


class _Done(msgspec.Struct, frozen=True):
    """What the client found in one round, as it prints it."""

    answered: int
    refused: int
    lost: int
    seconds: float
    p50_ms: float
    p99_ms: float
    max_ms: float


def run(setting: Setting) -> Result:
    """Measure authorisations a second, and how long one takes."""
    with _service(setting.folder) as started:
        cards = setting.scale.count(_CARDS)
        _issue(started["url"], cards)
        rounds = [
            _round(started["beside"]["cards"], cards, setting, number) for number in range(setting.scale.rounds + 1)
        ]
    measured = rounds[1:]
    rate = median(each.answered / each.seconds for each in measured)
    p99_ms = median(each.p99_ms for each in measured)
    name = f"card authorisations over TCP, {_CONNECTIONS} connections, {_IN_FLIGHT} in flight"
    details = {"p50_ms": median(each.p50_ms for each in measured), "p99_ms": p99_ms}
    against = {POSTGRESQL_SINGLE: rate, SMALL: rate}
    return Result(
        [
            Measure(name, "authorisations/s", rate, must=3_000, aim=10_000, against=against, details=details),
            Measure(f"{name}, p99", "ms", p99_ms, more_is_better=False, must=50),
        ]
    )


@contextmanager
def _service(folder: Path) -> Iterator[dict[str, Any]]:
    """A service in a process of its own; yields what it says when it answers."""
    command = [sys.executable, "-m", "ropewalk", "up", "payments", "--port", "0", "--cards-port", "0", "--json"]
    command += ["--engine", f"sqlite:{folder / 'data'}", "--cards-key", str(folder / "card.key")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=_ROOT) as server:
        try:
            yield json.loads(server.stdout.readline() if server.stdout else b"")
        finally:
            server.terminate()


def _issue(url: str, cards: int) -> None:
    """One bank, and a card for each of its customers' accounts, which may be overdrawn."""
    _post(f"{url}/institutions", {"routing": _ROUTING, "name": "HARBOR"})
    _post(f"{url}/institutions/{_ROUTING}/card-programmes", {"bin": BIN})
    for first in range(0, cards, _AT_ONCE):
        numbers = range(first, min(first + _AT_ONCE, cards))
        accounts = [{"routing": _ROUTING, "number": f"{number}", "overdraft": True} for number in numbers]
        issued = [
            {"number": card_number(f"{BIN}{number:09}"), "account_number": f"{number}", "expires": "4912"}
            for number in numbers
        ]
        _post(f"{url}/accounts", accounts)
        _post(f"{url}/institutions/{_ROUTING}/cards", issued)


def _post(url: str, body: object) -> None:
    asked = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(asked) as answer:
        answer.read()


def _round(address: str, cards: int, setting: Setting, number: int) -> _Done:
    host, _, port = address.rpartition(":")
    seconds = max(1, round(setting.scale.seconds))
    numbers = (port, seconds, _CONNECTIONS, _IN_FLIGHT, cards, number)
    command = [sys.executable, "-m", "benchmarks.cards_client", host, *(str(each) for each in numbers)]
    said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=_ROOT, timeout=60)
    done = msgspec.json.decode(said.stdout, type=_Done)
    if done.refused or done.lost:
        raise AssertionError(f"{done.refused} of {done.answered} authorisations were refused, {done.lost} lost")
    setting.tell(f"{done.answered / done.seconds:,.0f}/s")
    return done
