"""`ropewalk counter`: counters that many programs share.

Checked by: tests/cli/test_coordination.py
"""

from collections.abc import Awaitable, Callable

import click

from ropewalk.cli.client import asking
from ropewalk.cli.coordinating import coordinated, named, naming, tell, tell_changes, watching
from ropewalk.coordination.recipes.messages import NamedCounter
from ropewalk.systems.coordination.client import Coordination
from ropewalk.systems.coordination.offers import Change

counter = click.Group("counter", help="Count together: one that was never set is 0.")


@counter.command()
@naming
@asking
def get(name: str, *, url: str, as_json: bool) -> None:
    """Print the value of a counter."""
    _print(name, lambda coordination: coordination.counters.get(name), url=url, as_json=as_json)


@counter.command(context_settings={"ignore_unknown_options": True})
@naming
@click.argument("amount", type=int, default=1)
@asking
def add(name: str, *, amount: int, url: str, as_json: bool) -> None:
    """Add AMOUNT (1) to a counter, and print its value."""
    _print(name, lambda coordination: coordination.counters.add(name, amount), url=url, as_json=as_json)


@counter.command("set", context_settings={"ignore_unknown_options": True})
@naming
@click.argument("value", type=int)
@click.option("--expected", type=int, help="Only if it has this value.")
@asking
def set_(name: str, *, value: int, expected: int | None, url: str, as_json: bool) -> None:
    """Set a counter, and print its value."""
    _print(
        name,
        lambda coordination: coordination.counters.set(name, value, expected=expected),
        url=url,
        as_json=as_json,
    )


@counter.command("list")
@click.argument("prefix", callback=named)
@asking
def list_(prefix: str, *, url: str, as_json: bool) -> None:
    """Print the counters below PREFIX that are not 0, for example hits/."""

    async def work(coordination: Coordination) -> None:
        async for each in coordination.counters.list(prefix):
            tell(each, f"{each.name} = {each.value}", as_json=as_json)

    coordinated(url, work)


@counter.command()
@watching
def watch(name: str, *, count: int | None, url: str, as_json: bool) -> None:
    """Print the value, and then each change: of one counter, or of all below NAME if it ends with /."""

    def words(change: Change) -> str:
        return f"{change.name} = {change.value}"

    async def work(coordination: Coordination) -> None:
        await tell_changes(coordination.watch(name, "counter"), words, count=count, as_json=as_json)

    coordinated(url, work)


def _print(name: str, ask: Callable[[Coordination], Awaitable[int]], *, url: str, as_json: bool) -> None:
    async def work(coordination: Coordination) -> None:
        value = await ask(coordination)
        tell(NamedCounter(name, value), str(value), as_json=as_json)

    coordinated(url, work)
