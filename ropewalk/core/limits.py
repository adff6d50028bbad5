"""Every bound of Ropewalk, in one place, with its reason; the relations between them are checked on import.

Reaching a bound is never silent: it is a `NotAccepted` with the number in it, or a reply that names it.

Checked by: tests/core/test_limits.py
"""

from typing import Final

from ropewalk.errors import invariant

COMMAND_BYTES_MAX: Final = 1_048_576 + 4_096
"""One command. 8,190 transfers of 128 bytes are 1,048,320; the rest is for what surrounds them."""

BATCH_BYTES_MAX: Final = 2 * COMMAND_BYTES_MAX
"""One record's commands. Larger batches gain nothing: a disk is at its full rate from about 1 MiB."""

BATCH_REQUESTS_MAX: Final = 8_192
"""Requests in one record, so that one record is applied within some milliseconds."""

BATCH_APPLY_S: Final = 0.004
"""A record holds the calls that are applied within this time, as the record before shows, or a single call: until it
is applied nobody gets an answer, nor a refusal. At half of it an overloaded partition answers fewer."""

QUEUE_REQUESTS_MAX: Final = 65_536
"""Requests accepted and not yet answered, of one partition. Past it the answer is `NotAccepted`, at once."""

QUEUE_BYTES_MAX: Final = 64 * 1_048_576
"""The same bound in bytes."""

SESSION_REQUESTS: Final = 100_000
"""Request ids that a partition remembers the answers of."""

SESSION_BYTES: Final = 64 * 1_048_576
"""The same bound in bytes of answers, for services whose answers are large."""

READ_RECORDS_MAX: Final = 64
"""Records that one read of the log asks for, so that a replay holds at most 128 MiB."""

SNAPSHOT_LOG_BYTES: Final = 64 * 1_048_576
"""A snapshot is taken when this much, and as much as the last snapshot holds, was appended since the last one: so
recovery takes well under a second, and snapshots never write more than the log does."""

SNAPSHOTS_KEPT: Final = 2
"""The newest, and one to fall back to when it is damaged. The log is trimmed behind the older one."""

TIMERS_FIRED_MAX: Final = 1_024
"""Timers that one entry fires; the rest fire with the next entry, so that no entry is without bound."""

DELIVERY_LETTERS_MAX: Final = 8_192
"""Messages in one delivery from one partition to another, so that one record takes in some deliveries at once."""

DELIVERY_BYTES_MAX: Final = COMMAND_BYTES_MAX
"""The same bound in bytes; a delivery of one message may be as large as a command."""

MAIL_LETTERS_MAX: Final = 16_384
"""Messages that one record takes in, beside its requests: two full deliveries, so that no caller waits for more."""

MAIL_BYTES_MAX: Final = BATCH_BYTES_MAX
"""The same bound in bytes."""

OUTBOX_MESSAGES_MAX: Final = 262_144
"""Messages of a partition that were not yet taken in by others. Past it callers get `NotAccepted` until they are."""

OUTBOX_BYTES_MAX: Final = 64 * 1_048_576
"""The same bound in bytes."""

EVENTS_KEPT: Final = 65_536
"""Events of a partition that are kept for those who follow; who is further behind begins again."""

EVENTS_BYTES_KEPT: Final = 16 * 1_048_576
"""The same bound in bytes, since events are in memory and in every snapshot."""

EVENTS_READ_MAX: Final = 1_024
"""Events that are answered at once."""

EVENTS_READ_BYTES: Final = 1_048_576
"""The same bound in bytes, of what is made JSON; one event may be larger. Meanwhile nobody else is served."""

PARTITIONS_MAX: Final = 1_024
"""Partitions of one service."""

APPEND_RETRY_DELAYS_S: Final = (0.001, 0.01, 0.05, 0.2, 1.0)
"""Pauses between attempts to append the same record; the last one repeats until the partition stops."""

TERM_ATTEMPTS_MAX: Final = 8
"""Times that a process tries to lead before it says that another does."""

DELIVERY_RETRY_DELAYS_S: Final = (0.005, 0.02, 0.1, 0.5, 2.0)
"""Pauses between attempts to deliver the same messages; the last one repeats until the receiver takes them in."""

RECEIPT_DELAY_S: Final = 0.05
"""How long a sender waits for a record of its own to note in what others have taken in, before it writes one."""

DEADLINE_DEFAULT_S: Final = 30.0
"""How long a caller waits who did not say."""

DEADLINE_MAX_S: Final = 300.0
"""How long a caller over HTTP may ask to wait, so that a stop is never held up for longer."""

invariant(COMMAND_BYTES_MAX <= BATCH_BYTES_MAX, "a batch holds the largest command")
invariant(BATCH_BYTES_MAX <= QUEUE_BYTES_MAX, "a queue holds a batch")
invariant(DELIVERY_BYTES_MAX <= MAIL_BYTES_MAX, "a record takes in the largest delivery")
invariant(DELIVERY_LETTERS_MAX <= MAIL_LETTERS_MAX, "a record takes in a delivery of the most letters")
invariant(DELIVERY_LETTERS_MAX <= OUTBOX_MESSAGES_MAX, "an outbox fills a delivery")
invariant(EVENTS_READ_MAX <= EVENTS_KEPT, "what is answered at once is kept")
invariant(BATCH_REQUESTS_MAX <= QUEUE_REQUESTS_MAX, "a queue holds a batch of requests")
invariant(BATCH_REQUESTS_MAX <= SESSION_REQUESTS, "a request repeated in the next batch is remembered")
invariant(DEADLINE_DEFAULT_S <= DEADLINE_MAX_S, "the usual wait is allowed")
invariant(SNAPSHOTS_KEPT >= 2, "there is a snapshot to fall back to")
