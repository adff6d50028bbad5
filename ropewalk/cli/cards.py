"""`ropewalk cards`: programmes and cards of a running service over HTTP, and messages to its card port.

Checked by: tests/cli/test_cards.py
"""

import asyncio
import re
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final, TypedDict, TypeVar, Unpack

import click

from ropewalk.cli.client import AnotherService, Client, Json, NoService, NotDone, asking, connected, print_json
from ropewalk.cli.tables import dollars, print_table
from ropewalk.cli.values import as_cents
from ropewalk.errors import NotAccepted, OutcomeUnknown, Rejected

F = TypeVar("F", bound=Callable[..., object])

_ACQUIRER: Final = "99"
_ADDRESS: Final = "127.0.0.1:8583"
_LISTED: Final = 20
_MONTH: Final = re.compile(r"[0-9]{2}(0[1-9]|1[0-2])")
_NAME: Final = re.compile(r"[0-9]{42}")

_CARD_TITLES: Final = {
    "masked": "card", "account_number": "account", "expires": "expires", "state": "state", "limit_minor": "limit",
    "day_limit_minor": "limit of day", "spent_minor": "spent", "spent_count": "times",
}  # fmt: skip
_STAND_IN_TITLES: Final = {
    "masked": "card", "what": "what", "amount_minor": "amount", "code": "code", "outcome": "outcome",
    "issuer_code": "issuer's code", "acquirer": "acquirer", "transmitted": "sent", "trace": "trace",
}  # fmt: skip

cards = click.Group("cards", help="Issue cards, and send authorisations as ISO 8583 messages.")


class _Done(TypedDict):
    repeated: bool


class _Card(TypedDict):
    masked: str
    limit_minor: int
    day_limit_minor: int


class _StandIn(TypedDict):
    masked: str
    amount_minor: int


class How(TypedDict):
    """How a message is sent, and its answer shown: the options of `sending`."""

    address: str
    acquirer: str
    specification: str
    as_json: bool


def _month(_: click.Context, __: click.Parameter, text: str) -> str:
    """A month that is not over, YYMM."""
    if not _MONTH.fullmatch(text):
        raise click.BadParameter(f"{text!r} is no month: write YYMM, like 3012 for December 2030")
    if text < f"{datetime.now(UTC):%y%m}":
        raise click.BadParameter(f"20{text[:2]}-{text[2:]} is over: give a month to come, YYMM")
    return text


def _name(_: click.Context, __: click.Parameter, text: str) -> str:
    if not _NAME.fullmatch(text):
        raise click.BadParameter(f"{text!r} is none: give the 42 digits that `ropewalk cards authorise` told")
    return text


def sending(command: F) -> F:
    """The arguments and options of every command that sends a message about money."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print the answer's fields as JSON."),
        click.option("--specification", default="1987-ascii", show_default=True, help="How messages are encoded."),
        click.option("--address", default=_ADDRESS, show_default=True, help="The card port, HOST:PORT."),
        click.option("--acquirer", default=_ACQUIRER, show_default=True, help="Who sends it, up to 11 digits."),
        click.argument("dollars_", metavar="DOLLARS", callback=as_cents),
        click.argument("number"),
    ):
        command = option(command)
    return command


@contextmanager
def _connected(url: str) -> Iterator[Client]:
    """A client of payments with cards at `url`. Raises NoService if it is payments without them."""
    with connected(url) as client:
        try:
            yield client
        except AnotherService:
            if _is_payments(client):
                told = f"payments answers at {url} without cards: start it with --cards-port"
                raise NoService(told) from None
            raise


def _is_payments(client: Client) -> bool:
    """True if there is what payments alone has."""
    try:
        list(client.items("/windows", dict, count_max=1))
    except click.ClickException:
        return False
    return True


@cards.command()
@click.argument("routing")
@click.argument("bin_", metavar="BIN")
@click.option("--hold-days", default=7, show_default=True, help="How long an authorisation holds money.")
@click.option("--stand-in", default="0", callback=as_cents, help="Dollars allowed at once while it does not answer.")
@click.option("--stand-in-day", default="0", callback=as_cents, help="Dollars allowed a card and day meanwhile.")
@asking
def programme(
    *, routing: str, bin_: str, hold_days: int, stand_in: int, stand_in_day: int, url: str, as_json: bool
) -> None:
    """Let the institution ROUTING issue cards whose numbers begin with the six digits of BIN."""
    body = {"bin": bin_, "hold_days": hold_days, "stand_in_cents": stand_in, "stand_in_day_cents": stand_in_day}
    with _connected(url) as client:
        done = client.post(f"/institutions/{routing}/card-programmes", body, _Done)
    print_json(done) if as_json else click.echo(f"{routing} issues cards that begin with {bin_}")


@cards.command()
@click.argument("routing")
@click.argument("account")
@click.argument("number")
@click.option("--expires", required=True, callback=_month, help="The last month in which it is good, YYMM.")
@click.option("--limit", default="0", callback=as_cents, help="Dollars at once at most; 0 is no limit.")
@click.option("--day-limit", default="0", callback=as_cents, help="Dollars a day at most; 0 is no limit.")
@asking
def issue(
    *, routing: str, account: str, number: str, expires: str, limit: int, day_limit: int, url: str, as_json: bool
) -> None:
    """Issue the card NUMBER for ACCOUNT of the institution ROUTING."""
    card = {"number": number, "account_number": account, "expires": expires}
    body = [{**card, "limit_cents": limit, "day_limit_cents": day_limit}]
    with _connected(url) as client:
        done = client.post(f"/institutions/{routing}/cards", body, _Done)
    print_json(done) if as_json else click.echo(f"issued for account {account}")


@cards.command("list")
@click.argument("routing")
@click.option("--limit", type=click.IntRange(1), default=_LISTED, show_default=True, help="How many rows at most.")
@asking
def list_(*, routing: str, limit: int, url: str, as_json: bool) -> None:
    """List the cards of the institution ROUTING, their numbers hidden."""
    with _connected(url) as client:
        rows = list(client.items(f"/institutions/{routing}/cards", _Card, count_max=limit))
    if not as_json:
        print_table(_CARD_TITLES, [{**row, **_limits(row)} for row in rows])
        return
    for row in rows:
        print_json(row)


@cards.command("stand-ins")
@click.option("--disputed", is_flag=True, help="Only those that the issuer would not have made, or pays for.")
@click.option(
    "--limit", type=click.IntRange(1), default=_LISTED, show_default=True, help="How many of each partition at most."
)
@asking
def stand_ins(*, disputed: bool, limit: int, url: str, as_json: bool) -> None:
    """List what was decided in place of an issuer, and what it said to that."""
    with _connected(url) as client:
        rows = client.get("/card-stand-ins", list[_StandIn], disputed=f"{disputed}".lower(), limit=limit)
    if not as_json:
        print_table(_STAND_IN_TITLES, rows)
        return
    for row in rows:
        print_json(row)


@cards.command()
@sending
@click.option("--purchase", is_flag=True, help="Spend it at once, and not only hold it.")
@click.option("--part", is_flag=True, help="Part of the amount is welcome.")
def authorise(number: str, dollars_: int, *, purchase: bool, part: bool, **how: Unpack[How]) -> None:
    """Ask whether the card NUMBER may spend DOLLARS. What is printed as its name is for `complete` and `reverse`."""
    fields = {"t": "0200" if purchase else "0100", "60": "1" if part else ""}
    _send({**fields, **_movement(number, dollars_)}, **how)


@cards.command()
@click.argument("name", callback=_name)
@sending
def complete(name: str, number: str, dollars_: int, **how: Unpack[How]) -> None:
    """Spend DOLLARS of what the authorisation NAME holds on the card NUMBER."""
    _send({"t": "0220", "90": name, **_movement(number, dollars_)}, **how)


@cards.command()
@click.argument("name", callback=_name)
@sending
def reverse(name: str, number: str, dollars_: int, **how: Unpack[How]) -> None:
    """Undo what the message NAME did with DOLLARS on the card NUMBER."""
    _send({"t": "0420", "90": name, **_movement(number, dollars_)}, **how)


def _limits(card: _Card) -> Json:
    return {
        "limit_minor": card["limit_minor"] or "none",
        "day_limit_minor": card["day_limit_minor"] or "none",
    }


def _movement(number: str, cents: int) -> dict[str, str]:
    """The fields of a message about money, named by this second and a trace number at random."""
    now = datetime.now(UTC)
    return {
        "2": number, "3": "000000", "4": f"{cents:012}", "7": f"{now:%m%d%H%M%S}",
        "11": f"{secrets.randbelow(1_000_000):06}", "41": "ROPEWALK", "49": "840",
    }  # fmt: skip


def _send(fields: dict[str, str], **how: Unpack[How]) -> None:
    """Send a message, say what it is answered and end with 1 if that is a no."""
    # Imported here: a command that asks over HTTP needs none of it.
    from ropewalk.systems.payments.cards.client import connected_cards
    from ropewalk.systems.payments.cards.codec import Codec
    from ropewalk.systems.payments.cards.masking import shown
    from ropewalk.systems.payments.cards.specification import Specification, load_specification

    host, _, port = how["address"].rpartition(":")
    if not host or not port.isdigit():
        raise click.ClickException(f"{how['address']!r} is no address: write HOST:PORT")
    given = {number: text for number, text in {**fields, "32": how["acquirer"]}.items() if text}
    name = f"{given['t']}{given['11']}{given['7']}{how['acquirer']:0>11}{0:011}"

    async def ask(specification: Specification) -> dict[str, str]:
        async with connected_cards(host, int(port), specification) as client:
            return await client.ask(given)

    try:
        specification = load_specification(how["specification"])
        Codec(specification).pack(given)
    except Rejected as error:
        raise click.ClickException(str(error)) from error
    try:
        answer = asyncio.run(ask(specification))
    except Rejected as error:
        # What is sent can be read, so it is the answer that can't.
        raise click.ClickException(f"what answers at {how['address']} is perhaps no card port: {error}") from error
    except NotAccepted as error:
        raise NoService(str(error)) from error
    except OutcomeUnknown as error:
        # 1 is what a refused payment ends with, and this one may have been approved.
        raise NotDone(f"{error}; its name is {name}", "unknown") from error
    if how["as_json"]:
        print_json({"name": name, **shown(answer), "44": answer.get("44", "")})
    else:
        click.echo(_sentence(answer))
        click.echo(f"its name is {name}")
    sys.exit(0 if answer["39"] in ("00", "10") else 1)


def _sentence(answer: dict[str, str]) -> str:
    code, words = answer["39"], answer.get("44", "")
    match code:
        case "00":
            said = "approved"
        case "10":
            said = f"approved in part: {dollars(int(answer['4']))}"
        case _:
            said = "refused"
    return f"{answer['t']} {code} {said}{f', {words}' if words else ''}"
