"""`ropewalk prove` as whoever signs off meets it."""

import json

import pytest
from click.testing import CliRunner

from ropewalk.cli.prove import prove
from ropewalk.core.sessions import Sessions
from tests.cli.running import ropewalk


def test_worlds_that_hold_are_counted() -> None:
    ran = ropewalk("prove", "bank", "--seeds", "6", "--first", "40")
    assert ran.returncode == 0, ran.stderr
    assert "6 worlds of bank" in ran.stdout
    assert "every promise held" in ran.stdout


def test_results_as_json() -> None:
    told = json.loads(ropewalk("prove", "bank", "--seed", "3", "--json").stdout)
    assert (told["workload"], told["seeds"], told["breaches"]) == ("bank", 1, [])
    assert told["acknowledged"] > 0


def test_a_broken_world_is_shown_with_the_one_command_that_repeats_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sessions, "_fresh", lambda _, requests: requests)
    broken = [
        ran.output
        for seed in range(20)
        if (ran := CliRunner().invoke(prove, ["bank", "--seed", str(seed)])).exit_code == 1
    ]
    assert broken
    seed = broken[0].partition("BROKEN in seed ")[2].partition(":")[0]
    assert f"repeat it with: ropewalk prove bank --seed {seed}\n" in broken[0]
    assert "site 0 leads from" in broken[0]
