"""The machines of the communication layer are pure: time and randomness are arguments, and nothing waits in them."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tidy_rules import IMPURE_IMPORT

FOLDER = Path(__file__).parents[2] / "ropewalk" / "communication"
MACHINES = ("admission", "balancing", "breaker", "budgets", "bulkhead", "deadlines", "hedging", "outcomes", "retries")


def impure(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from (each.name for each in names if IMPURE_IMPORT.match(each.name))
            case ast.ImportFrom(module=str(name)) if IMPURE_IMPORT.match(name):
                yield name
            case ast.AsyncFunctionDef(name=name):
                yield f"async {name}"


@pytest.mark.parametrize("name", MACHINES)
def test_a_machine_is_pure(name: str) -> None:
    assert list(impure((FOLDER / f"{name}.py").read_text())) == []


def test_a_planted_clock_is_found() -> None:
    assert list(impure("import time\nfrom random import Random\nasync def wait(): pass")) == [
        "time",
        "random",
        "async wait",
    ]
