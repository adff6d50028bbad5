"""What waits for a decision, and until when: payments, and attempts at returns between shards.

All wait equally long, so they are in the order in which their time is up.

Checked by: tests/payments/instant/test_stories.py (waiting), test_elsewhere.py
"""

from typing import NamedTuple

import msgspec

from ropewalk.core.codec import encode_value

SECOND_NS = 1_000_000_000


class Due(NamedTuple):
    """The payment with a UETR, or an attempt at its return if that is not 0, and when its time is up."""

    uetr: str
    attempt: int
    time_ns: int


class Waiting:
    """All of it."""

    def __init__(self, *, seconds: int) -> None:
        self.patience_ns = seconds * SECOND_NS
        self._due: dict[tuple[str, int], int] = {}

    def begin(self, uetr: str, *, attempt: int = 0, time_ns: int) -> None:
        """Let it wait from now on."""
        self._due[uetr, attempt] = time_ns + self.patience_ns

    def end(self, uetr: str, *, attempt: int = 0) -> None:
        """It waits no longer."""
        del self._due[uetr, attempt]

    def first(self) -> Due | None:
        """What has waited for longest."""
        return next((Due(*key, due_ns) for key, due_ns in self._due.items()), None)

    def payments(self) -> list[str]:
        """The UETRs of the payments that wait, without returns."""
        return [uetr for uetr, attempt in self._due if not attempt]

    def save(self) -> bytes:
        """All of it, in order."""
        return encode_value(list(self._due.items()))

    def load(self, saved: bytes | memoryview) -> None:
        """Become what was saved."""
        self._due = dict(msgspec.msgpack.decode(saved, type=list[tuple[tuple[str, int], int]]))
