"""A session as its client has it: kept alive while a block runs, and the block is told if it is lost; and a lease,
which is a session that nobody keeps alive.

The client counts its time to live from when it sent what was last confirmed, so it gives up before the service does,
unless its own clock stands still: a paused program is late to learn it. What it writes then must carry its token.

Promise:    the block that a claim is for is cancelled, and ends with SessionLost, once the session is known to be
            lost or was not confirmed for its time to live.
Not given:  that nothing of the block runs after that: see docs/guides/a-lock-that-is-safe.md.
Checked by: tests/coordination/system/test_client.py
"""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from secrets import token_hex
from typing import Final, TypeVar

import msgspec

from ropewalk.coordination.recipes.limits import WAIT_MAX_S
from ropewalk.coordination.recipes.messages import (
    Alive,
    Busy,
    Done,
    EndSession,
    Held,
    KeepAlive,
    Kind,
    OpenSession,
    Release,
    SetKey,
    Waiting,
)
from ropewalk.errors import NotAccepted, OutcomeUnknown, Rejected
from ropewalk.runtime.problems import Problem
from ropewalk.runtime.tasks import beside
from ropewalk.systems.coordination.catalogue import ACQUIRE, END_SESSION, KEEP_ALIVE, OPEN_SESSION, RELEASE, SET_KEY
from ropewalk.systems.coordination.doors import Door
from ropewalk.systems.coordination.offers import Claiming, Offer

B = TypeVar("B")
A = TypeVar("A")

TTL_S: Final = 10.0
"""How long a session may be silent, unless its client says otherwise: three keep-alives may be lost."""

_PAUSE_S: Final = 0.1
_GIVE_UP_S: Final = 1.0
_GONE: Final = ("session_expired", "session_unknown", "not_claimed")


class SessionLost(Rejected):
    """A session has ended before its block did: what it held may be another's. Stop, and begin again."""


class Wanted(msgspec.Struct, frozen=True):
    """What is claimed: a lock, permits, or the lead."""

    name: str
    kind: Kind = "lock"
    takes: int = 1
    permits: int = 1
    value: str = ""


class Session:
    """A client's session in one space; made by `Coordination.session`."""

    def __init__(self, door: Door, space: str, *, ttl_s: float, session: str = "") -> None:
        if not math.isfinite(ttl_s):
            raise Rejected(f"a session lives for a number of seconds, and not {ttl_s}")
        self.id = session or token_hex(8)
        self.space = space
        self.ttl_s = ttl_s
        self._door = door
        self._loop = asyncio.get_running_loop()
        self._confirmed_until_s: float | None = None
        self._is_lost = False
        self._claimed: dict[tuple[Kind, str], None] = {}

    def lock(self, name: str, *, wait_s: float | None = None) -> AbstractAsyncContextManager[int]:
        """Hold a lock while the block runs; gives its token."""
        return self.holding(Wanted(name), wait_s=wait_s)

    def semaphore(
        self, name: str, *, permits: int, takes: int = 1, wait_s: float | None = None
    ) -> AbstractAsyncContextManager[int]:
        """Hold permits of a semaphore while the block runs; gives the token of their grant."""
        return self.holding(Wanted(name, "semaphore", takes, permits), wait_s=wait_s)

    def lead(self, name: str, *, value: str = "", wait_s: float | None = None) -> AbstractAsyncContextManager[int]:
        """Lead while the block runs; gives the token of this lead."""
        return self.holding(Wanted(name, "election", value=value), wait_s=wait_s)

    async def set(self, name: str, value: str, *, version: int | None = None) -> int:
        """Set a key that is deleted when this session ends; returns its version."""
        body = SetKey(name, value, version, self.id, self._ttl_ms)
        return (await self._ask(SET_KEY, body)).version

    @asynccontextmanager
    async def holding(self, wanted: Wanted, *, wait_s: float | None = None) -> AsyncIterator[int]:
        """Claim something, wait `wait_s` for it (None: for ever), and give it up when the block ends.

        Raises NotAccepted if it was not free in time.
        """
        claimed = (wanted.kind, wanted.name)
        if claimed in self._claimed:
            raise Rejected(f"this session has a claim on {wanted.name!r} already: another task takes another session")
        self._claimed[claimed] = None
        try:
            token = await self.claim(wanted, wait_s=wait_s)
            try:
                yield token
            finally:
                await self.release(wanted)
        finally:
            del self._claimed[claimed]

    @asynccontextmanager
    async def kept_alive(self) -> AsyncIterator[None]:
        """Keep it alive while the block runs, and cancel the block if it is lost."""
        async with beside(self._keep_alive()):
            yield

    async def open(self) -> None:
        """Open it, to last until it is ended."""
        await self._ask(OPEN_SESSION, OpenSession(self.space, self.id, self._ttl_ms))

    async def end(self) -> None:
        """End it. If that can't be said, it ends by itself when its time is over."""
        if self._is_lost:
            return
        with suppress(NotAccepted, OutcomeUnknown, SessionLost):
            await self._ask(END_SESSION, EndSession(self.space, self.id))

    @property
    def left_s(self) -> float:
        """How long it lives for certain, if nothing is confirmed from now on."""
        return max(0.0, (self._confirmed_until_s or 0.0) - self._loop.time())

    async def keep_alive(self) -> None:
        """Let it live for its whole time to live once more."""
        await self._ask(KEEP_ALIVE, KeepAlive(self.space, self.id))

    async def claim(self, wanted: Wanted, *, wait_s: float | None) -> int:
        """Claim something; returns its token. Raises NotAccepted if it was not free in time."""
        until_s = None if wait_s is None else self._loop.time() + wait_s
        may_wait = True
        try:
            while True:
                answer = await self._ask(ACQUIRE, self._claiming(wanted, until_s), until_s=until_s)
                match answer:
                    case Held(token):
                        may_wait = False
                        return token
                    case Waiting(ahead) if until_s is None or self._loop.time() < until_s:
                        continue
                    case Waiting(ahead):
                        raise NotAccepted(f"{wanted.name!r} was not free within {wait_s} s; {ahead} are ahead")
                    case Busy():
                        may_wait = False
                        raise NotAccepted(f"{wanted.name!r} is not free")
        finally:
            if may_wait:
                await self._give_up(wanted)

    async def release(self, wanted: Wanted) -> None:
        """Give it up. Raises SessionLost if it is found to be gone."""
        if self._is_lost:
            return
        with suppress(NotAccepted, OutcomeUnknown):
            await self._ask(RELEASE, Release(wanted.name, self.id, wanted.kind))

    @property
    def _ttl_ms(self) -> int:
        return round(self.ttl_s * 1_000)

    def _claiming(self, wanted: Wanted, until_s: float | None) -> Claiming:
        """One question of a claim that waits: it keeps the session alive, so it is asked again and again."""
        part_s = min(self.ttl_s / 3, WAIT_MAX_S)
        wait_s = part_s if until_s is None else min(part_s, max(0.0, until_s - self._loop.time()))
        return Claiming(
            wanted.name, self.id, wanted.kind, self._ttl_ms, wait_s, wanted.takes, wanted.permits, wanted.value
        )

    async def _give_up(self, wanted: Wanted) -> None:
        """Leave the queue. If that can't be said at once, its place ends with the session."""
        with suppress(NotAccepted, OutcomeUnknown, Rejected, TimeoutError):
            async with asyncio.timeout(_GIVE_UP_S):
                await self._door.ask(RELEASE, Release(wanted.name, self.id, wanted.kind))

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(self.ttl_s / 3)
            await self.keep_alive()

    async def _ask(self, offer: Offer[B, A], body: B, *, until_s: float | None = None) -> A:
        """The answer, asked for again and again as long as the session may live, or until then."""
        key = token_hex(8)
        # A repeat may be told what the first attempt did, so its time counts from the first.
        asked_s = self._loop.time()
        while True:
            try:
                async with asyncio.timeout_at(self._confirmed_until_s):
                    answer = await self._door.ask(offer, body, key=key)
            except Problem as problem:
                if problem.name not in _GONE or self._confirmed_until_s is None:
                    raise
                raise self._lost(str(problem)) from problem
            except (NotAccepted, OutcomeUnknown, TimeoutError) as error:
                self._check_may_live(error)
                if until_s is not None and self._loop.time() >= until_s:
                    raise
                await asyncio.sleep(_PAUSE_S)
            else:
                if isinstance(answer, Alive):
                    self.ttl_s = answer.ttl_ms / 1_000
                if not isinstance(answer, Busy | Done):
                    self._confirmed_until_s = asked_s + self.ttl_s
                return answer

    def _check_may_live(self, error: Exception) -> None:
        """Raise the error itself if nothing was ever confirmed, SessionLost if nothing was for too long."""
        if self._confirmed_until_s is None:
            raise error
        if self._loop.time() + _PAUSE_S >= self._confirmed_until_s:
            raise self._lost(f"the service has not confirmed it for {self.ttl_s:g} s") from error

    def _lost(self, why: str) -> SessionLost:
        self._is_lost = True
        return SessionLost(f"session {self.id} is lost, and what it had may be another's: {why}")


class Lease:
    """A lock for so long: it ends by itself when its time to live is over. Made by `Coordination.lease`."""

    def __init__(self, session: Session, name: str, token: int) -> None:
        self.name = name
        self.token = token
        self._session = session

    @property
    def session(self) -> str:
        """Who has it, as `claims` tells; another program that knows it can renew the lease."""
        return self._session.id

    @property
    def left_s(self) -> float:
        """How long it is held for certain, by this program's clock."""
        return self._session.left_s

    async def renew(self) -> None:
        """Let it last for its whole time once more. Raises SessionLost if it is over."""
        await self._session.keep_alive()

    async def end(self) -> None:
        """Give it up before its time. Raises SessionLost if it is found to be over."""
        await self._session.release(Wanted(self.name))
