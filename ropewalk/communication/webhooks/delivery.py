"""The delivery machine: endpoints, how far each is, what failed and when it is due again. Pure, and keyed.

    sent ──► taken
      └────► waiting ──► taken, at the latest after ten attempts in three days
                 └─────► dead ──► waiting (retry) or forgotten (drop)

What is taken costs no record of its own: the sender records cursors from time to time, and what failed one by one.
So after a crash the messages since the last record are sent again, with the same ids.

An endpoint that takes nothing holds itself up and nobody else: with too many waiting messages, dead letters or bytes
it is sent nothing new, its cursor stays, and its events stay where they are published for as long as they are kept
there. It is disabled when it answers 410, or when a message has become a dead letter and none was taken meanwhile.

Promise:    an event behind an endpoint's cursor was taken, is waiting, is a dead letter, was dropped by an operator,
            is not for it, or is counted as missed.
Not given:  an order: what failed comes later, and several messages are on their way at a time. Their sequence tells.
Checked by: tests/communication/webhooks/test_delivery.py
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from ropewalk.communication.webhooks import limits
from ropewalk.communication.webhooks.messages import (
    AddEndpoint,
    Attempt,
    ChangeEndpoint,
    Command,
    Done,
    Drop,
    Endpoint,
    Failed,
    ForgetSecret,
    Index,
    ListEndpoints,
    Message,
    Progress,
    Record,
    Recorded,
    Recover,
    Refused,
    RemoveEndpoint,
    Replay,
    Retry,
    RotateSecret,
    State,
    Supply,
    SwitchEndpoint,
    ToEndpoint,
    Value,
)
from ropewalk.communication.webhooks.places import begun, set_back
from ropewalk.communication.webhooks.signatures import secret_key
from ropewalk.core.effects import At, Effect, Publish
from ropewalk.core.keyed import Applied, Entry
from ropewalk.errors import Rejected, invariant

CHANGED: Final = "endpoint_changed"
"""The kind of the event that tells the sender to look at an endpoint again; its subject is the endpoint's id."""

_INDEX: Final = "endpoints"
_SUPPLY: Final = "supply"
_NANOSECONDS: Final = 1_000_000_000
_PORT_MAX: Final = 65_535
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_URL: Final = re.compile(
    r"https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?(?:[/?][!-\"$-~]*)?", re.ASCII
)

Kept = Mapping[str, Value]
_Writes = dict[str, Value | None]


def apply(kept: Kept, entry: Entry[Command]) -> Applied[Value]:
    """What a command does."""
    command = entry.command
    if isinstance(command, Supply):
        return Applied(Done(), {_SUPPLY: command})
    applied = _add(kept, command) if isinstance(command, AddEndpoint) else _tell(kept, command, entry.time_ns)
    if _SUPPLY not in kept:
        return applied
    # It was for this command, whether that took it or not.
    return Applied(applied.reply, {**applied.writes, _SUPPLY: None}, applied.effects)


def _tell(kept: Kept, command: ToEndpoint, time_ns: int) -> Applied[Value]:
    state = state_of(kept, command.endpoint)
    if state is None:
        return Applied(Refused("unknown_endpoint", f"there is no endpoint {command.endpoint!r}: list them"))
    match command:
        case ChangeEndpoint():
            return _change(state.endpoint, command)
        case SwitchEndpoint(disabled_because=reason):
            return _with(msgspec.structs.replace(state.endpoint, disabled_because=reason))
        case RotateSecret():
            return _rotate(state.endpoint, command, supply=_supply(kept), time_ns=time_ns)
        case ForgetSecret(secret=secret):
            secrets = tuple(each for each in state.endpoint.secrets if each != secret)
            return _with(msgspec.structs.replace(state.endpoint, secrets=secrets))
        case RemoveEndpoint():
            return _remove(kept, state)
        case Replay():
            return _replay(state, command, _supply(kept))
        case Retry():
            return _retry(state, command.event_ids, time_ns)
        case Drop():
            return _drop(state, command.event_ids)
        case Recover():
            waiting = tuple(_due(each, time_ns) for each in state.progress.waiting)
            progress = msgspec.structs.replace(state.progress, waiting=waiting)
            return Applied(_recorded(progress), {progress_key(command.endpoint): progress})
        case Record():
            return _record(state, command, time_ns)


def answer(kept: Kept, _: ListEndpoints) -> list[State]:
    """All endpoints, in the order in which they were added."""
    states = [state_of(kept, endpoint) for endpoint in _index(kept)]
    return [state for state in states if state is not None]


def check(kept: Kept) -> None:
    """Every message that is kept belongs to a letter that waits or is dead, and nothing is past its bound."""
    letters = 0
    for state in answer(kept, ListEndpoints()):
        failed = [*state.progress.waiting, *state.progress.dead]
        bodies = [each for each in failed if each.body_bytes]
        letters += len(bodies)
        missing = [
            each.event_id for each in bodies if message_key(state.endpoint.endpoint, each.event_id) not in kept
        ]
        invariant(not missing, "a letter that can be sent again has its body", missing=missing)
        invariant(len({each.event_id for each in failed}) == len(failed), "an event failed once an endpoint")
        invariant(len(state.progress.dead) <= limits.DEAD_MAX, "dead letters are bounded")
    messages = sum(isinstance(value, Message) for value in kept.values())
    invariant(messages == letters, "no body is left behind", messages=messages, letters=letters)


def room(progress: Progress) -> int:
    """How many more messages may fail before the endpoint is sent nothing new; 0 if it is sent nothing new now."""
    kept_bytes = sum(each.body_bytes for each in (*progress.waiting, *progress.dead))
    free = min(
        limits.WAITING_MAX - len(progress.waiting),
        limits.DEAD_MAX - len(progress.waiting) - len(progress.dead),
        (limits.KEPT_BYTES_MAX - kept_bytes) // limits.MESSAGE_BYTES_MAX,
    )
    return max(0, free)


def state_of(kept: Kept, endpoint: str) -> State | None:
    """An endpoint and its progress; None if there is none of that id."""
    found, progress = kept.get(f"endpoint/{endpoint}"), kept.get(progress_key(endpoint))
    return State(found, progress) if isinstance(found, Endpoint) and isinstance(progress, Progress) else None


def progress_key(endpoint: str) -> str:
    """Where an endpoint's progress is kept."""
    return f"progress/{endpoint}"


def message_key(endpoint: str, event_id: str) -> str:
    """Where the body of a message that failed is kept."""
    return f"message/{endpoint}/{event_id}"


# Endpoints.


def _add(kept: Kept, command: AddEndpoint) -> Applied[Value]:
    given, supply = command.endpoint, _supply(kept)
    drawn = (supply.secret,) if supply.secret else ()
    endpoint = msgspec.structs.replace(
        given, endpoint=given.endpoint or supply.endpoint, secrets=given.secrets or drawn
    )
    refusal = _refusal(endpoint)
    if refusal is not None:
        return Applied(refusal)
    there = state_of(kept, endpoint.endpoint)
    if there is not None:
        if msgspec.structs.replace(endpoint, secrets=there.endpoint.secrets) == there.endpoint:
            return Applied(there.endpoint)
        return Applied(Refused("exists", f"there is another endpoint {endpoint.endpoint!r}: change that, or its id"))
    index = _index(kept)
    if len(index) >= limits.ENDPOINTS_MAX:
        return Applied(Refused("too_many", f"there are {len(index)} endpoints, as many as there may be: remove one"))
    progress = begun(command, supply)
    if isinstance(progress, Refused):
        return Applied(progress)
    applied = _with(endpoint)
    writes = {
        **applied.writes,
        _INDEX: Index((*index, endpoint.endpoint)),
        progress_key(endpoint.endpoint): progress,
    }
    return Applied(endpoint, writes, applied.effects)


def _change(endpoint: Endpoint, command: ChangeEndpoint) -> Applied[Value]:
    given = {name: value for name, value in msgspec.structs.asdict(command).items() if value is not None}
    changed = msgspec.structs.replace(endpoint, **given)
    refusal = _refusal(changed)
    return Applied(refusal) if refusal is not None else _with(changed)


def _replay(state: State, command: Replay, supply: Supply) -> Applied[Value]:
    progress = set_back(state.progress, command.after, supply)
    if isinstance(progress, Refused):
        return Applied(progress)
    again = sum(state.progress.after.get(log, 0) - number for log, number in command.after.items())
    return Applied(Done(again), {progress_key(command.endpoint): progress}, [_changed(command.endpoint)])


def _rotate(endpoint: Endpoint, command: RotateSecret, *, supply: Supply, time_ns: int) -> Applied[Value]:
    secret = command.secret or supply.secret
    before = tuple(each for each in endpoint.secrets if each != secret) if command.keep_s > 0 else ()
    changed = msgspec.structs.replace(endpoint, secrets=(secret, *before))
    refusal = _refusal(changed)
    if refusal is not None:
        return Applied(refusal)
    applied = _with(changed)
    if not before:
        return applied
    forgets = At(time_ns + command.keep_s * _NANOSECONDS, ForgetSecret(endpoint.endpoint, before[0]))
    return Applied(changed, applied.writes, [*applied.effects, forgets])


def _remove(kept: Kept, state: State) -> Applied[Value]:
    endpoint = state.endpoint.endpoint
    index = Index(tuple(each for each in _index(kept) if each != endpoint))
    writes: _Writes = {f"endpoint/{endpoint}": None, progress_key(endpoint): None, _INDEX: index}
    failed = [*state.progress.waiting, *state.progress.dead]
    writes.update(dict.fromkeys((message_key(endpoint, each.event_id) for each in failed), None))
    return Applied(Done(len(failed)), writes, [_changed(endpoint)])


def _refusal(endpoint: Endpoint) -> Refused | None:
    if not _ID.fullmatch(endpoint.endpoint):
        return Refused("invalid_id", f"{endpoint.endpoint!r} is no id: use 1 to 64 letters, digits, - and _")
    url = _URL.fullmatch(endpoint.url)
    if url is None or len(endpoint.url) > limits.URL_CHARACTERS_MAX or int(url["port"] or 0) > _PORT_MAX:
        return Refused("invalid_url", f"{endpoint.url!r} is no URL: write http:// or https://, a host and a path")
    if len(endpoint.kinds) > limits.KINDS_MAX:
        return Refused("too_many_kinds", f"{len(endpoint.kinds)} kinds are named: {limits.KINDS_MAX} may be")
    if not 1 <= endpoint.in_flight <= limits.IN_FLIGHT_MAX:
        return Refused("invalid_in_flight", f"in_flight is {endpoint.in_flight}: choose 1 to {limits.IN_FLIGHT_MAX}")
    if not 1 <= len(endpoint.secrets) <= limits.SECRETS_MAX:
        detail = f"{len(endpoint.secrets)} secrets would sign: {limits.SECRETS_MAX} may; wait, or keep none before"
        return Refused("too_many_secrets", detail)
    try:
        for secret in endpoint.secrets:
            secret_key(secret)
    except Rejected as error:
        return Refused("invalid_secret", str(error))
    return None


def _index(kept: Kept) -> tuple[str, ...]:
    index = kept.get(_INDEX)
    return index.endpoints if isinstance(index, Index) else ()


def _supply(kept: Kept) -> Supply:
    supply = kept.get(_SUPPLY)
    return supply if isinstance(supply, Supply) else Supply()


def _with(endpoint: Endpoint) -> Applied[Value]:
    return Applied(endpoint, {f"endpoint/{endpoint.endpoint}": endpoint}, [_changed(endpoint.endpoint)])


def _changed(endpoint: str) -> Effect:
    return Publish(CHANGED, endpoint, None)


# Letters.


def _retry(state: State, event_ids: Sequence[str] | None, time_ns: int) -> Applied[Value]:
    named, rest = _split(state.progress.dead, lambda each: _is_named(each, event_ids) and each.body_bytes > 0)
    again = [msgspec.structs.replace(each, attempts=0, first_ns=time_ns, due_ns=time_ns) for each in named]
    progress = msgspec.structs.replace(state.progress, waiting=(*state.progress.waiting, *again), dead=tuple(rest))
    endpoint = state.endpoint.endpoint
    return Applied(Done(len(again)), {progress_key(endpoint): progress}, [_changed(endpoint)])


def _drop(state: State, event_ids: Sequence[str] | None) -> Applied[Value]:
    named, rest = _split(state.progress.dead, lambda each: _is_named(each, event_ids))
    endpoint = state.endpoint.endpoint
    writes: _Writes = dict.fromkeys((message_key(endpoint, each.event_id) for each in named), None)
    writes[progress_key(endpoint)] = msgspec.structs.replace(state.progress, dead=tuple(rest))
    return Applied(Done(len(named)), writes, [_changed(endpoint)])


def _is_named(letter: Failed, event_ids: Sequence[str] | None) -> bool:
    return event_ids is None or letter.event_id in event_ids


def _split(letters: Iterable[Failed], belongs: Callable[[Failed], bool]) -> tuple[list[Failed], list[Failed]]:
    one: list[Failed] = []
    other: list[Failed] = []
    for letter in letters:
        (one if belongs(letter) else other).append(letter)
    return one, other


def _record(state: State, record: Record, time_ns: int) -> Applied[Value]:
    endpoint, before = state.endpoint, state.progress
    settled = [each.event_id for each in before.waiting if each.event_id in record.settled]
    is_taken = bool(record.delivered or settled)
    # What was on its way when the endpoint was set back does not move it on again.
    after = record.after if record.replays == before.replays else {}
    progress = msgspec.structs.replace(
        before,
        after={**before.after, **{log: max(before.after.get(log, 0), number) for log, number in after.items()}},
        waiting=tuple(each for each in before.waiting if each.event_id not in settled),
        delivered=before.delivered + record.delivered + len(settled),
        missed=before.missed + record.missed,
        taken_ns=time_ns if is_taken else before.taken_ns,
    )
    writes: _Writes = dict.fromkeys((message_key(endpoint.endpoint, each) for each in settled), None)
    for attempt in record.failed:
        progress, letter = _fail(progress, attempt, time_ns)
        if letter is not None and letter.body_bytes and attempt.attempts == 1 and attempt.body:
            writes[message_key(endpoint.endpoint, letter.event_id)] = Message(attempt.body)
    writes[progress_key(endpoint.endpoint)] = progress
    reason = "it answered 410 Gone" if record.is_gone else _silence(progress, since=before)
    if not reason or endpoint.disabled_because:
        return Applied(_recorded(progress), writes)
    disabled = _with(msgspec.structs.replace(endpoint, disabled_because=reason))
    return Applied(_recorded(progress), {**writes, **disabled.writes}, disabled.effects)


def _fail(progress: Progress, attempt: Attempt, time_ns: int) -> tuple[Progress, Failed | None]:
    """The message waits, or is dead. One that was sent again after a crash, and is known already, changes nothing."""
    before = next((each for each in progress.waiting if each.event_id == attempt.event_id), None)
    is_dead = any(each.event_id == attempt.event_id for each in progress.dead)
    if is_dead or attempt.attempts != (1 if before is None else before.attempts + 1):
        return progress, None
    letter = _letter(before, attempt, time_ns)
    waiting = tuple(each for each in progress.waiting if each is not before)
    if letter.body_bytes and attempt.attempts <= len(limits.RETRY_DELAYS_S):
        return msgspec.structs.replace(progress, waiting=(*waiting, letter)), letter
    return msgspec.structs.replace(progress, waiting=waiting, dead=(*progress.dead, letter)), letter


def _silence(progress: Progress, *, since: Progress) -> str:
    """Why an endpoint is given up: a message was tried to the end, and none was taken in all that time."""
    for letter in progress.dead[len(since.dead) :]:
        if letter.attempts > len(limits.RETRY_DELAYS_S) and progress.taken_ns < letter.first_ns:
            return f"it took nothing while {letter.event_id} was tried {letter.attempts} times"
    return ""


def _letter(before: Failed | None, attempt: Attempt, time_ns: int) -> Failed:
    """A message after an attempt that failed."""
    pause_s = limits.RETRY_DELAYS_S[min(attempt.attempts, len(limits.RETRY_DELAYS_S)) - 1]
    stretched_ns = pause_s * _NANOSECONDS * (100 + attempt.jitter_percent) // 100
    asked_ns = min(attempt.retry_after_s, limits.RETRY_AFTER_MAX_S) * _NANOSECONDS
    size = len(attempt.body) if len(attempt.body) <= limits.MESSAGE_BYTES_MAX else 0
    return Failed(
        event_id=attempt.event_id,
        kind=attempt.kind[: limits.LABEL_CHARACTERS_MAX],
        subject=attempt.subject[: limits.LABEL_CHARACTERS_MAX],
        attempts=attempt.attempts,
        first_ns=time_ns if before is None else before.first_ns,
        due_ns=time_ns + max(stretched_ns, asked_ns),
        why=attempt.why[: limits.LABEL_CHARACTERS_MAX],
        body_bytes=size if before is None else before.body_bytes,
    )


def _recorded(progress: Progress) -> Recorded:
    return Recorded(progress.waiting, len(progress.dead), room(progress))


def _due(letter: Failed, time_ns: int) -> Failed:
    return msgspec.structs.replace(letter, due_ns=min(letter.due_ns, time_ns))
