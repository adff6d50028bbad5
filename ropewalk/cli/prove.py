"""`ropewalk prove`: run simulated worlds, as many as wanted, and tell how to repeat the one that broke."""

import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from time import monotonic

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ropewalk.proving.verdict import Breach, Holds
from ropewalk.proving.workloads.known import NAMES, run_seed

_TOTALS = tuple(field for field in Holds.__struct_fields__ if field not in ("seed", "trace"))


@click.command()
@click.argument("workload", type=click.Choice(NAMES))
@click.option("--seeds", type=click.IntRange(1), default=1_000, show_default=True, help="How many worlds to run.")
@click.option("--first", type=click.IntRange(0), default=0, help="The first seed.")
@click.option("--seed", type=click.IntRange(0), help="Run this one world only, and show what happened in it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def prove(workload: str, *, seeds: int, first: int, seed: int | None, as_json: bool) -> None:
    """Run a service in simulated worlds full of faults and check every promise in each of them.

    Exits 1 if one is broken, and prints the command that repeats it.
    """
    wanted = range(first, first + seeds) if seed is None else range(seed, seed + 1)
    began_s = monotonic()
    results = list(_shown(workload, wanted, is_shown=sys.stderr.isatty() and not as_json))
    breaches = [result for result in results if isinstance(result, Breach)]
    totals = {name: sum(getattr(each, name) for each in results if isinstance(each, Holds)) for name in _TOTALS}
    took_s = monotonic() - began_s
    if as_json:
        told = {"workload": workload, "seeds": len(wanted), "seconds": round(took_s, 1), **totals}
        click.echo(json.dumps({**told, "breaches": [msgspec.to_builtins(breach) for breach in breaches]}))
    else:
        if seed is not None:
            click.echo("\n".join(results[0].trace))
        _tell(workload, breaches, totals, seeds=len(wanted), took_s=took_s)
    sys.exit(1 if breaches else 0)


def _shown(workload: str, seeds: range, *, is_shown: bool) -> Iterator[Holds | Breach]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not is_shown) as progress:
        task = progress.add_task(f"worlds of {workload}", total=len(seeds))
        for result in _run_all(workload, seeds):
            progress.advance(task)
            yield result


def _run_all(workload: str, seeds: range) -> Iterator[Holds | Breach]:
    if len(seeds) == 1:
        yield run_seed(workload, seeds[0])
        return
    # Blocks of a megabyte go back to the system when they are freed (mallopt(3)). Otherwise what lies unused between
    # those in use grows to more than a gigabyte a process within some hundred worlds of payments.
    os.environ.setdefault("MALLOC_MMAP_THRESHOLD_", str(2**20))
    # A new interpreter for each: a fork of one that has compiled code and threads is not safe.
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        yield from pool.map(run_seed, [workload] * len(seeds), seeds, chunksize=5)


def _tell(workload: str, breaches: list[Breach], totals: dict[str, int], *, seeds: int, took_s: float) -> None:
    for breach in breaches:
        click.echo(f"BROKEN in seed {breach.seed}: {breach.claim}")
        click.echo(f"  repeat it with: ropewalk prove {workload} --seed {breach.seed}")
    counted = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in totals.items() if count)
    verdict = f"{len(breaches)} broken" if breaches else "every promise held"
    click.echo(f"{seeds:,} worlds of {workload} in {took_s:.0f} s, {seeds / took_s:.1f}/s: {verdict} ({counted})")
