"""What the coordination service remembers: one value a key, where a key is a kind and a name, `lock:orders/42`.

Checked by: tests/coordination/test_machine.py
"""

from typing import Final

import msgspec

from ropewalk.coordination.recipes.limits import NAME_BYTES_MAX
from ropewalk.coordination.recipes.messages import Kind, Refused

NUMBERS: Final = "numbers"
"""The key of the number of which every grant, every version and every session of a partition is given the next."""

LISTENER_MARK: Final = "#"
"""What parts a claim's key from the session that waits for it, in the subject of an event."""


class Session(msgspec.Struct, frozen=True, tag=True):
    """A client that lives until `expires_ns` unless it is kept alive.

    `opened` is its number, by which its timer knows it. Unless it `lasts`, it ends with its last claim. `claims` are
    the keys of what it has and waits for, in the order in which it asked.
    """

    ttl_ms: int
    expires_ns: int
    opened: int
    lasts: bool
    claims: tuple[str, ...] = ()


class Expired(msgspec.Struct, frozen=True, tag=True):
    """A session that was not kept alive: whoever comes with its id is told."""


class Claim(msgspec.Struct, frozen=True):
    """A session's claim; `token` is 0 while it waits."""

    session: str
    takes: int
    value: str = ""
    token: int = 0


class Gate(msgspec.Struct, frozen=True, tag=True):
    """A lock, a semaphore or an election, while anybody has it: so many permits, those who hold them, a queue."""

    permits: int
    held: tuple[Claim, ...] = ()
    queue: tuple[Claim, ...] = ()

    @property
    def free(self) -> int:
        """Permits that nobody has."""
        return self.permits - sum([claim.takes for claim in self.held])


class Counter(msgspec.Struct, frozen=True, tag=True):
    """A counter that is not 0."""

    value: int


class Setting(msgspec.Struct, frozen=True, tag=True):
    """A key of the configuration; `session` is the one that it ends with, if any."""

    value: str
    version: int
    session: str = ""


class Numbers(msgspec.Struct, frozen=True, tag=True):
    """The last number that was given out. It is never given out again, whatever is deleted."""

    last: int


Value = Session | Expired | Gate | Counter | Setting | Numbers


def space_of(name: str) -> str:
    """The first part of a name: what decides where it is kept."""
    return name.partition("/")[0]


def home_of(key: str) -> str:
    """The space in which a key is kept."""
    return space_of(key.partition(":")[2].partition(LISTENER_MARK)[0])


def claim_key(kind: Kind, name: str) -> str:
    """Where a claim is kept."""
    return f"{kind}:{name}"


def session_key(space: str, session: str) -> str:
    """Where a session is kept."""
    return f"session:{space}{LISTENER_MARK}{session}"


def subject_of(key: str, session: str) -> str:
    """Under which name a session hears of its claim."""
    return f"{key}{LISTENER_MARK}{session}"


def name_refused(name: str) -> Refused | None:
    """Why this can't be a name; None if it can."""
    if not name or len(name.encode()) > NAME_BYTES_MAX:
        return Refused("bad_name")
    if not name.isprintable() or LISTENER_MARK in name or not space_of(name):
        return Refused("bad_name")
    return None


def space_refused(space: str) -> Refused | None:
    """Why this can't be a space; None if it can."""
    if "/" in space:
        return Refused("bad_name")
    return name_refused(space)


def session_refused(session: str) -> Refused | None:
    """Why this can't be a session's id; None if it can."""
    if session and session.isprintable() and len(session.encode()) <= NAME_BYTES_MAX:
        return None
    return Refused("bad_session")
