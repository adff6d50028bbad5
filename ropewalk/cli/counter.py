"""`ropewalk counter`: counters that many programs share.

Checked by: tests/cli/test_coordination.py
"""

from collections.abc import Awaitable, Callable

import click
import msgspec

from ropewalk.cli.client import asking
from ropewalk.cli.coordinating import coordinated, naming, tell
from ropewalk.systems.coordination.client import Coordination

counter = click.Group("counter", help="Count together: one that was never set is 0.")


class Counter(msgspec.Struct, frozen=True):
    """What is printed."""

    name: str
    value: int


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


def _print(name: str, ask: Callable[[Coordination], Awaitable[int]], *, url: str, as_json: bool) -> None:
    async def work(coordination: Coordination) -> None:
        value = await ask(coordination)
        tell(Counter(name, value), str(value), as_json=as_json)

    coordinated(url, work)
