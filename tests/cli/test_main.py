"""The command line starts fast, and every command that it lists is there."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

import ropewalk
from ropewalk.__main__ import main as begin
from ropewalk.cli.client import NO_SERVICE, TRY_AGAIN, Refusal
from ropewalk.cli.main import main
from tests.cli.running import ROOT
from tests.cli.walking import every_command


def test_every_listed_command_can_be_loaded_and_explains_itself() -> None:
    commands = dict(every_command())
    assert "ach validate" in commands
    assert [words for words, command in commands.items() if not command.help] == []


def test_the_help_tells_the_exit_codes() -> None:
    told = CliRunner().invoke(main, ["--help"]).stdout
    assert all(f"{code} if " in " ".join(told.split()) for code in (Refusal.exit_code, NO_SERVICE, TRY_AGAIN))


def test_starting_imports_no_command_and_no_service() -> None:
    script = "import sys, ropewalk.cli.main; print({'asyncio', 'msgspec', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_python_dash_m_is_the_same_command() -> None:
    done = subprocess.run([sys.executable, "-m", "ropewalk", "--help"], capture_output=True, text=True, check=True)
    assert "ach" in done.stdout


@pytest.mark.parametrize("imported", ["click", "numba"])
def test_ctrl_c_while_something_is_imported_ends_it_quietly(imported: str, tmp_path: Path) -> None:
    (tmp_path / f"{imported}.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    command = [sys.executable, "-m", "ropewalk", "up", "payments", "--engine", "memory:", "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_the_command_that_is_installed_begins_as_python_dash_m_does() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"ropewalk": f"{begin.__module__}:{begin.__name__}"}


def test_what_the_package_offers_is_imported_when_it_is_asked_for() -> None:
    assert all(getattr(ropewalk, name).__name__ == name for name in ropewalk.__all__)
    assert set(ropewalk.__all__) <= set(dir(ropewalk))
    with pytest.raises(AttributeError, match="module 'ropewalk' has no attribute 'nothing'"):
        ropewalk.__getattr__("nothing")


@pytest.mark.parametrize(
    "words",
    [
        ["up", "payments", "--port", "99999"],
        ["up", "payments", "--cards-port", "99999"],
        ["up", "coordination", "--port", "-1"],
        ["serve", "tests.cli.served:SERVICE", "--port", "99999"],
        ["demo", "--port", "99999"],
    ],
)
def test_a_port_that_there_is_none_of_is_a_wrong_use(words: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", "ropewalk", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "0<=x<=65535" in done.stderr


@pytest.mark.parametrize("words", [["nothing"], ["ach", "nothing"], ["ach", "validate"]])
def test_a_command_that_is_not_there_exits_with_2(words: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", "ropewalk", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Error" in done.stderr
