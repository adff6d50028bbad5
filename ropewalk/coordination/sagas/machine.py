"""Sagas as a keyed machine: one key a saga, one turn of it a record.

    Start ──► do ──► reply ──► do ──► reply ──► …      completed
                         └ refused, or none in time    undo ──► reply ──► undo ──► reply ──► …    compensated
                                                                     └ refused    stuck, until an operator says

Promise:    a step is done at most once, and undone only if it was done; a saga ends completed, with every step done,
            or compensated, with every step undone that has an undo; until then it is listed, with what it waits for.
Not given:  isolation: others see what a saga has done before it has ended.
Checked by: tests/coordination/test_sagas.py, test_sagas_everywhere.py, ropewalk.proving.workloads.trips
"""

from collections.abc import Callable, Iterator, Mapping
from heapq import nsmallest
from typing import Final, cast

import msgspec

from ropewalk.coordination.neighbours import Neighbours
from ropewalk.coordination.sagas.definition import MISTAKES, Definitions, Saga, newest, says
from ropewalk.coordination.sagas.limits import (
    SAGA_ID_CHARS_MAX,
    SAGA_INPUT_BYTES_MAX,
    SAGA_WORDS_CHARS_MAX,
    SAGAS_KEPT_S,
    SAGAS_MAX,
    SAGAS_PAGE_MAX,
    TASK_DATA_BYTES_MAX,
    TASKS_PAGE_MAX,
)
from ropewalk.coordination.sagas.messages import (
    STUCK,
    Again,
    Answer,
    Command,
    Compensate,
    Forget,
    GetSaga,
    GetTasks,
    Late,
    ListSagas,
    ListTaskNames,
    ListTasks,
    Query,
    Reason,
    Refused,
    Resolve,
    Retry,
    Start,
    StepView,
    Summary,
    TaskName,
    TaskView,
    Timer,
    View,
)
from ropewalk.coordination.sagas.state import Asked, Run, State, StepRun, StepState
from ropewalk.coordination.sagas.turn import Context, Tag, Turn
from ropewalk.core.codec import encode_value
from ropewalk.core.effects import At, Effect, Publish, Replied
from ropewalk.core.keyed import Applied, Entry
from ropewalk.errors import invariant

UNKNOWN: Final = Refused("unknown", "no saga of this id is remembered")

_S: Final = 10**9
_COMPLETED: Final = (StepState.DONE, StepState.SKIPPED)
_COMPENSATED: Final = (
    StepState.WAITING, StepState.SKIPPED, StepState.REFUSED, StepState.UNDONE, StepState.KEPT, StepState.RESOLVED,
)  # fmt: skip
_WAITED_FOR: Final = (
    StepState.DOING, StepState.PAUSED, StepState.LATE, StepState.UNDOING, StepState.UNDO_PAUSED, StepState.FAILED,
)  # fmt: skip


class Rules(msgspec.Struct, frozen=True):
    """The sagas that there are, the services that their steps may go to, and how long ended ones are remembered."""

    definitions: Definitions
    neighbours: Neighbours
    kept_s: int = SAGAS_KEPT_S
    sagas_max: int = SAGAS_MAX


def apply(state: Mapping[str, Run], entry: Entry[Command | Timer | Replied], *, rules: Rules) -> Applied[Run]:
    """Take one turn of one saga."""
    now_ns = entry.time_ns
    match entry.command:
        case Start() as command:
            return _start(state, command, now_ns=now_ns, rules=rules)
        case Retry() | Compensate() | Resolve() as command:
            return _operate(state, command, now_ns=now_ns, rules=rules)
        case Answer() as command:
            return _answered(state, command, now_ns=now_ns, rules=rules)
        case Replied(tag, reply):
            to = Tag.parse(tag)
            return _turn(state, to.id, lambda turn: turn.take_reply(to, reply), now_ns=now_ns, rules=rules)
        case Late(id_, index, tries):
            return _turn(state, id_, lambda turn: turn.be_late(index, tries), now_ns=now_ns, rules=rules)
        case Again(id_, index, tries):
            return _turn(state, id_, lambda turn: turn.end_pause(index, tries), now_ns=now_ns, rules=rules)
        case Forget(id_, ended_ns):
            is_it = id_ in state and state[id_].ended_ns == ended_ns
            return Applied(None, {id_: None} if is_it else {})


def answer(state: Mapping[str, Run], query: Query, *, rules: Rules) -> object:
    """Answer one question."""
    match query:
        case GetSaga(id_):
            return _view(id_, state[id_]) if id_ in state else UNKNOWN
        case ListSagas(chosen, after, limit):
            ids = (id_ for id_, run in state.items() if id_ > after and chosen in (None, run.state))
            first = nsmallest(max(0, min(limit, SAGAS_PAGE_MAX)), ids)
            return [summary_of(id_, state[id_]) for id_ in first]
        case ListTasks(kind, after, limit):
            ids = (id_ for id_, run in state.items() if id_ > after and any(_asked(run, kind)))
            first = nsmallest(max(0, min(limit, TASKS_PAGE_MAX)), ids)
            return [_task(id_, state[id_], step) for id_ in first for step in _asked(state[id_], kind)]
        case ListTaskNames():
            there = ((id_, run, step) for id_, run in state.items() for step in _asked(run))
            return [_task_name(id_, step) for id_, run, step in there if _definition(run, rules) is not None]
        case GetTasks(names):
            asked = ((name, step) for name in names if name.id in state for step in _asked(state[name.id], name.kind))
            return [_task(name.id, state[name.id], step) for name, step in asked if _task_name(name.id, step) == name]


def check(state: Mapping[str, Run]) -> None:
    """What is always true of the whole state."""
    for id_, run in state.items():
        steps = [step.state for step in run.steps]
        if run.ended_ns is not None:
            allowed = _COMPENSATED if run.is_turned_back else _COMPLETED
            invariant(
                all(each in allowed for each in steps), "what has ended is whole, or undone", id=id_, steps=steps
            )
        else:
            waits = bool(run.stuck) or any(each in _WAITED_FOR for each in steps)
            invariant(waits, "what has not ended waits for something, or is stuck", id=id_, steps=steps)


def summary_of(id_: str, run: Run) -> Summary:
    """A saga in a line."""
    waits_for = [step.name for step in run.steps if step.state in _WAITED_FOR]
    return Summary(
        id=id_,
        saga=run.saga,
        version=run.version,
        state=run.state,
        why=run.why,
        stuck=run.stuck,
        waits_for=waits_for,
        began_ns=run.began_ns,
        changed_ns=run.changed_ns,
    )


def _start(state: Mapping[str, Run], command: Start, *, now_ns: int, rules: Rules) -> Applied[Run]:
    definition = newest(rules.definitions, command.saga)
    if definition is None:
        known = ", ".join(sorted({name for name, _ in rules.definitions}))
        return _refused("unknown_saga", f"there is no saga {command.saga!r} here, but {known}")
    if not 1 <= len(command.id) <= SAGA_ID_CHARS_MAX or "/" in command.id:
        return _refused("bad_id", f"an id has 1 to {SAGA_ID_CHARS_MAX} characters, none of them a /: choose another")
    try:
        given = encode_value(msgspec.convert(command.input, cast(type, definition.input)))
    except msgspec.ValidationError as error:
        return _refused("bad_input", f"this is no input of {command.saga}: {error}")
    if len(given) > SAGA_INPUT_BYTES_MAX:
        return _refused("bad_input", f"the input has {len(given)} bytes: {SAGA_INPUT_BYTES_MAX} are kept at most")
    known_run = state.get(command.id)
    if known_run is not None and (known_run.saga, known_run.input) == (command.saga, given):
        return Applied(summary_of(command.id, known_run))
    if known_run is not None:
        return _refused("id_used", f"{command.id!r} was used before, for another saga: take a new id")
    if len(state) >= rules.sagas_max:
        return _refused("full", f"{len(state)} sagas are remembered: try again when some are forgotten")
    steps = tuple(StepRun(step.name) for step in definition.steps)
    run = Run(definition.name, definition.version, given, steps, began_ns=now_ns, changed_ns=now_ns)
    return _turned(command.id, run, lambda turn: turn.note("", "started"), now_ns=now_ns, rules=rules)


def _operate(
    state: Mapping[str, Run], command: Retry | Compensate | Resolve, *, now_ns: int, rules: Rules
) -> Applied[Run]:
    run = state.get(command.id)
    if run is None:
        return Applied(UNKNOWN)
    refused = _words_missing(command) or _not_now(run, command, rules=rules)
    if refused:
        return Applied(refused)

    def act(turn: Turn) -> None:
        match command:
            case Retry(_, who, why):
                turn.note("", "retried", detail=why, who=who)
                turn.retry()
            case Compensate(_, who, why):
                turn.note("", "compensated_by_hand", detail=why, who=who)
                turn.turn_back(why)
            case Resolve(_, step, who, why):
                turn.note(step, "resolved", detail=why, who=who)
                turn.resolve(_index(run, step))

    return _turned(command.id, run, act, now_ns=now_ns, rules=rules)


def _answered(state: Mapping[str, Run], command: Answer, *, now_ns: int, rules: Rules) -> Applied[Run]:
    """Take the answer to a task, once."""
    run = state.get(command.id)
    if run is None:
        return Applied(UNKNOWN)
    index = _index(run, command.step)
    if index < 0:
        return Applied(_no_step(run, command.step))
    step = run.steps[index]
    if step.awaits_answer and command.tries in (0, step.tries):
        refused = _answer_refused(run, index, command.reply, rules=rules)
        return (
            Applied(refused)
            if refused
            else _turned(
                command.id,
                run,
                lambda turn: turn.take_answer(index, command.reply, who=command.who[:SAGA_WORDS_CHARS_MAX]),
                now_ns=now_ns,
                rules=rules,
            )
        )
    # What is under way for a later try is no task perhaps, and this is the repeat of an answer all the same.
    if 0 < command.tries < step.tries or (step.asked is not None and command.tries == step.tries):
        return Applied(summary_of(command.id, run))
    return _refused("not_asked", f"step {step.name} is {step.state}: nobody outside is asked for an answer to it")


def _answer_refused(run: Run, index: int, reply: object, *, rules: Rules) -> Refused | None:
    """Why this can't be the answer to a task. Taken first and found unreadable then, it would stop the partition."""
    definition, step = _definition(run, rules), run.steps[index]
    if definition is None:
        return _no_definition(run)
    size = len(encode_value(reply))
    if size > TASK_DATA_BYTES_MAX:
        return Refused("too_large", f"the answer has {size} bytes: {TASK_DATA_BYTES_MAX} are kept at most")
    is_undo = step.state is StepState.UNDOING
    try:
        says(definition.steps[index].undone if is_undo else definition.steps[index].done, reply)
    except MISTAKES as error:
        name = "undone" if is_undo else "done"
        detail = f"{name} of step {step.name} can't read this answer ({type(error).__name__}): give another"
        return Refused("bad_answer", detail)
    return None


def _asked(run: Run, kind: str | None = None) -> Iterator[StepRun]:
    """The steps of a saga that wait for an answer to a task, of this kind or of any."""
    if run.ended_ns is None:
        for step in run.steps:
            if step.asked is not None and step.awaits_answer and kind in (None, step.asked.kind):
                yield step


def _task_name(id_: str, step: StepRun) -> TaskName:
    return TaskName(cast(Asked, step.asked).kind, id_, step.name, step.tries)


def _task(id_: str, run: Run, step: StepRun) -> TaskView:
    asked = cast(Asked, step.asked)
    return TaskView(
        key=f"{id_}/{step.name}/{step.tries}",
        id=id_,
        saga=run.saga,
        step=step.name,
        tries=step.tries,
        undoes=step.state is StepState.UNDOING,
        kind=asked.kind,
        data=msgspec.msgpack.decode(asked.data),
    )


def _words_missing(command: Retry | Compensate | Resolve) -> Refused | None:
    for name, words in (("who", command.who), ("why", command.why)):
        least = 0 if name == "why" and isinstance(command, Retry) else 1
        if not least <= len(words) <= SAGA_WORDS_CHARS_MAX:
            return Refused("bad_words", f"say {name}, in {least} to {SAGA_WORDS_CHARS_MAX} characters")
    return None


def _not_now(run: Run, command: Retry | Compensate | Resolve, *, rules: Rules) -> Refused | None:
    """Why an operator can't do this now."""
    if not isinstance(command, Resolve) and _definition(run, rules) is None:
        return _no_definition(run)
    match command:
        case Retry() if run.state is not State.STUCK:
            return Refused("not_stuck", f"it is {run.state}: only what is stuck is tried again")
        case Compensate() if run.is_turned_back:
            return Refused("not_running", f"it is {run.state}, and was turned back already")
        case Resolve(_, step) if _index(run, step) < 0:
            return _no_step(run, step)
        case Resolve(_, step) if not Turn.is_open(run.steps[_index(run, step)]):
            detail = f"step {step} is {run.steps[_index(run, step)].state}: nothing is open there"
            return Refused("not_open", detail)
        case _:
            return None


def _no_definition(run: Run) -> Refused:
    detail = f"version {run.version} of {run.saga!r} with these steps is not here: start the program that has it"
    return Refused("unknown_definition", detail)


def _no_step(run: Run, name: str) -> Refused:
    return Refused("unknown_step", f"it has no step {name!r}, but {', '.join(step.name for step in run.steps)}")


def _index(run: Run, name: str) -> int:
    return next((index for index, step in enumerate(run.steps) if step.name == name), -1)


def _turn(
    state: Mapping[str, Run], id_: str, act: Callable[[Turn], None], *, now_ns: int, rules: Rules
) -> Applied[Run]:
    run = state.get(id_)
    # What an operator has resolved may be answered when the saga is forgotten.
    return Applied(None) if run is None else _turned(id_, run, act, now_ns=now_ns, rules=rules)


def _turned(id_: str, run: Run, act: Callable[[Turn], None], *, now_ns: int, rules: Rules) -> Applied[Run]:
    """What a turn makes of a saga, and what others are told of it."""
    turn = Turn(run, Context(id_, now_ns, rules.neighbours, _definition(run, rules)))
    turn.catch_up()
    act(turn)
    turn.go_on()
    after = turn.run
    summary = summary_of(id_, after)
    effects: list[Effect] = turn.effects
    if after.stuck and not run.stuck:
        effects.append(Publish(STUCK, id_, summary))
    if after.ended_ns is not None and run.ended_ns is None:
        effects.append(Publish(after.state, id_, summary))
        effects.append(At(now_ns + rules.kept_s * _S, Forget(id_, after.ended_ns)))
    return Applied(summary, {id_: after}, effects)


def _definition(run: Run, rules: Rules) -> Saga | None:
    """The definition that may go on with a saga: of its name, its version and its steps."""
    definition = rules.definitions.get((run.saga, run.version))
    names = tuple(step.name for step in run.steps)
    return definition if definition and tuple(step.name for step in definition.steps) == names else None


def _refused(reason: Reason, detail: str) -> Applied[Run]:
    return Applied(Refused(reason, detail))


def _step_view(step: StepRun) -> StepView:
    task = step.asked.kind if step.asked is not None and step.awaits_answer else ""
    return StepView(step.name, step.state, step.tries, step.reply, step.why, task)


def _view(id_: str, run: Run) -> View:
    return View(
        summary_of(id_, run),
        msgspec.msgpack.decode(run.input),
        [_step_view(step) for step in run.steps],
        run.history,
        run.forgotten,
    )
