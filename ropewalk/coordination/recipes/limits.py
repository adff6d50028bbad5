"""The bounds of the coordination service, each with its reason.

Reaching one is a refusal that names it. A test or a proof may take smaller ones.

Checked by: tests/coordination/test_limits.py
"""

from typing import Final

import msgspec

from ropewalk.core.limits import BATCH_REQUESTS_MAX, COMMAND_BYTES_MAX
from ropewalk.errors import invariant

NAME_BYTES_MAX: Final = 512
"""A name, a prefix or a session's id: enough for a path, and short enough to be a key in memory."""

VALUE_BYTES_MAX: Final = 65_536
"""A configuration value, or what a candidate says of itself. What is larger belongs elsewhere, its address here."""

KEYS_MAX: Final = 250_000
"""Sessions, claims, counters and settings of one partition together: a snapshot takes a quarter of a second."""

QUEUE_MAX: Final = 10_000
"""Sessions that wait for one lock, semaphore or election."""

CLAIMS_MAX: Final = 1_000
"""What one session may hold or wait for, so that its end is one entry of some milliseconds."""

PERMITS_MAX: Final = 1_000_000
"""Permits of one semaphore."""

TTL_MIN_MS: Final = 100
"""The shortest life of a session: below it a disk that stalls once would end it."""

TTL_MAX_MS: Final = 86_400_000
"""The longest: a day. What is to be held for longer is kept alive."""

EXPIRED_KEPT_NS: Final = 3_600_000_000_000
"""How long the id of an expired session is remembered, so that whoever comes back with it is told: an hour."""

PAGE_MAX: Final = 1_000
"""Settings in one page of a list, and changes in one answer of a watch."""

NUMBERS_PER_RECORD: Final = 4 * BATCH_REQUESTS_MAX
"""More numbers than a record's requests ever cause: each opens a session, is granted once, and sets and later loses a
key at most. So `position * NUMBERS_PER_RECORD` is larger than every number given out before that position."""

WAIT_MAX_S: Final = 60.0
"""How long one request waits for a claim or a change. Who wants to wait for longer asks again, and loses nothing."""


class Bounds(msgspec.Struct, frozen=True):
    """Those that a machine looks at."""

    keys_max: int = KEYS_MAX
    queue_max: int = QUEUE_MAX
    claims_max: int = CLAIMS_MAX
    ttl_min_ms: int = TTL_MIN_MS
    expired_kept_ns: int = EXPIRED_KEPT_NS


invariant(2 * NAME_BYTES_MAX + VALUE_BYTES_MAX < COMMAND_BYTES_MAX, "a command holds the largest value")
invariant(TTL_MIN_MS < TTL_MAX_MS, "there is a lifetime to choose")
