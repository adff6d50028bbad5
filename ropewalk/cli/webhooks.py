"""`ropewalk webhooks`: where a running service sends its events, and what was not taken there.

Checked by: tests/cli/test_webhooks.py
"""

import re
import secrets
from collections.abc import Callable, Mapping
from typing import Final, TypedDict, TypeVar

import click

from ropewalk.cli.client import Client, Json, asking, connected, print_json
from ropewalk.cli.tables import print_table
from ropewalk.cli.terminal import open_console

F = TypeVar("F", bound=Callable[..., object])
T = TypeVar("T")

_ENDPOINT_TITLES: Final = {
    "endpoint": "endpoint", "status": "status", "delivered": "delivered", "behind": "behind", "waiting": "waiting",
    "dead": "dead", "missed": "missed", "url": "url",
}  # fmt: skip
_LETTER_TITLES: Final = {
    "event_id": "event", "kind": "kind", "subject": "subject", "attempts": "attempts", "why": "why",
}  # fmt: skip


class _Endpoint(TypedDict):
    endpoint: str


class _Endpoints(TypedDict):
    items: list[_Endpoint]


class _Letter(TypedDict):
    event_id: str


class _Letters(TypedDict):
    items: list[_Letter]


class _Count(TypedDict):
    count: int


class _Secret(_Endpoint):
    url: str
    secret: str


_NUMBER: Final = re.compile(r"(?:([0-9]{1,9})=)?([0-9]{1,18})")

webhooks = click.Group("webhooks", help="Look after the endpoints that a running service sends its events to.")

Numbers = int | Mapping[str, int]


def _numbers(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> Numbers | None:
    """One number, or one for each partition that is named; None if none is given."""
    found = [_NUMBER.fullmatch(each) for each in given]
    if not all(found) or (len(found) > 1 and not all(each and each[1] for each in found)):
        raise click.BadParameter(f"{' '.join(given)!r} is none: give N, or PARTITION=N for one partition or several")
    named = {each[1]: int(each[2]) for each in found if each}
    return named.get(None, named) if named else None


def _after(*, required: bool = False) -> Callable[[F], F]:
    return click.option(
        "--after",
        multiple=True,
        required=required,
        metavar="[PARTITION=]N",
        callback=_numbers,
        help="Begin behind event N; with several partitions, of each that is named.",
    )


_all = click.option("--all", "takes_all", is_flag=True, help="All dead letters of the endpoint.")


@webhooks.command()
@click.argument("to", metavar="ENDPOINT_URL")
@click.option("--id", "endpoint", help="A name for the endpoint; drawn if left out.")
@click.option("--kind", "kinds", multiple=True, help="Only events of this kind; may be given several times.")
@click.option("--subject-prefix", default="", help="Only events whose subject begins so.")
@click.option(
    "--in-flight", type=int, help="Messages on their way at a time; 1 keeps their order while all are taken."
)
@click.option("--from-oldest", is_flag=True, help="Begin with the oldest event that is kept, and not with the next.")
@_after()
@asking
def add(
    *, to: str, endpoint: str | None, kinds: tuple[str, ...], subject_prefix: str, in_flight: int | None,
    from_oldest: bool, after: Numbers | None, url: str, as_json: bool,
) -> None:  # fmt: skip
    """Send events to ENDPOINT_URL. The secret that is printed verifies them; only the same `add` shows it again."""
    body: dict[str, object] = {
        "url": to,
        "kinds": kinds,
        "subject_prefix": subject_prefix,
        "from_oldest": from_oldest,
    }
    given = {"endpoint": endpoint, "in_flight": in_flight, "after": after}
    body.update({name: value for name, value in given.items() if value is not None})
    with connected(url) as client:
        _print_secret(_post(client, "", body, shape=_Secret), as_json=as_json)


@webhooks.command("list")
@asking
def list_(*, url: str, as_json: bool) -> None:
    """List endpoints: how each is, and how many events it is behind."""
    _list("/webhooks", _Endpoints, _ENDPOINT_TITLES, url=url, as_json=as_json)


@webhooks.command()
@click.argument("endpoint")
@asking
def waiting(endpoint: str, *, url: str, as_json: bool) -> None:
    """List the messages that ENDPOINT did not take and will be sent again."""
    _list(f"/webhooks/{endpoint}/waiting", _Letters, _LETTER_TITLES, url=url, as_json=as_json)


@webhooks.command()
@click.argument("endpoint")
@asking
def dead(endpoint: str, *, url: str, as_json: bool) -> None:
    """List the messages that ENDPOINT did not take and will not be sent again unless you say so."""
    _list(f"/webhooks/{endpoint}/dead", _Letters, _LETTER_TITLES, url=url, as_json=as_json)


@webhooks.command()
@click.argument("endpoint")
@click.argument("events", nargs=-1)
@_all
@asking
def retry(endpoint: str, *, events: tuple[str, ...], takes_all: bool, url: str, as_json: bool) -> None:
    """Send dead letters again, at once: those of EVENTS, or all."""
    body = _chosen(events, takes_all=takes_all)
    _count(f"{endpoint}/retry", body, lambda count: f"{count} will be sent again", url=url, as_json=as_json)


@webhooks.command()
@click.argument("endpoint")
@click.argument("events", nargs=-1)
@_all
@asking
def drop(endpoint: str, *, events: tuple[str, ...], takes_all: bool, url: str, as_json: bool) -> None:
    """Forget dead letters: those of EVENTS, or all."""
    body = _chosen(events, takes_all=takes_all)
    _count(f"{endpoint}/drop", body, lambda count: f"{count} are forgotten", url=url, as_json=as_json)


@webhooks.command()
@click.argument("endpoint")
@_after(required=True)
@asking
def replay(endpoint: str, *, after: Numbers, url: str, as_json: bool) -> None:
    """Send ENDPOINT again what is behind an event that is still kept."""
    _count(f"{endpoint}/replay", {"after": after}, lambda count: f"{count} come again", url=url, as_json=as_json)


@webhooks.command()
@click.argument("endpoint")
@click.option(
    "--keep", "keep_s", default=86_400, show_default=True, help="Seconds that the old secret signs as well."
)
@asking
def rotate(endpoint: str, *, keep_s: int, url: str, as_json: bool) -> None:
    """Sign what is sent to ENDPOINT with a new secret."""
    with connected(url) as client:
        _print_secret(_post(client, f"/{endpoint}/rotate", {"keep_s": keep_s}, shape=_Secret), as_json=as_json)


@webhooks.command()
@click.argument("endpoint")
@asking
def enable(endpoint: str, *, url: str, as_json: bool) -> None:
    """Send events to ENDPOINT again, from where it stopped."""
    _switch(f"{endpoint}/enable", f"{endpoint} is sent events", url=url, as_json=as_json)


@webhooks.command()
@click.argument("endpoint")
@asking
def disable(endpoint: str, *, url: str, as_json: bool) -> None:
    """Send no events to ENDPOINT until it is enabled."""
    _switch(f"{endpoint}/disable", f"{endpoint} is sent nothing", url=url, as_json=as_json)


@webhooks.command()
@click.argument("endpoint")
@asking
def remove(endpoint: str, *, url: str, as_json: bool) -> None:
    """Forget ENDPOINT, with all that waits for it."""
    _count(
        f"{endpoint}/remove",
        {},
        lambda count: f"{endpoint} is forgotten, with {count} messages that it did not take",
        url=url,
        as_json=as_json,
    )


def _chosen(events: tuple[str, ...], *, takes_all: bool) -> Json:
    if bool(events) == takes_all:
        raise click.UsageError("name the events, as `ropewalk webhooks dead` lists them, or give --all")
    return {} if takes_all else {"event_ids": events}


def _list(
    path: str, shape: type[_Endpoints | _Letters], titles: Mapping[str, str], *, url: str, as_json: bool
) -> None:
    with connected(url) as client:
        rows = client.get(path, shape)["items"]
    if as_json:
        for row in rows:
            print_json(row)
    else:
        print_table(titles, rows)


def _post(client: Client, path: str, body: Json, *, shape: type[T]) -> T:
    return client.post(f"/webhooks{path}", body, shape, key=secrets.token_hex(16))


def _count(path: str, body: Json, told: Callable[[int], str], *, url: str, as_json: bool) -> None:
    with connected(url) as client:
        done = _post(client, f"/{path}", body, shape=_Count)
    print_json(done) if as_json else click.echo(told(done["count"]))


def _switch(path: str, told: str, *, url: str, as_json: bool) -> None:
    with connected(url) as client:
        done = _post(client, f"/{path}", {}, shape=_Endpoint)
    print_json(done) if as_json else click.echo(told)


def _print_secret(settings: _Secret, *, as_json: bool) -> None:
    if as_json:
        print_json(settings)
        return
    console = open_console()
    console.print(f"[bold]{settings['endpoint']}[/] is sent events at {settings['url']}")
    console.print(f"secret {settings['secret']}")
