"""One turn of one saga: something happened, and it goes on as far as it can without waiting.

    a step is       what happens                         and becomes
    waiting         its turn comes                       doing: its `do` is sent; skipped if there is nothing to do
    doing           the reply says done                  done    (a command's reply, or the answer of who did a task)
    doing           another reply, and tries are left    paused, then waiting
    doing           another reply, and none are left     refused, and the saga turns back
    doing           no reply in time                     late, and the saga turns back
    doing, paused   an operator compensates              late, refused
    late            the reply says done, or another      done, so it is undone; refused
    done            the saga is turned back              undoing: its `undo` is sent; kept if it has none
    undoing         the reply says undone                undone
    undoing         another reply, and tries are left    undo_paused, then done
    undoing         another reply, and none are left     failed, and the saga is stuck
    failed          an operator retries                  done
    failed, late,   an operator resolves                 resolved
    undoing, undo_paused

Forward one step is under way at a time, and back too, the last one first; a late step holds up nobody, and is undone
when its reply has come. A turned back saga ends when nothing is late, done, undoing or failed.

Checked by: tests/coordination/test_sagas.py, tests/coordination/test_sagas_everywhere.py
"""

from typing import Final, NamedTuple, cast

import msgspec

from ropewalk.coordination.neighbours import Call, Neighbours, refusal, send, words_of
from ropewalk.coordination.sagas.definition import MISTAKES, Saga, Step, Task, says
from ropewalk.coordination.sagas.limits import (
    HISTORY_MAX,
    PAUSE_MAX_S,
    SAGA_WORDS_CHARS_MAX,
    TASK_DATA_BYTES_MAX,
    TASK_KIND_CHARS_MAX,
)
from ropewalk.coordination.sagas.messages import TASK, Again, Late, TaskName
from ropewalk.coordination.sagas.state import Asked, Happened, Run, StepRun, StepState, Unread
from ropewalk.core.codec import encode_value
from ropewalk.core.effects import At, Effect, Publish
from ropewalk.errors import invariant

_S: Final = 10**9
_DO, _UNDO = "do", "undo"
_UNDER_WAY: Final = {_DO: (StepState.DOING, StepState.LATE), _UNDO: (StepState.UNDOING,)}
_OPEN: Final = (StepState.FAILED, StepState.LATE, StepState.UNDOING, StepState.UNDO_PAUSED)
_WERE_DONE: Final = (
    StepState.DONE, StepState.UNDOING, StepState.UNDO_PAUSED, StepState.FAILED, StepState.UNDONE, StepState.KEPT,
)  # fmt: skip
_HOLDS_UP: Final = (
    StepState.DOING, StepState.PAUSED, StepState.UNDOING, StepState.UNDO_PAUSED, StepState.FAILED,
)  # fmt: skip


class Tag(NamedTuple):
    """Which message a reply is to: a try of a step of a saga."""

    kind: str
    step: int
    tries: int
    id: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.step}/{self.tries}/{self.id}"

    @staticmethod
    def parse(text: str) -> "Tag":
        """The tag that was written so."""
        kind, step, tries, id_ = text.split("/", 3)
        return Tag(kind, int(step), int(tries), id_)


class Context(NamedTuple):
    """Where and when a turn is taken. Without a `definition` the saga takes note, and does nothing."""

    id: str
    now_ns: int
    neighbours: Neighbours
    definition: Saga | None


class Turn:
    """Made for one entry. `run` is what the saga is after it, `effects` what else is to happen."""

    def __init__(self, run: Run, context: Context) -> None:
        self.run = run
        self.effects: list[Effect] = []
        self._context = context
        self._steps = list(run.steps)

    def take_answer(self, index: int, reply: object, *, who: str) -> None:
        """Whoever did the task of a step has answered."""
        step = self._steps[index]
        kind = _UNDO if step.state is StepState.UNDOING else _DO
        self.take_reply(Tag(kind, index, step.tries, self._context.id), reply, who=who)

    def take_reply(self, tag: Tag, reply: object, *, who: str = "") -> None:
        """A message was answered."""
        if self._context.definition is None:
            self.run = msgspec.structs.replace(self.run, unread=(*self.run.unread, Unread(str(tag), reply)))
            return
        step = self._steps[tag.step]
        self.note(step.name, f"{tag.kind}_answered", detail=_words(reply), who=who)
        if step.tries != tag.tries or step.state not in _UNDER_WAY[tag.kind]:
            # An operator has resolved it meanwhile.
            return
        if tag.kind == _DO:
            self._take_done(tag.step, reply)
        else:
            self._take_undone(tag.step, reply)

    def be_late(self, index: int, tries: int) -> None:
        """A step has waited long enough."""
        step = self._steps[index]
        if step.state is StepState.DOING and step.tries == tries:
            self.note(step.name, "late")
            self.turn_back(f"{step.name} was not answered in time")

    def end_pause(self, index: int, tries: int) -> None:
        """A step is to be tried again."""
        step = self._steps[index]
        if step.tries == tries and step.state is StepState.PAUSED:
            self._set(index, StepState.WAITING)
        if step.tries == tries and step.state is StepState.UNDO_PAUSED:
            self._set(index, StepState.DONE)

    def turn_back(self, why: str) -> None:
        """From now on what was done is undone. What is under way is waited for, to be undone too."""
        if self.run.is_turned_back:
            return
        self.run = msgspec.structs.replace(self.run, is_turned_back=True, why=why, ended_ns=None)
        self.note("", "turned_back", detail=why)
        for index, step in enumerate(self._steps):
            if step.state is StepState.DOING:
                self._set(index, StepState.LATE)
            if step.state is StepState.PAUSED:
                self._set(index, StepState.REFUSED)

    def catch_up(self) -> None:
        """Read what came while the definition was not there, if it is back."""
        unread = self.run.unread
        if self._context.definition is None or not unread:
            return
        self.run = msgspec.structs.replace(self.run, unread=())
        for each in unread:
            self.take_reply(Tag.parse(each.tag), each.reply)

    def retry(self) -> None:
        """What failed is tried again."""
        for index, step in enumerate(self._steps):
            if step.state is StepState.FAILED:
                self._set(index, StepState.DONE, retried=0)

    @staticmethod
    def is_open(step: StepRun) -> bool:
        """True if an operator may resolve a step."""
        return step.state in _OPEN

    def resolve(self, index: int) -> None:
        """An operator has seen to an open step."""
        self._set(index, StepState.RESOLVED)

    def note(self, step: str, what: str, *, detail: str = "", who: str = "") -> None:
        """Add to the history."""
        happened = Happened(self._context.now_ns, step, what, detail, who)
        kept = (*self.run.history, happened)[-HISTORY_MAX:]
        forgotten = self.run.forgotten + len(self.run.history) + 1 - len(kept)
        self.run = msgspec.structs.replace(self.run, history=kept, forgotten=forgotten)

    def go_on(self) -> None:
        """Go as far as can be without waiting."""
        before = self.run.stuck
        while self.run.ended_ns is None and self._context.definition is not None and self._moves():
            pass
        stuck = self._stuck()
        if stuck and not before:
            self.note("", "stuck", detail=stuck)
        steps = tuple(self._steps)
        self.run = msgspec.structs.replace(self.run, steps=steps, stuck=stuck, changed_ns=self._context.now_ns)

    def _moves(self) -> bool:
        """Do one thing that can be done now; False if there is none."""
        is_back = self.run.is_turned_back
        for index in reversed(range(len(self._steps))) if is_back else range(len(self._steps)):
            state = self._steps[index].state
            if state is (StepState.DONE if is_back else StepState.WAITING):
                self._begin(index, _UNDO if is_back else _DO)
                return True
            if state in _HOLDS_UP:
                return False
        if all(step.state is not StepState.LATE for step in self._steps):
            self.run = msgspec.structs.replace(self.run, ended_ns=self._context.now_ns)
            self.note("", self.run.state)
        return False

    def _begin(self, index: int, kind: str) -> None:
        """Send what a step does, or what undoes it."""
        step = self._steps[index]
        try:
            action = self._action(index, kind)
        except MISTAKES as error:
            # Somebody outside may have answered what nobody expected: that is no reason to stop all others.
            self._give_up(index, kind, f"its {kind} raises {type(error).__name__}")
            return
        match action:
            case None:
                self._set(index, StepState.SKIPPED if kind == _DO else StepState.KEPT)
            case Publish():
                self.effects.append(action)
                self.note(step.name, f"{kind}_published", detail=action.kind)
                self._set(index, StepState.DONE if kind == _DO else StepState.UNDONE)
            case Call() | Task():
                self._ask(index, kind, action)

    def _action(self, index: int, kind: str) -> Call | Publish | Task | None:
        defined = self._defined(index)
        function = defined.do if kind == _DO else defined.undo
        if function is None:
            return None
        replies = {step.name: step.reply for step in self._steps if step.state in _WERE_DONE}
        return function(self._input(), replies)

    def _input(self) -> object:
        definition = cast(Saga, self._context.definition)
        return msgspec.msgpack.decode(self.run.input, type=cast(type, definition.input))

    def _ask(self, index: int, kind: str, action: Call | Task) -> None:
        """Ask for what has a reply: another service by a message, or whoever does such tasks outside."""
        context, step = self._context, self._steps[index]
        why = refusal(context.neighbours, action) if isinstance(action, Call) else _refusal_of(action)
        if why:
            self._give_up(index, kind, why)
            return
        tries, asked = step.tries + 1, None
        if isinstance(action, Call):
            tag = Tag(kind, index, tries, context.id)
            self.effects.append(send(context.neighbours, action, tag=str(tag)))
            self.note(step.name, f"{kind}_sent", detail=_words(f"{action.service} {action.key}"))
        else:
            asked = Asked(action.kind, encode_value(action.data))
            self.effects.append(Publish(TASK, context.id, TaskName(action.kind, context.id, step.name, tries)))
            self.note(step.name, f"{kind}_asked", detail=_words(action.kind))
        self._set(index, StepState.DOING if kind == _DO else StepState.UNDOING, tries=tries, asked=asked)
        if kind == _DO:
            self._at(self._defined(index).timeout_s, Late(context.id, index, tries))

    def _take_done(self, index: int, reply: object) -> None:
        step, defined = self._steps[index], self._defined(index)
        if says(defined.done, reply):
            self._set(index, StepState.DONE, reply=reply, retried=0)
        elif step.state is StepState.DOING and step.retried < defined.retries:
            self._pause(index, StepState.PAUSED)
        else:
            self._give_up(index, _DO, _words(reply))

    def _take_undone(self, index: int, reply: object) -> None:
        step, defined = self._steps[index], self._defined(index)
        if says(defined.undone, reply):
            self._set(index, StepState.UNDONE, why="")
        elif step.retried < defined.retries:
            self._pause(index, StepState.UNDO_PAUSED)
        else:
            self._give_up(index, _UNDO, _words(reply))

    def _pause(self, index: int, state: StepState) -> None:
        """Try a step again later: after its pause, and then after twice as long each time."""
        step, defined = self._steps[index], self._defined(index)
        self._set(index, state, retried=step.retried + 1)
        self._at(min(defined.pause_s << step.retried, PAUSE_MAX_S), Again(self._context.id, index, step.tries))

    def _give_up(self, index: int, kind: str, why: str) -> None:
        """What is refused turns the saga back, and an undo that is refused has it stuck."""
        if kind == _UNDO:
            self._set(index, StepState.FAILED, why=why)
            return
        self._set(index, StepState.REFUSED, why=why)
        self.turn_back(f"{self._steps[index].name}: {why}")

    def _stuck(self) -> str:
        """What keeps it from going on without an operator."""
        if self.run.ended_ns is not None:
            return ""
        if self._context.definition is None:
            return f"no definition of {self.run.saga!r} with version {self.run.version} and these steps is here"
        failed = [f"{step.name} is not undone: {step.why}" for step in self._steps if step.state is StepState.FAILED]
        return failed[-1] if failed else ""

    def _defined(self, index: int) -> Step:
        definition = self._context.definition
        invariant(definition is not None, "only a definition moves a saga", id=self._context.id)
        return cast(Saga, definition).steps[index]

    def _set(self, index: int, state: StepState, **changes: object) -> None:
        self._steps[index] = msgspec.structs.replace(self._steps[index], state=state, **changes)

    def _at(self, seconds: int, timer: msgspec.Struct) -> None:
        self.effects.append(At(self._context.now_ns + seconds * _S, timer))


def _words(reply: object) -> str:
    return words_of(reply, chars_max=SAGA_WORDS_CHARS_MAX)


def _refusal_of(task: Task) -> str:
    """Why this can't be asked of anybody; empty if it can."""
    if not 1 <= len(task.kind) <= TASK_KIND_CHARS_MAX:
        return f"a kind of tasks has 1 to {TASK_KIND_CHARS_MAX} characters"
    size = len(encode_value(task.data))
    return f"the task has {size} bytes of data: {TASK_DATA_BYTES_MAX} are kept" if size > TASK_DATA_BYTES_MAX else ""
