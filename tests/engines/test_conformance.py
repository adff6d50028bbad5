"""Every engine passes every check."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from ropewalk.core.codec import encode_value
from ropewalk.core.machine import Request
from ropewalk.data.engine import Engine
from ropewalk.engines.memory import MemoryEngine, MemoryShelf
from ropewalk.engines.sqlite import SqliteEngine
from ropewalk.proving.conformance import ENGINE_CHECKS, EngineCheck, OpenEngine, check_machine
from ropewalk.proving.workloads.known import WORKLOADS
from tests.runtime.counter import Add, AddAt, counter


def memory(_: Path) -> OpenEngine:
    kept = MemoryEngine()
    return lambda: kept


def sqlite(folder: Path) -> OpenEngine:
    return lambda: SqliteEngine(folder)


MINE = "from ropewalk import open_engine\ndef mine(number): return open_engine(f'sqlite:data/{number}')\n"

ENGINES: dict[str, Callable[[Path], Callable[[], Engine]]] = {"memory": memory, "sqlite": sqlite}


@pytest.mark.parametrize("check", ENGINE_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("engine", ENGINES)
def test_engine(engine: str, check: EngineCheck, tmp_path: Path) -> None:
    asyncio.run(check(ENGINES[engine](tmp_path)))


def test_the_suite_runs_against_an_engine_of_ones_own_without_a_test_framework(tmp_path: Path) -> None:
    program = (
        f"from ropewalk import open_engine\ndef mine(number): return open_engine(f'sqlite:{tmp_path}/{{number}}')\n"
    )
    (tmp_path / "mine.py").write_text(program)
    command = [sys.executable, "-m", "ropewalk.proving.conformance", "mine:mine"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.count("holds ") == len(ENGINE_CHECKS)


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
    asyncio.run(check_machine(lambda: workload.machine(shelf), batches))
