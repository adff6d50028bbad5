"""What a keyed machine wants done beside its reply and its writes.

An effect is part of the state until it has happened, so no crash loses it.

Checked by: tests/core/test_keyed.py
"""

import msgspec


class At(msgspec.Struct, frozen=True):
    """A timer: `command` is applied with the first batch whose time is `time_ns` or later, and then once."""

    time_ns: int
    command: msgspec.Struct


Effect = At
