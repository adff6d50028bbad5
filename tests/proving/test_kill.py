"""`kill -9` of the real process under load, time after time, on SQLite: nothing acknowledged is lost or doubled."""

import statistics
import threading
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from random import Random
from time import perf_counter

import numpy as np

from ropewalk.systems.payments.ledger.layout import ACCOUNT, ID, RESULT, TRANSFER, Rows
from ropewalk.systems.payments.ledger.statuses import TransferStatus
from tests.cli.running import Running, load_until_killed, running

KILLS = 20
CALLERS = 4
RESTART_MAX_S = 2.0
"""From the start of the process to its first answer. The lower quartile of all restarts is held to it: what else runs
on the machine makes a restart slower, and never faster."""

BINARY = {"Content-Type": "application/octet-stream"}


class Load:
    """Callers that make transfers of 1 from account 1 to account 2, each with an id of its own, until the end."""

    def __init__(self) -> None:
        self.acknowledged: list[int] = []
        self.asked = 0
        self._lock = threading.Lock()

    def run(self, service: Running, *, seconds: float) -> None:
        load_until_killed(service, self._call, callers=CALLERS, seconds=seconds)

    def _call(self, service: Running) -> None:
        with closing(connect(service)) as connection:
            while self._ask(connection):
                pass

    def _ask(self, connection: HTTPConnection) -> bool:
        """Make some transfers; False if the service has died."""
        with self._lock:
            first = self.asked + 1
            self.asked += 10
        ids = range(first, first + 10)
        try:
            statuses = post(connection, "/ledger/transfers", transfers(ids), answer=RESULT)["status"]
        except (OSError, HTTPException):
            return False
        assert (statuses == TransferStatus.CREATED).all()
        with self._lock:
            self.acknowledged += ids
        return True


def transfers(ids: range) -> Rows:
    rows = np.zeros(len(ids), TRANSFER)
    rows["id_low"] = ids
    rows["debit_account_id_low"], rows["credit_account_id_low"] = 1, 2
    rows["amount_low"], rows["ledger"], rows["code"] = 1, 1, 1
    return rows


def connect(service: Running) -> HTTPConnection:
    host, _, port = service.url.removeprefix("http://").partition(":")
    return HTTPConnection(host, int(port), timeout=30)


def post(connection: HTTPConnection, path: str, rows: Rows, *, answer: "np.dtype[np.void]") -> Rows:
    connection.request("POST", path, rows.tobytes(), BINARY)
    response = connection.getresponse()
    body = response.read()
    assert response.status == 200, body
    return np.frombuffer(body, answer)


def asked(service: Running, path: str, rows: Rows, *, answer: "np.dtype[np.void]") -> Rows:
    with closing(connect(service)) as connection:
        return post(connection, path, rows, answer=answer)


def created(service: Running, ids: list[int]) -> int:
    """How many of these transfers are there."""
    found = 0
    for start in range(0, len(ids), 8_000):
        some = np.array(ids[start : start + 8_000], "u8")
        rows = np.zeros(some.size, ID)
        rows["id_low"] = some
        found += asked(service, "/ledger/transfers/lookup", rows, answer=TRANSFER).size
    return found


def test_killed_twenty_times_nothing_acknowledged_is_lost_or_doubled(tmp_path: Path) -> None:
    load, random = Load(), Random(20)
    restarts_s = []
    for number in range(KILLS + 1):
        began_s = perf_counter()
        with running("up", "payments", "--engine", f"sqlite:{tmp_path}") as service:
            restarts_s.append(perf_counter() - began_s)
            if number == 0:
                accounts = np.zeros(2, ACCOUNT)
                accounts["id_low"], accounts["ledger"], accounts["code"] = (1, 2), 1, 1
                asked(service, "/ledger/accounts", accounts, answer=RESULT)
            assert created(service, load.acknowledged) == len(load.acknowledged)
            if number == KILLS:
                there = created(service, list(range(1, load.asked + 1)))
                accounts = np.zeros(1, ID)
                accounts["id_low"] = 2
                [account] = asked(service, "/ledger/accounts/lookup", accounts, answer=ACCOUNT)
                assert account["credits_posted_low"] == there, "each transfer that is there has moved its amount once"
                assert service.stop() == 0
            else:
                load.run(service, seconds=random.uniform(0.05, 0.6))
    assert len(load.acknowledged) > KILLS * 10

    assert statistics.quantiles(restarts_s, n=4)[0] < RESTART_MAX_S, restarts_s
