"""What a keyed machine wants done beside its reply and its writes.

An effect is part of the state until it has happened, so no crash loses it.

Checked by: tests/core/test_keyed.py
"""

import msgspec

from ropewalk.core.place import Place


class At(msgspec.Struct, frozen=True):
    """A timer: `command` is applied with the first batch whose time is `time_ns` or later, and then once."""

    time_ns: int
    command: msgspec.Struct


class Send(msgspec.Struct, frozen=True):
    """A message: `command` is applied once by the partition of the key `to`, after all that was sent there before.

    With a `tag` the reply to it comes back as the command `Replied`. `at` is any place of another service, if the key
    is one of that service's; a command in bytes is sent as it is, for a machine that reads its own.
    """

    to: str
    command: msgspec.Struct | bytes
    tag: str = ""
    at: Place | None = None


class Publish(msgspec.Struct, frozen=True):
    """An event: a fact of some kind about a subject, which others may follow."""

    kind: str
    subject: str
    data: object = None


class Replied(msgspec.Struct, frozen=True):
    """What a machine is told when a `Send` with a tag is answered."""

    tag: str
    reply: object


Effect = At | Send | Publish
