"""Every offer of the coordination service, by the names that its clients use.

Checked by: tests/coordination/system/test_rest.py
"""

from typing import Any, Final

from ropewalk.coordination.recipes.messages import (
    Add,
    Alive,
    Busy,
    Claims,
    Counted,
    DeleteKey,
    Done,
    EndSession,
    GetClaims,
    GetCounter,
    GetKey,
    GetSession,
    Held,
    KeepAlive,
    Kept,
    Key,
    ListClaims,
    ListCounters,
    ListKeys,
    NamedClaims,
    NamedCounter,
    OpenSession,
    Release,
    SessionState,
    SetCounter,
    SetKey,
    Waiting,
)
from ropewalk.systems.coordination.giving import acquire, changes, command, question
from ropewalk.systems.coordination.offers import Changes, Claiming, Following, Offer

OPEN_SESSION: Final = command(
    "/sessions/open",
    "Open a session in a space, or keep it alive: it lasts until it is ended or silent for too long",
    body=OpenSession,
    answer=Alive,
)
KEEP_ALIVE: Final = command(
    "/sessions/keep-alive", "Keep a session alive; 410 if it has expired", body=KeepAlive, answer=Alive
)
END_SESSION: Final = command(
    "/sessions/end", "End a session and hand on all that it has", body=EndSession, answer=Done
)
GET_SESSION: Final = question("/sessions", "How a session is", body=GetSession, answer=SessionState)
ACQUIRE: Final = Offer(
    "POST",
    "/claims/acquire",
    "Claim a lock, permits of a semaphore or the lead, and wait for it if need be; the same session may ask again",
    Claiming,
    Held | Waiting | Busy,
    acquire,
)
RELEASE: Final = command(
    "/claims/release", "Give up a claim, or the place in the queue for it", body=Release, answer=Done
)
GET_CLAIMS: Final = question(
    "/claims", "Who has a claim, with which token, and who waits", body=GetClaims, answer=Claims
)
LIST_CLAIMS: Final = question(
    "/claims/list", "Who has what below a prefix, by name, page by page", body=ListClaims, answer=list[NamedClaims]
)
ADD: Final = command("/counters/add", "Add to a counter", body=Add, answer=Counted)
SET_COUNTER: Final = command(
    "/counters/set", "Set a counter, if it has the expected value", body=SetCounter, answer=Counted
)
GET_COUNTER: Final = question("/counters", "The value of a counter", body=GetCounter, answer=Counted)
LIST_COUNTERS: Final = question(
    "/counters/list",
    "The counters below a prefix that are not 0, by name, page by page",
    body=ListCounters,
    answer=list[NamedCounter],
)
SET_KEY: Final = command(
    "/config/set",
    "Set a key, if it has the expected version; with a session, until that ends",
    body=SetKey,
    answer=Kept,
)
DELETE_KEY: Final = command(
    "/config/delete", "Delete a key, if it has the expected version", body=DeleteKey, answer=Kept
)
GET_KEY: Final = question("/config", "The value and the version of a key", body=GetKey, answer=Key)
LIST_KEYS: Final = question(
    "/config/list", "The keys below a prefix, by name, page by page", body=ListKeys, answer=list[Key]
)
CHANGES: Final = Offer(
    "GET",
    "/changes",
    "What has changed behind a number, of one name or of all below a prefix; waits for the first change",
    Following,
    Changes,
    changes,
)

OFFERS: Final[tuple[Offer[Any, Any], ...]] = (
    OPEN_SESSION,
    KEEP_ALIVE,
    END_SESSION,
    GET_SESSION,
    ACQUIRE,
    RELEASE,
    GET_CLAIMS,
    LIST_CLAIMS,
    ADD,
    SET_COUNTER,
    GET_COUNTER,
    LIST_COUNTERS,
    SET_KEY,
    DELETE_KEY,
    GET_KEY,
    LIST_KEYS,
    CHANGES,
)
