"""`ropewalk ledger`: accounts and transfers of a running service.

Checked by: tests/cli/test_payments.py
"""

import secrets
import sys
from collections.abc import Iterable
from typing import Annotated, Final, TypedDict

import click
import msgspec

from ropewalk.cli.client import Json, asking, connected, print_json
from ropewalk.cli.tables import dollars, moment, print_table
from ropewalk.cli.terminal import open_console

_LISTED: Final = 20
_DOCUMENTS: Final = {"camt053": "application/xml", "csv": "text/csv"}

_ACCOUNT_TITLES: Final = {
    "id": "id", "ledger": "ledger", "code": "code", "flags": "flags", "debits_pending": "debits pending",
    "debits_posted": "debits posted", "credits_pending": "credits pending", "credits_posted": "credits posted",
}  # fmt: skip
_TRANSFER_TITLES: Final = {
    "id": "id", "debit_account_id": "debit", "credit_account_id": "credit", "amount": "amount", "ledger": "ledger",
    "code": "code", "flags": "flags", "time": "time",
}  # fmt: skip
_BALANCE_TITLES: Final = {
    "time": "time", "debits_pending": "debits pending", "debits_posted": "debits posted",
    "credits_pending": "credits pending", "credits_posted": "credits posted",
}  # fmt: skip
_STATEMENT_TITLES: Final = {
    "time": "time", "what": "what", "amount_cents": "amount", "pending": "pending", "file": "file",
    "row": "row",
}  # fmt: skip
_TRIAL_TITLES: Final = {
    "what": "accounts for", "accounts": "accounts", "debit_cents": "debits", "credit_cents": "credits",
}  # fmt: skip


class _Stamped(TypedDict):
    timestamp: str


class _Account(TypedDict):
    name: str
    kind: str
    balance_cents: int
    available_cents: int


class _StatementLine(TypedDict):
    timestamp: int
    amount_cents: int


class _BalanceLine(TypedDict):
    what: str
    accounts: int
    debit_cents: int
    credit_cents: int


class _Book(TypedDict):
    lines: list[_BalanceLine]
    debit_cents: int
    credit_cents: int


class _Result(TypedDict):
    status: str
    meaning: str


class _Results(TypedDict):
    results: Annotated[list[_Result], msgspec.Meta(min_length=1)]


ledger = click.Group("ledger", help="Look at accounts and transfers of a running service, and create them.")

_limit = click.option(
    "--limit", type=click.IntRange(1), default=_LISTED, show_default=True, help="How many rows at most."
)
_newest = click.option("--newest", "order", flag_value="newest", default=None, help="The newest first.")


@ledger.command()
@click.option("--ledger", "ledger_", type=int, help="Only those of this ledger.")
@click.option("--code", type=int, help="Only those with this code.")
@_newest
@_limit
@asking
def accounts(
    *, ledger_: int | None, code: int | None, order: str | None, limit: int, url: str, as_json: bool
) -> None:
    """List accounts and their balances."""
    with connected(url) as client:
        rows = client.items("/ledger/accounts", _Stamped, count_max=limit, ledger=ledger_, code=code, order=order)
        _print(_ACCOUNT_TITLES, rows, as_json=as_json)


@ledger.command()
@click.argument("account", required=False)
@_newest
@_limit
@asking
def transfers(*, account: str | None, order: str | None, limit: int, url: str, as_json: bool) -> None:
    """List transfers: those of ACCOUNT, or all."""
    path = "/ledger/transfers" if account is None else f"/ledger/accounts/{account}/transfers"
    with connected(url) as client:
        _print(_TRANSFER_TITLES, client.items(path, _Stamped, count_max=limit, order=order), as_json=as_json)


@ledger.command()
@click.argument("account")
@_newest
@_limit
@asking
def balances(*, account: str, order: str | None, limit: int, url: str, as_json: bool) -> None:
    """List the balances of ACCOUNT after each of its transfers, if it was opened with the flag "history"."""
    with connected(url) as client:
        rows = client.items(f"/ledger/accounts/{account}/balances", _Stamped, count_max=limit, order=order)
        _print(_BALANCE_TITLES, rows, as_json=as_json)


@ledger.command()
@click.argument("id_", metavar="ID")
@click.option("--ledger", "ledger_", default=1, show_default=True, help="The ledger that it belongs to.")
@click.option("--code", default=1, show_default=True, help="What it is for, by your own numbers.")
@click.option("--flag", "flags", multiple=True, help="For example history, or debits_must_not_exceed_credits.")
@asking
def account(*, id_: str, ledger_: int, code: int, flags: tuple[str, ...], url: str, as_json: bool) -> None:
    """Open an account."""
    body = {"id": id_, "ledger": ledger_, "code": code, "flags": list(flags)}
    _create("/ledger/accounts", body, url=url, as_json=as_json)


@ledger.command()
@click.option("--debit", required=True, help="The account that pays.")
@click.option("--credit", required=True, help="The account that is paid.")
@click.option("--amount", required=True, help="How much, in the ledger's smallest unit.")
@click.option("--ledger", "ledger_", default=1, show_default=True, help="The ledger of both accounts.")
@click.option("--code", default=1, show_default=True, help="What it is for, by your own numbers.")
@click.option("--id", "id_", help="Its id; a random one if left out. The same id never moves money twice.")
@click.option("--flag", "flags", multiple=True, help="For example pending, or balancing_debit.")
@click.option("--pending-id", default="0", help="The pending transfer that this one posts or voids.")
@asking
def transfer(
    *, debit: str, credit: str, amount: str, ledger_: int, code: int, id_: str | None, flags: tuple[str, ...],
    pending_id: str, url: str, as_json: bool,
) -> None:  # fmt: skip
    """Move an amount from one account to another."""
    body = {
        "id": id_ or str(secrets.randbits(120) + 1),
        "debit_account_id": debit,
        "credit_account_id": credit,
        "amount": amount,
        "pending_id": pending_id,
        "ledger": ledger_,
        "code": code,
        "flags": list(flags),
    }
    _create("/ledger/transfers", body, url=url, as_json=as_json)


@ledger.command()
@click.argument("routing")
@click.argument("number")
@click.option("--format", "as_document", type=click.Choice(list(_DOCUMENTS)), help="Print a document of whole days.")
@click.option("--from", "first", help="With --format: the first day, like 2026-11-25 (UTC).")
@click.option("--to", "last", help="With --format: the last day.")
@_limit
@asking
def statement(
    routing: str, number: str, *, as_document: str | None, first: str | None, last: str | None, limit: int,
    url: str, as_json: bool,
) -> None:  # fmt: skip
    """Show a customer's account: ROUTING of its institution, and NUMBER there."""
    path = f"/institutions/{routing}/accounts/{number}"
    with connected(url) as client:
        if as_document is not None:
            days = {"from": first, "to": last}
            click.echo(client.content(f"{path}/statement", media=_DOCUMENTS[as_document], **days), nl=False)
            return
        shown = client.get(path, _Account)
        lines = list(client.items(f"{path}/statement", _StatementLine, count_max=limit))
    if as_json:
        print_json({"account": shown, "lines": lines})
        return
    held = f"balance [bold]{dollars(shown['balance_cents'])}[/], available {dollars(shown['available_cents'])}"
    open_console().print(f"{shown['name'] or number} ({shown['kind']}) {held}")
    print_table(_STATEMENT_TITLES, [_told(line) for line in lines])


@ledger.command("trial-balance")
@asking
def trial_balance(*, url: str, as_json: bool) -> None:
    """Show all debits and all credits: they are equal."""
    with connected(url) as client:
        book = client.get("/reports/trial-balance", _Book)
    if as_json:
        print_json(book)
        return
    total = {"what": "all", "accounts": sum(each["accounts"] for each in book["lines"]), **book}
    print_table(_TRIAL_TITLES, [*book["lines"], total])


def _create(path: str, body: Json, *, url: str, as_json: bool) -> None:
    """Create one event and say what became of it; the exit code is 1 if it was refused."""
    with connected(url) as client:
        result = client.post(path, [body], _Results)["results"][0]
    if as_json:
        print_json({"id": body["id"], **result})
    else:
        print_table({"id": "id", "status": "status", "meaning": ""}, [{"id": body["id"], **result}])
    sys.exit(0 if result["status"] in ("created", "exists") else 1)


def _print(titles: dict[str, str], rows: Iterable[Json], *, as_json: bool) -> None:
    if not as_json:
        print_table(titles, [_told(row) for row in rows])
        return
    for row in rows:
        print_json(row)


def _told(row: Json) -> Json:
    """A row for people: a time that can be read, and a blank for what is not there."""
    absent = {name: "" for name in ("file", "row") if row.get(name) == -1}
    return {**row, **absent, "time": moment(int(row.get("timestamp", 0)))}
