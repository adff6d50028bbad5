"""The bounds of what goes between shards, each with its reason; the relations between them are checked on import.

Checked by: tests/payments/shards/test_limits.py
"""

from typing import Final, NamedTuple

from ropewalk.core.limits import OUTBOX_MESSAGES_MAX
from ropewalk.errors import invariant

SECOND_NS: Final = 1_000_000_000
"""A second, in which the others here are counted."""

DECIDES_WITHIN_NS: Final = 5 * SECOND_NS
"""How long a shard waits for the votes on a transaction before it decides that nothing moves: longer than a shard
takes to come back, shorter than a caller waits."""

ASKS_AFTER_NS: Final = 10 * SECOND_NS
"""How long a shard holds money for another's transaction before it asks what became of it, and then asks again."""

UNDECIDED_MAX: Final = 1_024
"""Transactions that a shard coordinates and has not decided, and votes that one other shard owes it. Past it
transfers, to all others or to that one, are answered with `TOO_MANY_UNDECIDED` until there are fewer."""


class Patience(NamedTuple):
    """How long a shard waits, and for how many. The same on every replica: it decides what a batch changes."""

    decides_within_ns: int = DECIDES_WITHIN_NS
    asks_after_ns: int = ASKS_AFTER_NS
    undecided_max: int = UNDECIDED_MAX


USUAL_PATIENCE: Final = Patience()
"""The three bounds above; tests take smaller ones."""

invariant(DECIDES_WITHIN_NS < ASKS_AFTER_NS, "who is asked has decided by then, unless it is away")
invariant(2 * UNDECIDED_MAX <= OUTBOX_MESSAGES_MAX, "an outbox holds all that one silent shard is sent")
