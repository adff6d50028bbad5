"""`kill -9` at each record of a keyed service's transactions, in a real process on SQLite: one outcome everywhere."""

from typing import Any

import pytest

from tests.killed import check_each_record_was_met, runs_of


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return runs_of("tests.runtime.killed_transactions", tmp_path_factory.mktemp("killed"))


def test_the_process_was_killed_at_each_record_that_the_transactions_caused(runs: list[dict[str, Any]]) -> None:
    check_each_record_was_met(runs, records_least=12)


def test_whenever_it_was_each_transaction_is_done_whole_or_not_at_all(runs: list[dict[str, Any]]) -> None:
    for run in runs:
        assert run["at rest"] in ([100, 100, 100], [70, 130, 100], [50, 130, 120]), run


def test_whoever_asks_again_is_told_what_is_so(runs: list[dict[str, Any]]) -> None:
    for run in runs:
        assert run["told"] == {"m1": "committed", "m2": "aborted", "m3": "committed"}, run
        assert run["in the end"] == [50, 130, 120], run
