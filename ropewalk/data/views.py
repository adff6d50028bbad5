"""Read models: state folded from the events of all partitions of a service, made to be read.

    def fold(totals, event):                                    the values that an event writes
        return {event.subject: totals.get(event.subject, 0) + event.data["amount"]}

    view = View("totals", value=int, fold=fold)

A view is never read as part of a decision: it follows, and says how far it is. Its state and a cursor for each log
are written together, so an event is folded once whatever is killed. When `fold` changes, a new *generation* is built
beside the one that serves, and serves when it has caught up. It is built from the oldest events that are kept; or,
if the view has `begin`, from the state in which each partition is, and so whatever is kept.

Promise:    a generation's state is that of folding each event up to its cursors once, in the order of its log, behind
            what `begin` made of the partition's state. How events of different logs interleave is not said, so `fold`
            and `begin` must not depend on it.
Not given:  without `begin`, events that were no longer kept when it was begun, or while nobody folded: `missed`
            counts them.
Checked by: tests/data/test_views.py, tests/engines/test_views.py, tests/runtime/test_views_rebuilt.py
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar, cast

import msgspec

from ropewalk.core.codec import encode_value
from ropewalk.core.feed import NumberedEvent
from ropewalk.errors import NotAccepted, invariant

V = TypeVar("V")

_PAGE: Final = 1_000


class Happened(NamedTuple):
    """An event as a view sees it: its log, number and time there, and its data decoded."""

    log_name: str
    number: int
    time_ns: int
    kind: str
    subject: str
    data: Any


class Present(NamedTuple):
    """A partition as it is after event `number`: `ask` answers a key, or a query of the service's own, decoded."""

    log_name: str
    number: int
    ask: Callable[[object], Any]


class View(msgspec.Struct, Generic[V], frozen=True):
    """What is folded: `fold` answers an event with the values to write (None deletes a key); it changes nothing.

    `begin` does the same for a partition as it is, so that events are folded from there on. `value` is the type of
    the values; msgspec reads it. A new `version` says that `fold` or `begin` has changed.
    """

    name: str
    value: object
    fold: Callable[[Mapping[str, V], Happened], Mapping[str, V | None]]
    version: int = 1
    begin: Callable[[Mapping[str, V], Present], Mapping[str, V | None]] | None = None


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """How far one log is folded: the number of the last event, and how many before it were kept no more."""

    after: int = 0
    missed: int = 0


class Table(Protocol):
    """One generation: values by key, and a cursor by log."""

    @property
    def version(self) -> int:
        """The version of the view that it was begun for."""
        ...

    def get(self, key: str) -> bytes | None:
        """The value of a key."""
        ...

    def keys(self, *, after: str, limit: int) -> Sequence[str]:
        """Up to `limit` keys behind `after`, in order."""
        ...

    def cursors(self) -> dict[str, Cursor]:
        """The cursor of every log of which something is folded."""
        ...

    def write(self, values: Mapping[str, bytes | None], cursors: Mapping[str, Cursor]) -> None:
        """Write values and cursors, all or none of them."""
        ...


class Tables(Protocol):
    """The generations of one view: the one that serves, and perhaps one that is being built."""

    def serving(self) -> Table | None:
        """The generation that serves; None if none ever did."""
        ...

    def begin(self, *, version: int) -> Table:
        """A new and empty generation. One that was begun and never served is forgotten."""
        ...

    def switch(self) -> None:
        """Let the generation that was begun last serve, in one step, and forget the one before."""
        ...

    def close(self) -> None:
        """Let go of what is held open."""
        ...


class Generation(Generic[V]):
    """A view's state in a table."""

    def __init__(self, view: View[V], table: Table) -> None:
        self.view = view
        self._table = table
        self._values: msgspec.msgpack.Decoder[V] = msgspec.msgpack.Decoder(cast(type, view.value))
        self._cursors = table.cursors()

    @property
    def is_of_this_version(self) -> bool:
        """Whether it was folded by the `fold` that the view has now, so that it may go on."""
        return self._table.version == self.view.version

    @property
    def missed(self) -> int:
        """How many events are not in it because they were kept no more."""
        return sum(cursor.missed for cursor in self._cursors.values())

    def lacks(self, older: "Generation[V]", *, lasts: Mapping[str, int]) -> int:
        """How many events that are in an older generation will never be in this one. `lasts` are the logs' last."""
        lacking = 0
        for log_name, last in lasts.items():
            missed, before = self._cursors.get(log_name, Cursor()).missed, older._cursors.get(log_name, Cursor())
            # What either has missed is the beginning of the log; what is behind its end is of the log it was once.
            lacking += max(0, min(missed, before.after) - before.missed) + max(0, before.after - last)
        return lacking

    def has_begun(self, log_name: str) -> bool:
        """Whether anything of a log is in it; of a log that begins with its first event, nothing needs to be."""
        return self.view.begin is None or log_name in self._cursors

    def after(self, log_name: str) -> int:
        """The number of the last event of a log that is folded."""
        return self._cursors.get(log_name, Cursor()).after

    def get(self, key: str) -> V | None:
        """The value of a key. Raises NotAccepted if an older version wrote it and it can't be read any more."""
        value = self._table.get(key)
        try:
            return None if value is None else self._values.decode(value)
        except msgspec.DecodeError as error:
            raise NotAccepted(
                f"{self.view.name}: {key!r} was written by version {self._table.version} and can't be read by "
                f"{self.view.version} ({error}): ask again when it is rebuilt"
            ) from error

    def keys(self, *, after: str = "", limit: int) -> Sequence[str]:
        """Up to `limit` keys behind `after`, in order."""
        return self._table.keys(after=after, limit=limit)

    def miss(self, log_name: str, *, through: int) -> None:
        """Events up to `through` are kept no more: go on behind them, and count them as missed."""
        cursor = self._cursors.get(log_name, Cursor())
        self._write({}, log_name, Cursor(through, cursor.missed + through - cursor.after))

    def begin(self, present: Present) -> None:
        """Take in what the view's `begin` makes of a partition, and go on behind the event after which it is so."""
        if self.view.begin is not None:
            written = self.view.begin(_Written(self), present)
            self._write(_encoded(written), present.log_name, Cursor(present.number))

    def fold(self, log_name: str, events: Sequence[NumberedEvent]) -> None:
        """Fold the next events of a log, and move its cursor behind them."""
        if not events:
            return
        cursor = self._cursors.get(log_name, Cursor())
        invariant(
            events[0].number == cursor.after + 1,
            "events are folded in order and none is left out",
            log=log_name,
            number=events[0].number,
            after=cursor.after,
        )
        state = _Written(self)
        for numbered in events:
            state.written.update(self.view.fold(state, _happened(log_name, numbered)))
        self._write(_encoded(state.written), log_name, Cursor(events[-1].number, cursor.missed))

    def _write(self, values: Mapping[str, bytes | None], log_name: str, cursor: Cursor) -> None:
        self._table.write(values, {log_name: cursor})
        self._cursors[log_name] = cursor


class _Written(Mapping[str, V]):
    """The state with what the events before have written, and the table not yet."""

    def __init__(self, generation: Generation[V]) -> None:
        self._generation = generation
        self.written: dict[str, V | None] = {}

    def __getitem__(self, key: str) -> V:
        value = self.written[key] if key in self.written else self._generation.get(key)
        if value is None:
            raise KeyError(key)
        return value

    def __iter__(self) -> Iterator[str]:
        after = ""
        old: list[str] = []
        while page := self._generation.keys(after=after, limit=_PAGE):
            old += page
            after = page[-1]
        return (key for key in sorted({*old, *self.written}) if self.get(key) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _encoded(values: Mapping[str, object]) -> dict[str, bytes | None]:
    return {key: None if value is None else encode_value(value) for key, value in values.items()}


def _happened(log_name: str, numbered: NumberedEvent) -> Happened:
    event = numbered.event
    data = msgspec.msgpack.decode(event.data) if event.data else None
    return Happened(log_name, numbered.number, numbered.time_ns, event.kind, event.subject, data)
