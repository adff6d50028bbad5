"""The coordination service as a keyed machine: what each command does, what each question is answered.

    sessions     who lives, and what is handed on when he does not     claims    locks, semaphores, elections
    settings     counters, configuration                               draft     what one command changes

Promise:    no more permits are held than there are, and none by whose session has ended; no number is given out
            twice; nobody waits who could be let in.
Checked by: tests/coordination/test_machine.py, tests/coordination/test_properties.py,
            ropewalk.proving.workloads.coordination
"""

from collections.abc import Iterator, Mapping
from functools import partial
from heapq import nsmallest

from ropewalk.coordination.recipes import claims, sessions, settings
from ropewalk.coordination.recipes.draft import Draft
from ropewalk.coordination.recipes.limits import PAGE_MAX, Bounds
from ropewalk.coordination.recipes.messages import (
    Acquire,
    Add,
    Busy,
    Claimant,
    Claims,
    Command,
    Counted,
    DeleteKey,
    EndSession,
    Expire,
    Forget,
    GetClaims,
    GetCounter,
    GetKey,
    GetSession,
    KeepAlive,
    Key,
    List,
    ListClaims,
    ListCounters,
    ListKeys,
    NamedClaims,
    NamedCounter,
    OpenSession,
    Query,
    Refused,
    Release,
    Reply,
    SessionState,
    SetCounter,
    SetKey,
    Timer,
    Watched,
)
from ropewalk.coordination.recipes.state import (
    NUMBERS,
    Claim,
    Counter,
    Expired,
    Gate,
    Numbers,
    Session,
    Setting,
    Value,
    claim_key,
    home_of,
    session_key,
    space_of,
)
from ropewalk.core.keyed import Applied, Entry, KeyedMachine
from ropewalk.core.place import Place
from ropewalk.errors import invariant

NAME = "coordination"

_CONFIG = "config:"
_NUMBER_MAX = 2**63


def machine(place: Place, *, bounds: Bounds | None = None) -> KeyedMachine[Value, Command | Timer, Query]:
    """One partition's machine."""
    return KeyedMachine(
        NAME,
        commands=Command,
        messages=Timer,
        value=Value,
        apply=partial(apply, bounds=bounds or Bounds()),
        queries=Query,
        answer=answer,
        check=check,
        place=place,
        home=home_of,
        key=space,
    )


def space(message: Command | Timer | Query) -> str:
    """The space that a message is about: it decides the partition."""
    match message:
        case OpenSession() | KeepAlive() | EndSession() | GetSession() | Expire() | Forget():
            return message.space
        case ListKeys() | ListClaims() | ListCounters():
            return space_of(message.prefix)
        case _:
            return space_of(message.name)


def apply(state: Mapping[str, Value], entry: Entry[Command | Timer], *, bounds: Bounds) -> Applied[Value]:
    """Do what one command says."""
    draft = Draft(state, now_ns=entry.time_ns, position=entry.position, bounds=bounds)
    reply = _reply(draft, entry.command)
    # Whatever was drafted for it: a refusal changes nothing.
    return Applied(reply) if isinstance(reply, Refused | Busy) else draft.applied(reply)


def answer(state: Mapping[str, Value], query: Query) -> object:
    """Answer one question."""
    match query:
        case GetClaims():
            return _claims(state.get(claim_key(query.kind, query.name)))
        case GetSession():
            return _session_state(state.get(session_key(query.space, query.session)))
        case GetCounter():
            return Counted(_count(state.get(f"counter:{query.name}")))
        case GetKey():
            return _key(query.name, state.get(_CONFIG + query.name))
        case ListKeys():
            return [_key(name, value) for name, value in _listed(state, "config", query)]
        case ListClaims():
            return [NamedClaims(name, _claims(value)) for name, value in _listed(state, query.kind, query)]
        case ListCounters():
            return [NamedCounter(name, _count(value)) for name, value in _listed(state, "counter", query)]


def check(state: Mapping[str, Value]) -> None:
    """What is always true of the whole state."""
    numbers = state.get(NUMBERS)
    # A partition that was divided from another has none before it gives out its first.
    last = numbers.last if isinstance(numbers, Numbers) else _NUMBER_MAX
    for key, value in state.items():
        match value:
            case Gate():
                _check_gate(state, key, gate=value, last=last)
            case Session():
                invariant(value.lasts or bool(value.claims), "a session lasts or has a claim", key=key)
                for claim in value.claims:
                    _check_claim(state.get(claim), claim, key)
            case Setting():
                invariant(0 < value.version <= last, "a version is a number that was given out", key=key)
                if value.session:
                    _check_session(state, key, value.session)
            case Counter():
                invariant(value.value != 0, "a counter of 0 takes no room", key=key)


def _reply(draft: Draft, command: Command | Timer) -> Reply:
    match command:
        case Acquire():
            return claims.acquire(draft, command)
        case Release():
            return claims.release(draft, command)
        case KeepAlive():
            return sessions.keep_alive(draft, command.space, command.session)
        case OpenSession():
            return sessions.open_session(draft, command)
        case EndSession():
            return sessions.end_session(draft, command.space, session=command.session, leave=_leave)
        case Add():
            return settings.add(draft, command)
        case SetCounter():
            return settings.set_counter(draft, command)
        case SetKey():
            return settings.set_key(draft, command)
        case DeleteKey():
            return settings.delete_key(draft, command)
        case Expire():
            return sessions.expire(draft, command, _leave)
        case Forget():
            return sessions.forget(draft, command)


def _leave(draft: Draft, key: str, session: str) -> None:
    """What becomes of a claim when its session ends."""
    if key.startswith(_CONFIG):
        settings.remove_key(draft, key)
    else:
        claims.leave_gate(draft, key, session=session, why="session_expired")


def _claims(value: Value | None) -> Claims:
    if not isinstance(value, Gate):
        return Claims(0, (), ())
    return Claims(value.permits, list(_shown(value.held)), list(_shown(value.queue)))


def _shown(held: tuple[Claim, ...]) -> Iterator[Claimant]:
    return (Claimant(claim.session, claim.token, claim.takes, claim.value) for claim in held)


def _session_state(value: Value | None) -> SessionState:
    match value:
        case Session():
            return SessionState("open", value.ttl_ms, value.claims)
        case Expired():
            return SessionState("expired")
        case _:
            return SessionState("unknown")


def _key(name: str, value: Value | None) -> Key:
    if not isinstance(value, Setting):
        return Key(name, None, 0)
    return Key(name, value.value, value.version, value.session)


def _count(value: Value | None) -> int:
    return value.value if isinstance(value, Counter) else 0


def _listed(state: Mapping[str, Value], kind: Watched, query: List) -> Iterator[tuple[str, Value]]:
    """A page of what there is of a kind below a prefix: names and values, by name."""
    prefix, after = f"{kind}:{query.prefix}", f"{kind}:{query.after}"
    chosen = (key for key in state if key.startswith(prefix) and key > after)
    for key in nsmallest(max(0, min(query.limit, PAGE_MAX)), chosen):
        yield key.partition(":")[2], state[key]


def _check_gate(state: Mapping[str, Value], key: str, *, gate: Gate, last: int) -> None:
    invariant(gate.free >= 0, "no more is held than there is", key=key, gate=gate)
    invariant(bool(gate.held), "what nobody has is not kept", key=key)
    invariant(not gate.queue or gate.queue[0].takes > gate.free, "nobody waits who could be let in", key=key)
    tokens = [claim.token for claim in gate.held]
    invariant(sorted({*tokens}) == tokens, "tokens are given in order, each once", key=key, tokens=tokens)
    invariant(tokens[0] > 0 and tokens[-1] <= last, "a token is a number that was given out", key=key, tokens=tokens)
    for claim in (*gate.held, *gate.queue):
        _check_session(state, key, claim.session)


def _check_session(state: Mapping[str, Value], key: str, session: str) -> None:
    holder = state.get(session_key(space_of(key.partition(":")[2]), session))
    knows = isinstance(holder, Session) and holder.claims.count(key) == 1
    invariant(knows, "who has a claim is a session that knows of it, once", key=key, session=session)


def _check_claim(value: Value | None, claim: str, session_at: str) -> None:
    session = session_at.partition("#")[2]
    match value:
        case Gate():
            has = any(each.session == session for each in (*value.held, *value.queue))
        case Setting():
            has = value.session == session
        case _:
            has = False
    invariant(has, "what a session knows of is its own", key=claim, session=session_at)
