"""The table of state that outgrows memory, on a disk that is full."""

from pathlib import Path

import pytest

from ropewalk.engines.table import SqliteTable
from ropewalk.errors import NotAccepted


def test_a_full_disk_is_told_with_the_file_and_what_to_do(tmp_path: Path) -> None:
    table = SqliteTable(tmp_path / "state.db")
    table._database.execute("PRAGMA max_page_count = 8")
    full = {f"{number}": bytes(1_000) for number in range(100)}
    with pytest.raises(NotAccepted, match=r"state\.db: database or disk is full: free some space on this disk"):
        table.update(full)
