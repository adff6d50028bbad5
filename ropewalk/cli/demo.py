"""`ropewalk demo`: payments in two shards, from files, cards and transfers to settled accounts, in a minute.

Checked by: tests/cli/test_demo.py
"""

import asyncio
import os
import signal
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
import httpx
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
from rich.table import Table

from ropewalk.cli.cards_port import CardsPort, with_cards
from ropewalk.cli.demo_bank import CARD, Burst, DemoBank, DemoTerminal, FileRefused, issue_card
from ropewalk.cli.serve import PORTS
from ropewalk.cli.terminal import open_console
from ropewalk.cli.values import Seconds
from ropewalk.errors import RopewalkError, invariant
from ropewalk.runtime.config import open_engine
from ropewalk.runtime.node import open_node
from ropewalk.runtime.server import PORT, serving
from ropewalk.systems.payments.ach import write
from ropewalk.systems.payments.ach.reasons import RETURN_REASONS
from ropewalk.systems.payments.ach.samples import ACCOUNTS, SAMPLES, bulk
from ropewalk.systems.payments.cards.client import connected_cards
from ropewalk.systems.payments.cards.masking import masked
from ropewalk.systems.payments.cards.specification import load_specification
from ropewalk.systems.payments.processing.messages import FileAccepted
from ropewalk.systems.payments.processing.views import FileView, TrialBalance, WindowView
from ropewalk.systems.payments.service import payments_with

BULK_ENTRIES = 100_000
BURST_S = 5.0
SHARDS = 2
ENCODING = "1987-ascii"
ANSWER_S = 60.0
RETURNS_SHOWN = 12
TRANSFER_ID = 900_001
TRANSFER_CENTS = 1_234_56
CARD_FUNDS_CENTS = 5_000_00


@click.command()
@click.option("--once", is_flag=True, help="Exit after the checks instead of staying up. So does CI=true.")
@click.option("--port", type=PORTS, help=f"0 takes a free one, as --once does; else it is {PORT}.")
@click.option("--entries", type=click.IntRange(1), default=BULK_ENTRIES, show_default=True, help="Of the large file.")
@click.option("--seconds", type=Seconds(0), default=BURST_S, show_default=True, help="Of the burst.")
def demo(*, once: bool, port: int | None, entries: int, seconds: float) -> None:
    """Settle ACH files on the embedded engine and show the books."""
    stays = not once and os.environ.get("CI") != "true"
    console = open_console()
    try:
        chosen = port if port is not None else PORT if stays else 0
        asyncio.run(_tour(console, port=chosen, entries=entries, seconds=seconds, stays=stays))
    except RopewalkError as error:
        raise click.ClickException(str(error)) from error


async def _tour(console: Console, *, port: int, entries: int, seconds: float, stays: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="ropewalk-demo-") as folder:
        console.print("Starting; the first time the ledger is compiled, which takes half a minute.")
        if stays:
            console.print("At its end it stays up, to be tried, until Ctrl-C; with --once it ends by itself.")
        engine = open_engine(f"sqlite:{folder}/payments")
        opened = CardsPort("127.0.0.1", 0, f"{folder}/card.key", ENCODING)
        service, beside = with_cards(payments_with(shards=SHARDS), opened)
        async with (
            open_node(service, engine) as node,
            serving(node, port=port) as url,
            beside["cards"](node) as address,
            connected_cards(*_host_and_port(address), load_specification(ENCODING)) as cards,
            httpx.AsyncClient(base_url=url, timeout=ANSWER_S) as client,
        ):
            console.print(
                f"[bold]Payments is up[/] on [cyan]{url}[/], card messages on [cyan]{address}[/]; "
                f"its {SHARDS} shards are SQLite in {folder}\n",
                soft_wrap=True,
            )
            bank = DemoBank(node, client)
            accounts = await bank.open()
            console.print(f"Opened 4 institutions and {accounts:,} accounts, and paid in.\n")
            await _show_files(console, bank, entries=entries)
            await _show_transfer(console, bank)
            await _show_card(console, bank, DemoTerminal(cards))
            await _show_settlement(console, bank)
            await _show_burst(console, bank, seconds=seconds)
            if stays:
                _show_pages(console, url)
                await _wait_for_a_signal()
            console.print("Stopping: answering what was accepted; its folder, and all that it kept, is forgotten.")


async def _wait_for_a_signal() -> None:
    """Until Ctrl-C, which is the usual end from here on; before, it breaks off what is being shown."""
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await stopped.wait()


async def _show_files(console: Console, bank: DemoBank, *, entries: int) -> None:
    files = {**_examples(), f"made on the spot ({entries:,} entries)": write(bulk(entries))}
    table = Table(
        "file", "verdict", "batches", "entries", "debits", "credits", title="ACH files", title_justify="left"
    )
    for column in table.columns[2:]:
        column.justify = "right"
    errors: list[str] = []
    with _bars(console) as bars:
        for name, content in files.items():
            bar = bars.add_task(name, total=len(content))
            reply = await bank.submit(content, on_part=lambda size, bar=bar: bars.advance(bar, size))  # type: ignore[misc]
            match reply:
                case FileAccepted() as file:
                    amounts = (_money(file.debit_cents), _money(file.credit_cents))
                    table.add_row(name, "[green]accepted[/]", f"{file.batches:,}", f"{file.entries:,}", *amounts)
                case FileRefused() as refused:
                    table.add_row(name, "[red]refused[/]")
                    errors += [f"  {name}, line {e.line}, {e.record} {e.field}: {e.message}" for e in refused.errors]
                case other:
                    table.add_row(name, f"[red]{other}[/]")
    console.print(table)
    console.print("\n".join(errors), style="dim")
    console.print()


async def _show_transfer(console: Console, bank: DemoBank) -> None:
    """Money goes from one shard to another: held in both, decided once, moved in both."""
    payer = ACCOUNTS[0]
    payee = next(each for each in ACCOUNTS if bank.shard_of(each) != bank.shard_of(payer) and each.status == "open")
    parties = (payer, payee)
    before = [await bank.account(each) for each in parties]
    statuses = [await bank.transfer(TRANSFER_ID, payer=payer, payee=payee, cents=TRANSFER_CENTS) for _ in range(2)]
    after = [await bank.account(each) for each in parties]
    table = _table("A transfer between shards, in two-phase commit", ("account", "shard"), ("before", "after"))
    for each, old, new in zip(parties, before, after, strict=True):
        table.add_row(each.name, str(bank.shard_of(each)), _money(old.balance_cents), _money(new.balance_cents))
    console.print(table)
    moved = [new.balance_cents - old.balance_cents for old, new in zip(before, after, strict=True)]
    invariant(moved == [-TRANSFER_CENTS, TRANSFER_CENTS], "it moved in both shards, once", moved=moved)
    console.print(f"Sent twice with one id: [green]{statuses[0]}[/], then {statuses[1]}; it moved once.\n")


async def _show_card(console: Console, bank: DemoBank, terminal: DemoTerminal) -> None:
    """A card is asked about over TCP: more than there is, a hold, a purchase of part of it, a hold that is undone."""
    holder = next(each for each in ACCOUNTS if each.opening_cents == CARD_FUNDS_CENTS and each.status == "open")
    await issue_card(bank, holder)
    table = _table(
        f"Card {masked(CARD)} of {holder.name}, ISO 8583 over TCP", ("message", "answer"), ("amount", "available")
    )

    async def ask(what: str, kind: str, cents: int, *, name: str = "") -> str:
        answer, named = await terminal.ask(kind, cents, name=name)
        available = (await bank.account(holder)).available_cents
        table.add_row(f"{kind} {what}", f"{answer['t']} code {answer['39']}", _money(cents), _money(available))
        return named

    await ask("authorise more than there is", "0100", 10 * CARD_FUNDS_CENTS)
    hold = await ask("authorise", "0100", 60_00)
    await ask("complete: spend 45 of it", "0220", 45_00, name=hold)
    hold = await ask("authorise again", "0100", 20_00)
    await ask("reverse that", "0420", 20_00, name=hold)
    console.print(table)
    console.print()


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)


async def _show_settlement(console: Console, bank: DemoBank) -> None:
    for window in await bank.settle():
        console.print(_positions(window))
        for file in await bank.return_files(window.window):
            console.print(f"  a file of {file.entries} returns and answers goes out to {file.routing}", style="dim")
    console.print()
    files = await bank.files()
    console.print(_ends(files))
    console.print(await _returns(bank, files))
    _show_balance(console, await bank.trial_balance())


def _ends(files: Sequence[FileView]) -> Table:
    ends = ("posted", "returned", "rejected")
    table = _table("What became of every entry", ("file", "from"), ("entries", *ends))
    for file in files:
        counts = [file.states[name].entries for name in ends]
        table.add_row(str(file.file), file.origin, f"{file.entries:,}", *[f"{count:,}" for count in counts])
        invariant(sum(counts) == file.entries, "every entry is posted, returned or rejected", file=file)
    return table


async def _returns(bank: DemoBank, files: Sequence[FileView]) -> Table:
    table = _table("Returned", ("name", "account", "reason"), ("amount",))
    for file in files:
        for entry in (await bank.returned(file.file))[:RETURNS_SHOWN]:
            known = RETURN_REASONS.get(entry.reason)
            title = f"{entry.reason} {known.title}" if known else entry.reason
            table.add_row(entry.name, entry.account, title, _money(entry.amount_cents))
    return table


def _positions(window: WindowView) -> Table:
    title = f"Window {window.window}, settled {window.settled}: {window.posted:,} posted, {window.returned} returned"
    table = _table(title, ("institution",), ("owes", "is owed", "net"))
    for position in window.positions:
        amounts = (_money(position.owed_cents), _money(position.due_cents), _money(position.net_cents))
        table.add_row(position.name, *amounts)
    invariant(sum(position.net_cents for position in window.positions) == 0, "net positions cancel out")
    return table


def _show_balance(console: Console, balance: TrialBalance) -> None:
    table = _table("The books", ("accounts for",), ("number", "debits", "credits"))
    for line in balance.lines:
        table.add_row(line.what, f"{line.accounts:,}", _money(line.debit_cents), _money(line.credit_cents))
    table.add_section()
    table.add_row("all", "", _money(balance.debit_cents), _money(balance.credit_cents), style="bold")
    console.print(table)
    invariant(balance.debit_cents == balance.credit_cents, "debits equal credits")
    console.print("[green]Debits equal credits, to the cent.[/]\n")


async def _show_burst(console: Console, bank: DemoBank, *, seconds: float) -> None:
    with _rate(console) as bars:
        bar = bars.add_task("a burst of transfers", total=seconds, rate="")

        def show(burst: Burst) -> None:
            bars.update(bar, completed=burst.seconds, rate=f"{burst.transfers / burst.seconds:,.0f} transfers/s")

        burst = await bank.burst(seconds, on_batch=show)
    rate = burst.transfers / max(burst.seconds, 1e-9)
    console.print(
        f"{burst.transfers:,} transfers in {burst.seconds:.1f} s: [bold]{rate:,.0f} a second[/], all durable."
    )
    balance = await bank.trial_balance()
    invariant(balance.debit_cents == balance.credit_cents, "debits equal credits")
    console.print("[green]Debits still equal credits.[/]\n")


def _show_pages(console: Console, url: str) -> None:
    console.print("Try it (Ctrl-C stops it):")
    for path, what in (
        ("docs", "every operation, to try in the browser"),
        ("files", "the files and what became of their entries"),
        ("windows", "settlement windows and net positions"),
        ("health", "how it is"),
        ("metrics", "for Prometheus"),
    ):
        console.print(f"  [cyan]{url}/{path}[/]  {what}")


def _examples() -> dict[str, bytes]:
    """The files of the repository's `examples/ach`; where it is not at hand, the same made anew."""
    folder = Path("examples/ach")
    found = sorted(folder.glob("*.ach"))
    if found:
        return {path.name: path.read_bytes() for path in found}
    return {name: make() for name, make in SAMPLES.items()}


def _table(title: str, texts: Sequence[str], numbers: Sequence[str]) -> Table:
    table = Table(*texts, title=title, title_justify="left")
    for name in numbers:
        table.add_column(name, justify="right")
    return table


def _money(cents: int) -> str:
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100:,}.{abs(cents) % 100:02}"


@contextmanager
def _bars(console: Console) -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        yield progress


@contextmanager
def _rate(console: Console) -> Iterator[Progress]:
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[rate]}"), console=console
    ) as progress:
        yield progress
