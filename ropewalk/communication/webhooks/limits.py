"""Every bound of webhooks, with its reason; the relations between them are checked on import.

Checked by: tests/communication/webhooks/test_limits.py
"""

from typing import Final

from ropewalk.core.limits import COMMAND_BYTES_MAX
from ropewalk.errors import invariant

ENDPOINTS_MAX: Final = 100
"""Endpoints of one service: together they keep at most 800 MiB of messages that could not be delivered."""

URL_CHARACTERS_MAX: Final = 2_048
"""An endpoint's URL: longer ones are refused by many servers."""

KINDS_MAX: Final = 64
"""Kinds of events that one endpoint may name."""

SECRET_BYTES_MIN: Final = 24
"""A signing secret, as Standard Webhooks asks for it."""

SECRET_BYTES_MAX: Final = 64
"""The same, from above."""

SECRETS_MAX: Final = 4
"""Secrets that a message is signed with at once: the newest, and older ones until the receiver has changed."""

TOLERANCE_S: Final = 300
"""How far a timestamp may be from the receiver's clock: longer, and an old message could be played again."""

RETRY_DELAYS_S: Final = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Pauses before each further attempt: the schedule that Standard Webhooks gives as an example, three days in all."""

JITTER_PERCENT: Final = 20
"""How much a pause is stretched at most, so that what failed together is not tried again together."""

RETRY_AFTER_MAX_S: Final = 86_400
"""The longest pause that a receiver may ask for."""

WAITING_MAX: Final = 64
"""Messages that wait for a further attempt at an endpoint. With so many it is sent nothing new until it takes one."""

DEAD_MAX: Final = 1_000
"""Dead letters of one endpoint. With so many it is sent nothing new until some are retried or dropped."""

MESSAGE_BYTES_MAX: Final = 131_072
"""A message that is kept for a further attempt. A larger one is sent once, and if that fails it can only be dropped.
Standard Webhooks advises to stay below 20 kB."""

KEPT_BYTES_MAX: Final = 8 * 1_048_576
"""Messages kept for one endpoint, in bytes. Past it the endpoint is sent nothing new."""

IN_FLIGHT_MAX: Final = 64
"""Messages on their way to one endpoint at a time."""

IN_FLIGHT_DEFAULT: Final = 16
"""The same, for an endpoint that does not say."""

WINDOW_MAX: Final = 1_024
"""Events sent beyond the oldest one without an answer. A crash repeats them, and what was answered since a record."""

LABEL_CHARACTERS_MAX: Final = 200
"""What is kept of why a delivery failed, and of its event's kind and subject: enough to find it in a list."""

RECORD_BYTES_MAX: Final = 786_432
"""Messages that one record keeps, of `WAITING_MAX` that failed at most; what is beyond that goes into another one."""

RESPONSE_BYTES_MAX: Final = 16_384
"""Of an answer's body, what is read; the connection of a longer one is closed."""

TIMEOUT_S: Final = 20.0
"""How long a receiver may take to answer. Standard Webhooks recommends 15 to 30 seconds."""

IDLE_CONNECTIONS_MAX: Final = 64
"""Connections kept open to one receiver between deliveries."""

RECORD_EVERY_S: Final = 0.1
"""How often it is recorded what was delivered: so much is repeated after a crash."""

PROBE_EVERY_S: Final = 30.0
"""How often an endpoint that has too many waiting messages is tried, whether one is due or not."""

invariant(MESSAGE_BYTES_MAX <= RECORD_BYTES_MAX, "a record keeps the largest message")
invariant(
    RECORD_BYTES_MAX + WAITING_MAX * 4 * LABEL_CHARACTERS_MAX * 4 <= COMMAND_BYTES_MAX,
    "a record fits a command: of each message an id and three labels, of at most four bytes a character",
)
invariant(IN_FLIGHT_DEFAULT <= IN_FLIGHT_MAX <= WINDOW_MAX, "a window holds what is in flight")
invariant(WAITING_MAX <= DEAD_MAX, "all that wait may become dead letters")
invariant(WAITING_MAX * MESSAGE_BYTES_MAX <= KEPT_BYTES_MAX, "all that wait may be as large as a message may be")
