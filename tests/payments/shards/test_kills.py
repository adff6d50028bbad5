"""`kill -9` at each record of two-phase commits, in a real process on SQLite: one outcome everywhere, each time."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.payments.shards.killed import MOMENTS

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "tests.payments.shards.killed", str(tmp_path_factory.mktemp("killed"))]
    ran = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=300)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines()]


def test_the_process_was_killed_at_each_record_that_the_transfers_caused(runs: list[dict[str, Any]]) -> None:
    for moment in MOMENTS:
        numbers = [run["record"] for run in runs if run["moment"] == moment]
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) > 6, "two commits take more records than that"
        assert [run["ended"] for run in runs if run["moment"] == moment] == [-9] * (len(numbers) - 1) + [0]


def test_whenever_it_was_money_is_conserved_and_no_transfer_is_half_done(runs: list[dict[str, Any]]) -> None:
    for run in runs:
        a, b = run["at rest"]
        assert a + b == 0, run
        assert b in (0, 3, 6), run


def test_whoever_asks_again_is_told_what_is_so(runs: list[dict[str, Any]]) -> None:
    for run in runs:
        (first, refused), together = run["told"]
        assert first in ("created", "exists"), run
        assert refused in ("credit_account_not_found", "id_already_failed"), run
        assert together in (["created", "created"], ["exists", "exists"]), run
        assert run["in the end"] == [-6, 6], run
