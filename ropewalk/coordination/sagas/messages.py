"""What sagas are asked, by callers and operators, and what they answer.

Checked by: tests/coordination/test_sagas.py
"""

from collections.abc import Sequence
from typing import Final, Literal, TypeVar

import msgspec

from ropewalk.coordination.sagas.state import Happened, State, StepState

T = TypeVar("T")

COMPLETED: Final = "completed"
COMPENSATED: Final = "compensated"
STUCK: Final = "stuck"
"""The kinds of the events that a saga publishes about its id."""

TASK: Final = "saga_task"
"""The kind of the event that a step is to be done outside: `TaskName` is its data."""


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


class Answer(msgspec.Struct, frozen=True, tag=True):
    """Somebody outside: what came of the task of a step. `tries` says which try is meant; 0 is the one that waits.

    An answer that was given before changes nothing.
    """

    id: str
    step: str
    reply: object = None
    tries: int = 0
    who: str = ""


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


class ListTasks(msgspec.Struct, frozen=True, tag=True):
    """The tasks of one partition that wait for an answer, by the ids of their sagas, from behind the saga `after` on:
    those of `limit` sagas.
    """

    kind: str | None = None
    after: str = ""
    limit: int = 100


class ListTaskNames(msgspec.Struct, frozen=True, tag=True):
    """The names of all tasks of one partition whose answers this program could read: for itself, and not in pages."""


class GetTasks(msgspec.Struct, frozen=True, tag=True):
    """Those of these tasks that wait for an answer."""

    names: "Sequence[TaskName]"


class TaskName(msgspec.Struct, frozen=True):
    """Which task it is: of a kind, for a try of a step of a saga."""

    kind: str
    id: str
    step: str
    tries: int


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
    """A step of a saga: its state, how often it was tried, what it replied, why it was refused or failed, and the
    kind of the task that it waits for, if it does.
    """

    name: str
    state: StepState
    tries: int
    reply: object
    why: str
    task: str = ""


class View(msgspec.Struct, frozen=True):
    """A whole saga. Of its history the oldest `forgotten` entries are gone."""

    summary: Summary
    input: object
    steps: Sequence[StepView]
    history: Sequence[Happened]
    forgotten: int


class TaskView(msgspec.Struct, frozen=True):
    """A task that waits for an answer: of which try of which step of which saga, and what is to be done.

    `undoes` is true if it is to undo the step. `key` is the same whenever this try is offered: give it to others as
    the idempotency key of what you ask of them.
    """

    key: str
    id: str
    saga: str
    step: str
    tries: int
    undoes: bool
    kind: str
    data: object

    @property
    def name(self) -> TaskName:
        """What it is called by."""
        return TaskName(self.kind, self.id, self.step, self.tries)

    def data_as(self, kind: type[T]) -> T:
        """Its data as a value of this type. Raises `msgspec.ValidationError` if it is none."""
        return msgspec.convert(self.data, kind)


Reason = Literal[
    "unknown", "unknown_saga", "bad_id", "bad_input", "bad_words", "id_used", "full", "unknown_definition",
    "not_stuck", "not_running", "unknown_step", "not_open", "not_asked", "too_large", "bad_answer",
]  # fmt: skip


class Refused(msgspec.Struct, frozen=True, tag=True):
    """Nothing was changed, and why."""

    reason: Reason
    detail: str


Command = Start | Retry | Compensate | Resolve | Answer
Timer = Late | Again | Forget
Query = GetSaga | ListSagas | ListTasks | ListTaskNames | GetTasks
Reply = Summary | Refused
