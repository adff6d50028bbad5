"""What a docstring says is checked by something is; what a user can meet is in the reference."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from ropewalk import errors
from ropewalk.cli.main import main
from ropewalk.cli.reference import limits_of

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "ropewalk").rglob("*.py"))
CHECKED_BY = re.compile(r"^Checked by:(.*?)(?:\n\s*\n|\n\S|\Z)", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"tests/[\w/]+\.(?:py|txt)|tests/[\w/]+/|ropewalk(?:\.\w+)+|\btest_\w+\.py")


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text())) or ""


def missing(docstring: str) -> Iterator[str]:
    """What `Checked by:` names and is not there."""
    for paragraph in CHECKED_BY.findall(docstring):
        paths = list(named_in(paragraph))
        yield from (str(path) for path in paths if not (ROOT / path).exists())
        if not paths:
            yield "nothing is named"


def named_in(paragraph: str) -> Iterator[Path]:
    """The files of modules and tests. A bare name is in the folder of the test before it."""
    folder = Path("tests")
    for name in NAMED.findall(paragraph):
        path = Path(name)
        if name.startswith("ropewalk."):
            path = Path(name.replace(".", "/"))
            yield path if (ROOT / path).is_dir() else path.with_suffix(".py")
        else:
            path = path if "/" in name else folder / name
            folder = path.parent
            yield path


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_what_checks_a_promise_exists(path: Path) -> None:
    text = docstring(path)
    assert list(missing(text)) == []
    assert "Promise:" not in text or "Checked by:" in text


@pytest.mark.parametrize(
    ("text", "absent"),
    [
        ("Checked by: tests/test_no_such.py", ["tests/test_no_such.py"]),
        ("Checked by: tests/core/test_chain.py, test_no_such.py (why)", ["tests/core/test_no_such.py"]),
        ("Checked by: ropewalk.core.chain, ropewalk.no_such", ["ropewalk/no_such.py"]),
        ("Checked by: prayer", ["nothing is named"]),
    ],
)
def test_a_planted_promise_that_nothing_checks_is_found(text: str, absent: list[str]) -> None:
    assert list(missing(text)) == absent


def reference(page: str) -> str:
    return (ROOT / "docs" / "reference" / page).read_text()


def test_every_error_is_in_the_reference() -> None:
    page = reference("errors.md")
    names = [name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert [name for name in names if f"`{name}`" not in page] == []


def test_every_limit_has_a_reason_and_is_in_the_reference_with_its_value() -> None:
    page = reference("limits.md")
    limits = [limit for path in MODULES if path.name == "limits.py" for limit in limits_of(path)]
    assert [limit.name for limit in limits if not limit.reason] == []
    assert [name for name, value, _ in limits if f"| `{name}` | {value} |" not in page] == []
    assert len(limits) > 20


def commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        for child, below in command.commands.items():
            yield from commands(below, f"{name} {child}")


def test_every_command_and_every_option_is_in_the_reference() -> None:
    page = reference("command-line.md")
    for name, command in commands(main, "ropewalk"):
        assert f"## {name}\n" in page
        options = [option for each in command.params for option in each.opts if isinstance(each, click.Option)]
        assert [option for option in options if f"`{option}" not in page] == []


def test_every_dependency_has_a_decision() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    required = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = [re.split(r"[<>=\[; ]", requirement)[0].removesuffix("-api") for requirement in required]
    decisions = "\n".join(page.read_text().lower() for page in (ROOT / "docs" / "decisions").glob("*.md"))
    kinds = {name.split("-")[0] if name.startswith("opentelemetry") else name for name in names}
    assert [name for name in sorted(kinds) if name not in decisions] == []
