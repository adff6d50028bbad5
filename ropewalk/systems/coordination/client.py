"""The coordination service for Python programs, over a node in the same program or a URL.

    async with lock("orders/42", at="http://127.0.0.1:8080") as token:
        ...                                          # alone, and kept so; send the token with what you write

    async with connected(node) as coordination:
        async with coordination.lead("cluster/primary", value="10.0.0.1") as token: ...
        async with coordination.semaphore("pool/gpu", permits=4) as token: ...
        lease = await coordination.lease("jobs/nightly", ttl_s=60)
        await coordination.config.set("app/limit", "10", version=3)
        await coordination.counters.add("hits/today")
        async for change in coordination.watch("app/"): ...

Checked by: tests/coordination/system/test_client.py, test_watch.py
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from secrets import token_hex

from ropewalk.coordination.recipes.messages import (
    Add,
    Claimant,
    Claims,
    DeleteKey,
    GetClaims,
    GetCounter,
    GetKey,
    Key,
    Kind,
    ListClaims,
    ListCounters,
    ListKeys,
    NamedClaims,
    NamedCounter,
    SetCounter,
    SetKey,
    Watched,
)
from ropewalk.coordination.recipes.state import space_of
from ropewalk.errors import Rejected
from ropewalk.runtime.node import Node
from ropewalk.systems.coordination.catalogue import (
    ADD,
    DELETE_KEY,
    GET_CLAIMS,
    GET_COUNTER,
    GET_KEY,
    LIST_CLAIMS,
    LIST_COUNTERS,
    LIST_KEYS,
    SET_COUNTER,
    SET_KEY,
)
from ropewalk.systems.coordination.doors import Door, opened
from ropewalk.systems.coordination.holding import TTL_S, Lease, Session, SessionLost, Wanted
from ropewalk.systems.coordination.offers import Change
from ropewalk.systems.coordination.watching import paged, watch

__all__ = ["Coordination", "Lease", "Session", "SessionLost", "connected", "lock"]


@asynccontextmanager
async def connected(at: Node | str) -> AsyncIterator["Coordination"]:
    """The coordination service of a node, or at a URL, until the block ends."""
    async with opened(at) as door:
        yield Coordination(door)


@asynccontextmanager
async def lock(name: str, at: Node | str, *, ttl_s: float = TTL_S, wait_s: float | None = None) -> AsyncIterator[int]:
    """Hold a lock while the block runs; gives its token. See `Coordination.lock`."""
    async with connected(at) as coordination, coordination.lock(name, ttl_s=ttl_s, wait_s=wait_s) as token:
        yield token


class Coordination:
    """Made by `connected`."""

    def __init__(self, door: Door) -> None:
        self.counters = Counters(door)
        self.config = Config(door)
        self._door = door

    @asynccontextmanager
    async def lock(self, name: str, *, ttl_s: float = TTL_S, wait_s: float | None = None) -> AsyncIterator[int]:
        """Hold a lock while the block runs; gives its token.

        Waits for it for `wait_s` (None: for ever; 0: not at all) and raises NotAccepted if it was not free. If the
        session is lost the block is cancelled and ends with SessionLost.
        """
        async with self.holding(Wanted(name), ttl_s=ttl_s, wait_s=wait_s) as token:
            yield token

    @asynccontextmanager
    async def semaphore(
        self, name: str, *, permits: int, takes: int = 1, ttl_s: float = TTL_S, wait_s: float | None = None
    ) -> AsyncIterator[int]:
        """Hold some of so many permits while the block runs. All who use it give the same number of permits."""
        wanted = Wanted(name, "semaphore", takes, permits)
        async with self.holding(wanted, ttl_s=ttl_s, wait_s=wait_s) as token:
            yield token

    @asynccontextmanager
    async def lead(
        self, name: str, *, value: str = "", ttl_s: float = TTL_S, wait_s: float | None = None
    ) -> AsyncIterator[int]:
        """Lead while the block runs; `value` is what others learn of the leader, its address perhaps."""
        async with self.holding(Wanted(name, "election", value=value), ttl_s=ttl_s, wait_s=wait_s) as token:
            yield token

    @asynccontextmanager
    async def holding(self, wanted: Wanted, *, ttl_s: float, wait_s: float | None) -> AsyncIterator[int]:
        """Hold any of these while the block runs; gives its token."""
        session = Session(self._door, space_of(wanted.name), ttl_s=ttl_s)
        async with session.holding(wanted, wait_s=wait_s) as token, session.kept_alive():
            yield token

    async def lease(self, name: str, *, ttl_s: float = TTL_S, wait_s: float | None = None) -> Lease:
        """Hold a lock for `ttl_s`, and no longer unless it is renewed; waits for it as `lock` does."""
        session = Session(self._door, space_of(name), ttl_s=ttl_s)
        lease = Lease(session, name, await session.claim(Wanted(name), wait_s=wait_s))
        if wait_s != 0:
            # Who waits is let in between two questions, and some of the time is over then.
            await lease.renew()
        return lease

    async def renew(self, name: str, session: str) -> Lease:
        """The lease on a lock that this session has, renewed: for another program than the one that took it.

        Raises Problem (`session_expired`) if it is over, Rejected if the session has no such lease.
        """
        mine = Session(self._door, space_of(name), ttl_s=TTL_S, session=session)
        await mine.keep_alive()
        for claimant in (await self.claims(name)).held:
            if claimant.session == session:
                return Lease(mine, name, claimant.token)
        raise Rejected(f"session {session} has no lease on {name!r}")

    @asynccontextmanager
    async def session(self, space: str, *, ttl_s: float = TTL_S) -> AsyncIterator[Session]:
        """One session for many claims in one space: all are kept alive, and lost, together."""
        session = Session(self._door, space, ttl_s=ttl_s)
        await session.open()
        try:
            async with session.kept_alive():
                yield session
        finally:
            await session.end()

    async def claims(self, name: str, kind: Kind = "lock") -> Claims:
        """Who has it, and who waits for it."""
        return await self._door.ask(GET_CLAIMS, GetClaims(name, kind))

    async def leader(self, name: str) -> Claimant | None:
        """Who leads, with token and value; None if nobody does."""
        claims = await self.claims(name, "election")
        return claims.held[0] if claims.held else None

    async def list_claims(self, prefix: str, kind: Kind = "lock") -> AsyncIterator[NamedClaims]:
        """What is claimed below a prefix, by name, and who has it and waits for it."""
        async for named in paged(self._door, LIST_CLAIMS, ListClaims(prefix, kind)):
            yield named

    async def watch(self, name: str, kind: Watched = "config") -> AsyncGenerator[Change, None]:
        """What is there, and then each change, of one name or of all below one that ends with `/`.

        Once it has begun, a service at a URL that is away is waited for. A reader so slow, or away for so long, that
        the service does not keep what came next is told what is there now, and not what came and went between.
        """
        async with aclosing(watch(self._door, name, kind)) as changes:
            async for change in changes:
                yield change


class Counters:
    """Counters; one that was never set is 0."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def get(self, name: str) -> int:
        """Its value."""
        return (await self._door.ask(GET_COUNTER, GetCounter(name))).value

    async def add(self, name: str, amount: int = 1) -> int:
        """Add to it; returns its new value."""
        return (await self._door.ask(ADD, Add(name, amount), key=token_hex(8))).value

    async def set(self, name: str, value: int, *, expected: int | None = None) -> int:
        """Set it. Raises Problem (`value_differs`) if it has not the expected value."""
        return (await self._door.ask(SET_COUNTER, SetCounter(name, value, expected), key=token_hex(8))).value

    async def list(self, prefix: str) -> AsyncIterator[NamedCounter]:
        """The counters below a prefix that are not 0, by name."""
        async for counter in paged(self._door, LIST_COUNTERS, ListCounters(prefix)):
            yield counter


class Config:
    """Configuration: keys with a value and a version."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def get(self, name: str) -> Key:
        """A key; version 0 if it is not there."""
        return await self._door.ask(GET_KEY, GetKey(name))

    async def set(self, name: str, value: str, *, version: int | None = None) -> int:
        """Set a key; returns its version. Raises Problem (`version_differs`) if it has not the expected one."""
        return (await self._door.ask(SET_KEY, SetKey(name, value, version), key=token_hex(8))).version

    async def delete(self, name: str, *, version: int | None = None) -> int:
        """Delete a key; returns the version of that change."""
        return (await self._door.ask(DELETE_KEY, DeleteKey(name, version), key=token_hex(8))).version

    async def list(self, prefix: str) -> AsyncIterator[Key]:
        """The keys below a prefix, by name."""
        async for key in paged(self._door, LIST_KEYS, ListKeys(prefix)):
            yield key
