"""The bounds of ACH processing, each with its reason; the relations between them are checked on import.

Checked by: tests/payments/processing/test_limits.py
"""

from typing import Final, NamedTuple

from ropewalk.core.limits import COMMAND_BYTES_MAX, OUTBOX_BYTES_MAX
from ropewalk.errors import invariant

PART_BYTES_MAX: Final = 1_048_576
"""One part of a file that is sent in several: what fits a command beside its surroundings."""

FILE_BYTES_MAX: Final = 128 * 1_048_576
"""One file: about 1.4 million entries. It is read whole when its last part has come."""

UPLOADS_MAX: Final = 16
"""Files of which some parts have come and not yet all. The one that began first makes room for a new one."""

ASKED_BYTES_MAX: Final = OUTBOX_BYTES_MAX // 2
"""Parts of undecided files that may wait for other shards, one of each file for each: half an outbox is left for all
else though all are away. Past it a file is begun only if no other waits: one for more than 32 others goes past it."""

REFUSALS_KEPT: Final = 64
"""Answers to files that other shards had something against, for callers who come back for them: 100 errors each."""

ENTRIES_STEP: Final = 32_768
"""Entries that one batch reserves or settles: some tens of milliseconds, so that others are not kept waiting."""

ANSWERS_STEP: Final = 256
"""Returns and answers that one batch judges: each is looked up and moved by itself."""

FAR_ENTRIES_MAX: Final = 16_384
"""Entries of one message to another shard: some 46 bytes each, so that it is no larger than a command."""

SENT_MAX: Final = 16
"""Questions to other shards that a window may have open before it sends more: a million entries for a shard that is
away would fill the outbox."""

PAGE_MAX: Final = 1_000
"""Rows of one answer to a query."""

ACCOUNTS_OPENED_MAX: Final = 8_190
"""Accounts of one command."""

ERRORS_TOLD_MAX: Final = 100
"""Errors that the refusal of a file lists; the number of all of them is told too."""

RETURN_FILE_ENTRIES: Final = 2_000
"""Entries of one return file, so that it stays under 10,000 lines whatever its batches are."""


class Steps(NamedTuple):
    """How much one batch does of what is left to do. The same on every replica: it decides what a batch changes."""

    entries: int = ENTRIES_STEP
    answers: int = ANSWERS_STEP


USUAL_STEPS: Final = Steps()
"""The two steps above; tests take smaller ones."""

invariant(64 * FAR_ENTRIES_MAX <= COMMAND_BYTES_MAX, "a message holds so many entries")
invariant(64 * (SENT_MAX * FAR_ENTRIES_MAX + ENTRIES_STEP) < OUTBOX_BYTES_MAX // 2, "files leave room for a window")
invariant(PART_BYTES_MAX <= COMMAND_BYTES_MAX - 1_024, "a command holds a part")
invariant(PART_BYTES_MAX <= ASKED_BYTES_MAX, "a file for one other shard may wait beside another")
invariant(3 * RETURN_FILE_ENTRIES + 2 * RETURN_FILE_ENTRIES <= 10_000, "an entry is at most five lines of a file")
