"""Sessions: a client says how long it may be silent, and what it has is handed on when it was silent for longer.

A session has one timer however often it is kept alive: when the timer fires too early, it is set again.

Promise:    a session that has expired has nothing, and its id is told so for an hour; neither a late keep-alive nor
            a late claim brings it back.
Not given:  that a client knows at once. Whoever is paused for longer than its time to live goes on as if nothing had
            happened: that is what tokens are for.
Checked by: tests/coordination/test_machine.py, ropewalk.proving.workloads.coordination
"""

from collections.abc import Callable

import msgspec

from ropewalk.coordination.recipes.draft import Draft
from ropewalk.coordination.recipes.limits import TTL_MAX_MS
from ropewalk.coordination.recipes.messages import Alive, Done, Expire, Forget, OpenSession, Refused, Reply
from ropewalk.coordination.recipes.state import Expired, Session, session_key, session_refused, space_refused

_NS_PER_MS = 1_000_000

Leave = Callable[[Draft, str, str], None]
"""How a session leaves a claim: the draft, the claim's key, the session's id."""


def found(draft: Draft, space: str, session: str) -> Session | Refused:
    """An open session, or why there is none."""
    value = draft.get(session_key(space, session))
    if isinstance(value, Session) and value.expires_ns > draft.now_ns:
        return value
    if value is None:
        return Refused("session_unknown")
    return Refused("session_expired")


def used(draft: Draft, space: str, *, session: str, ttl_ms: int, lasts: bool = False) -> Session | Refused:
    """An open session kept alive, or a new one if there is none of that id and `ttl_ms` says how long it lives.

    Nothing is written: the caller puts it where it is.
    """
    refused = session_refused(session)
    if refused is not None:
        return refused
    known = found(draft, space, session)
    if isinstance(known, Session):
        return _kept_alive(draft, known)
    if known.reason == "session_expired" or not ttl_ms:
        return known
    if not draft.bounds.ttl_min_ms <= ttl_ms <= TTL_MAX_MS:
        return Refused("bad_ttl")
    if draft.is_full:
        return Refused("full")
    return _new(draft, space, session=session, ttl_ms=ttl_ms, lasts=lasts)


def open_session(draft: Draft, command: OpenSession) -> Reply:
    """Open it, or keep it alive and let it last."""
    refused = space_refused(command.space)
    if refused is not None:
        return refused
    session = used(draft, command.space, session=command.session, ttl_ms=command.ttl_ms, lasts=True)
    if isinstance(session, Refused):
        return session
    draft.put(session_key(command.space, command.session), msgspec.structs.replace(session, lasts=True))
    return Alive(session.ttl_ms)


def keep_alive(draft: Draft, space: str, session: str) -> Reply:
    """Let it live on, if it still does."""
    known = found(draft, space, session)
    if isinstance(known, Refused):
        return known
    draft.put(session_key(space, session), _kept_alive(draft, known))
    return Alive(known.ttl_ms)


def end_session(draft: Draft, space: str, *, session: str, leave: Leave) -> Reply:
    """End it by its own wish."""
    known = found(draft, space, session)
    if isinstance(known, Refused):
        return known
    _leave_all(draft, space, session=session, leave=leave)
    draft.put(session_key(space, session), None)
    return Done()


def expire(draft: Draft, command: Expire, leave: Leave) -> Reply:
    """The session's timer: end it if its time is over, else set the timer again."""
    key = session_key(command.space, command.session)
    session = draft.session(key)
    if session is None or session.opened != command.opened:
        return Done()
    if session.expires_ns > draft.now_ns:
        draft.at(session.expires_ns, command)
        return Done()
    _leave_all(draft, command.space, session=command.session, leave=leave)
    draft.put(key, Expired())
    draft.at(draft.now_ns + draft.bounds.expired_kept_ns, Forget(command.space, command.session))
    return Done()


def forget(draft: Draft, command: Forget) -> Reply:
    """The id may be used again."""
    key = session_key(command.space, command.session)
    if isinstance(draft.get(key), Expired):
        draft.put(key, None)
    return Done()


def drop_claim(draft: Draft, space: str, *, session: str, claim: str) -> None:
    """A session has no claim any more on that key; it ends if it had no other and does not last."""
    key = session_key(space, session)
    known = draft.session(key)
    if known is None:
        return
    left = tuple([each for each in known.claims if each != claim])
    draft.put(key, msgspec.structs.replace(known, claims=left) if left or known.lasts else None)


def _new(draft: Draft, space: str, *, session: str, ttl_ms: int, lasts: bool) -> Session:
    opened = draft.next_number()
    expires_ns = draft.now_ns + ttl_ms * _NS_PER_MS
    draft.at(expires_ns, Expire(space, session, opened))
    return Session(ttl_ms, expires_ns, opened, lasts)


def _kept_alive(draft: Draft, session: Session) -> Session:
    return msgspec.structs.replace(session, expires_ns=draft.now_ns + session.ttl_ms * _NS_PER_MS)


def _leave_all(draft: Draft, space: str, *, session: str, leave: Leave) -> None:
    known = draft.session(session_key(space, session))
    for claim in known.claims if known is not None else ():
        leave(draft, claim, session)
