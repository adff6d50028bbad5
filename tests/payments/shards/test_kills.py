"""`kill -9` at each record of two-phase commits, in a real process on SQLite: one outcome everywhere, each time."""

from typing import Any

import pytest

from tests.killed import check_each_record_was_met, runs_of


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return runs_of("tests.payments.shards.killed", tmp_path_factory.mktemp("killed"))


def test_the_process_was_killed_at_each_record_that_the_transfers_caused(runs: list[dict[str, Any]]) -> None:
    check_each_record_was_met(runs, records_least=6)


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
