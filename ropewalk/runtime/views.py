"""A read model beside a node: it pulls the events of every partition, and says how far behind it is.

    async with open_view(totals, node, SqliteTables(Path("totals.db"))) as model:
        seen = await model.get("account-7", max_age_s=1.0)
        seen.value, seen.age_s
        await model.rebuild()                                   the old one serves until the new one has caught up

Promise:    `age_s` of an answer is a bound: all that was published longer ago is in it. A generation never serves in
            place of one that has events which it will never have, unless the caller said that it may.
Not given:  an answer as of one moment of all partitions: each is folded as far as it is.
Checked by: tests/runtime/test_views.py, tests/runtime/test_views_rebuilt.py
"""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Generic, TypeVar

import msgspec

from ropewalk.core.codec import encode_value
from ropewalk.core.limits import DEADLINE_DEFAULT_S
from ropewalk.data.views import Generation, Present, Tables, View
from ropewalk.engines.system import now_ns
from ropewalk.engines.views import MemoryTables
from ropewalk.errors import NotAccepted, Rejected, RopewalkError
from ropewalk.runtime.leader import Leader
from ropewalk.runtime.node import Node
from ropewalk.runtime.tasks import beside, open_tasks

V = TypeVar("V")

LOG = logging.getLogger("ropewalk")

_NANOSECONDS: Final = 1_000_000_000
_FOLLOW_AGAIN_S: Final = 1.0
_KEYS_MAX: Final = 1_000
_FOLDED_AT_ONCE: Final = 256
"""So that nobody else in the process waits for more than a few milliseconds."""


class Seen(msgspec.Struct, Generic[V], frozen=True):
    """A value of a view, and the age of the oldest event that is not in it; 0 if all are."""

    value: V | None
    age_s: float


class Staleness(msgspec.Struct, frozen=True):
    """How a view is: its age as in `Seen`, events that are not in it yet, and events that never will be."""

    age_s: float
    behind: int
    missed: int


@asynccontextmanager
async def open_view(
    view: View[V],
    node: Node,
    tables: Tables | None = None,
    *,
    may_lack: bool = False,
    clock_ns: Callable[[], int] = now_ns,
) -> AsyncIterator["ReadModel[V]"]:
    """Follow the events of `node` until the block ends; in memory, unless there are `tables` to keep it in.

    If the tables hold another version of the view, that one serves as it is while the new one is built; if the new
    one would lack events that the other has, it goes on serving, unless it `may_lack` them. What `fold` and `begin`
    raise ends the block.
    """
    model = ReadModel(view, node, tables or MemoryTables(), may_lack=may_lack, clock_ns=clock_ns)
    try:
        async with beside(model.run()):
            yield model
    finally:
        model.close()


class ReadModel(Generic[V]):
    """Made by `open_view`. `failure` is why nothing is folded at the moment."""

    def __init__(
        self, view: View[V], node: Node, tables: Tables, *, may_lack: bool = False, clock_ns: Callable[[], int]
    ) -> None:
        self.view = view
        self.failure: RopewalkError | None = None
        self._leaders: Sequence[Leader] = node.leaders
        self._tables = tables
        self._may_lack = may_lack
        self._clock_ns = clock_ns
        self._folded = asyncio.Event()
        self._is_rebuilding = False
        serving = tables.serving()
        if serving is None:
            serving = tables.begin(version=view.version)
            tables.switch()
        self._serving = Generation(view, serving)

    async def get(
        self, key: str, *, max_age_s: float | None = None, deadline_s: float = DEADLINE_DEFAULT_S
    ) -> Seen[V]:
        """The value of a key, or None, and how old the view is.

        With `max_age_s` it waits until the view is no older. Raises NotAccepted if that takes too long.
        """
        if max_age_s is not None:
            await self._wait_for(max_age_s, deadline_s)
        return Seen(self._serving.get(key), self._age_s())

    def keys(self, *, after: str = "", limit: int = _KEYS_MAX) -> Sequence[str]:
        """Up to `limit` keys behind `after`, in order."""
        return self._serving.keys(after=after, limit=min(limit, _KEYS_MAX))

    @property
    def staleness(self) -> Staleness:
        """How far behind it is now."""
        behind = sum(each.partition.feed.last - self._serving.after(each.identity.log_name) for each in self._leaders)
        return Staleness(self._age_s(), behind, self._serving.missed)

    async def rebuild(self, *, may_lack: bool = False) -> None:
        """Begin again, from the state of the partitions or the oldest events that are kept; serve it once caught up.

        Raises NotAccepted if it is being rebuilt already, and Rejected if it would lack events that the one which
        serves has, unless it `may_lack` them. Events are folded faster than a partition publishes them, or this does
        not end.
        """
        if self._is_rebuilding:
            raise NotAccepted(f"{self.view.name} is being rebuilt already: wait for it")
        self._is_rebuilding = True
        try:
            built = Generation(self.view, self._tables.begin(version=self.view.version))
            while self._fold_all(built, may_lack=may_lack):
                await asyncio.sleep(0)
            # Nothing is awaited between the last look at every log and here: nothing is left out.
            self._tables.switch()
            self._serving = built
            self._folded.set()
        finally:
            self._is_rebuilding = False

    async def run(self) -> None:
        """Fold what is published, for ever; what goes wrong is shown and tried again."""
        while True:
            try:
                await self._follow_all()
            except RopewalkError as error:
                if str(error) != str(self.failure):
                    LOG.warning("the view %s: %s; tried every %s s", self.view.name, error, _FOLLOW_AGAIN_S)
                self.failure = error
            await asyncio.sleep(_FOLLOW_AGAIN_S)

    def close(self) -> None:
        """Let go of the tables."""
        self._tables.close()

    async def _follow_all(self) -> None:
        if not self._serving.is_of_this_version or _must_begin_again(self._serving, self._leaders):
            await self.rebuild(may_lack=self._may_lack)
        async with open_tasks() as tasks:
            for leader in self._leaders:
                tasks.create_task(self._follow(leader))

    def _fold_all(self, built: Generation[V], *, may_lack: bool) -> int:
        """Fold the next events of all partitions; return how many there were."""
        for leader in self._leaders:
            _reach(built, leader)
        lasts = {leader.identity.log_name: leader.partition.feed.last for leader in self._leaders}
        lacking = built.lacks(self._serving, lasts=lasts)
        if lacking and not may_lack:
            raise Rejected(
                f"rebuilt, the view {self.view.name} would lack {lacking} events that it has and that are kept no "
                "more: give it a `begin`, which makes it from the state, or say that it may_lack them; until then "
                "the old one serves"
            )
        return sum([_fold_some(built, leader) for leader in self._leaders])

    async def _follow(self, leader: Leader) -> None:
        while True:
            _reach(self._serving, leader)
            folded = _fold_some(self._serving, leader)
            self.failure = None
            self._folded.set()
            if folded:
                await asyncio.sleep(0)
            else:
                await leader.wait_events(self._serving.after(leader.identity.log_name))

    async def _wait_for(self, max_age_s: float, deadline_s: float) -> None:
        try:
            async with asyncio.timeout(deadline_s):
                while self._age_s() > max_age_s:
                    self._folded.clear()
                    await self._folded.wait()
        except TimeoutError:
            why = f": {self.failure}" if self.failure else ""
            raise NotAccepted(
                f"the view {self.view.name} is {self._age_s():.3g} s old, and {max_age_s:g} s was asked for{why}"
            ) from None

    def _age_s(self) -> float:
        if self.failure is not None or any(leader.stopped_because is not None for leader in self._leaders):
            return math.inf
        now_ns = self._clock_ns()
        return max(self._age_of(leader, now_ns) for leader in self._leaders)

    def _age_of(self, leader: Leader, now_ns: int) -> float:
        """How long ago the first event happened that is not folded: what is older is."""
        after, feed = self._serving.after(leader.identity.log_name), leader.partition.feed
        if not feed.oldest <= after + 1 <= feed.last + 1 or not self._serving.has_begun(leader.identity.log_name):
            return math.inf
        if after == feed.last:
            return 0.0
        [first] = leader.events(after, limit=1)
        return max(0.0, (now_ns - first.time_ns) / _NANOSECONDS)


def _must_begin_again(generation: Generation[V], leaders: Sequence[Leader]) -> bool:
    """Whether it can't go on from where it is, and the state has what it needs."""
    begun = [generation.has_begun(each.identity.log_name) for each in leaders]
    # Since a split other partitions have what was in those that it has begun with.
    was_split = any(begun) and not all(begun)
    return was_split or any(_is_outrun(generation, each) for each in leaders)


def _is_outrun(generation: Generation[V], leader: Leader) -> bool:
    """Whether events that come next are kept no more, and the state has what they did."""
    log_name = leader.identity.log_name
    is_behind = generation.after(log_name) + 1 < leader.partition.feed.oldest
    return is_behind and generation.view.begin is not None and generation.has_begun(log_name)


def _reach(generation: Generation[V], leader: Leader) -> None:
    """Get to where events of a partition are kept: by its state if the view can, else by passing over those before.

    Raises NotAccepted if the view can, and has begun already: what it has of this partition must go first. Raises
    Rejected if it has events that the partition has not.
    """
    log_name, feed = leader.identity.log_name, leader.partition.feed
    after = generation.after(log_name)
    if after > feed.last:
        raise Rejected(
            f"event {after} of {log_name} is in the view, and it has {feed.last}: it is another log, or was restored "
            "from an older backup; rebuild the view, and say that it may_lack what is there no more"
        )
    if not generation.has_begun(log_name):
        if leader.stopped_because is not None:
            # What stopped it may have left half a record in the state.
            raise NotAccepted(f"{log_name} has stopped: {leader.stopped_because}")
        # Events are published by the step that changes the state, so this state is that after the last of them.
        generation.begin(Present(log_name, feed.last, lambda query: _asked(leader, query)))
    elif _is_outrun(generation, leader):
        raise NotAccepted(f"events {after + 1} to {feed.oldest - 1} of {log_name} are kept no more: it begins again")
    elif after + 1 < feed.oldest:
        missed = feed.oldest - 1 - after
        LOG.warning("the view %s: %d events of %s are kept no more", generation.view.name, missed, log_name)
        generation.miss(log_name, through=feed.oldest - 1)


def _asked(leader: Leader, query: object) -> Any:
    return msgspec.msgpack.decode(leader.partition.machine.read(encode_value(query)))


def _fold_some(generation: Generation[V], leader: Leader) -> int:
    """Fold the next events of a partition, if there are any; return how many there were."""
    log_name = leader.identity.log_name
    events = leader.events(generation.after(log_name), limit=_FOLDED_AT_ONCE)
    generation.fold(log_name, events)
    return len(events)
