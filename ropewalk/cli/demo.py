"""`ropewalk demo`: payments from ACH files to settled accounts, on this machine, in a minute.

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
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
from rich.table import Table

from ropewalk.cli.demo_bank import Burst, DemoBank
from ropewalk.errors import RopewalkError, invariant
from ropewalk.runtime.config import open_engine
from ropewalk.runtime.node import open_node
from ropewalk.runtime.server import serving
from ropewalk.systems.payments.ach import write
from ropewalk.systems.payments.ach.reasons import RETURN_REASONS
from ropewalk.systems.payments.ach.samples import SAMPLES, bulk
from ropewalk.systems.payments.processing.messages import FileAccepted, FileRefused
from ropewalk.systems.payments.processing.views import FileView, TrialBalance, WindowView
from ropewalk.systems.payments.service import payments

BULK_ENTRIES = 100_000
BURST_S = 5.0
RETURNS_SHOWN = 12


@click.command()
@click.option("--once", is_flag=True, help="Exit after the checks instead of staying up. So does CI=true.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8080, show_default=True, help="0 takes a free one.")
@click.option("--entries", type=click.IntRange(1), default=BULK_ENTRIES, show_default=True, help="Of the large file.")
@click.option("--seconds", type=click.FloatRange(0), default=BURST_S, show_default=True, help="Of the burst.")
def demo(*, once: bool, port: int, entries: int, seconds: float) -> None:
    """Settle ACH files on the embedded engine and show the books."""
    stays = not once and os.environ.get("CI") != "true"
    console = Console(highlight=False)
    try:
        asyncio.run(_tour(console, port=port if stays else 0, entries=entries, seconds=seconds, stays=stays))
    except RopewalkError as error:
        raise click.ClickException(str(error)) from error


async def _tour(console: Console, *, port: int, entries: int, seconds: float, stays: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="ropewalk-demo-") as folder:
        console.print("Starting; the first time the ledger is compiled, which takes half a minute.")
        engine = open_engine(f"sqlite:{folder}")
        async with open_node(payments, engine) as node, serving(node, port=port) as url:
            console.print(
                f"[bold]Payments is up[/] on [cyan]{url}[/]; its log is SQLite in {folder}\n", soft_wrap=True
            )
            bank = DemoBank(node)
            accounts = await bank.open()
            console.print(f"Opened 4 institutions and {accounts:,} accounts, and paid in.\n")
            await _show_files(console, bank, entries=entries)
            await _show_settlement(console, bank)
            await _show_burst(console, bank, seconds=seconds)
            if stays:
                _show_pages(console, url)
                await _wait_for_a_signal()
            console.print("Stopping: answering what was accepted, and saving the state.")


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
