"""`ropewalk claims`: who has a lock, permits or the lead, who waits for it, and each change of that.

Checked by: tests/cli/test_coordination.py
"""

from collections.abc import Callable, Iterator
from typing import TypeVar, get_args

import click

from ropewalk.cli.client import asking
from ropewalk.cli.coordinating import coordinated, named, naming, tell, tell_changes, watching
from ropewalk.coordination.recipes.messages import Claims, Kind
from ropewalk.systems.coordination.client import Coordination
from ropewalk.systems.coordination.offers import Change

F = TypeVar("F", bound=Callable[..., object])

claims = click.Group("claims", help="Know who has a lock, permits of a semaphore or the lead, and who waits.")


def of_kind(command: F) -> F:
    """The option that says what kind of claim is meant."""
    kinds = click.Choice(get_args(Kind))
    return click.option("--kind", type=kinds, default="lock", show_default=True, help="What is claimed.")(command)


@claims.command()
@naming
@of_kind
@asking
def who(name: str, *, kind: Kind, url: str, as_json: bool) -> None:
    """Print who has NAME, and who waits for it, the next one first."""

    async def work(coordination: Coordination) -> None:
        found = await coordination.claims(name, kind)
        tell(found, "\n".join(_words(found)) or "nobody has it", as_json=as_json)

    coordinated(url, work)


@claims.command("list")
@click.argument("prefix", callback=named)
@of_kind
@asking
def list_(prefix: str, *, kind: Kind, url: str, as_json: bool) -> None:
    """Print what is claimed below PREFIX, for example jobs/, and by whom."""

    async def work(coordination: Coordination) -> None:
        async for each in coordination.list_claims(prefix, kind):
            tell(each, "\n".join([f"{each.name}: {words}" for words in _words(each.claims)]), as_json=as_json)

    coordinated(url, work)


@claims.command()
@of_kind
@watching
def watch(name: str, *, kind: Kind, count: int | None, url: str, as_json: bool) -> None:
    """Print who has it, and then each change: of one claim, or of all below NAME if it ends with /."""

    def words(change: Change) -> str:
        return f"{change.name}: {change.what} by {change.value or change.session} (token {change.version})"

    async def work(coordination: Coordination) -> None:
        await tell_changes(coordination.watch(name, kind), words, count=count, as_json=as_json)

    coordinated(url, work)


def _words(found: Claims) -> Iterator[str]:
    for told, claimants in (("has it", found.held), ("waits", found.queue)):
        for each in claimants:
            token = f" (token {each.token})" if each.token else ""
            takes = f", {each.takes} of {found.permits} permits" if found.permits > 1 else ""
            yield f"{each.value or each.session} {told}{token}{takes}"
