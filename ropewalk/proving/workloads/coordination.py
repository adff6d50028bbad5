"""Coordination: few names, few sessions that live for milliseconds, and clocks that jump by seconds.

The judge knows the service's rules by heart and keeps one line for each claim, in which who is let in stands first.

Checked by: tests/proving/test_world.py, tests/canaries/test_coordination.py
"""

from collections.abc import Sequence
from random import Random
from typing import Final, cast

from ropewalk.coordination.recipes.limits import NUMBERS_PER_RECORD, Bounds
from ropewalk.coordination.recipes.machine import machine
from ropewalk.coordination.recipes.messages import (
    Acquire,
    Add,
    Command,
    DeleteKey,
    EndSession,
    GetClaims,
    GetCounter,
    GetKey,
    GetSession,
    KeepAlive,
    ListKeys,
    OpenSession,
    Release,
    SetCounter,
    SetKey,
)
from ropewalk.core.codec import encode_value
from ropewalk.core.machine import Machine, Request
from ropewalk.core.place import Place
from ropewalk.data.shelf import Shelf
from ropewalk.proving.history import Acknowledged
from ropewalk.proving.workloads.coordination_clients import COUNTER, LOCKS, SHARED_KEY, check_clients
from ropewalk.proving.workloads.coordination_judge import CoordinationJudge

SESSIONS: Final = ("ada", "ben", "cleo", "dan")
POOL: Final = "s/pool"
ELECTION: Final = "s/lead"
OWN_KEY: Final = "s/own"
TIGHT: Final = Bounds(keys_max=10, queue_max=2, claims_max=3, ttl_min_ms=2, expired_kept_ns=40_000_000)

_TTLS_MS: Final = (1, 5, 20, 60, 200)
_VERSIONS_MAX: Final = 40


class Coordination:
    """The workload."""

    name = "coordination"

    def machine(self, _: Shelf, place: Place) -> Machine:
        return machine(place, bounds=TIGHT)

    def opening(self) -> Sequence[Request]:
        return [Request(b"opening session ", encode_value(OpenSession("s", SESSIONS[0], _TTLS_MS[-1])))]

    def request(self, random: Random) -> Request:
        return Request(random.randbytes(16), encode_value(_command(random)))

    def query(self, random: Random) -> bytes:
        queries = (
            GetClaims(random.choice(LOCKS)),
            GetClaims(POOL, "semaphore"),
            GetSession("s", random.choice(SESSIONS)),
            GetCounter(COUNTER),
            GetKey(OWN_KEY),
            ListKeys("s/"),
        )
        return encode_value(random.choice(queries))

    def judge(self) -> CoordinationJudge:
        return CoordinationJudge(TIGHT)

    def check_clients(self, acknowledged: Sequence[Acknowledged], written: Sequence[Request]) -> None:
        check_clients(acknowledged, written)


def _command(random: Random) -> Command:
    """What a client asks: mostly claims, each with a session that may be new, old or over."""
    session = random.choice(SESSIONS)
    ttl_ms = random.choice((0, *_TTLS_MS))
    waits = random.random() < 0.7
    lock = random.choice(LOCKS)
    version = random.choice((None, 0, random.choice((2, 3)) * NUMBERS_PER_RECORD + random.randrange(_VERSIONS_MAX)))
    takes = random.randint(1, 4)
    permits = 3 if random.random() < 0.9 else 4
    kinds: list[tuple[int, Command]] = [
        (24, Acquire(lock, session, ttl_ms=ttl_ms, waits=waits)),
        (10, Release(lock, session)),
        (12, Acquire(POOL, session, "semaphore", ttl_ms, waits, takes, permits)),
        (6, Release(POOL, session, "semaphore")),
        (8, Acquire(ELECTION, session, "election", ttl_ms, waits, value=random.choice(("x", "y")))),
        (4, Release(ELECTION, session, "election")),
        (8, KeepAlive("s", session)),
        (4, OpenSession("s", session, ttl_ms)),
        (3, EndSession("s", session)),
        (6, Add(COUNTER, random.randint(-2, 2))),
        (4, SetCounter(COUNTER, random.randint(0, 2), random.choice((None, 0, 1, 2)))),
        (6, SetKey(SHARED_KEY, random.choice(("x", "y")), version)),
        (3, DeleteKey(SHARED_KEY, version)),
        (6, SetKey(OWN_KEY, session, version, session, ttl_ms)),
    ]
    weights, commands = zip(*kinds, strict=True)
    return cast(Command, random.choices(commands, weights)[0])
