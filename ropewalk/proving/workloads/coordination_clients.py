"""What clients of the coordination service saw of one lock, one counter or one key, looked at without its log.

A lock's tokens grow and belong to one session each, a counter adds up, a key is set once for each version: each model
is a few lines, and `check_linearizable` finds an order or says that there is none. Sessions end when they want, so
the lock's model lets it go at any time; that nobody overtakes another is the judge's to say.

Checked by: tests/proving/test_world.py, tests/canaries/test_coordination.py
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

import msgspec

from ropewalk.coordination.recipes.messages import (
    Acquire,
    Add,
    Command,
    Counted,
    DeleteKey,
    Held,
    Kept,
    Refused,
    Release,
    Reply,
    SetCounter,
    SetKey,
)
from ropewalk.core.machine import Request
from ropewalk.proving.history import Acknowledged, Broken
from ropewalk.proving.linearizable import Holds, Operation, check_linearizable

LOCKS: Final = ("s/lock", "s/other")
SHARED_KEY: Final = "s/shared"
COUNTER: Final = "s/count"

Seen = Operation[Command, Reply]

_COMMANDS: Final = msgspec.msgpack.Decoder(cast("type[Command]", Command))
_REPLIES: Final = msgspec.msgpack.Decoder(cast("type[Reply]", Reply))


class Lock(NamedTuple):
    """Who had it last, with which token."""

    session: str = ""
    token: int = 0


def follow_lock(lock: Lock, command: Command, answer: Reply | None) -> Lock | None:
    """A grant is repeated to who has it, or has a larger token than every one before."""
    if not isinstance(command, Acquire) or not isinstance(answer, Held):
        return lock
    if answer.token > lock.token:
        return Lock(command.session, answer.token)
    return lock if answer.token == lock.token and command.session == lock.session else None


def follow_counter(value: int, command: Command, answer: Reply | None) -> int | None:
    """It adds up, and is compared with what it is. `full` is a bound and says nothing of the value."""
    match command, answer:
        case (Add() | SetCounter(), Refused("full")):
            return value
        case Add(_, amount), Counted() | None:
            return value + amount if answer in (None, Counted(value + amount)) else None
        case SetCounter(_, after, expected), Counted() | None if expected in (None, value):
            return after if answer in (None, Counted(after)) else None
        case SetCounter(_, _, expected), Refused("value_differs", current) if expected not in (None, value):
            return value if current == value else None
        case SetCounter(), None:
            return value
        case _:
            return None


class Setting(NamedTuple):
    """The version that a key has, and the last one that is known. NONE: it is not there; LOST: nobody was told."""

    version: int = 0
    last: int = 0


NONE: Final = 0
LOST: Final = -1


def follow_key(setting: Setting, command: Command, answer: Reply | None) -> Setting | None:
    """Whoever expects a version is right about it, and no version comes twice."""
    if not isinstance(command, SetKey | DeleteKey):
        return None
    may_be_expected = command.version in (None, setting.version) or _may_be(setting, command.version)
    match answer:
        case Kept(version) if may_be_expected and version > setting.last:
            return Setting(version if isinstance(command, SetKey) else NONE, version)
        case Refused("version_differs", int(current)) if command.version not in (None, current):
            is_it = current == setting.version or _may_be(setting, current)
            return Setting(current, max(current, setting.last)) if is_it else None
        case Refused("unknown") if isinstance(command, DeleteKey):
            return setting if setting.version == NONE and command.version in (None, NONE) else None
        case Refused("full"):
            return setting if setting.version == NONE and command.version in (None, NONE) else None
        case None if may_be_expected:
            return Setting(LOST if isinstance(command, SetKey) else NONE, setting.last)
        case None:
            return setting
        case _:
            return None


def _may_be(setting: Setting, version: int | None) -> bool:
    """Whether it may have that version, though nobody was told of it."""
    return setting.version == LOST and version is not None and version > setting.last


OBJECTS: Final[Mapping[str, tuple[Hashable, Callable[[Any, Command, Reply | None], Any]]]] = {
    **{f"lock:{name}": (Lock(), follow_lock) for name in LOCKS},
    f"counter:{COUNTER}": (0, follow_counter),
    f"config:{SHARED_KEY}": (Setting(), follow_key),
}
"""What is looked at: where it starts, and its model."""


def check_clients(acknowledged: Sequence[Acknowledged], written: Sequence[Request]) -> None:
    """Raise Broken if what clients saw of one object could not have happened one operation at a time.

    `written` are the requests that took effect: those that nobody was told of may have, at any time.
    """
    histories: dict[str, list[Seen]] = {name: [] for name in OBJECTS}
    told = {each.request.id: None for each in acknowledged}
    lost: list[Seen] = [
        Operation(_COMMANDS.decode(each.command), None, 0.0, None) for each in written if each.id not in told
    ]
    answered: list[Seen] = [
        Operation(_COMMANDS.decode(each.request.command), _REPLIES.decode(each.reply), each.asked_s, each.answered_s)
        for each in acknowledged
        if each.reply is not None
    ]
    for seen in (*lost, *answered):
        histories.get(_object_of(seen.command), []).append(seen)
    for name, history in histories.items():
        start, follow = OBJECTS[name]
        verdict = check_linearizable(history, start, follow)
        if not isinstance(verdict, Holds):
            raise Broken(f"what clients saw of {name} happened one operation at a time [{verdict}]")


def _object_of(command: Command) -> str:
    match command:
        case Acquire() | Release():
            return f"{command.kind}:{command.name}"
        case Add() | SetCounter():
            return f"counter:{command.name}"
        case SetKey() | DeleteKey():
            return f"config:{command.name}"
        case _:
            return ""
