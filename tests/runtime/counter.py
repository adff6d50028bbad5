"""A counter: the smallest service that shows whether a command took effect once."""

from collections.abc import Mapping

import msgspec

from ropewalk.core.codec import encode_value
from ropewalk.core.effects import At
from ropewalk.core.keyed import Applied, Entry, KeyedMachine
from ropewalk.core.machine import NO_ID, Request


class Add(msgspec.Struct, frozen=True, tag=True):
    key: str
    amount: int


class AddAt(msgspec.Struct, frozen=True, tag=True):
    key: str
    amount: int
    time_ns: int


class Break(msgspec.Struct, frozen=True, tag=True):
    pass


Command = Add | AddAt | Break


def apply(state: Mapping[str, int], entry: Entry[Command]) -> Applied[int]:
    match entry.command:
        case Add(key, amount):
            total = state.get(key, 0) + amount
            return Applied(total, {key: total})
        case AddAt(key, amount, time_ns):
            return Applied("set", effects=[At(time_ns, Add(key, amount))])
        case Break():
            raise ZeroDivisionError("a bug in the service")


def counter() -> KeyedMachine[int, Command, str]:
    return KeyedMachine("counter", commands=Command, value=int, apply=apply)


def request(command: Command, request_id: bytes = NO_ID) -> Request:
    return Request(request_id, encode_value(command))
