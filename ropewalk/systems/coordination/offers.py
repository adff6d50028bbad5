"""What the coordination service offers: each offer has a path, a body, an answer, and the function that gives it.

The same offers are asked over HTTP (`rest`) and inside a program (`doors`), so both mean the same.

Checked by: tests/coordination/system/test_rest.py, tests/coordination/system/test_client.py
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, Literal, TypeVar

import msgspec

from ropewalk.coordination.recipes.messages import Kind, Watched
from ropewalk.core.limits import DEADLINE_DEFAULT_S
from ropewalk.core.machine import NO_ID
from ropewalk.data.reads import STRONG, ReadLevel
from ropewalk.runtime.node import Node

B = TypeVar("B")
A = TypeVar("A")


class Terms(msgspec.Struct, frozen=True):
    """On what terms something is asked: what makes a repeat one, how long to wait, how new an answer must be."""

    request_id: bytes = NO_ID
    deadline_s: float = DEADLINE_DEFAULT_S
    level: ReadLevel = STRONG


class Offer(msgspec.Struct, Generic[B, A], frozen=True):
    """One thing that may be asked. A GET has its body in the query of the URL."""

    method: Literal["GET", "POST"]
    path: str
    summary: str
    body: type[B]
    answer: object
    give: Callable[[Node, B, Terms], Awaitable[A]]


class Claiming(msgspec.Struct, frozen=True):
    """Who claims what, and how long one answer may take. With `wait_s` of 0 nobody waits for his turn."""

    name: str
    session: str
    kind: Kind = "lock"
    ttl_ms: int = 0
    wait_s: float = 0.0
    takes: int = 1
    permits: int = 1
    value: str = ""


class Following(msgspec.Struct, frozen=True):
    """Whose changes are asked for: one name's, or those of all names below one that ends with `/`.

    They are those behind number `after`; without it, from now on. The answer waits `wait_s` for the first.
    """

    name: str
    kind: Watched = "config"
    after: int | None = None
    wait_s: float = 0.0


class Change(msgspec.Struct, frozen=True):
    """A key was `set` or `deleted`; a lock or permits are `held` or were `released`; a leader was `elected`, or an
    election is `vacant`; a counter has `counted`.

    `version` is the key's version or the holder's token, and a counter has none. `value` is None when it is gone.
    """

    number: int
    what: str
    name: str
    value: str | None
    version: int
    session: str


class Changes(msgspec.Struct, frozen=True):
    """Changes in order; those behind them are asked for with `after` = `next`."""

    changes: Sequence[Change]
    next: int
