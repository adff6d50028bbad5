"""What the coordination service is asked, and what it answers.

A name is a path: `orders/eu/42`. Its first part is its **space**, `orders`: everything of one space, and the sessions
that work in it, are in one partition, so one record can end a session and hand on all that it held.

Checked by: tests/coordination/test_stories.py
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

Kind = Literal["lock", "semaphore", "election"]
"""What a session can claim: the right to be alone, one of so many permits, to lead."""

Watched = Literal["config", "counter", "lock", "semaphore", "election"]
"""What can be watched."""

Reason = Literal[
    "bad_name",
    "bad_session",
    "bad_ttl",
    "bad_number",
    "too_large",
    "session_expired",
    "session_unknown",
    "full",
    "too_many_claims",
    "queue_full",
    "permits_differ",
    "not_claimed",
    "unknown",
    "version_differs",
    "value_differs",
]
"""Why nothing was changed."""


class OpenSession(msgspec.Struct, frozen=True, tag=True):
    """Open a session that lasts until it is ended, or not kept alive for `ttl_ms`; keep it alive if it is open."""

    space: str
    session: str
    ttl_ms: int


class KeepAlive(msgspec.Struct, frozen=True, tag=True):
    """Let a session live for its whole time to live once more."""

    space: str
    session: str


class EndSession(msgspec.Struct, frozen=True, tag=True):
    """End a session: all that it holds is handed on, and all that it waits for is given up."""

    space: str
    session: str


class Acquire(msgspec.Struct, frozen=True, tag=True):
    """Claim something for a session, or take a place in the queue for it if `waits`.

    A session that is not there is opened with `ttl_ms` and lasts as long as it has a claim. Who has the claim or the
    place already gets the same answer again. `takes` of a semaphore's `permits`; `value` is what a candidate says.
    """

    name: str
    session: str
    kind: Kind = "lock"
    ttl_ms: int = 0
    waits: bool = False
    takes: int = 1
    permits: int = 1
    value: str = ""


class Release(msgspec.Struct, frozen=True, tag=True):
    """Give up a claim, or the place in the queue for it."""

    name: str
    session: str
    kind: Kind = "lock"


class Add(msgspec.Struct, frozen=True, tag=True):
    """Add to a counter; one that is not there is 0."""

    name: str
    amount: int = 1


class SetCounter(msgspec.Struct, frozen=True, tag=True):
    """Set a counter, if it has the `expected` value or none is given. A counter of 0 takes no room."""

    name: str
    value: int
    expected: int | None = None


class SetKey(msgspec.Struct, frozen=True, tag=True):
    """Set a key of the configuration, if it has the expected `version` (0: it is not there) or none is given.

    With a `session` the key is deleted when that session ends; `ttl_ms` opens one as `Acquire` does.
    """

    name: str
    value: str
    version: int | None = None
    session: str = ""
    ttl_ms: int = 0


class DeleteKey(msgspec.Struct, frozen=True, tag=True):
    """Delete a key of the configuration, if it has the expected `version` or none is given."""

    name: str
    version: int | None = None


class Expire(msgspec.Struct, frozen=True, tag=True):
    """A timer: end the session that was opened with this number, if it was not kept alive."""

    space: str
    session: str
    opened: int


class Forget(msgspec.Struct, frozen=True, tag=True):
    """A timer: forget that a session of this id has expired."""

    space: str
    session: str


Command = OpenSession | KeepAlive | EndSession | Acquire | Release | Add | SetCounter | SetKey | DeleteKey
Timer = Expire | Forget


class GetClaims(msgspec.Struct, frozen=True, tag=True):
    """Who has a lock, a semaphore's permits or the lead, and who waits for it."""

    name: str
    kind: Kind = "lock"


class GetSession(msgspec.Struct, frozen=True, tag=True):
    """How a session is."""

    space: str
    session: str


class GetCounter(msgspec.Struct, frozen=True, tag=True):
    """The value of a counter."""

    name: str


class GetKey(msgspec.Struct, frozen=True, tag=True):
    """The value and the version of a key."""

    name: str


class ListKeys(msgspec.Struct, frozen=True, tag=True):
    """The keys that begin with a prefix, by name, from behind `after` on."""

    prefix: str
    after: str = ""
    limit: int = 100


class ListClaims(msgspec.Struct, frozen=True, tag=True):
    """Who has what, of the claims of a kind whose names begin with a prefix, by name, from behind `after` on."""

    prefix: str
    kind: Kind = "lock"
    after: str = ""
    limit: int = 100


class ListCounters(msgspec.Struct, frozen=True, tag=True):
    """The counters that are not 0 and begin with a prefix, by name, from behind `after` on."""

    prefix: str
    after: str = ""
    limit: int = 100


List = ListKeys | ListClaims | ListCounters
Query = GetClaims | GetSession | GetCounter | GetKey | List


class Alive(msgspec.Struct, frozen=True, tag=True):
    """The session lives for `ttl_ms` from now on."""

    ttl_ms: int


class Held(msgspec.Struct, frozen=True, tag=True):
    """The claim is yours. Every later grant in this space has a larger `token`."""

    token: int


class Waiting(msgspec.Struct, frozen=True, tag=True):
    """You have a place in the queue, with so many before you."""

    ahead: int


class Busy(msgspec.Struct, frozen=True, tag=True):
    """Others have it, and nothing was changed."""

    waiting: int


class Done(msgspec.Struct, frozen=True, tag=True):
    """It is so now."""


class Counted(msgspec.Struct, frozen=True, tag=True):
    """The counter's value from now on."""

    value: int


class Kept(msgspec.Struct, frozen=True, tag=True):
    """The key's version from now on: every later change in this space has a larger one."""

    version: int


class Refused(msgspec.Struct, frozen=True, tag=True):
    """Nothing was changed, and why. `current` is the version, value or number that was not the expected one."""

    reason: Reason
    current: int | None = None


Reply = Alive | Held | Waiting | Busy | Done | Counted | Kept | Refused


class Claimant(msgspec.Struct, frozen=True):
    """A session with a claim, or with a place in the queue: then its `token` is 0."""

    session: str
    token: int
    takes: int
    value: str


class Claims(msgspec.Struct, frozen=True):
    """Who has it, in the order of their tokens, and who waits for it, the next one first."""

    permits: int
    held: Sequence[Claimant]
    queue: Sequence[Claimant]


class NamedClaims(msgspec.Struct, frozen=True):
    """Who has and who waits for what has this name."""

    name: str
    claims: Claims


class NamedCounter(msgspec.Struct, frozen=True):
    """A counter and its value."""

    name: str
    value: int


class SessionState(msgspec.Struct, frozen=True):
    """How a session is: open, expired or unknown; what it has or waits for."""

    state: Literal["open", "expired", "unknown"]
    ttl_ms: int = 0
    claims: Sequence[str] = ()


class Key(msgspec.Struct, frozen=True):
    """A key of the configuration. Version 0: it is not there."""

    name: str
    value: str | None
    version: int
    session: str = ""


class Granted(msgspec.Struct, frozen=True):
    """What the event `granted` tells a session that has waited."""

    token: int


class Holder(msgspec.Struct, frozen=True):
    """Who has it, as the events `held` and `elected` tell, or who had it last, as `released` and `vacant` do."""

    session: str
    token: int
    value: str = ""
