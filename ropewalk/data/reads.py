"""Read levels: what a reader needs to be true of the state that answers.

    Strong()            everything that was acknowledged before the read began (linearizable, one partition)
    AtLeast(token)      everything that the token's reply was based on, and that reply's own write (causal)
    Stale(max_age_s)    nothing but that the state was current at most so long ago

Checked by: tests/runtime/test_reads.py
"""

from typing import Final

import msgspec

from ropewalk.core.clock import VectorClock


class Strong(msgspec.Struct, frozen=True):
    """See everything that was acknowledged, to anyone, before this read began."""

    def __str__(self) -> str:
        return "all that was acknowledged"


class AtLeast(msgspec.Struct, frozen=True):
    """See at least what the token includes."""

    token: VectorClock

    def __str__(self) -> str:
        return f"what the token {self.token} includes"


class Stale(msgspec.Struct, frozen=True):
    """See a state that was current at most `max_age_s` seconds ago."""

    max_age_s: float

    def __str__(self) -> str:
        return f"a state that is at most {self.max_age_s:g} s old"


ReadLevel = Strong | AtLeast | Stale

STRONG: Final = Strong()
