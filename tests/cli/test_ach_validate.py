"""`ropewalk ach validate`: verdicts as text and as JSON, and the exit codes."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ropewalk.cli.main import main
from ropewalk.systems.payments.ach.samples import SAMPLES, broken, payroll

KEYS = ["file", "valid", "errors", "warnings", "batches", "entries", "debit_cents", "credit_cents"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, sample in SAMPLES.items():
        (tmp_path / name).write_bytes(sample())
    return tmp_path


def _run(*words: str | Path, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(main, ["ach", "validate", *(str(word) for word in words)], input=stdin)


def _rows(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_json_has_one_object_a_line_for_each_file(folder: Path) -> None:
    result = _run("--json", folder / "payroll.ach", folder / "broken.ach")
    valid, refused = _rows(result)
    assert list(valid) == list(refused) == KEYS
    assert (valid["file"], valid["valid"], valid["errors"]) == (str(folder / "payroll.ach"), True, [])
    assert (valid["batches"], valid["entries"], valid["debit_cents"], valid["credit_cents"]) == (1, 21, 0, 4905090)
    assert [list(error) for error in refused["errors"]] == [["line", "record", "field", "code", "message"]] * 3
    assert [(error["line"], error["code"]) for error in refused["errors"]] == [
        (5, "check_digit"),
        (8, "mandatory"),
        (24, "credit_total"),
    ]
    assert result.exit_code == 1


def test_valid_files_exit_with_0(folder: Path) -> None:
    assert _run(*(folder / name for name in SAMPLES if name != "broken.ach")).exit_code == 0


def test_a_file_that_cant_be_read_exits_with_2_and_the_others_are_still_judged(folder: Path) -> None:
    (folder / "cut.gz").write_bytes(gzip.compress(payroll())[:-9])
    (folder / "wrong.gz").write_bytes(b"\x1f\x8b" + b"x" * 50)
    result = _run(
        "--json", folder / "missing", folder, folder / "cut.gz", folder / "wrong.gz", folder / "payroll.ach"
    )
    assert [row["valid"] for row in _rows(result)] == [False, False, False, False, True]
    assert {row["errors"][0]["code"] for row in _rows(result)[:4]} == {"unreadable"}
    assert result.exit_code == 2


def test_a_dash_is_standard_input() -> None:
    result = _run("--json", "-", stdin=payroll())
    assert [(row["file"], row["valid"]) for row in _rows(result)] == [("-", True)]


def test_a_compressed_file_is_unpacked(folder: Path) -> None:
    (folder / "payroll.ach.gz").write_bytes(gzip.compress(payroll()))
    assert _rows(_run("--json", folder / "payroll.ach.gz"))[0]["entries"] == 21


def test_text_shows_each_problem_under_its_record(folder: Path) -> None:
    lines = _run(folder / "broken.ach").stdout.splitlines()
    record = next(number for number, line in enumerate(lines) if "line 24" in line) + 1
    quoted, carets, message = lines[record : record + 3]
    assert quoted.strip() == broken().decode().splitlines()[23]
    assert quoted[carets.index("^") : carets.rindex("^") + 1] == "000004905091"
    assert "$0.01 more" in message


def test_text_for_several_files_ends_with_a_table(folder: Path) -> None:
    result = _run(folder / "payroll.ach", folder / "broken.ach", folder / "missing")
    table = result.stdout.split("\n\n")[-1]
    assert "verdict" in table
    assert table.count("refused") == 2
    assert "$49,050.90" in table


def test_a_file_of_random_bytes_is_shown_without_control_characters(folder: Path) -> None:
    (folder / "noise").write_bytes(bytes(range(256)) * 20)
    result = _run(folder / "noise")
    assert result.exit_code == 1
    assert all(letter.isprintable() for letter in result.stdout.replace("\n", ""))
