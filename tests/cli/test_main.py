"""The command line starts fast, and every command that it lists is there."""

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from ropewalk.cli.main import main


def _all(group: click.Group) -> Iterator[tuple[str, click.Command]]:
    for name in group.commands:
        command = group.commands[name]
        yield name, command
        if isinstance(command, click.Group):
            yield from _all(command)


def test_every_listed_command_can_be_loaded_and_explains_itself() -> None:
    commands = dict(_all(main))
    assert "validate" in commands
    assert [name for name, command in commands.items() if not command.help] == []


def test_starting_imports_no_command() -> None:
    script = "import sys, ropewalk.cli.main; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_python_dash_m_is_the_same_command() -> None:
    done = subprocess.run([sys.executable, "-m", "ropewalk", "--help"], capture_output=True, text=True, check=True)
    assert "ach" in done.stdout


@pytest.mark.parametrize("words", [["nothing"], ["ach", "nothing"], ["ach", "validate"]])
def test_a_command_that_is_not_there_exits_with_2(words: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", "ropewalk", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Error" in done.stderr
