"""`ropewalk saga`: the sagas of a running service, and what an operator does about those that are stuck.

Checked by: tests/cli/test_saga.py
"""

import getpass
import secrets
from collections.abc import Callable
from typing import Final, TypedDict, TypeVar
from urllib.parse import quote

import click
import msgspec

from ropewalk.cli.client import Json, asking, connected, print_json
from ropewalk.cli.tables import moment, print_table
from ropewalk.coordination.sagas.state import State

F = TypeVar("F", bound=Callable[..., object])

_LISTED: Final = 20

_SAGA_TITLES: Final = {
    "id": "id", "saga": "saga", "state": "state", "waits_for": "waits for", "since": "since", "because": "because",
}  # fmt: skip
_STEP_TITLES: Final = {"name": "step", "state": "state", "tries": "tries", "reply": "reply", "why": "why"}
_TASK_TITLES: Final = {"id": "saga", "step": "step", "kind": "kind", "data": "data", "tries": "tries"}
_HISTORY_TITLES: Final = {"time": "time", "step": "step", "what": "what", "detail": "detail", "who": "who"}


class _Summary(TypedDict):
    id: str
    changed_ns: int
    stuck: str
    why: str


class _Step(TypedDict):
    name: str
    reply: object


class _Happened(TypedDict):
    time_ns: int


class _Task(TypedDict):
    id: str
    data: object


class _View(TypedDict):
    summary: _Summary
    steps: list[_Step]
    history: list[_Happened]


saga = click.Group("saga", help="Look at the sagas of a running service, and look after those that are stuck.")


def signed(command: F) -> F:
    """The option that says who does it."""
    who = "Who does it; or ROPEWALK_WHO; else you."
    return click.option("--who", default=getpass.getuser, envvar="ROPEWALK_WHO", help=who)(command)


def operating(command: F) -> F:
    """The options of what an operator does."""
    return click.option("--why", default="", help="Why it is right; it stays in the saga's history.")(signed(command))


@saga.command("list")
@click.option("--state", type=click.Choice([state.value for state in State]), help="Only those that are so.")
@click.option("--limit", type=click.IntRange(1), default=_LISTED, show_default=True, help="How many rows at most.")
@asking
def list_(*, state: str | None, limit: int, url: str, as_json: bool) -> None:
    """List sagas by their ids."""
    with connected(url) as client:
        rows = list(client.items("/sagas", _Summary, count_max=limit, state=state))
    _print(rows, as_json=as_json)


@saga.command()
@click.argument("id_", metavar="ID")
@asking
def show(*, id_: str, url: str, as_json: bool) -> None:
    """Show saga ID: its steps, and what happened when."""
    with connected(url) as client:
        view = client.get(_at(id_), _View)
    if as_json:
        print_json(view)
        return
    _print([view["summary"]], as_json=False)
    click.echo()
    print_table(_STEP_TITLES, [{**step, "reply": _text(step["reply"])} for step in view["steps"]])
    click.echo()
    print_table(_HISTORY_TITLES, [{**each, "time": moment(each["time_ns"])} for each in view["history"]])


@saga.command()
@click.argument("id_", metavar="ID")
@operating
@asking
def retry(*, id_: str, who: str, why: str, url: str, as_json: bool) -> None:
    """Try again what stuck saga ID could not do."""
    _post(f"{_at(id_)}/retry", {"who": who, "why": why}, url=url, as_json=as_json)


@saga.command()
@click.argument("id_", metavar="ID")
@operating
@asking
def compensate(*, id_: str, who: str, why: str, url: str, as_json: bool) -> None:
    """Undo what saga ID has done, whether it runs or is complete."""
    _post(f"{_at(id_)}/compensate", {"who": who, "why": why}, url=url, as_json=as_json)


@saga.command()
@click.argument("id_", metavar="ID")
@click.argument("step")
@operating
@asking
def resolve(*, id_: str, step: str, who: str, why: str, url: str, as_json: bool) -> None:
    """Take STEP of saga ID as undone: you have seen to it by hand."""
    _post(f"{_at(id_)}/resolve", {"step": step, "who": who, "why": why}, url=url, as_json=as_json)


@saga.command()
@click.option("--kind", help="Only those of this kind.")
@click.option(
    "--limit", type=click.IntRange(1), default=_LISTED, show_default=True, help="Of how many sagas at most."
)
@asking
def tasks(*, kind: str | None, limit: int, url: str, as_json: bool) -> None:
    """List the tasks that wait for somebody to do and answer them."""
    with connected(url) as client:
        rows = list(client.items("/saga-tasks", _Task, count_max=limit, kind=kind))
    if as_json:
        for row in rows:
            print_json(row)
        return
    print_table(_TASK_TITLES, [{**row, "data": _text(row["data"])} for row in rows])


@saga.command()
@click.argument("id_", metavar="ID")
@click.argument("step")
@click.argument("reply")
@click.option("--tries", type=click.IntRange(1), help="Only if it is this try that waits; else whichever does.")
@signed
@asking
def answer(*, id_: str, step: str, reply: str, tries: int | None, who: str, url: str, as_json: bool) -> None:
    """Answer the task of STEP of saga ID: REPLY says what came of it, in JSON or in a word."""
    body = {"step": step, "reply": _said(reply), "tries": tries or 0, "who": who}
    _post(f"{_at(id_)}/answer", body, url=url, as_json=as_json)


def _at(id_: str) -> str:
    """Where a saga is: any sign but a / may be in an id."""
    return f"/sagas/{quote(id_, safe='')}"


def _said(reply: str) -> object:
    try:
        return msgspec.json.decode(reply)
    except msgspec.DecodeError:
        return reply


def _post(path: str, body: Json, *, url: str, as_json: bool) -> None:
    with connected(url) as client:
        summary = client.post(path, body, _Summary, key=secrets.token_hex(16))
    _print([summary], as_json=as_json)


def _print(rows: list[_Summary], *, as_json: bool) -> None:
    if as_json:
        for row in rows:
            print_json(row)
        return
    shown = [{**row, "since": moment(row["changed_ns"]), "because": row["stuck"] or row["why"]} for row in rows]
    print_table(_SAGA_TITLES, shown)


def _text(reply: object) -> str:
    return "" if reply is None else str(reply)
