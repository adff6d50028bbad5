"""Keyed machines: a service as one pure function over one typed command at a time.

You write `apply(state, entry)`. It reads the state (a mapping from key to value) and answers with an `Applied`: the
reply, the values to write, and effects: timers, messages to other partitions, events. It changes nothing itself, so a
refusal is simply an answer without writes. Commands, values and replies are msgspec structs; commands are told apart
by their tag.

Promise:    `apply` sees the writes of every command before it, as a restart will read them; timers fire in the order
            of their time, then of their setting, each once.
Checked by: tests/core/test_keyed.py, ropewalk.proving.conformance (machine checks)
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from types import MappingProxyType
from typing import Final, Generic, TypeVar, Union, cast

import msgspec

from ropewalk.core.chain import Position
from ropewalk.core.codec import checksum, encode_value
from ropewalk.core.effects import At, Effect, Publish, Replied, Send
from ropewalk.core.limits import TIMERS_FIRED_MAX
from ropewalk.core.machine import Batch, Event, Message, Outcome, Received, Saved
from ropewalk.core.place import Place
from ropewalk.errors import Bug, Damaged, Rejected

_UNREADABLE: Final = (ValueError, RecursionError)
"""What msgspec raises: of its own errors, those of text that is no UTF-8, and of what is nested too deep."""

_UNWRITABLE: Final = (*_UNREADABLE, TypeError, OverflowError, AttributeError)
"""What it raises besides: of types that it doesn't know, of numbers beyond 64 bits, of a key that is no text."""

_FLAT_BYTES: Final = 256
"""A command, or a value, of fewer bytes can't be nested so deep that it matters."""

_LEVELS_LEFT: Final = b"\x91" * 64
"""The beginning of a list in a list, and so on. How deep msgspec reads depends on how deep in calls it is asked.
What is written must be readable with so many lists around it, and what callers ask with twice as many: so it is
wherever it is applied, sent on or saved."""

_ANYTHING: Final = msgspec.msgpack.Decoder(msgspec.Raw)
_SHOWN_BYTES: Final = 32

GUARDED: Final = b"\xc1"
"""Before a query: answer with a `Guarded`. No query begins so: MessagePack never uses this byte."""

V = TypeVar("V")
C = TypeVar("C")
Q = TypeVar("Q")


class Entry(msgspec.Struct, Generic[C], frozen=True, gc=False):
    """One command, with the time (nanoseconds since 1970, UTC) and the log position at which it is applied.

    `sender` is the log of the partition that sent it; a caller's command, and a timer's, has none. `version` is that
    of the service whose program wrote the record: under older rules what was told then is applied again.
    """

    command: C
    time_ns: int
    position: Position
    sender: str = ""
    version: int = 1


class Applied(msgspec.Struct, Generic[V], frozen=True, gc=False):
    """What a command does: its reply, the values it writes (None deletes the key), and what else is to happen."""

    reply: object
    writes: Mapping[str, V | None] = msgspec.field(default_factory=dict)
    effects: Sequence[Effect] = ()


class Guarded(msgspec.Struct, frozen=True, array_like=True):
    """An answer, encoded, and the ids of the transactions that hold something of the values that were looked at."""

    answer: bytes
    held: list[str]


Timer = tuple[int, int, bytes]
"""Time in nanoseconds, number of its setting, encoded command."""

_TIMERS: Final = msgspec.msgpack.Decoder(Timer)
_EVENTS: Final = msgspec.msgpack.Decoder(Event)


class KeyedMachine(Generic[V, C, Q]):
    """A machine from a pure function.

    `commands` is a struct type or a union of tagged ones, `value` the type of the state's values; msgspec reads both.
    `messages` are commands that partitions send each other, and timers: no caller may. `place` says where keys are.
    To divide the state, `home` tells for a key of the state, and `key` for a timer's command, what it is about.
    `answer` answers `queries`, read-only questions of the same kind. A query that is a string is a key, its answer
    the value. `held_by` tells which transactions hold something of a value. `table` keeps the encoded values if they
    outgrow memory; else a dict keeps them.
    """

    def __init__(
        self,
        name: str,
        *,
        commands: object,
        value: object,
        apply: Callable[[Mapping[str, V], Entry[C]], Applied[V]],
        queries: object = str,
        answer: Callable[[Mapping[str, V], Q], object] | None = None,
        check: Callable[[Mapping[str, V]], None] = lambda _: None,
        held_by: Callable[[V], Iterable[str]] | None = None,
        messages: object | None = None,
        place: Place | None = None,
        home: Callable[[str], str] = lambda key: key,
        key: Callable[..., str] = lambda _: "",
        version: int = 1,
        table: MutableMapping[str, bytes] | None = None,
    ) -> None:
        self.name = name
        self._place = place or Place(name)
        self.version = version
        self._apply = apply
        self._answer = answer
        self._check = check
        self._held_by = held_by
        self._home = home
        self._key = key
        self._commands: msgspec.msgpack.Decoder[C] = msgspec.msgpack.Decoder(_type(commands))
        known = commands if messages is None else Union[_type(commands), _type(messages)]  # noqa: UP007
        self._known: msgspec.msgpack.Decoder[C] = msgspec.msgpack.Decoder(_type(known))
        self._queries: msgspec.msgpack.Decoder[Q] = msgspec.msgpack.Decoder(_type(queries))
        self._values: msgspec.msgpack.Decoder[V] = msgspec.msgpack.Decoder(_type(value))
        self._value_name = value.__name__ if isinstance(value, type) else str(value)
        self._state: MutableMapping[str, V] = {} if table is None else _Encoded(table, self._values)
        # What is changed past `writes` would be neither checked nor the same after a restart.
        self._seen: Mapping[str, V] = MappingProxyType(self._state)
        self._timers: list[Timer] = []
        self._timers_set = 0
        self._sent: list[Message] = []
        self._events: list[Event] = []

    def vet(self, command: bytes) -> None:
        """Raise Rejected if the command is not one of this machine's."""
        try:
            self._commands.decode(command)
            if len(command) > _FLAT_BYTES:
                _ANYTHING.decode(_LEVELS_LEFT + _LEVELS_LEFT + command)
        except _UNREADABLE as error:
            raise Rejected(f"{self.name} can't read this command: {error}") from error

    def apply(self, batch: Batch) -> Outcome:
        """Fire the timers that are due, then apply each message's and each request's command."""
        self._sent, self._events = [], []
        self._fire_due(batch)
        replies = [encode_value(self._receive(message, batch)) for message in batch.messages]
        for request in batch.requests:
            replies.append(encode_value(self._step(self._decoded(request.command, batch), batch)))
        return Outcome(replies, self._timers[0][0] if self._timers else None, self._sent, self._events)

    def read(self, query: bytes) -> bytes:
        """The encoded value of a key, or the encoded answer to a question of the service."""
        if self._held_by is None or query[:1] != GUARDED:
            return self._answered(query, self._seen)
        state = _Noting(self._state, self._held_by)
        return encode_value(Guarded(self._answered(query[1:], state), sorted(state.held)))

    def _answered(self, query: bytes, state: Mapping[str, V]) -> bytes:
        key = _key(query)
        if key is not None:
            return encode_value(state.get(key))
        if self._answer is None:
            raise Rejected(f"{self.name} answers no query but a key")
        try:
            decoded = self._queries.decode(query)
        except _UNREADABLE as error:
            raise Rejected(f"{self.name} can't read this query: {error}") from error
        return encode_value(self._answer(state, decoded))

    def save(self) -> Saved:
        """Items in key order, so equal states give equal bytes."""
        items = [(key, encode_value(self._state[key])) for key in sorted(self._state)]
        timers = (sorted(self._timers), self._timers_set)
        return Saved({"items": encode_value(items), "timers": encode_value(timers)})

    def load(self, parts: Mapping[str, bytes | memoryview]) -> None:
        """Become what was saved."""
        self._state.clear()
        for key, value in msgspec.msgpack.decode(parts["items"], type=list[tuple[str, bytes]]):
            try:
                self._state[key] = self._values.decode(value)
            except _UNREADABLE as error:
                raise Damaged(f"the value of {key!r} can't be read as {self._value_name} ({error})") from error
        self._timers, self._timers_set = msgspec.msgpack.decode(parts["timers"], type=tuple[list[Timer], int])

    def digest(self) -> bytes:
        """16 bytes of the whole state."""
        return checksum(*self.save().parts.values())

    def check(self) -> None:
        """Run the service's own check."""
        self._check(self._seen)

    def keep(self, belongs: Callable[[str], bool]) -> int:
        """Forget the values and the timers that are about other keys; return how many of both are left."""
        for key in [key for key in self._state if not belongs(self._home(key))]:
            del self._state[key]
        self._timers = [timer for timer in self._timers if belongs(self._key(self._known.decode(timer[2])))]
        heapq.heapify(self._timers)
        return len(self._state) + len(self._timers)

    def _receive(self, message: Received, batch: Batch) -> object:
        try:
            command = _replied(message) if message.is_reply else self._known.decode(message.command)
        except _UNREADABLE as error:
            kind, beginning = "reply" if message.is_reply else "message", message.command[:_SHOWN_BYTES]
            raise Damaged(
                f"{self.name}: {kind} {message.number} of {message.sender} in the record at {batch.position} "
                f"can't be read ({error}): it begins with {beginning!r}; nothing was skipped: start a program of "
                f"{self.name} that knows it"
            ) from error
        return self._step(cast(C, command), batch, sender=message.sender)

    def _decoded(self, command: bytes, batch: Batch) -> C:
        try:
            return self._known.decode(command)
        except _UNREADABLE as error:
            raise Damaged(
                f"{self.name}: a command in the record at position {batch.position} can't be read ({error}); "
                "nothing was skipped: start the newer program that wrote it"
            ) from error

    def _step(self, command: C, batch: Batch, *, sender: str = "") -> object:
        try:
            applied = self._apply(self._seen, Entry(command, batch.time_ns, batch.position, sender, batch.version))
        except (TypeError, AttributeError) as error:
            if "'mappingproxy' object" not in str(error):
                raise
            raise Bug(
                f"{self._place.log_name} changes its state past `writes` ({error}): `apply` reads the state, and "
                "returns what is to change in `Applied.writes`"
            ) from error
        for key, value in applied.writes.items():
            if value is None:
                self._state.pop(key, None)
            else:
                self._write(key, value)
        for effect in applied.effects:
            self._do(effect)
        return applied.reply

    def _write(self, key: str, value: V) -> None:
        """Keep a value as it will be read: what no snapshot could give back must not be acknowledged."""
        try:
            key.encode()
            encoded = encode_value(value)
            if len(encoded) > _FLAT_BYTES:
                _ANYTHING.decode(_LEVELS_LEFT + encoded)
            self._state[key] = self._values.decode(encoded)
        except _UNWRITABLE as error:
            raise Bug(
                f"what {self._place.log_name} wrote to {key!r} can't be kept and read again as {self._value_name} "
                f"({error})"
            ) from error

    def _do(self, effect: Effect) -> None:
        match effect:
            case At(time_ns, command):
                self._timers_set += 1
                timer = (time_ns, self._timers_set, encode_value(command))
                heapq.heappush(self._timers, _TIMERS.decode(encode_value(timer)))
            case Send(to, command, tag, at):
                encoded = command if isinstance(command, bytes) else encode_value(command)
                self._sent.append(Message((at or self._place).log_of(to), encoded, tag.encode()))
            case Publish(kind, subject, data):
                event = Event(kind, subject, encode_value(data))
                self._events.append(_EVENTS.decode(encode_value(event)))

    def _fire_due(self, batch: Batch) -> None:
        for _ in range(TIMERS_FIRED_MAX):
            if not self._timers or self._timers[0][0] > batch.time_ns:
                return
            self._step(self._decoded(heapq.heappop(self._timers)[2], batch), batch)


class _Encoded(MutableMapping[str, V]):
    """Values as the bytes of a table."""

    def __init__(self, table: MutableMapping[str, bytes], values: "msgspec.msgpack.Decoder[V]") -> None:
        self._table = table
        self._values = values

    def __getitem__(self, key: str) -> V:
        return self._values.decode(self._table[key])

    def __setitem__(self, key: str, value: V) -> None:
        self._table[key] = encode_value(value)

    def __delitem__(self, key: str) -> None:
        del self._table[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __len__(self) -> int:
        return len(self._table)


class _Noting(Mapping[str, V]):
    """Values, and which transactions hold something of those that were looked at."""

    def __init__(self, state: Mapping[str, V], held_by: Callable[[V], Iterable[str]]) -> None:
        self._state = state
        self._held_by = held_by
        self.held: set[str] = set()

    def __getitem__(self, key: str) -> V:
        value = self._state[key]
        self.held.update(self._held_by(value))
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._state)

    def __len__(self) -> int:
        return len(self._state)


def _type(given: object) -> type:
    """A union of types is not a `type` to a type checker, and is one to msgspec."""
    return cast(type, given)


def _key(query: bytes) -> str | None:
    try:
        return msgspec.msgpack.decode(query, type=str)
    except _UNREADABLE:
        return None


def _replied(message: Received) -> Replied:
    return Replied(message.tag.decode(), msgspec.msgpack.decode(message.command))
