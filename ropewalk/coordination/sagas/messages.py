"""What sagas are asked, by callers and operators, and what they answer.

Checked by: tests/coordination/test_sagas.py
"""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from ropewalk.coordination.sagas.state import Happened, State, StepState

COMPLETED: Final = "completed"
COMPENSATED: Final = "compensated"
STUCK: Final = "stuck"
"""The kinds of the events that a saga publishes about its id."""


class Start(msgspec.Struct, frozen=True, tag=True):
    """Start a saga of some name. The same id with the same input starts none, and is told how it is."""

    id: str
    saga: str
    input: object = None


class Retry(msgspec.Struct, frozen=True, tag=True):
    """An operator: what stuck is tried again."""

    id: str
    who: str
    why: str = ""


class Compensate(msgspec.Struct, frozen=True, tag=True):
    """An operator: undo what was done, of a saga that runs or that is complete."""

    id: str
    who: str
    why: str


class Resolve(msgspec.Struct, frozen=True, tag=True):
    """An operator: this step is undone, or need not be; it was seen to by hand."""

    id: str
    step: str
    who: str
    why: str


class Late(msgspec.Struct, frozen=True, tag="saga_step_late"):
    """A timer: this try of a step has waited long enough for its reply."""

    id: str
    step: int
    tries: int


class Again(msgspec.Struct, frozen=True, tag="saga_step_again"):
    """A timer: the pause before the next try is over."""

    id: str
    step: int
    tries: int


class Forget(msgspec.Struct, frozen=True, tag="saga_forget"):
    """A timer: it ended long ago."""

    id: str
    ended_ns: int


class GetSaga(msgspec.Struct, frozen=True, tag=True):
    """One saga, with its steps and its history."""

    id: str


class ListSagas(msgspec.Struct, frozen=True, tag=True):
    """Sagas of one partition, by their ids, from behind `after` on; `state` chooses."""

    state: State | None = None
    after: str = ""
    limit: int = 100


class Summary(msgspec.Struct, frozen=True, tag=True):
    """A saga in a line. `why` says for what it was turned back, `stuck` what keeps it; `waits_for` are steps."""

    id: str
    saga: str
    version: int
    state: State
    why: str
    stuck: str
    waits_for: Sequence[str]
    began_ns: int
    changed_ns: int


class StepView(msgspec.Struct, frozen=True):
    """A step of a saga: its state, how often it was tried, what it replied, why it was refused or failed."""

    name: str
    state: StepState
    tries: int
    reply: object
    why: str


class View(msgspec.Struct, frozen=True):
    """A whole saga. Of its history the oldest `forgotten` entries are gone."""

    summary: Summary
    input: object
    steps: Sequence[StepView]
    history: Sequence[Happened]
    forgotten: int


Reason = Literal[
    "unknown", "unknown_saga", "bad_id", "bad_input", "bad_words", "id_used", "full", "unknown_definition",
    "not_stuck", "not_running", "unknown_step", "not_open",
]  # fmt: skip


class Refused(msgspec.Struct, frozen=True, tag=True):
    """Nothing was changed, and why."""

    reason: Reason
    detail: str


Command = Start | Retry | Compensate | Resolve
Timer = Late | Again | Forget
Query = GetSaga | ListSagas
Reply = Summary | Refused
