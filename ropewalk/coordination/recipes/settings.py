"""Counters, and the configuration: keys with a value and a version, which may end with a session.

A version is the partition's next number, so a key that is deleted and set again has not the version of before: who
compares with a version that he has read is never wrong about what he overwrites.

Promise:    of those who set a key, or a counter, with the same expected version or value one succeeds.
Checked by: tests/coordination/test_machine.py, ropewalk.proving.workloads.coordination
"""

import msgspec

from ropewalk.coordination.recipes.draft import Draft
from ropewalk.coordination.recipes.limits import VALUE_BYTES_MAX
from ropewalk.coordination.recipes.messages import (
    Add,
    Counted,
    DeleteKey,
    Kept,
    Key,
    Refused,
    Reply,
    SetCounter,
    SetKey,
)
from ropewalk.coordination.recipes.sessions import drop_claim, used
from ropewalk.coordination.recipes.state import Counter, Setting, name_refused, session_key, space_of

_NUMBER_MAX = 2**63 - 1


def add(draft: Draft, command: Add) -> Reply:
    """Add to a counter."""
    refused = name_refused(command.name)
    return refused or _count(draft, command.name, draft.counter(f"counter:{command.name}") + command.amount)


def set_counter(draft: Draft, command: SetCounter) -> Reply:
    """Set a counter, if it is what is expected."""
    refused = name_refused(command.name)
    if refused is not None:
        return refused
    value = draft.counter(f"counter:{command.name}")
    if command.expected not in (None, value):
        return Refused("value_differs", value)
    return _count(draft, command.name, command.value)


def set_key(draft: Draft, command: SetKey) -> Reply:
    """Set a key, if it has the version that is expected."""
    refused = name_refused(command.name) or _version_refused(draft, command)
    if refused is not None:
        return refused
    if len(command.value.encode()) > VALUE_BYTES_MAX:
        return Refused("too_large")
    key = f"config:{command.name}"
    before = draft.setting(key)
    if before is None and draft.is_full:
        return Refused("full")
    bound = _bind(draft, key, command) if command.session else None
    if bound is not None:
        return bound
    if before is not None and before.session != command.session:
        drop_claim(draft, space_of(command.name), session=before.session, claim=key)
    version = draft.next_number()
    draft.put(key, Setting(command.value, version, command.session))
    draft.publish("set", key, Key(command.name, command.value, version, command.session))
    return Kept(version)


def delete_key(draft: Draft, command: DeleteKey) -> Reply:
    """Delete a key, if it has the version that is expected."""
    refused = name_refused(command.name) or _version_refused(draft, command)
    if refused is not None:
        return refused
    key = f"config:{command.name}"
    before = draft.setting(key)
    if before is None:
        return Refused("unknown")
    drop_claim(draft, space_of(command.name), session=before.session, claim=key)
    return Kept(remove_key(draft, key))


def remove_key(draft: Draft, key: str) -> int:
    """Remove a key that is there; return the version of its removal."""
    version = draft.next_number()
    draft.put(key, None)
    draft.publish("deleted", key, Key(key.removeprefix("config:"), None, version))
    return version


def _count(draft: Draft, name: str, value: int) -> Reply:
    key = f"counter:{name}"
    if not -_NUMBER_MAX <= value <= _NUMBER_MAX:
        return Refused("bad_number", draft.counter(key))
    if value and draft.is_full and not draft.counter(key):
        return Refused("full")
    draft.put(key, Counter(value) if value else None)
    draft.publish("counted", key, Counted(value))
    return Counted(value)


def _version_refused(draft: Draft, command: SetKey | DeleteKey) -> Refused | None:
    setting = draft.setting(f"config:{command.name}")
    version = setting.version if setting is not None else 0
    if command.version in (None, version):
        return None
    return Refused("version_differs", version)


def _bind(draft: Draft, key: str, command: SetKey) -> Refused | None:
    """Let the key end with a session; say why not if that can't be."""
    space = space_of(command.name)
    session = used(draft, space, session=command.session, ttl_ms=command.ttl_ms)
    if isinstance(session, Refused):
        return session
    if key not in session.claims:
        if len(session.claims) >= draft.bounds.claims_max:
            return Refused("too_many_claims")
        session = msgspec.structs.replace(session, claims=(*session.claims, key))
    draft.put(session_key(space, command.session), session)
    return None
