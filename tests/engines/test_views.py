"""Where views are kept: every engine keeps the same contract, and a file survives `kill -9` whole."""

import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from ropewalk.data.views import Cursor, Tables
from ropewalk.engines.views import MemoryTables, SqliteTables
from ropewalk.errors import NotAccepted, Rejected

ENGINES: dict[str, Callable[[Path], Tables]] = {
    "memory": lambda _: MemoryTables(),
    "sqlite": lambda folder: SqliteTables(folder / "deep" / "view.db"),
}


@pytest.fixture(params=ENGINES)
def tables(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Tables]:
    opened = ENGINES[request.param](tmp_path)
    yield opened
    opened.close()


def test_values_and_cursors_are_read_back(tables: Tables) -> None:
    table = tables.begin(version=3)
    table.write({"b": b"2", "a": b"1", "\N{SNOWMAN}": b""}, {"log/0": Cursor(5, 1), "log/1": Cursor(2)})
    table.write({"a": b"3", "b": None, "never": None}, {"log/0": Cursor(6, 1)})
    assert [table.get(key) for key in ("a", "b", "\N{SNOWMAN}", "never")] == [b"3", None, b"", None]
    assert table.cursors() == {"log/0": Cursor(6, 1), "log/1": Cursor(2)}
    assert table.version == 3


@pytest.mark.parametrize("place", ["", "file/view.db", "file"])
def test_a_place_where_no_view_can_be_kept_is_named(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no database " * 1_000)
    with pytest.raises(Rejected, match=f"no view can be kept in {re.escape(str(tmp_path / place))} "):
        SqliteTables(tmp_path / place)


def test_what_can_not_be_written_leaves_nothing_of_itself_behind(tmp_path: Path) -> None:
    tables = SqliteTables(tmp_path / "view.db")
    table = tables.begin(version=1)
    with pytest.raises(UnicodeEncodeError):
        table.write({"a": b"1", "\ud800": b"2"}, {"log/0": Cursor(1)})
    assert table.get("a") is None
    table.write({"b": b"1"}, {"log/0": Cursor(1)})
    assert table.get("b") == b"1"
    tables.close()


def test_keys_are_listed_in_order_page_by_page(tables: Tables) -> None:
    table = tables.begin(version=1)
    table.write({f"k{number}": b"" for number in (5, 3, 1)}, {})
    table.write({"k4": b"", "k3": None}, {})
    assert list(table.keys(after="", limit=2)) == ["k1", "k4"]
    assert list(table.keys(after="k4", limit=2)) == ["k5"]
    assert list(table.keys(after="k5", limit=2)) == []


def test_a_generation_serves_when_it_is_switched_to_and_not_before(tables: Tables) -> None:
    assert tables.serving() is None
    tables.begin(version=1).write({"a": b"1"}, {})
    assert tables.serving() is None
    tables.switch()
    second = tables.begin(version=2)
    second.write({"a": b"2"}, {"log/0": Cursor(1)})
    serving = tables.serving()
    assert serving is not None
    assert (serving.version, serving.get("a"), serving.cursors()) == (1, b"1", {})
    tables.switch()
    serving = tables.serving()
    assert serving is not None
    assert (serving.version, serving.get("a"), serving.cursors()) == (2, b"2", {"log/0": Cursor(1)})
    second.write({"a": b"3"}, {})
    assert serving.get("a") == b"3"


def test_a_generation_that_never_served_is_forgotten_when_another_is_begun(tables: Tables) -> None:
    tables.begin(version=1).write({"a": b"1"}, {"log/0": Cursor(1)})
    second = tables.begin(version=1)
    assert second.get("a") is None
    assert second.cursors() == {}


def test_a_file_is_found_again_as_it_was(tmp_path: Path) -> None:
    first = SqliteTables(tmp_path / "view.db")
    first.begin(version=1).write({"a": b"1"}, {"log/0": Cursor(4, 2)})
    first.switch()
    first.begin(version=2).write({"a": b"unfinished"}, {})
    first.close()
    second = SqliteTables(tmp_path / "view.db")
    serving = second.serving()
    assert serving is not None
    assert (serving.version, serving.get("a"), serving.cursors()) == (1, b"1", {"log/0": Cursor(4, 2)})
    second.close()


def test_a_write_that_fails_leaves_nothing_of_it(tmp_path: Path) -> None:
    tables = SqliteTables(tmp_path / "view.db")
    table = tables.begin(version=1)
    table.write({"a": b"1"}, {"log/0": Cursor(1)})
    tables._database.execute("PRAGMA max_page_count = 12")
    with pytest.raises(NotAccepted, match="free some space on this disk"):
        table.write({"a": b"2", "large": bytes(1_000_000)}, {"log/0": Cursor(2)})
    assert table.get("a") == b"1"
    assert table.cursors() == {"log/0": Cursor(1)}
    tables.close()


WRITER = """
import sys
from pathlib import Path
from ropewalk.data.views import Cursor
from ropewalk.engines.views import SqliteTables

tables = SqliteTables(Path(sys.argv[1]))
table = tables.serving()
if table is None:
    table = tables.begin(version=1)
    tables.switch()
after = table.cursors().get("log/0", Cursor()).after
while True:
    after += 1
    table.write({f"k{number}": b"%d" % after for number in range(20)}, {"log/0": Cursor(after)})
    print(after, flush=True)
"""


def test_killed_at_any_moment_state_and_cursor_are_those_of_one_write(tmp_path: Path) -> None:
    path, random, told = tmp_path / "view.db", Random(3), 0
    for _ in range(6):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            for _ in range(random.randint(1, 200)):
                told = int(child.stdout.readline())
            child.kill()
        tables = SqliteTables(path)
        table = tables.serving()
        assert table is not None
        after = table.cursors()["log/0"].after
        assert after >= told
        assert {table.get(f"k{number}") for number in range(20)} == {b"%d" % after}
        tables.close()


def test_another_program_that_writes_makes_it_wait_and_not_fail_silently(tmp_path: Path) -> None:
    tables = SqliteTables(tmp_path / "view.db")
    table = tables.begin(version=1)
    tables._database.execute("PRAGMA busy_timeout = 1")
    other = sqlite3.connect(tmp_path / "view.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(NotAccepted, match="locked"):
        table.write({"a": b"1"}, {})
    other.execute("ROLLBACK")
    other.close()
    table.write({"a": b"1"}, {})
    tables.close()
