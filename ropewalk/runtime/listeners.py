"""Those who wait for a partition's events: for any, or for the next about one subject or about all below one.

    with leader.waiting_for("lock/7") as heard:       register first,
        reply = await leader.submit(…)                then cause it,
        event = await heard.event(deadline_s=5)       then hear it

A subject that ends with `/` stands for all that begin with it. Who waits is not woken by what he does not wait for.

Checked by: tests/runtime/test_events.py
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ropewalk.core.feed import Feed, NumberedEvent
from ropewalk.errors import NotAccepted, RopewalkError


class Heard:
    """The events about one subject since somebody began to wait for them."""

    def __init__(self) -> None:
        self._events: asyncio.Queue[NumberedEvent | RopewalkError] = asyncio.Queue()

    def tell(self, event: NumberedEvent | RopewalkError) -> None:
        """Here is the next, or the reason why none will come."""
        self._events.put_nowait(event)

    @property
    def has_news(self) -> bool:
        """True if the next has come already."""
        return not self._events.empty()

    async def event(self, *, deadline_s: float) -> NumberedEvent:
        """The next event. Raises NotAccepted if none comes in time or the partition has stopped."""
        try:
            async with asyncio.timeout(deadline_s):
                told = await self._events.get()
        except TimeoutError:
            raise NotAccepted(f"nothing happened within {deadline_s:.3g} s: wait again") from None
        if isinstance(told, RopewalkError):
            raise told
        return told


class Listeners:
    """All of one partition."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._told = feed.last
        self._by_subject: dict[str, list[Heard]] = {}
        self._news = asyncio.Event()
        self._failure: RopewalkError | None = None

    @contextmanager
    def subject(self, subject: str) -> Iterator[Heard]:
        """Hear what happens to a subject, or below one that ends with `/`, until the block ends."""
        heard = Heard()
        if self._failure is not None:
            heard.tell(self._failure)
        self._by_subject.setdefault(subject, []).append(heard)
        try:
            yield heard
        finally:
            waiting = self._by_subject[subject]
            waiting.remove(heard)
            if not waiting:
                del self._by_subject[subject]

    async def wait_behind(self, after: int, *, deadline_s: float) -> None:
        """Return when there is an event behind number `after`, or when the time has passed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(deadline_s):
                while self._feed.last <= after:
                    await self._wait_for_news()

    def tell(self) -> None:
        """Tell the events that are new to those who wait for them."""
        feed, told = self._feed, self._told
        if feed.last == told:
            return
        self._told = feed.last
        for event in feed.behind(max(told, feed.oldest - 1), limit=feed.last - told) if self._by_subject else ():
            for subject in _about(event.event.subject):
                for heard in self._by_subject.get(subject, ()):
                    heard.tell(event)
        self._wake()

    def fail(self, error: RopewalkError) -> None:
        """Tell all of them that nothing more will happen here."""
        self._failure = error
        for waiting in self._by_subject.values():
            for heard in waiting:
                heard.tell(error)
        self._wake()

    async def _wait_for_news(self) -> None:
        if self._failure is not None:
            raise self._failure.with_traceback(None)
        await self._news.wait()

    def _wake(self) -> None:
        """Wake all who wait now; who waits from now on waits for what comes then."""
        self._news.set()
        self._news = asyncio.Event()


def _about(subject: str) -> Iterator[str]:
    """A subject and all that it is below: `a/b/` and `a/` for `a/b/c`."""
    yield subject
    end = len(subject) - 1
    while (end := subject.rfind("/", 0, end)) >= 0:
        yield subject[: end + 1]
