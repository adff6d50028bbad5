"""A watch: what is there, and then each change of it.

The service tells changes by number and keeps so many of them. A watch that was away for longer than they are kept
begins again with what is there: it never ends because of that, and says nothing false, but what came and went
between is not told.

Promise:    what is told last is what is there, once nothing changes any more.
Checked by: tests/coordination/system/test_watch.py
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from typing import Final, TypeVar

from msgspec.structs import replace

from ropewalk.coordination.recipes.limits import PAGE_MAX, WAIT_MAX_S
from ropewalk.coordination.recipes.messages import (
    Claims,
    GetClaims,
    GetCounter,
    GetKey,
    Key,
    List,
    ListClaims,
    ListCounters,
    ListKeys,
    NamedClaims,
    NamedCounter,
    Watched,
)
from ropewalk.errors import NotAccepted, OutcomeUnknown
from ropewalk.runtime.problems import Problem
from ropewalk.systems.coordination.catalogue import (
    CHANGES,
    GET_CLAIMS,
    GET_COUNTER,
    GET_KEY,
    LIST_CLAIMS,
    LIST_COUNTERS,
    LIST_KEYS,
)
from ropewalk.systems.coordination.doors import Door
from ropewalk.systems.coordination.offers import Change, Following, Offer

A = TypeVar("A")
B = TypeVar("B")
L = TypeVar("L", bound=List)
N = TypeVar("N", Key, NamedClaims, NamedCounter)

LOG = logging.getLogger("ropewalk")

_AGAIN_S: Final = 1.0

_ENDINGS: Final[dict[Watched, str]] = {
    "config": "deleted",
    "counter": "counted",
    "lock": "released",
    "semaphore": "released",
    "election": "vacant",
}
"""What tells that something is there no more; a counter that is not there is 0."""


async def watch(door: Door, name: str, kind: Watched) -> AsyncGenerator[Change, None]:
    """What is there and then each change, of one name or of all below one that ends with `/`."""
    known, begun = Known(kind), _Patient(door, name)
    asked: Door = door
    while True:
        # The number comes first: what changes while the rest is read is then behind it.
        after = (await asked.ask(CHANGES, Following(name, kind))).next
        for change in known.all_of([each async for each in _present(asked, name, kind)]):
            yield change
        asked = begun
        async for change in _changes(asked, Following(name, kind, after, WAIT_MAX_S)):
            if known.takes(change):
                yield change


async def paged(door: Door, offer: Offer[L, list[N]], listing: L) -> AsyncIterator[N]:
    """All that a list has, page by page."""
    listing = replace(listing, limit=PAGE_MAX)
    while page := await door.ask(offer, listing):
        for each in page:
            yield each
        listing = replace(listing, after=page[-1].name)


class Known:
    """What was told last, so that it is not told again: of each name, or of each session that has a claim on it."""

    def __init__(self, kind: Watched) -> None:
        self._by_session = kind in ("lock", "semaphore")
        self._ending = _ENDINGS[kind]
        self._told: dict[tuple[str, str], Change] = {}

    def all_of(self, present: Sequence[Change]) -> Iterator[Change]:
        """What is to be told when all that is there is this, whatever was told of a service that lost it since."""
        before, self._told = self._told, {self._key(change): change for change in present}
        for key, told in before.items():
            if key not in self._told:
                yield replace(told, number=0, what=self._ending, value="0" if told.what == "counted" else None)
        yield from (change for key, change in self._told.items() if _is_new(change, before.get(key)))

    def takes(self, change: Change) -> bool:
        """True if this is to be told, and is known from now on."""
        key = self._key(change)
        told = self._told.get(key)
        if told is not None and change.version < told.version:
            return False
        if change.value is None or (change.what, change.value) == ("counted", "0"):
            self._told.pop(key, None)
            return told is not None and told.value != change.value
        self._told[key] = change
        return _is_new(change, told)

    def _key(self, change: Change) -> tuple[str, str]:
        return change.name, change.session if self._by_session else ""


def _is_new(change: Change, told: Change | None) -> bool:
    return told is None or (told.version, told.value) != (change.version, change.value)


async def _present(door: Door, name: str, kind: Watched) -> AsyncIterator[Change]:
    """What is there."""
    match kind:
        case "config" if name.endswith("/"):
            async for key in paged(door, LIST_KEYS, ListKeys(name)):
                yield _set(key)
        case "config":
            key = await door.ask(GET_KEY, GetKey(name))
            if key.version:
                yield _set(key)
        case "counter" if name.endswith("/"):
            async for counter in paged(door, LIST_COUNTERS, ListCounters(name)):
                yield _counted(counter.name, counter.value)
        case "counter":
            yield _counted(name, (await door.ask(GET_COUNTER, GetCounter(name))).value)
        case _ if name.endswith("/"):
            async for named in paged(door, LIST_CLAIMS, ListClaims(name, kind)):
                for change in _held(named.name, kind, named.claims):
                    yield change
        case _:
            for change in _held(name, kind, await door.ask(GET_CLAIMS, GetClaims(name, kind))):
                yield change


def _set(key: Key) -> Change:
    return Change(0, "set", key.name, key.value, key.version, key.session)


def _counted(name: str, value: int) -> Change:
    return Change(0, "counted", name, str(value), 0, "")


def _held(name: str, kind: Watched, claims: Claims) -> Iterator[Change]:
    what = "elected" if kind == "election" else "held"
    return (Change(0, what, name, each.value, each.token, each.session) for each in claims.held)


async def _changes(door: Door, following: Following) -> AsyncIterator[Change]:
    """What changes, until what comes next is kept no more."""
    while True:
        try:
            found = await door.ask(CHANGES, following)
        except Problem as problem:
            if problem.name == "changes_forgotten":
                return
            raise
        for change in found.changes:
            yield change
        following = replace(following, after=found.next)


class _Patient:
    """A door that waits for a service that is away and may come back."""

    def __init__(self, door: Door, name: str) -> None:
        self.may_come_back = door.may_come_back
        self._door = door
        self._name = name
        self._said = ""

    async def ask(self, offer: Offer[B, A], body: B, *, key: str = "") -> A:
        while True:
            try:
                answer = await self._door.ask(offer, body, key=key)
            except (NotAccepted, OutcomeUnknown) as error:
                if not self.may_come_back:
                    raise
                self._say(str(error))
                await asyncio.sleep(_AGAIN_S)
            else:
                self._said = ""
                return answer

    def _say(self, why: str) -> None:
        if why != self._said:
            self._said = why
            LOG.warning("the watch of %s: %s; it is tried every %s s", self._name, why, _AGAIN_S)
