"""The bounds of sagas, each with its reason.

Checked by: tests/coordination/test_sagas.py
"""

from typing import Final

from ropewalk.errors import invariant

STEPS_MAX: Final = 64
"""Steps of one saga. What is longer is several sagas, the last step of each starting the next."""

SAGA_ID_CHARS_MAX: Final = 128
"""The id of a saga: a UUID in any spelling, or an order's number with what it belongs to."""

SAGA_INPUT_BYTES_MAX: Final = 65_536
"""What a saga is started with; it is kept as long as the saga is."""

SAGAS_MAX: Final = 100_000
"""Sagas that one partition knows, with those that ended lately: 200 MB. Past it new ones are refused."""

SAGAS_KEPT_S: Final = 3_600
"""How long an ended saga is remembered if the service does not say, so that an operator can look at it, and undo it:
an hour, in which a partition has room for 27 a second."""

STEP_TIMEOUT_S: Final = 60
"""How long a step's reply is waited for if its definition does not say."""

STEP_TIMEOUT_MAX_S: Final = 30 * 86_400
"""The longest that a step may wait: a person who decides within a month."""

RETRIES_MAX: Final = 100
"""How often a step is tried again; with pauses that double, more would be years."""

PAUSE_MAX_S: Final = 3_600
"""The longest pause between two tries of a step: an hour."""

HISTORY_MAX: Final = 256
"""What is remembered of the history of one saga; the oldest goes first, and how much went is counted."""

SAGA_WORDS_CHARS_MAX: Final = 512
"""What is kept in words: a reason, an operator's name, a reply in the history."""

SAGAS_PAGE_MAX: Final = 1_000
"""Sagas in one page of a list."""

TASK_KIND_CHARS_MAX: Final = 128
"""A kind of tasks: the name of a function."""

TASK_DATA_BYTES_MAX: Final = 65_536
"""What a task says is to be done, and what is answered. What is larger is kept elsewhere, and named."""

TASKS_PAGE_MAX: Final = 100
"""Sagas with tasks in one page of a list, and tasks that are given at once: with all that they say some 6 MB."""

invariant(STEP_TIMEOUT_S <= STEP_TIMEOUT_MAX_S, "the usual wait is allowed")
invariant(2 * STEPS_MAX < HISTORY_MAX, "a saga without trouble is remembered whole")
