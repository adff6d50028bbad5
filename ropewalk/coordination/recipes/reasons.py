"""Why the coordination service refuses something, and what to do next, in words.

Checked by: tests/coordination/test_limits.py
"""

from typing import Final

from ropewalk.coordination.recipes.limits import (
    CLAIMS_MAX,
    KEYS_MAX,
    NAME_BYTES_MAX,
    PERMITS_MAX,
    QUEUE_MAX,
    TTL_MAX_MS,
    TTL_MIN_MS,
    VALUE_BYTES_MAX,
)
from ropewalk.coordination.recipes.messages import Reason, Refused

REASONS: Final[dict[Reason, str]] = {
    "bad_name": f"a name is 1 to {NAME_BYTES_MAX} bytes of printable text without #, does not begin with /, and a "
    "space has no / at all: choose another",
    "bad_session": f"a session's id is 1 to {NAME_BYTES_MAX} bytes of printable text: choose another",
    "bad_ttl": f"a session lives for {TTL_MIN_MS} to {TTL_MAX_MS} ms: choose a ttl_ms between them",
    "bad_number": f"a counter has 64 bits, a semaphore 1 to {PERMITS_MAX} permits, of which a claim takes 1 to all, "
    "and a lock or an election one: change the number",
    "too_large": f"a value has {VALUE_BYTES_MAX} bytes at most: put it elsewhere, and its address here",
    "session_expired": "the session was not kept alive in time, and all it had is given to others: stop what it "
    "protected, and begin again with a new id",
    "session_unknown": "no session of this id is open here: it has ended or never began, and a new one is told for "
    "how long it lives",
    "full": f"this partition keeps {KEYS_MAX} sessions, claims, counters and settings, and no more: remove some",
    "too_many_claims": f"a session has {CLAIMS_MAX} claims at most: open another",
    "queue_full": f"{QUEUE_MAX} sessions wait for it already: ask again later",
    "permits_differ": "the semaphore has another number of permits while anybody uses it: give that number",
    "not_claimed": "the session neither has it nor waits for it: nothing is to be released",
    "unknown": "there is no such key",
    "version_differs": "another version than was expected: read it, and decide again",
    "value_differs": "the counter has another value than was expected: read it, and decide again",
}


def explained(refused: Refused) -> str:
    """One sentence to act on."""
    words = REASONS[refused.reason]
    match refused:
        case Refused("version_differs", current):
            is_there = "" if current else " (it is not there)"
            return f"the key's version is {current}{is_there}, {words}"
        case Refused(_, None):
            return words
        case Refused(_, current):
            return f"it is {current}: {words}"
