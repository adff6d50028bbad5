"""What is remembered of a saga.

Checked by: tests/coordination/test_sagas.py
"""

from enum import StrEnum

import msgspec


class State(StrEnum):
    """How a saga is. A stuck one waits for an operator; the last two have ended."""

    RUNNING = "running"
    COMPENSATING = "compensating"
    STUCK = "stuck"
    COMPLETED = "completed"
    COMPENSATED = "compensated"


class StepState(StrEnum):
    """How a step is: see the table in `ropewalk.coordination.sagas.turn`."""

    WAITING = "waiting"
    DOING = "doing"
    PAUSED = "paused"
    LATE = "late"
    DONE = "done"
    SKIPPED = "skipped"
    REFUSED = "refused"
    UNDOING = "undoing"
    UNDO_PAUSED = "undo_paused"
    FAILED = "failed"
    UNDONE = "undone"
    KEPT = "kept"
    RESOLVED = "resolved"


class Asked(msgspec.Struct, frozen=True):
    """What somebody outside is asked to do; `data` is encoded."""

    kind: str
    data: bytes


class StepRun(msgspec.Struct, frozen=True):
    """A step of one saga. `tries` only grows, so that each try is told from every other; `retried` counts those that
    its definition allows. `reply` is the one that said done, `asked` the task that is to answer the last try, if any.
    """

    name: str
    state: StepState = StepState.WAITING
    tries: int = 0
    retried: int = 0
    reply: object = None
    why: str = ""
    asked: Asked | None = None

    @property
    def awaits_answer(self) -> bool:
        """True if somebody outside is to answer it now."""
        return self.asked is not None and self.state in (StepState.DOING, StepState.LATE, StepState.UNDOING)


class Happened(msgspec.Struct, frozen=True):
    """An entry of a history: when, with which step, what, and for an operator's doing, who."""

    time_ns: int
    step: str
    what: str
    detail: str = ""
    who: str = ""


class Unread(msgspec.Struct, frozen=True):
    """A reply that came while the definition was not there to say what it means."""

    tag: str
    reply: object


class Run(msgspec.Struct, frozen=True):
    """One saga. `input` is encoded; `why` says for what it was turned back, `stuck` what keeps it from going on."""

    saga: str
    version: int
    input: bytes
    steps: tuple[StepRun, ...]
    began_ns: int
    changed_ns: int
    is_turned_back: bool = False
    why: str = ""
    stuck: str = ""
    ended_ns: int | None = None
    unread: tuple[Unread, ...] = ()
    history: tuple[Happened, ...] = ()
    forgotten: int = 0

    @property
    def state(self) -> State:
        """How it is, in a word."""
        if self.ended_ns is not None:
            return State.COMPENSATED if self.is_turned_back else State.COMPLETED
        if self.stuck:
            return State.STUCK
        return State.COMPENSATING if self.is_turned_back else State.RUNNING
