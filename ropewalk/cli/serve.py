"""`ropewalk serve MODULE:SERVICE`: any service as an HTTP API.

Checked by: tests/cli/test_serve.py
"""

import importlib
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Final, TypeVar

import click

from ropewalk.cli.running import Place, run
from ropewalk.runtime.server import HOST, PORT
from ropewalk.runtime.service import Service

F = TypeVar("F", bound=Callable[..., object])

PORTS: Final = click.IntRange(0, 65_535)


def listening(command: F) -> F:
    """The options of every command that listens."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print one JSON line when requests are answered."),
        click.option(
            "--port", type=PORTS, default=PORT, show_default=True, help="The port to listen on; 0 takes a free one."
        ),
        click.option("--host", default=HOST, show_default=True, help="The address to listen on."),
    ):
        command = option(command)
    return command


@click.command()
@click.argument("service", metavar="MODULE:SERVICE")
@click.option("--engine", default="memory:", show_default=True, help="Where logs are kept: memory: or sqlite:FOLDER.")
@listening
def serve(service: str, *, engine: str, host: str, port: int, as_json: bool) -> None:
    """Serve SERVICE of MODULE over HTTP until Ctrl-C, for example `ropewalk serve counters:counters`."""
    run(found_service(service), Place(engine, host, port), as_json=as_json)


def found_service(name: str) -> Service:
    """The service that MODULE:SERVICE names. Raises ClickException if there is none."""
    module, colon, attribute = name.partition(":")
    if not module or not colon:
        raise click.BadParameter(f"{name!r} names no service: write MODULE:SERVICE", param_hint="MODULE:SERVICE")
    if module.endswith(".py") or "/" in module or module.startswith("."):
        imported = ".".join(part for part in module.removesuffix(".py").replace("/", ".").split(".") if part)
        raise click.BadParameter(
            f"{module!r} is no module: write {imported}:{attribute}, as it is imported", param_hint="MODULE:SERVICE"
        )
    names = vars(_imported(module))
    if attribute not in names:
        services = ", ".join(f"{module}:{each}" for each, found in names.items() if isinstance(found, Service))
        there = f"but {services}" if services else "and no ropewalk.Service"
        raise click.ClickException(f"{module} has no {attribute!r}, {there}")
    found = names[attribute]
    if not isinstance(found, Service):
        raise click.ClickException(f"{attribute!r} in {module} is no ropewalk.Service, but {type(found).__name__}")
    return found


def _imported(module: str) -> ModuleType:
    """The module of that name. Raises ClickException if there is none, or if it is no Python that can be imported."""
    # As `python MODULE.py` would find it: from the folder that the command is given in.
    sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(module)
    except SyntaxError as error:
        told = f"{error.filename}, line {error.lineno}: {error.msg}"
        raise click.BadParameter(f"{told}\n  {(error.text or '').strip()}", param_hint="MODULE:SERVICE") from error
    except ImportError as error:
        asking = _last_line(error)
        if asking is None:
            raise click.ClickException(f"there is no module {error.name!r} here or installed") from error
        raise click.BadParameter(f"{asking}: {error.msg}", param_hint="MODULE:SERVICE") from error


def _last_line(error: ImportError) -> str | None:
    """The file and line that asked for what is not there; None if that was the command line."""
    frames = traceback.extract_tb(error.__traceback__)
    asking = [each for each in frames if not each.filename.startswith(("<frozen importlib", importlib.__file__))][-1]
    return None if asking.filename == __file__ else f"{asking.filename}, line {asking.lineno}"
