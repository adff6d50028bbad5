"""Every engine passes every check."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import msgspec
import pytest

from ropewalk.core.chain import Position
from ropewalk.core.codec import encode_value
from ropewalk.core.machine import Batch, Machine, Received, Request
from ropewalk.core.place import Place
from ropewalk.data.engine import Engine
from ropewalk.engines.memory import MemoryEngine, MemoryShelf
from ropewalk.engines.sqlite import SqliteEngine
from ropewalk.proving.conformance import ENGINE_CHECKS, EngineCheck, OpenEngine, check_batching, check_machine
from ropewalk.proving.workloads.bank import Bank
from ropewalk.proving.workloads.branches import ACCOUNTS, PLACES, Branches, Bring, Refund
from ropewalk.proving.workloads.known import WORKLOADS
from tests.runtime.counter import Add, AddAt, counter


def memory(_: Path) -> OpenEngine:
    kept = MemoryEngine()
    return lambda: kept


def sqlite(folder: Path) -> OpenEngine:
    return lambda: SqliteEngine(folder)


MINE = """
from ropewalk import open_engine

def sound(number):
    return open_engine(f"sqlite:data/{number}")

class Broken:
    def __init__(self, engine):
        self.open, self.close = self.unwritten, engine.close

    async def unwritten(self, service, partition):
        raise NotImplementedError("nothing is opened yet")

def broken(number):
    return Broken(open_engine("memory:"))
"""

ENGINES: dict[str, Callable[[Path], Callable[[], Engine]]] = {"memory": memory, "sqlite": sqlite}


@pytest.mark.parametrize("check", ENGINE_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("engine", ENGINES)
def test_engine(engine: str, check: EngineCheck, tmp_path: Path) -> None:
    asyncio.run(check(ENGINES[engine](tmp_path)))


def proved(folder: Path, function: str) -> "subprocess.CompletedProcess[str]":
    (folder / "mine.py").write_text(MINE)
    command = [sys.executable, "-m", "ropewalk.proving", f"mine:{function}"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


def test_the_suite_runs_against_an_engine_of_ones_own_without_a_test_framework(tmp_path: Path) -> None:
    ran = proved(tmp_path, "sound")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.count("holds ") == len(ENGINE_CHECKS) + 1


def test_one_that_is_broken_is_told_what_it_breaks_and_every_check_is_tried(tmp_path: Path) -> None:
    ran = proved(tmp_path, "broken")
    assert ran.returncode == 1
    assert ran.stdout.count("BROKEN  ") == len(ENGINE_CHECKS) + 1
    assert "NotImplementedError: nothing is opened yet" in ran.stdout


def counting(*commands: Add | AddAt) -> list[Request]:
    return [Request(bytes(16), encode_value(command)) for command in commands]


def test_a_keyed_machine() -> None:
    batches = [
        counting(Add("a", 1), AddAt("b", 5, 2_500_000_000)),
        counting(Add("b", 2)),
        counting(),
        counting(Add("a", 3), AddAt("a", 1, 1)),
        counting(Add("c", 1)),
    ]
    asyncio.run(check_machine(counter, batches))


@pytest.mark.parametrize("name", WORKLOADS)
def test_the_machines_of_every_workload(name: str) -> None:
    workload = WORKLOADS[name](0)
    random = Random(5)
    shelf = MemoryShelf()
    batches = [workload.opening(), *([workload.request(random) for _ in range(4)] for _ in range(30))]
    asyncio.run(check_machine(lambda: workload.machine(shelf, Place("conformance")), batches))


def brought(number: int) -> list[Received]:
    """Payments from another branch, a refusal to bring one, and money that comes back."""
    bring = Bring(ACCOUNTS[0], ACCOUNTS[number % 5], number % 13, over=ACCOUNTS[1] if number % 3 == 0 else "")
    return [
        Received("town/7", encode_value(bring), tag=b"a"),
        Received("town/8", encode_value("full"), tag=msgspec.json.encode(bring), is_reply=True),
        Received("town/7", encode_value(Refund(ACCOUNTS[2], number % 5))),
    ]


def branch() -> Machine:
    return Branches().machine(MemoryShelf(), PLACES[0])


OPENING = [request for _, request in Branches().opening()]


def test_a_machine_that_gets_messages() -> None:
    random = Random(7)
    batches = [OPENING, *([Branches().request(random)[1] for _ in range(4)] for _ in range(30))]
    asyncio.run(check_machine(branch, batches, messages=lambda number: brought(number) if number > 1 else ()))


def test_how_messages_are_batched_makes_no_difference() -> None:
    def opened() -> Machine:
        machine = branch()
        machine.apply(Batch(Position(1), 1, OPENING))
        return machine

    random = Random(8)
    requests = [Branches().request(random)[1] for _ in range(50)]
    check_batching(opened, requests, messages=[each for number in range(20) for each in brought(number)])


def test_how_a_bank_s_commands_are_batched_makes_no_difference() -> None:
    bank, random = Bank(), Random(6)
    requests = [*bank.opening(), *(bank.request(random) for _ in range(200))]
    check_batching(lambda: bank.machine(MemoryShelf(), Place("bank")), requests)
