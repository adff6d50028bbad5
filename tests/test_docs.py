"""What the documentation shows is run, what it links to is there, and what is generated is fresh.

A page is one story in one empty folder:

    ```python            runs
    ```python NAME.py    is the file NAME.py, which the commands behind it use
    ```console           lines with `$ ` run in bash; what follows is what they print, `...` stands for anything
    ```sh                runs, and what it prints is not compared

Commands with `make` are those of a clone, and only looked up in the Makefile. Port 8080 is replaced by a free one.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

import pytest

from benchmarks.environment import look_around
from benchmarks.measures import Measure, Result
from benchmarks.report import Report, to_json
from ropewalk.cli.reference import filled_readme, pages

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "GLOSSARY.md", ROOT / "CHANGELOG.md"]
FENCE = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|href|srcset)=\"([^\"]+)\"")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
MARK = "=== end of command ==="
PAGE_SECONDS = 180
PORT = "8080"


class Step(NamedTuple):
    """A command, and the lines that it prints: None if they are not compared."""

    command: str
    printed: list[str] | None


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def steps(text: str) -> Iterator[Step]:
    for language, name, body in FENCE.findall(text):
        match language:
            case "python" if name:
                yield Step(f"cat > {name} <<'END'\n{body}END", None)
            case "python":
                yield Step(f"python - <<'END'\n{body}END", None)
            case "sh":
                yield Step(body, None)
            case "console":
                yield from console(body)


def console(body: str) -> Iterator[Step]:
    """Each `$ ` begins a command, which `> ` continues; the rest is what it prints."""
    for chunk in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
        first, *others = chunk.splitlines()
        command = [first, *(line.removeprefix("> ") for line in takewhile(is_continued, others))]
        yield Step("\n".join(command), without_blanks(others[len(command) - 1 :]))


def is_continued(line: str) -> bool:
    return line.startswith("> ")


def without_blanks(lines: list[str]) -> list[str]:
    """The lines that show something, without the blanks at their ends."""
    return [line.rstrip() for line in lines if line.strip()]


def is_of_a_clone(step: Step) -> bool:
    return step.command.startswith("make ")


def matches(printed: list[str], expected: list[str]) -> bool:
    pattern = "\n".join(re.escape(line).replace(r"\.\.\.", ".*?") for line in expected)
    return re.fullmatch(pattern, "\n".join(printed), re.DOTALL) is not None


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def run(page_steps: list[Step], folder: Path) -> list[list[str]]:
    """Run the commands in one shell and return what each printed."""
    lines = ["set -e"]
    for step in page_steps:
        lines += [step.command, f"echo '{MARK}'"]
    # What still runs would keep the pipe open that its output is read from.
    lines.append("kill $(jobs -p) 2>/dev/null || true")
    port = str(free_port())
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    bash = subprocess.Popen(
        ["bash", "-c", "\n".join(lines).replace(PORT, port)],
        cwd=folder,
        env=os.environ | {"PATH": path, "COLUMNS": "120", "ROPEWALK_URL": f"http://127.0.0.1:{port}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    killed = threading.Timer(PAGE_SECONDS, lambda: os.killpg(bash.pid, signal.SIGKILL))
    killed.start()
    output, _ = bash.communicate()
    killed.cancel()
    assert bash.returncode == 0, output
    printed = output.replace(port, PORT).split(f"{MARK}\n")[: len(page_steps)]
    return [without_blanks(each.splitlines()) for each in printed]


@pytest.mark.parametrize("page", [page for page in PAGES if FENCE.search(page.read_text())], ids=relative)
def test_what_a_page_shows_runs_and_prints_what_it_says(page: Path, tmp_path: Path) -> None:
    page_steps = [step for step in steps(page.read_text()) if not is_of_a_clone(step)]
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    for step, printed in zip(page_steps, run(page_steps, tmp_path), strict=True):
        if step.printed is not None:
            assert matches(printed, step.printed), "\n".join([f"$ {step.command}", *printed])


def test_every_make_command_of_the_documentation_is_in_the_makefile() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    used = {word for page in PAGES for word in re.findall(r"(?:^|`)make ([a-z]+)", page.read_text(), re.MULTILINE)}
    assert {"demo", "test"} <= used
    assert used <= targets


def anchors(page: Path) -> set[str]:
    """The anchors that a page's headings get where it is shown."""
    headings = HEADING.findall(page.read_text())
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_every_link_leads_somewhere(page: Path) -> None:
    links = ["".join(found) for found in LINK.findall(FENCE.sub("", page.read_text()))]
    for link in links:
        target, _, anchor = link.partition("#")
        if "://" in target:
            continue
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), f"{relative(page)} links to {link}"
        assert not anchor or anchor in anchors(path), f"{relative(page)} links to {link}"


def test_a_function_that_is_named_beside_a_link_is_in_that_file() -> None:
    named = [
        (page, file, name)
        for page in PAGES
        for file, names in re.findall(r"\]\(([^)]+\.py)\)((?: `\w+`,?)+)", page.read_text())
        for name in re.findall(r"\w+", names)
    ]
    gone = [name for page, file, name in named if f"def {name}(" not in (page.parent / file).resolve().read_text()]
    assert gone == []
    assert len(named) > 10


def test_every_page_is_reached_from_the_readme() -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md" or not page.exists():
            continue
        reached.add(page)
        links = ["".join(found).partition("#")[0] for found in LINK.findall(page.read_text())]
        waiting += [(page.parent / link).resolve() for link in links if link and "://" not in link]
    assert [relative(page) for page in PAGES if page not in reached] == []


def test_the_generated_reference_is_fresh() -> None:
    folder = ROOT / "docs" / "reference"
    written = {path.name: path.read_text() for path in folder.glob("*.md")}
    generated = pages()
    stale = [name for name in sorted({*written, *generated}) if written.get(name) != generated.get(name)]
    assert stale == [], "run `make docs`"


def test_the_measured_table_of_the_readme_is_what_was_measured() -> None:
    readme = (ROOT / "README.md").read_text()
    assert readme == filled_readme(readme, ROOT / "benchmarks" / "results.json"), "run `make docs`"


def test_what_was_measured_becomes_a_table(tmp_path: Path) -> None:
    measure = Measure("transfers", "transfers/s", 512_345.6, must=400_000.0, against={"PostgreSQL": 500_000.0})
    yardstick = Measure("PostgreSQL", "transfers/s", 10_000.0)
    report = Report(look_around(tmp_path)).with_row("ledger", Result([measure, yardstick]))
    (tmp_path / "results.json").write_bytes(to_json(report))
    filled = filled_readme("<!-- measured -->\nold\n<!-- end -->", tmp_path / "results.json")
    assert "| transfers | ≥ 400,000 | 512,300 transfers/s | 50 times PostgreSQL |\n" in filled
    assert "old" not in filled


def test_the_glossary_has_each_word_once_and_in_order() -> None:
    for table in (ROOT / "GLOSSARY.md").read_text().split("## "):
        words = re.findall(r"^\| \*\*(.+?)\*\*", table, re.MULTILINE)
        assert words == sorted(set(words))


def test_the_readme_shows_the_first_service_whole_and_it_is_under_thirty_lines() -> None:
    source = (ROOT / "examples" / "first_service.py").read_text()
    assert source.count("\n") < 30
    assert source in (ROOT / "README.md").read_text()


@pytest.mark.parametrize(
    ("printed", "expected", "holds"),
    [
        (["a", "b", "c"], ["a", "...", "c"], True),
        (["a took 3 ms"], ["a took ... ms"], True),
        (["a", "b"], ["a"], False),
        (["ab"], ["a.b"], False),
    ],
)
def test_what_is_printed_is_compared(printed: list[str], expected: list[str], holds: bool) -> None:
    assert matches(printed, expected) is holds
