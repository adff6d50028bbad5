"""What the delivery machine keeps, is told, is asked and answers.

An *endpoint* is where events are sent. Its *progress* is a cursor for each log that is followed, and what could not
be delivered: messages that *wait* for a further attempt, and *dead* letters that only an operator tries again.

Checked by: tests/communication/webhooks/test_delivery.py
"""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from ropewalk.communication.webhooks.limits import IN_FLIGHT_DEFAULT

# What is kept.


class Endpoint(msgspec.Struct, frozen=True, tag=True):
    """Where events are sent, and which: of these kinds (none named: all) and with this beginning of their subject.

    `secrets` sign every message, the newest first. `disabled_because` is empty while events are sent.
    """

    endpoint: str
    url: str
    secrets: tuple[str, ...]
    kinds: tuple[str, ...] = ()
    subject_prefix: str = ""
    in_flight: int = IN_FLIGHT_DEFAULT
    disabled_because: str = ""

    def takes(self, kind: str, subject: str) -> bool:
        """Whether an event is for it."""
        return (not self.kinds or kind in self.kinds) and subject.startswith(self.subject_prefix)


class Failed(msgspec.Struct, frozen=True):
    """A message that could not be delivered. `body_bytes` is 0 if it was too large to be kept."""

    event_id: str
    kind: str
    subject: str
    attempts: int
    first_ns: int
    due_ns: int
    why: str
    body_bytes: int


class Progress(msgspec.Struct, frozen=True, tag=True):
    """How far an endpoint is: the number of the last event it is done with, by log, and what it did not take.

    `missed` counts events that were no longer kept when their turn came, `replays` how often it was set back.
    """

    after: Mapping[str, int]
    waiting: tuple[Failed, ...] = ()
    dead: tuple[Failed, ...] = ()
    delivered: int = 0
    missed: int = 0
    taken_ns: int = 0
    replays: int = 0


class Message(msgspec.Struct, frozen=True, tag=True):
    """The body of a message that waits or is dead."""

    body: bytes


class Index(msgspec.Struct, frozen=True, tag=True):
    """The ids of all endpoints, in the order in which they were added."""

    endpoints: tuple[str, ...] = ()


class Supply(msgspec.Struct, frozen=True, tag=True):
    """What differs each time that an operator asks: an id and a secret, drawn for who gave none, and of each log the
    numbers of the oldest event that is kept and of the last.

    It is told in front of the command that takes from it, in one record, and is no part of that command: so a repeat
    of the command is the same command, and gets the first answer with the secret that was drawn then.
    """

    endpoint: str = ""
    secret: str = ""
    oldest: Mapping[str, int] = {}
    last: Mapping[str, int] = {}


Value = Endpoint | Progress | Message | Index | Supply

# What an operator says.


class Begin(StrEnum):
    """Where an endpoint begins in logs that it names no event of."""

    FIRST = "first"
    OLDEST = "oldest"
    NEXT = "next"


class AddEndpoint(msgspec.Struct, frozen=True, tag=True):
    """Send events to an endpoint: `after` is the number of the last event of a log that it is not sent, `begin` says
    what it is in the others. An id or a secret that is left out is supplied.
    """

    endpoint: Endpoint
    after: Mapping[str, int] = {}
    begin: Begin = Begin.FIRST


class Replay(msgspec.Struct, frozen=True, tag=True):
    """Send the events behind these numbers again: of the logs that are named."""

    endpoint: str
    after: Mapping[str, int]


class ChangeEndpoint(msgspec.Struct, frozen=True, tag=True):
    """Change what is given, leave the rest."""

    endpoint: str
    url: str | None = None
    kinds: tuple[str, ...] | None = None
    subject_prefix: str | None = None
    in_flight: int | None = None


class SwitchEndpoint(msgspec.Struct, frozen=True, tag=True):
    """Enable an endpoint (no reason), from where it stopped, or disable it."""

    endpoint: str
    disabled_because: str = ""


class RotateSecret(msgspec.Struct, frozen=True, tag=True):
    """Sign with a new secret, supplied if it is empty, and for so many seconds with the one before as well."""

    endpoint: str
    secret: str
    keep_s: int


class RemoveEndpoint(msgspec.Struct, frozen=True, tag=True):
    """Forget an endpoint and all that waits for it."""

    endpoint: str


class Retry(msgspec.Struct, frozen=True, tag=True):
    """Try dead letters again at once, from their first attempt: those named, or all."""

    endpoint: str
    event_ids: tuple[str, ...] | None = None


class Drop(msgspec.Struct, frozen=True, tag=True):
    """Forget dead letters: those named, or all."""

    endpoint: str
    event_ids: tuple[str, ...] | None = None


# What the sender says, and what the machine says to itself.


class Attempt(msgspec.Struct, frozen=True):
    """A message was not taken. `body` is given with the first attempt, unless it is too large to be kept. The pause
    before the next is stretched by `jitter_percent`, drawn by the sender, and is at least `retry_after_s`.
    """

    event_id: str
    kind: str
    subject: str
    attempts: int
    why: str
    jitter_percent: int
    retry_after_s: int = 0
    body: bytes = b""


class Record(msgspec.Struct, frozen=True, tag=True):
    """What became of messages since the last record: the cursor by log, how many were taken, which failed, which of
    the waiting ones are settled. The cursors count only if the endpoint was set back as often as the sender knew.
    """

    endpoint: str
    after: Mapping[str, int] = {}
    delivered: int = 0
    failed: tuple[Attempt, ...] = ()
    settled: tuple[str, ...] = ()
    missed: int = 0
    is_gone: bool = False
    replays: int = 0


class Recover(msgspec.Struct, frozen=True, tag=True):
    """An endpoint that had too many waiting messages has taken one: try the others at once."""

    endpoint: str


class ForgetSecret(msgspec.Struct, frozen=True, tag=True):
    """The time is over during which an older secret was used as well."""

    endpoint: str
    secret: str


ToEndpoint = (
    Replay
    | ChangeEndpoint
    | SwitchEndpoint
    | RotateSecret
    | RemoveEndpoint
    | Retry
    | Drop
    | Record
    | Recover
    | ForgetSecret
)
Command = Supply | AddEndpoint | ToEndpoint

# What is asked and answered.


class ListEndpoints(msgspec.Struct, frozen=True, tag=True):
    """All endpoints and their progress."""


class State(msgspec.Struct, frozen=True):
    """An endpoint and its progress."""

    endpoint: Endpoint
    progress: Progress


class Refused(msgspec.Struct, frozen=True, tag=True):
    """Nothing was changed, and why."""

    reason: str
    detail: str


class Done(msgspec.Struct, frozen=True, tag=True):
    """It is done, to so many messages."""

    count: int = 0


class Recorded(msgspec.Struct, frozen=True, tag=True):
    """What waits now, how many are dead, and how many more may fail before the endpoint is sent nothing new."""

    waiting: tuple[Failed, ...]
    dead: int
    room: int


Reply = Endpoint | Refused | Done | Recorded
