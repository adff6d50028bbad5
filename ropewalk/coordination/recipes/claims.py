"""Claims: locks, semaphores and elections are one thing, so many permits and a fair queue for them.

Promise:    permits are granted in the order of asking, also if a later claim would fit and the first does not; each
            grant has a token that is larger than every one before in its partition, also after everything was
            deleted; what is handed on is handed on in the same entry.
Checked by: tests/coordination/test_machine.py, ropewalk.proving.workloads.coordination
"""

import msgspec

from ropewalk.coordination.recipes.draft import Draft
from ropewalk.coordination.recipes.limits import PERMITS_MAX, VALUE_BYTES_MAX
from ropewalk.coordination.recipes.messages import (
    Acquire,
    Busy,
    Done,
    Granted,
    Held,
    Holder,
    Reason,
    Refused,
    Release,
    Reply,
    Waiting,
)
from ropewalk.coordination.recipes.sessions import drop_claim, used
from ropewalk.coordination.recipes.state import (
    Claim,
    Gate,
    Session,
    claim_key,
    name_refused,
    session_key,
    space_of,
    subject_of,
)

_ELECTION = "election:"


def acquire(draft: Draft, command: Acquire) -> Reply:
    """Claim it, wait for it, or be told that others have it."""
    refused = name_refused(command.name) or _numbers_refused(command)
    if refused is not None:
        return refused
    space = space_of(command.name)
    session = used(draft, space, session=command.session, ttl_ms=command.ttl_ms)
    if isinstance(session, Refused):
        return session
    key = claim_key(command.kind, command.name)
    gate = draft.gate(key)
    if gate is not None:
        known = _known(draft, gate, command)
        if known is not None:
            draft.put(session_key(space, command.session), session)
            return known
    return _join(draft, gate or Gate(command.permits), session=session, command=command)


def release(draft: Draft, command: Release) -> Reply:
    """Give up what is held or waited for."""
    key = claim_key(command.kind, command.name)
    gate = draft.gate(key)
    if gate is None or _find(gate, command.session) is None:
        return Refused("not_claimed")
    leave_gate(draft, key, session=command.session, why="not_claimed")
    drop_claim(draft, space_of(command.name), session=command.session, claim=key)
    return Done()


def leave_gate(draft: Draft, key: str, *, session: str, why: Reason) -> None:
    """Take a session out of a gate, and let in those who can now. If it waits it is told why it is out."""
    gate = draft.gate(key)
    if gate is None:
        return
    claim = _find(gate, session)
    if claim is None:
        return
    held = tuple([each for each in gate.held if each is not claim])
    queue = tuple([each for each in gate.queue if each is not claim])
    if not claim.token:
        draft.publish("withdrawn", subject_of(key, session), Refused(why))
    elif not key.startswith(_ELECTION):
        draft.publish("released", key, Holder(session, claim.token))
    elif not queue:
        draft.publish("vacant", key, Holder(session, claim.token))
    _admit(draft, key, Gate(gate.permits, held, queue))


def _numbers_refused(command: Acquire) -> Refused | None:
    """Why these numbers can't be; None if they can."""
    if len(command.value.encode()) > VALUE_BYTES_MAX:
        return Refused("too_large")
    if command.kind != "semaphore" and (command.permits, command.takes) != (1, 1):
        return Refused("bad_number")
    if not 1 <= command.takes <= command.permits <= PERMITS_MAX:
        return Refused("bad_number")
    return None


def _known(draft: Draft, gate: Gate, command: Acquire) -> Reply | None:
    """The answer to a session that asks again, or asks for what can't be; None if it is to be let in or to wait."""
    if gate.permits != command.permits:
        return Refused("permits_differ", gate.permits)
    claim = _find(gate, command.session)
    if claim is None:
        return None
    if claim.value != command.value:
        key = claim_key(command.kind, command.name)
        _say(draft, key, gate=gate, claim=msgspec.structs.replace(claim, value=command.value))
    return Held(claim.token) if claim.token else Waiting(_ahead(gate, command.session))


def _join(draft: Draft, gate: Gate, *, session: Session, command: Acquire) -> Reply:
    """Let a new claim in, or put it at the end of the queue, or send it away."""
    key = claim_key(command.kind, command.name)
    must_wait = bool(gate.queue) or gate.free < command.takes
    refused = _join_refused(draft, gate, session=session, must_wait=must_wait)
    if must_wait and not command.waits:
        return Busy(len(gate.queue))
    if refused is not None:
        return refused
    joined = msgspec.structs.replace(session, claims=(*session.claims, key))
    draft.put(session_key(space_of(command.name), command.session), joined)
    claim = Claim(command.session, command.takes, command.value)
    if must_wait:
        draft.put(key, msgspec.structs.replace(gate, queue=(*gate.queue, claim)))
        return Waiting(len(gate.held) + len(gate.queue))
    granted = _granted(draft, key, claim)
    draft.put(key, msgspec.structs.replace(gate, held=(*gate.held, granted)))
    return Held(granted.token)


def _join_refused(draft: Draft, gate: Gate, *, session: Session, must_wait: bool) -> Refused | None:
    """Which bound is reached, if one is."""
    bounds = draft.bounds
    if draft.is_full and not gate.held:
        return Refused("full")
    if len(session.claims) >= bounds.claims_max:
        return Refused("too_many_claims")
    if must_wait and len(gate.queue) >= bounds.queue_max:
        return Refused("queue_full")
    return None


def _admit(draft: Draft, key: str, gate: Gate) -> None:
    """Let in the first of the queue, and the next, for as long as the first one fits. An unused gate is removed."""
    held, free = list(gate.held), gate.free
    for claim in gate.queue:
        if claim.takes > free:
            break
        granted = _granted(draft, key, claim)
        draft.publish("granted", subject_of(key, granted.session), Granted(granted.token))
        held.append(granted)
        free -= granted.takes
    queue = gate.queue[len(held) - len(gate.held) :]
    draft.put(key, Gate(gate.permits, tuple(held), queue) if held else None)


def _granted(draft: Draft, key: str, claim: Claim) -> Claim:
    """The claim with its token."""
    granted = msgspec.structs.replace(claim, token=draft.next_number())
    _tell(draft, key, granted)
    return granted


def _say(draft: Draft, key: str, *, gate: Gate, claim: Claim) -> None:
    """A candidate says something else of itself from now on."""

    def changed(claims: tuple[Claim, ...]) -> tuple[Claim, ...]:
        return tuple([claim if each.session == claim.session else each for each in claims])

    draft.put(key, Gate(gate.permits, changed(gate.held), changed(gate.queue)))
    if claim.token:
        _tell(draft, key, claim)


def _tell(draft: Draft, key: str, claim: Claim) -> None:
    """Those who watch hear who has it."""
    what = "elected" if key.startswith(_ELECTION) else "held"
    draft.publish(what, key, Holder(claim.session, claim.token, claim.value))


def _find(gate: Gate, session: str) -> Claim | None:
    return next((claim for claim in (*gate.held, *gate.queue) if claim.session == session), None)


def _ahead(gate: Gate, session: str) -> int:
    return len(gate.held) + [claim.session for claim in gate.queue].index(session)
