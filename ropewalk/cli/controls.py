"""`ropewalk controls`: limit and freeze accounts of a running service, reverse transfers, and see who did and why.

Checked by: tests/cli/test_controls.py
"""

import secrets
from collections.abc import Callable
from typing import Final, TypedDict, TypeVar, Unpack

import click

from ropewalk.cli.client import Json, asking, connected, print_json
from ropewalk.cli.tables import dollars, moment, print_table
from ropewalk.cli.values import as_cents

F = TypeVar("F", bound=Callable[..., object])

_LISTED: Final = 20
_TITLES: Final = {
    "number": "number", "when": "when", "what": "what", "about": "about", "who": "who", "why": "why",
    "set": "what it set",
}  # fmt: skip


class _Done(TypedDict):
    number: int
    made_id: str


class _Controls(TypedDict):
    frozen: str
    transfer_cents: int
    day_cents: int
    day_count: int
    spent_cents: int
    spent_count: int


class _Listed(TypedDict):
    time_ns: int
    routing: str
    account: str
    transfer_id: str
    details: dict[str, str]


controls = click.Group("controls", help="Limit and freeze accounts, reverse transfers; each with who and why.")


class How(TypedDict):
    """The options of `controlling`."""

    who: str
    why: str
    url: str
    as_json: bool


def controlling(command: F) -> F:
    """The options of every command that changes something."""
    for option in (
        asking,
        click.option("--why", required=True, help="The reason, for whoever asks later."),
        click.option("--who", required=True, envvar="ROPEWALK_WHO", help="Who does it; or ROPEWALK_WHO."),
    ):
        command = option(command)
    return command


@controls.command()
@click.argument("routing")
@click.argument("number")
@click.option("--at-once", default="0", callback=as_cents, help="Dollars at once at most; 0 is no limit.")
@click.option("--a-day", default="0", callback=as_cents, help="Dollars in any 24 hours at most.")
@click.option("--times-a-day", default=0, help="Debits in any 24 hours at most.")
@controlling
def limit(*, routing: str, number: str, at_once: int, a_day: int, times_a_day: int, **how: Unpack[How]) -> None:
    """Limit what leaves the account NUMBER of the institution ROUTING; without options, lift its limits."""
    body = {"transfer_cents": at_once, "day_cents": a_day, "day_count": times_a_day}
    _change(f"/institutions/{routing}/accounts/{number}/limits", body, method="PUT", how=how)


@controls.command()
@click.argument("routing")
@click.argument("number")
@click.option("--sides", type=click.Choice(["both", "debits", "credits"]), default="both", show_default=True)
@controlling
def freeze(*, routing: str, number: str, sides: str, **how: Unpack[How]) -> None:
    """Let nothing enter or leave the account NUMBER of the institution ROUTING."""
    _change(f"/institutions/{routing}/accounts/{number}/freeze", {"sides": sides}, how=how)


@controls.command()
@click.argument("routing")
@click.argument("number")
@controlling
def unfreeze(*, routing: str, number: str, **how: Unpack[How]) -> None:
    """Let money enter and leave the account NUMBER of the institution ROUTING again."""
    _change(f"/institutions/{routing}/accounts/{number}/unfreeze", {}, how=how)


@controls.command()
@click.argument("transfer")
@click.option("--amount", default="0", help="How much, in the ledger's smallest unit; 0 is all that is left.")
@click.option("--reference", default="", help="A name for it: one reference goes back once, for ever.")
@click.option("--from-suspense", is_flag=True, help="What the payee can't pay, its bank's suspense account does.")
@controlling
def reverse(*, transfer: str, amount: str, reference: str, from_suspense: bool, **how: Unpack[How]) -> None:
    """Send the money of TRANSFER, its id, back to where it came from."""
    body = {"amount": amount, "reference": reference, "from_suspense": from_suspense}
    _change(f"/ledger/transfers/{transfer}/reversal", body, how=how)


@controls.command()
@click.argument("routing")
@click.argument("number")
@asking
def show(*, routing: str, number: str, url: str, as_json: bool) -> None:
    """Show what holds for the account NUMBER of the institution ROUTING, and what counts against it."""
    with connected(url) as client:
        held = client.get(f"/institutions/{routing}/accounts/{number}/controls", _Controls)
    if as_json:
        print_json(held)
        return
    click.echo(f"frozen: {held['frozen']}")
    click.echo(f"at once: {_limit(held['transfer_cents'])}")
    click.echo(f"in 24 hours: {_limit(held['day_cents'])}, of which {dollars(held['spent_cents'])} is spent")
    click.echo(f"times in 24 hours: {held['day_count'] or 'no limit'}, of which {held['spent_count']} have been")


@controls.command("list")
@click.option("--routing", help="Only what was done to accounts of this institution; with --number.")
@click.option("--number", help="The account's number there.")
@click.option(
    "--limit", "count", type=click.IntRange(1), default=_LISTED, show_default=True, help="How many rows at most."
)
@asking
def list_(*, routing: str | None, number: str | None, count: int, url: str, as_json: bool) -> None:
    """List what was done, oldest first, with who and why."""
    with connected(url) as client:
        rows = list(client.items("/controls", _Listed, count_max=count, routing=routing, number=number))
    if not as_json:
        print_table(_TITLES, [_row(row) for row in rows])
        return
    for row in rows:
        print_json(row)


def _change(path: str, body: Json, *, how: How, method: str = "POST") -> None:
    """Have something done, and say under which number it is listed."""
    given = {**body, "who": how["who"], "why": how["why"]}
    with connected(how["url"]) as client:
        if method == "PUT":
            done = client.put(path, given, _Done)
        else:
            done = client.post(path, given, _Done, key=secrets.token_hex(16))
    if how["as_json"]:
        print_json(done)
        return
    made = f"; transfer {done['made_id']} sends the money back" if done["made_id"] else ""
    click.echo(f"done, and listed as {done['number']}{made}")


def _row(row: _Listed) -> Json:
    about = row["transfer_id"] or f"{row['routing']} {row['account']}"
    given = ", ".join(
        f"{name} {_told(name, value)}" for name, value in row["details"].items() if value not in ("", "0")
    )
    return {**row, "when": moment(row["time_ns"]), "about": about, "set": given}


def _told(name: str, value: str) -> str:
    return dollars(int(value)) if name.endswith("_cents") else value


def _limit(cents: int) -> str:
    return dollars(cents) if cents else "no limit"
