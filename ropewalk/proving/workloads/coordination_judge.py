"""The coordination service once more, with nothing but dicts and lists that are changed in place.

Checked by: tests/proving/test_world.py, tests/canaries/test_coordination.py
"""

from collections.abc import Sequence
from heapq import heappop, heappush
from typing import Final, cast

import msgspec

from ropewalk.coordination.recipes.limits import NUMBERS_PER_RECORD, Bounds
from ropewalk.coordination.recipes.messages import (
    Acquire,
    Add,
    Alive,
    Busy,
    Claims,
    Command,
    Counted,
    DeleteKey,
    Done,
    EndSession,
    GetClaims,
    Held,
    KeepAlive,
    Kept,
    Kind,
    OpenSession,
    Reason,
    Refused,
    Release,
    Reply,
    SetCounter,
    SetKey,
    Waiting,
)
from ropewalk.core.codec import encode_value
from ropewalk.core.machine import Batch, Machine
from ropewalk.errors import invariant

_COMMANDS: Final = msgspec.msgpack.Decoder(cast("type[Command]", Command))
_NS: Final = 1_000_000


class _Session(msgspec.Struct):
    ttl_ms: int
    expires_ns: int
    opened: int
    lasts: bool = False
    claims: list[str] = []


class _Claim(msgspec.Struct):
    session: str
    takes: int
    value: str
    token: int = 0


class _Line(msgspec.Struct):
    permits: int
    claims: list[_Claim] = []

    @property
    def free(self) -> int:
        return self.permits - sum(claim.takes for claim in self.claims if claim.token)


class _Setting(msgspec.Struct):
    version: int
    session: str


class CoordinationJudge:
    """One space; the time of the batch is `_now_ns`."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._sessions: dict[str, _Session | None] = {}
        self._lines: dict[str, _Line] = {}
        self._settings: dict[str, _Setting] = {}
        self._counters: dict[str, int] = {}
        self._timers: list[tuple[int, int, str, int]] = []
        self._last = self._timers_set = self._now_ns = self._position = 0

    def expect(self, batch: Batch) -> Sequence[bytes]:
        self._now_ns, self._position = batch.time_ns, batch.position
        while self._timers and self._timers[0][0] <= self._now_ns:
            _, _, session, opened = heappop(self._timers)
            self._wake(session, opened)
        return [encode_value(self._reply(_COMMANDS.decode(request.command))) for request in batch.requests]

    def check(self, machine: Machine) -> None:
        for key, line in self._lines.items():
            kind, _, name = key.partition(":")
            read = machine.read(encode_value(GetClaims(name, cast(Kind, kind))))
            claims = msgspec.msgpack.decode(read, type=Claims)
            seen = [(each.session, each.token) for each in (*claims.held, *claims.queue)]
            mine = [(each.session, each.token) for each in line.claims]
            invariant(seen == mine, "the judge has the same line", key=key, seen=seen, mine=mine)

    def _reply(self, command: Command) -> Reply:
        match command:
            case Acquire():
                return self._acquire(command)
            case Release():
                return self._release(f"{command.kind}:{command.name}", command.session)
            case OpenSession():
                refused = self._use_refused(command.session, command.ttl_ms)
                if refused is not None:
                    return Refused(refused)
                session = self._use(command.session, command.ttl_ms)
                session.lasts = True
                return Alive(session.ttl_ms)
            case KeepAlive() | EndSession():
                return self._keep_or_end(command)
            case Add():
                return self._count(command.name, self._counters.get(command.name, 0) + command.amount)
            case SetCounter():
                value = self._counters.get(command.name, 0)
                if command.expected not in (None, value):
                    return Refused("value_differs", value)
                return self._count(command.name, command.value)
            case SetKey():
                return self._set(command)
            case DeleteKey():
                return self._delete(command)

    # Claims.

    def _acquire(self, command: Acquire) -> Reply:
        key = f"{command.kind}:{command.name}"
        if command.takes > command.permits:
            return Refused("bad_number")
        refused = self._use_refused(command.session, command.ttl_ms)
        if refused is not None:
            return Refused(refused)
        line = self._lines.get(key)
        if line is not None and line.permits != command.permits:
            return Refused("permits_differ", line.permits)
        for place, claim in enumerate(line.claims if line is not None else ()):
            if claim.session == command.session:
                self._use(command.session, command.ttl_ms)
                claim.value = command.value
                return Held(claim.token) if claim.token else Waiting(place)
        return self._join(key, line, command)

    def _join(self, key: str, line: _Line | None, command: Acquire) -> Reply:
        waiting = 0 if line is None else sum(not claim.token for claim in line.claims)
        must_wait = line is not None and (waiting > 0 or line.free < command.takes)
        if must_wait and not command.waits:
            return Busy(waiting)
        known = self._sessions.get(command.session)
        if line is None and self._is_full:
            return Refused("full")
        if known is not None and len(known.claims) >= self._bounds.claims_max:
            return Refused("too_many_claims")
        if must_wait and waiting >= self._bounds.queue_max:
            return Refused("queue_full")
        self._use(command.session, command.ttl_ms).claims.append(key)
        line = self._lines.setdefault(key, _Line(command.permits))
        line.claims.append(_Claim(command.session, command.takes, command.value))
        self._let_in(key)
        token = line.claims[-1].token
        return Held(token) if token else Waiting(len(line.claims) - 1)

    def _release(self, key: str, session: str) -> Reply:
        line = self._lines.get(key)
        if line is None or all(claim.session != session for claim in line.claims):
            return Refused("not_claimed")
        self._leave(key, session)
        self._drop(key, session)
        return Done()

    def _leave(self, key: str, session: str) -> None:
        line = self._lines[key]
        line.claims = [claim for claim in line.claims if claim.session != session]
        self._let_in(key)

    def _let_in(self, key: str) -> None:
        line = self._lines[key]
        for claim in line.claims:
            if not claim.token and claim.takes > line.free:
                break
            claim.token = claim.token or self._next()
        if not line.claims:
            del self._lines[key]

    # Sessions.

    def _use_refused(self, session: str, ttl_ms: int) -> Reason | None:
        known = self._sessions.get(session)
        if session in self._sessions and (known is None or known.expires_ns <= self._now_ns):
            return "session_expired"
        if known is not None:
            return None
        if not ttl_ms:
            return "session_unknown"
        if ttl_ms < self._bounds.ttl_min_ms:
            return "bad_ttl"
        return "full" if self._is_full else None

    def _use(self, session: str, ttl_ms: int) -> _Session:
        known = self._sessions.get(session)
        if known is None:
            known = self._sessions[session] = _Session(ttl_ms, 0, self._next())
            self._set_timer(self._now_ns + ttl_ms * _NS, session, known.opened)
        known.expires_ns = self._now_ns + known.ttl_ms * _NS
        return known

    def _keep_or_end(self, command: KeepAlive | EndSession) -> Reply:
        refused = self._use_refused(command.session, 0)
        if refused is not None:
            return Refused(refused)
        session = self._use(command.session, 0)
        if isinstance(command, KeepAlive):
            return Alive(session.ttl_ms)
        self._hand_on(command.session)
        del self._sessions[command.session]
        return Done()

    def _wake(self, session: str, opened: int) -> None:
        known = self._sessions.get(session)
        if not opened:
            if session in self._sessions and known is None:
                del self._sessions[session]
        elif known is not None and known.opened == opened:
            if known.expires_ns > self._now_ns:
                self._set_timer(known.expires_ns, session, opened)
                return
            self._hand_on(session)
            self._sessions[session] = None
            self._set_timer(self._now_ns + self._bounds.expired_kept_ns, session, 0)

    def _hand_on(self, session: str) -> None:
        known = self._sessions[session]
        for key in list(known.claims) if known is not None else ():
            if key in self._lines:
                self._leave(key, session)
            else:
                del self._settings[key.removeprefix("config:")]
                self._next()

    def _drop(self, key: str, session: str) -> None:
        known = self._sessions.get(session)
        if known is None:
            return
        known.claims.remove(key)
        if not known.claims and not known.lasts:
            del self._sessions[session]

    # Counters and settings.

    def _count(self, name: str, value: int) -> Reply:
        if value and self._is_full and not self._counters.get(name):
            return Refused("full")
        self._counters[name] = value
        return Counted(value)

    def _set(self, command: SetKey) -> Reply:
        refused = self._set_refused(command)
        if refused is not None:
            return refused
        key, before = f"config:{command.name}", self._settings.get(command.name)
        if command.session:
            session = self._use(command.session, command.ttl_ms)
            if key not in session.claims:
                session.claims.append(key)
        if before is not None and before.session and before.session != command.session:
            self._drop(key, before.session)
        version = self._next()
        self._settings[command.name] = _Setting(version, command.session)
        return Kept(version)

    def _set_refused(self, command: SetKey) -> Refused | None:
        before = self._settings.get(command.name)
        version = before.version if before is not None else 0
        if command.version not in (None, version):
            return Refused("version_differs", version)
        if before is None and self._is_full:
            return Refused("full")
        refused = self._use_refused(command.session, command.ttl_ms) if command.session else None
        if refused is not None:
            return Refused(refused)
        session = self._sessions.get(command.session)
        is_new = session is not None and f"config:{command.name}" not in session.claims
        if session is not None and is_new and len(session.claims) >= self._bounds.claims_max:
            return Refused("too_many_claims")
        return None

    def _delete(self, command: DeleteKey) -> Reply:
        before = self._settings.get(command.name)
        version = before.version if before is not None else 0
        if command.version not in (None, version):
            return Refused("version_differs", version)
        if before is None:
            return Refused("unknown")
        del self._settings[command.name]
        return Kept(self._next())

    @property
    def _is_full(self) -> bool:
        counters = sum(1 for value in self._counters.values() if value)
        kept = len(self._sessions) + len(self._lines) + len(self._settings) + counters + (self._last > 0)
        return kept >= self._bounds.keys_max

    def _next(self) -> int:
        self._last = 1 + (self._last or self._position * NUMBERS_PER_RECORD)
        return self._last

    def _set_timer(self, time_ns: int, session: str, opened: int) -> None:
        self._timers_set += 1
        heappush(self._timers, (time_ns, self._timers_set, session, opened))
