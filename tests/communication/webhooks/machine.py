"""The delivery machine by itself, told commands at times, and checked after each."""

from typing import Any

import msgspec

from ropewalk.communication.webhooks.delivery import answer, apply, check
from ropewalk.communication.webhooks.messages import (
    AddEndpoint,
    Attempt,
    Command,
    Endpoint,
    ForgetSecret,
    ListEndpoints,
    Record,
    Reply,
    State,
    Value,
)
from ropewalk.communication.webhooks.signatures import secret_text
from ropewalk.core.chain import Position
from ropewalk.core.codec import encode_value
from ropewalk.core.keyed import KeyedMachine
from ropewalk.core.machine import NO_ID, Batch, Request

URL = "http://127.0.0.1:9000/hook"
LOG = "orders/0"
SECOND = 1_000_000_000


def secret(number: int = 0) -> str:
    return secret_text(bytes([number]) * 32)


class Machine:
    """One delivery machine, and the ids of the endpoints that it says have changed."""

    def __init__(self) -> None:
        self.machine: KeyedMachine[Value, Command, ListEndpoints] = KeyedMachine(
            "webhooks",
            commands=Command,
            messages=ForgetSecret,
            value=Value,
            apply=apply,
            queries=ListEndpoints,
            answer=answer,
            check=check,
        )
        self.now_s = 0
        self.changed: list[str] = []

    def tell(self, *commands: Command, now_s: int | None = None) -> Any:
        """Apply commands in one record; the last reply. Without one, what is due fires."""
        self.now_s = self.now_s if now_s is None else now_s
        requests = [Request(NO_ID, encode_value(command)) for command in commands]
        outcome = self.machine.apply(Batch(Position(1), self.now_s * SECOND, requests))
        self.machine.check()
        self.changed += [event.subject for event in outcome.events]
        replies: list[Reply] = [msgspec.msgpack.decode(reply, type=Reply) for reply in outcome.replies]
        return replies[-1] if replies else None

    def states(self) -> list[State]:
        return msgspec.msgpack.decode(self.machine.read(encode_value(ListEndpoints())), type=list[State])

    def state(self, endpoint: str = "a") -> State:
        [state] = [state for state in self.states() if state.endpoint.endpoint == endpoint]
        return state


def with_endpoint(name: str = "a", **settings: Any) -> Machine:
    machine = Machine()
    machine.tell(AddEndpoint(Endpoint(name, URL, (secret(),), **settings), {LOG: 10}))
    machine.changed.clear()
    return machine


def attempt(number: int, attempts: int = 1, *, jitter: int = 0, after_s: int = 0, body: bytes = b"{}") -> Attempt:
    """The message of event `number` was not taken."""
    given = body if attempts == 1 else b""
    return Attempt(f"event-{number}", "paid", "order-1", attempts, "it answered 500", jitter, after_s, given)


def failed(*attempts: Attempt, through: int = 10) -> Record:
    return Record("a", {LOG: through}, failed=attempts)
