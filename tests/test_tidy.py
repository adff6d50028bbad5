"""The repository keeps the rules of style (`tests.tidy_rules`), and each rule is shown to catch a planted violation.

What a rule finds and is right to leave is a line in `tidy_exceptions.txt` with its reason; a line that is no longer
needed fails too, so that file only shrinks. Layers are checked by import-linter, types by mypy, the rest by ruff.
"""

import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.tidy_rules import (
    FILE_LINES,
    FUNCTION_LINES,
    PUBLIC_METHODS,
    RULES,
    Finding,
    findings,
    module,
    text_findings,
)

ROOT = Path(__file__).parents[1]
FOLDERS = ("ropewalk", "tests", "benchmarks", "examples")
TEXT_SUFFIXES = {".py", ".md", ".toml", ".txt", ".sql", ".json", ".html", ".css", ".js", ".svg", ".yaml", ".yml", ""}
NOT_OURS = {"__pycache__", "build", "dist", "demo-data", "bench-results"}


def our_files(folder: Path = ROOT) -> Iterator[Path]:
    """Text files, without what tools leave behind."""
    for path in sorted(folder.iterdir()):
        if path.is_dir() and path.name not in NOT_OURS and (path.name == ".ci" or not path.name.startswith(".")):
            yield from our_files(path)
        elif path.is_file() and path.suffix in TEXT_SUFFIXES:
            yield path


@cache
def our_findings() -> list[Finding]:
    found = []
    for path in our_files():
        name, text = path.relative_to(ROOT).as_posix(), path.read_text()
        found += text_findings(name, text)
        if path.suffix == ".py" and name.split("/")[0] in FOLDERS:
            found += findings(module(name, text))
    return found


def exceptions() -> dict[tuple[str, str], str]:
    """Rule and place to the reason why it is left."""
    lines = (ROOT / "tests" / "tidy_exceptions.txt").read_text().splitlines()
    split = [line.split(maxsplit=2) for line in lines if line and not line.startswith("#")]
    return {(rule, place): reason for rule, place, reason in split}


def test_the_repository_is_tidy() -> None:
    allowed = exceptions()
    untidy = [f"{place}: {what} ({rule})" for rule, place, what in our_findings() if (rule, place) not in allowed]
    assert not untidy, "\n".join(untidy)


def test_every_exception_is_still_needed() -> None:
    found = {(rule, place) for rule, place, _ in our_findings()}
    assert sorted(set(exceptions()) - found) == []


LONG_FUNCTION = "def f():\n" + "    x = 1\n" * FUNCTION_LINES
DEEP = '"""D."""\ndef f():\n if a:\n  for b in c:\n   while d:\n    with e:\n     pass\n'
METHODS = "".join(f"    def m{number}(self): pass\n" for number in range(PUBLIC_METHODS + 1))


PLANTED: list[tuple[str, str, str]] = [
    ("begins_with_a_docstring", "ropewalk/core/a.py", "x = 1\n"),
    ("is_pure", "ropewalk/core/a.py", '"""D."""\nimport time\n'),
    ("is_pure", "ropewalk/core/a.py", '"""D."""\nfrom os.path import join\n'),
    ("is_pure", "ropewalk/systems/payments/machine.py", '"""D."""\nx = datetime.now()\n'),
    ("is_pure", "ropewalk/core/a.py", '"""D."""\nasync def f(): pass\n'),
    (
        "is_pure",
        "ropewalk/systems/payments/ledger/a.py",
        '"""D."""\nfrom ropewalk.engines.system import now_ns\n',
    ),
    ("counts_in_integers", "ropewalk/systems/payments/machine.py", '"""D."""\nrate = 0.1\n'),
    ("counts_in_integers", "ropewalk/core/a.py", '"""D."""\nhalf = cents / 2\n'),
    ("iterates_no_set", "ropewalk/core/a.py", '"""D."""\ndef f(a):\n    return [b for b in set(a)]\n'),
    ("iterates_no_set", "ropewalk/core/a.py", '"""D."""\ndef f(a):\n    b = {a} | c\n    return list(b)\n'),
    ("is_short", "tests/a.py", '"""D."""\n' + LONG_FUNCTION),
    ("is_short", "ropewalk/a.py", '"""D."""\n' + "x = 1\n" * FILE_LINES),
    ("has_few_methods", "ropewalk/a.py", f'"""D."""\nclass A:\n{METHODS}'),
    (
        "has_few_methods",
        "ropewalk/a.py",
        f'"""D."""\nclass A(Protocol):\n{METHODS[: METHODS.index("def m7")]}pass\n',
    ),
    ("has_few_positionals", "ropewalk/a.py", '"""D."""\ndef f(a, b, c, d): pass\n'),
    ("nests_little", "ropewalk/a.py", DEEP),
    ("catches_what_it_names", "ropewalk/a.py", '"""D."""\ndef f():\n try: a\n except Exception: pass\n'),
    ("catches_what_it_names", "ropewalk/a.py", '"""D."""\ndef f():\n try: a\n except: pass\n'),
    ("asserts_only_in_tests", "ropewalk/a.py", '"""D."""\nassert x\n'),
    ("keeps_hold_of_its_tasks", "ropewalk/a.py", '"""D."""\nasyncio.create_task(f())\n'),
    ("neither_waits_nor_pretends", "tests/a.py", '"""D."""\ntime.sleep(0.1)\n'),
    ("neither_waits_nor_pretends", "tests/a.py", '"""D."""\n@pytest.mark.xfail\ndef test_a(): pass\n'),
    ("has_a_name_that_says_something", "ropewalk/core/utils.py", '"""D."""\n'),
]


@pytest.mark.parametrize(("rule", "path", "source"), PLANTED)
def test_a_planted_violation_is_found_by_its_rule_and_no_other(rule: str, path: str, source: str) -> None:
    assert {found.rule for found in findings(module(path, source))} == {rule}


def test_every_rule_has_a_planted_violation() -> None:
    assert {rule.__name__ for rule in RULES} == {rule for rule, _, _ in PLANTED}


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("machine_path", "see /" + "work/main"),
        ("registry", "pip install --index-" + "url=x y"),
        ("unfinished", "# TO" + "DO: later"),
    ],
)
def test_a_planted_text_is_found(rule: str, text: str) -> None:
    assert [found.rule for found in text_findings("a.md", text)] == [rule]


def test_what_is_tidy_is_left_alone() -> None:
    source = '"""D."""\ndef f(a):\n    if a:\n        pass\n    elif b:\n        pass\n    return sorted({a})\n'
    assert findings(module("ropewalk/core/a.py", source)) == []


def check_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run([sys.executable, "-c", program, "--no-cache"], cwd=folder, capture_output=True, text=True)


def test_imports_point_down_the_layers_and_siblings_leave_each_other_alone() -> None:
    done = check_imports(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_planted_upward_import_is_found(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    packages = [path.relative_to(ROOT).parent for path in (ROOT / "ropewalk").rglob("__init__.py")]
    for package in packages:
        (tmp_path / package).mkdir(parents=True)
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "ropewalk" / "errors.py").touch()
    assert check_imports(tmp_path).returncode == 0
    (tmp_path / "ropewalk" / "core" / "__init__.py").write_text("import ropewalk.engines\n")
    assert "ropewalk.core is not allowed to import ropewalk.engines" in check_imports(tmp_path).stdout
