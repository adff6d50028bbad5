"""`ropewalk config`: configuration that many programs share and follow.

Checked by: tests/cli/test_coordination.py
"""

import click

from ropewalk.cli.client import asking
from ropewalk.cli.coordinating import coordinated, named, naming, tell, tell_changes, watching
from ropewalk.coordination.recipes.messages import Kept, Key
from ropewalk.systems.coordination.client import Coordination
from ropewalk.systems.coordination.offers import Change

config = click.Group("config", help="Keep configuration: keys with a value and a version.")


@config.command()
@naming
@asking
def get(name: str, *, url: str, as_json: bool) -> None:
    """Print the value of a key; fail if it is not there."""

    async def work(coordination: Coordination) -> None:
        key = await coordination.config.get(name)
        if key.value is None:
            raise click.ClickException(f"there is no key {name!r}: set it with `ropewalk config set`")
        tell(key, key.value, as_json=as_json)

    coordinated(url, work)


@config.command("set")
@naming
@click.argument("value")
@click.option("--version", type=int, help="Only if it has this version; 0: only if it is not there.")
@asking
def set_(name: str, *, value: str, version: int | None, url: str, as_json: bool) -> None:
    """Set a key, and print its version."""

    async def work(coordination: Coordination) -> None:
        kept = await coordination.config.set(name, value, version=version)
        tell(Kept(kept), f"version {kept}", as_json=as_json)

    coordinated(url, work)


@config.command()
@naming
@click.option("--version", type=int, help="Only if it has this version.")
@asking
def delete(name: str, *, version: int | None, url: str, as_json: bool) -> None:
    """Delete a key."""

    async def work(coordination: Coordination) -> None:
        kept = await coordination.config.delete(name, version=version)
        tell(Kept(kept), f"version {kept}", as_json=as_json)

    coordinated(url, work)


@config.command("list")
@click.argument("prefix", callback=named)
@asking
def list_(prefix: str, *, url: str, as_json: bool) -> None:
    """Print the keys below PREFIX, for example app/."""

    async def work(coordination: Coordination) -> None:
        async for key in coordination.config.list(prefix):
            _tell_key(key, as_json=as_json)

    coordinated(url, work)


@config.command()
@watching
def watch(name: str, *, count: int | None, url: str, as_json: bool) -> None:
    """Print what is there, and then each change: of one key, or of all below NAME if it ends with /."""

    def words(change: Change) -> str:
        value = "deleted" if change.value is None else f"= {change.value}"
        return f"{change.name} {value} (version {change.version})"

    async def work(coordination: Coordination) -> None:
        await tell_changes(coordination.watch(name), words, count=count, as_json=as_json)

    coordinated(url, work)


def _tell_key(key: Key, *, as_json: bool) -> None:
    tell(key, f"{key.name} = {key.value} (version {key.version})", as_json=as_json)
