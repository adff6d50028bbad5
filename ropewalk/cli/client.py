"""Asking a running service over HTTP, for commands: where it is, how often to try, and what to say if it refuses.

Checked by: tests/cli/test_payments.py
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import click
import httpx
import msgspec
from rich.table import Table

from ropewalk.cli.terminal import open_console

F = TypeVar("F", bound=Callable[..., object])
Json = Mapping[str, Any]

URL: Final = "http://127.0.0.1:8080"
DEADLINE_S: Final = 300.0
_ATTEMPTS_MAX: Final = 5
_PAGE: Final = 1_000
_OF_ANY_SERVICE: Final = frozenset({"saga", "webhooks"})
"""The groups of commands that every kind of service may be asked with; others are for payments."""
_RETRIED: Final = frozenset({httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.GATEWAY_TIMEOUT})


def _url(_: click.Context, __: click.Parameter, url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise click.BadParameter(f"{url!r} is none: give a URL that begins with http:// or https://")
    return url


def asking(command: F) -> F:
    """The options of every command that asks a running service."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line."),
        click.option(
            "--url",
            default=URL,
            envvar="ROPEWALK_URL",
            show_default=True,
            callback=_url,
            help="Where it answers; or ROPEWALK_URL.",
        ),
    ):
        command = option(command)
    return command


class Refusal(click.ClickException):
    """What the service said no to: its problem, word for word, and what to do if that is known here only."""

    def __init__(self, problem: Json, *, url: httpx.URL) -> None:
        super().__init__(f"{problem.get('detail', problem)}{_advice(problem, url)}")
        self.problem = problem


class Client:
    """A service at a URL. What changes something carries a key, so that it can be sent again."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def get(self, path: str, **query: object) -> Any:
        """What is at a path."""
        given = {name: str(value) for name, value in query.items() if value is not None}
        return _json(self._answer("GET", path, params=given))

    def content(self, path: str, *, media: str = "*/*", **query: object) -> bytes:
        """The bytes that are at a path, of a media type if one is given."""
        given = {name: str(value) for name, value in query.items() if value is not None}
        return self._answer("GET", path, params=given, headers={"Accept": media}).content

    def exchange(self, path: str, content: bytes, *, media: str) -> bytes:
        """Send bytes that name themselves by an id of their own, and get bytes back."""
        return self._answer("POST", path, content=content, headers={"Content-Type": media}).content

    def items(self, path: str, *, count_max: int | None = None, **query: object) -> Iterator[Any]:
        """The rows at a path, page by page, `count_max` of them at most."""
        after = query.pop("after", None)
        while count_max is None or count_max > 0:
            limit = _PAGE if count_max is None else min(_PAGE, count_max)
            page = self.get(path, **query, after=after, limit=limit)
            yield from page["items"]
            after = page["next"]
            if after is None:
                return
            count_max = None if count_max is None else count_max - len(page["items"])

    def post(self, path: str, body: object, *, key: str | None = None) -> Any:
        """Have something done: once for each key, if it does not name itself by an id of its own."""
        headers = {"Content-Type": "application/json", **({"Idempotency-Key": key} if key else {})}
        return _json(self._answer("POST", path, content=msgspec.json.encode(body), headers=headers))

    def put(self, path: str, body: object) -> Any:
        """Have something be as it is said: as often as it is sent."""
        headers = {"Content-Type": "application/json"}
        return _json(self._answer("PUT", path, content=msgspec.json.encode(body), headers=headers))

    def upload(self, path: str, pieces: Callable[[], Iterator[bytes]], *, key: str) -> Any:
        """Send bytes in pieces; `pieces` begins again if they must be sent again."""
        headers = {"Idempotency-Key": key, "Content-Type": "application/octet-stream"}
        return _json(self._answer("POST", path, pieces=pieces, headers=headers))

    def _answer(
        self, method: str, path: str, *, pieces: Callable[[], Iterator[bytes]] | None = None, **how: Any
    ) -> httpx.Response:
        """The answer, after trying again as often as the service asks for it. Raises Refusal if it is a no."""
        for attempt in range(1, _ATTEMPTS_MAX + 1):
            if pieces is not None:
                how["content"] = pieces()
            response = self._http.request(method, path, **how)
            if response.is_success:
                return response
            problem = _problem(response)
            if response.status_code not in _RETRIED or attempt == _ATTEMPTS_MAX:
                break
            time.sleep(float(problem.get("retry_after_s", 0.1)))
        raise Refusal(problem, url=self._http.base_url)


@contextmanager
def connected(url: str) -> Iterator[Client]:
    """A client of the service at `url`. Raises ClickException if none answers there."""
    headers = {"Ropewalk-Deadline": str(DEADLINE_S)}
    try:
        with httpx.Client(base_url=url, timeout=DEADLINE_S, headers=headers) as http:
            yield Client(http)
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise click.ClickException(
            f"no service answers at {url} ({error}): start one with {_starters()}, or give its --url"
        ) from error


def print_json(row: object) -> None:
    """One JSON object on a line."""
    click.echo(msgspec.json.encode(row))


def print_table(titles: Mapping[str, str], rows: Iterable[Json]) -> None:
    """Rows in columns: `titles` maps fields to headings. Numbers are to the right, `_cents` fields in dollars."""
    table = Table(box=None, header_style="dim", pad_edge=False)
    shown = [[_shown(field, row.get(field, "")) for field in titles] for row in rows]
    for index, heading in enumerate(titles.values()):
        is_number = all(_is_number(row[index]) for row in shown if row[index])
        table.add_column(heading, justify="right" if is_number and shown else "left", overflow="fold")
    for row in shown:
        table.add_row(*row)
    open_console().print(table if shown else "[dim]none[/]")


def dollars(cents: int) -> str:
    """Cents as dollars: -1,234.50."""
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100:,}.{abs(cents) % 100:02}"


def moment(time_ns: int) -> str:
    """A time, in UTC and to the second: 2026-11-25T13:10:08Z."""
    return f"{datetime.fromtimestamp(time_ns // 1_000_000_000, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _shown(field: str, value: object) -> str:
    if field.endswith("_cents") and isinstance(value, int):
        return dollars(value)
    if isinstance(value, list):
        return ", ".join(str(each) for each in value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _is_number(text: str) -> bool:
    return text.replace(",", "").replace(".", "").removeprefix("-").isdigit()


def _starters() -> str:
    """The commands that start a service which the command that runs may ask."""
    within = click.get_current_context().parent
    if within is not None and within.info_name in _OF_ANY_SERVICE:
        return "`ropewalk up` or `ropewalk serve`"
    return "`ropewalk up payments`"


def _advice(problem: Json, url: httpx.URL) -> str:
    match str(problem.get("type")).rpartition(":")[2]:
        # As the edge says it, and not an operation that found no such thing.
        case "not_found" if str(problem.get("detail")).startswith("there is nothing at /"):
            return f"; another service answers at {url}: is --url right?"
        case "unknown_endpoint":
            return " with `ropewalk webhooks list`"
        case _:
            return ""


def _problem(response: httpx.Response) -> Json:
    try:
        return msgspec.json.decode(response.content, type=dict[str, Any])
    except msgspec.DecodeError:
        return {"detail": _not_ours(response)}


def _json(response: httpx.Response) -> Any:
    try:
        return msgspec.json.decode(response.content)
    except msgspec.DecodeError as error:
        raise click.ClickException(_not_ours(response)) from error


def _not_ours(response: httpx.Response) -> str:
    return f"{response.url} answered {response.status_code}, and not as Ropewalk does: is --url right?"
