"""`ropewalk instant`: ISO 20022 messages to a running service, and decisions about its payments.

Checked by: tests/cli/test_instant.py
"""

import sys
from pathlib import Path
from typing import Final, TypedDict

import click
import httpx
import msgspec

from ropewalk.cli.client import Client, Json, Refusal, asking, connected, not_ours, print_json
from ropewalk.cli.tables import moment, print_table

_XML: Final = "application/xml"
_LISTED: Final = 20

_ANSWER_TITLES: Final = {
    "name": "message",
    "answer": "answer",
    "status": "status",
    "reasons": "reasons",
    "detail": "",
}
_PAYMENT_TITLES: Final = {
    "uetr": "UETR", "status": "status", "reason": "reason", "amount_cents": "amount", "returned_cents": "returned",
    "debtor_account": "debtor", "creditor_account": "creditor", "end_to_end_id": "end to end",
}  # fmt: skip
_FAULT_TITLES: Final = {"line": "line", "element": "element", "message": "fault", "advice": "what to do"}
_NOTE_TITLES: Final = {"time": "time", "what": "what", "who": "who", "why": "why"}


class _Payment(TypedDict):
    uetr: str
    status: str


class _Note(TypedDict):
    time_ns: int


class _PaymentAndHistory(_Payment):
    history: list[_Note]


class _Done(TypedDict):
    repeated: bool


instant = click.Group("instant", help="Send ISO 20022 messages to a running service, and decide about payments.")


@instant.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), help="A folder to save the answers in.")
@asking
def send(files: tuple[Path, ...], *, output: Path | None, url: str, as_json: bool) -> None:
    """Send each message of FILES, and show what answers it. Sending one again is harmless.

    The exit code is 0 if none is rejected, 1 if any is, 2 if any can't be read.
    """
    code = 0
    with connected(url) as client:
        for row in (_sent(client, file, output) for file in files):
            code = max(code, _code_of(row))
            _print_answer(row, as_json=as_json)
    sys.exit(code)


@instant.command()
@click.option("--status", help="Only those that are PDNG, ACCC or RJCT.")
@click.option("--limit", type=click.IntRange(1), default=_LISTED, show_default=True, help="How many at most.")
@asking
def payments(*, status: str | None, limit: int, url: str, as_json: bool) -> None:
    """List payments, the newest first."""
    with connected(url) as client:
        rows = client.get("/instant/payments", list[_Payment], status=status, limit=limit)
    if as_json:
        for row in rows:
            print_json(row)
    else:
        print_table(_PAYMENT_TITLES, rows)


@instant.command()
@click.argument("uetr")
@asking
def show(uetr: str, *, url: str, as_json: bool) -> None:
    """Show a payment by its UETR, and all that happened to it."""
    with connected(url) as client:
        payment = client.get(f"/instant/payments/{uetr}", _PaymentAndHistory)
    if as_json:
        print_json(payment)
    else:
        print_table(_PAYMENT_TITLES, [payment])
        print_table(_NOTE_TITLES, [{**note, "time": moment(note["time_ns"])} for note in payment["history"]])


@instant.command()
@click.argument("uetr")
@click.option("--recall", is_flag=True, help="Decide about its recall, not about the payment itself.")
@click.option(
    "--reject", "reason", default="", help="Reject it for this reason (AC06, CUST, …); else it is accepted."
)
@click.option("--who", required=True, envvar="ROPEWALK_WHO", help="Who decides; or ROPEWALK_WHO.")
@click.option("--why", default="", help="Why, in words.")
@asking
def decide(uetr: str, *, recall: bool, reason: str, who: str, why: str, url: str, as_json: bool) -> None:
    """Decide about a payment that waits, or about its recall: once."""
    path = f"/instant/payments/{uetr}{'/recall' if recall else ''}/decision"
    body = msgspec.json.encode({"accept": not reason, "who": who, "why": why, "reason": reason})
    with connected(url) as client:
        response = client.exchange(path, body, media="application/json")
    _print_answer({"name": uetr, **_answer(response)}, as_json=as_json)


@instant.command()
@click.argument("routing")
@click.argument("number")
@click.option("--arrivals", default="accept", show_default=True, help="accept, or ask: each payment waits.")
@click.option("--recalls", default="ask", show_default=True, help="ask, accept or refuse.")
@click.option("--who", required=True, envvar="ROPEWALK_WHO", help="Who says so; or ROPEWALK_WHO.")
@click.option("--why", default="", help="Why, in words.")
@asking
def policy(
    routing: str, number: str, *, arrivals: str, recalls: str, who: str, why: str, url: str, as_json: bool
) -> None:
    """Say how the bank of an account decides: ROUTING of it, and NUMBER there."""
    body = {"arrivals": arrivals, "recalls": recalls, "who": who, "why": why}
    with connected(url) as client:
        done = client.put(f"/institutions/{routing}/accounts/{number}/instant-policy", body, _Done)
    if as_json:
        print_json(done)
    else:
        click.echo(f"arrivals: {arrivals}, recalls: {recalls}{', as before' if done['repeated'] else ''}")


def _sent(client: Client, file: Path, output: Path | None) -> Json:
    try:
        content = file.read_bytes()
        response = client.exchange("/instant/messages", content, media=_XML)
    except OSError as error:
        return {"name": str(file), "status": "unreadable", "detail": error.strerror or str(error)}
    except Refusal as refusal:
        problem = {name: refusal.problem[name] for name in ("detail", "faults") if name in refusal.problem}
        return {"name": str(file), "status": "refused", **problem}
    row = {"name": str(file), **_answer(response)}
    if output is None:
        return row
    output.mkdir(parents=True, exist_ok=True)
    saved = output / f"{file.stem}-answer.xml"
    saved.write_bytes(response.content)
    return {**row, "saved": str(saved)}


def _answer(response: httpx.Response) -> Json:
    """What a message answers, in words. Raises NoService if what comes is no message."""
    # Imported here: lxml takes a tenth of a second.
    from ropewalk.systems.payments.iso20022.faults import MessageRefused
    from ropewalk.systems.payments.iso20022.layouts import BY_VIEW
    from ropewalk.systems.payments.iso20022.model import Resolution, StatusReport
    from ropewalk.systems.payments.iso20022.reading import read
    from ropewalk.systems.payments.iso20022.reasons import REASONS

    try:
        message = read(response.content).message
    except MessageRefused as error:
        raise not_ours(response) from error
    if not isinstance(message, (StatusReport, Resolution)):
        return {"answer": BY_VIEW[type(message)].name}
    status = message.confirmation if isinstance(message, Resolution) else message.status
    names = (f"{each.code} ({REASONS[each.code].name})" for each in message.reasons if each.code in REASONS)
    return {"answer": BY_VIEW[type(message)].name, "status": status, "reasons": ", ".join(names)}


def _code_of(row: Json) -> int:
    return {"unreadable": 2, "refused": 2, "RJCT": 1, "RJCR": 1}.get(row["status"], 0)


def _print_answer(row: Json, *, as_json: bool) -> None:
    if as_json:
        print_json(row)
        return
    print_table({name: title for name, title in _ANSWER_TITLES.items() if name in row}, [row])
    if "faults" in row:
        print_table(_FAULT_TITLES, row["faults"])
