"""A client over several targets: where deadlines, retries, breakers, bulkheads, hedging and balancing meet.

    call ──► choose a target ──► place in its line ──► permit of its breaker ──► send ──► answer
                ▲                                                                 │
                └── pause ◄── again? ◄──────────────────────────────────── error ─┘
                                            (a stale read that is late goes to a second target as well)

Each decision is made by a pure machine; this file waits, and tells them what happened.

Promise:    a call ends by its deadline; a request without an id is sent again only if it surely did not happen; calls
            under way and waiting are bounded, for each target; a caller who goes away frees what it held.
Not given:  any order between calls; that a request with OutcomeUnknown had no effect.
Checked by: tests/communication/test_client.py
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Generic, Protocol, TypeVar

import msgspec

from ropewalk.communication.balancing import Balancer, Standing
from ropewalk.communication.breaker import Breaker, State
from ropewalk.communication.bulkhead import Bulkhead
from ropewalk.communication.deadlines import Deadline, deadline_in
from ropewalk.communication.hedging import Hedging
from ropewalk.communication.limits import BREAKER_OPEN_S, TARGETS_MAX
from ropewalk.communication.line import Line
from ropewalk.communication.outcomes import sign_of
from ropewalk.communication.retries import Failure, Nature, Retries
from ropewalk.core.limits import DEADLINE_DEFAULT_S
from ropewalk.errors import NotAccepted, OutcomeUnknown, Rejected, RopewalkError

Q = TypeVar("Q")
A = TypeVar("A")
Asked = TypeVar("Asked", contravariant=True)
Answered = TypeVar("Answered", covariant=True)


class Target(Protocol[Asked, Answered]):
    """Who can be asked: a node over HTTP, a partition of this process, anything that answers."""

    @property
    def name(self) -> str:
        """For messages and metrics."""
        ...

    async def send(self, request: Asked, *, deadline: Deadline) -> Answered:
        """Ask, and wait until the deadline at most.

        Rejected        no, and never: the request is wrong
        NotAccepted     no, not now; `Unreachable` if there was no connection
        OutcomeUnknown  no answer came, or none that can be read
        """
        ...


class TargetState(msgspec.Struct, frozen=True):
    """How one target is seen from here."""

    name: str
    breaker: State
    standing: Standing
    running: int
    waiting: int
    latency_s: float


class ClientState(msgspec.Struct, frozen=True):
    """How a client is. The numbers of retries, of second reads and of deadlines that passed only grow."""

    targets: Sequence[TargetState]
    retry_tokens: float
    hedge_tokens: float
    retries: int
    hedges: int
    deadlines_passed: int


class _Request(msgspec.Struct, Generic[Q], frozen=True):
    """A request on its way through attempts, and the targets that have failed it so far."""

    asked: Q
    nature: Nature
    deadline: Deadline
    failed: set[int]


class Client(Generic[Q, A]):
    """Asks one of its targets. `draw` gives random numbers from 0 to 1, without 1."""

    def __init__(
        self,
        targets: Sequence[Target[Q, A]],
        *,
        draw: Callable[[], float],
        bulkhead: Callable[[], Bulkhead] = Bulkhead,
    ) -> None:
        if not 1 <= len(targets) <= TARGETS_MAX:
            raise Rejected(f"a client was given {len(targets)} targets: give it 1 to {TARGETS_MAX}")
        self._targets = targets
        self._draw = draw
        self._lines = [Line(target.name, bulkhead()) for target in targets]
        self._breakers = [Breaker() for _ in targets]
        self._balancer = Balancer(len(targets))
        self._retries = Retries()
        self._hedging = Hedging()
        self._retried = self._hedged = self._late = 0
        self._now_s = asyncio.get_running_loop().time

    async def call(self, request: Q, *, nature: Nature, deadline_s: float = DEADLINE_DEFAULT_S) -> A:
        """Ask, again if need be, until there is an answer or an error that stands.

        Rejected        no, and never
        NotAccepted     nothing happened in any attempt: no target had room, or was well, in time
        OutcomeUnknown  perhaps it happened
        """
        deadline = deadline_in(deadline_s, now_s=self._now_s())
        sent = _Request(request, nature, deadline, set())
        self._retries.budget.earn(self._now_s())
        attempts, lost = 0, None
        while True:
            attempts += 1
            try:
                return await self._attempt(sent)
            except RopewalkError as error:
                failure = Failure(error, nature, attempts, deadline, self._has_other(sent.failed))
                pause_s = self._retries.pause_s(failure, now_s=self._now_s(), draw=self._draw())
                if nature is Nature.REPEATABLE_WRITE and isinstance(error, OutcomeUnknown):
                    lost = error
                if pause_s is None and lost is not None and isinstance(error, NotAccepted):
                    # The last attempt surely did nothing; an earlier one perhaps did.
                    raise lost from error
                if pause_s is None:
                    raise
            self._retried += 1
            await asyncio.sleep(pause_s)

    def state(self) -> ClientState:
        """How it is now, for metrics."""
        now_s = self._now_s()
        each = zip(self._lines, self._breakers, self._balancer.members, strict=True)
        return ClientState(
            targets=[
                TargetState(
                    name=line.name,
                    breaker=breaker.state,
                    standing=member.standing(now_s),
                    running=line.bulkhead.running,
                    waiting=line.bulkhead.waiting,
                    latency_s=member.latency_s,
                )
                for line, breaker, member in each
            ],
            retry_tokens=self._retries.budget.tokens,
            hedge_tokens=self._hedging.budget.tokens,
            retries=self._retried,
            hedges=self._hedged,
            deadlines_passed=self._late,
        )

    async def _attempt(self, request: _Request[Q]) -> A:
        """Ask one target; a stale read that is late asks a second one."""
        began_s = self._now_s()
        late_after_s = self._hedging.begin(request.nature, now_s=began_s)
        first = self._choose(request.failed)
        if late_after_s is None or len(self._targets) == 1:
            answer = await self._ask(first, request)
        else:
            answer = await self._ask_twice(first, request, late_after_s=late_after_s)
        if request.nature is Nature.STALE_READ:
            self._hedging.answered(self._now_s() - began_s)
        return answer

    async def _ask_twice(self, first: int, request: _Request[Q], *, late_after_s: float) -> A:
        """Ask one target, and another when it is late. The first answer counts; who is slower is given up."""
        outcome: A | Exception
        try:
            async with asyncio.TaskGroup() as tasks:
                asked = [tasks.create_task(self._outcome(first, request))]
                await asyncio.wait(asked, timeout=late_after_s)
                second = None if asked[0].done() else self._permitted({*request.failed, first})
                if second is not None and self._hedging.may_send_second(self._now_s()):
                    self._hedged += 1
                    asked.append(tasks.create_task(self._outcome(second, request)))
                outcome = await _first_answer(asked)
                for task in asked:
                    task.cancel()
        except ExceptionGroup as group:
            # A bug in an attempt comes out as itself, as it does where there is one attempt.
            outcome = group.exceptions[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def _outcome(self, number: int, request: _Request[Q]) -> A | RopewalkError:
        try:
            return await self._ask(number, request)
        except RopewalkError as error:
            return error

    def _choose(self, avoided: Collection[int]) -> int:
        """A target to ask; one that is to be avoided only if there is no other."""
        number = self._permitted(avoided)
        if number is None:
            number = self._permitted(())
        if number is None:
            detail = f"all {len(self._targets)} targets have failed and are left alone for a while: nothing was sent"
            raise NotAccepted(detail, retry_after_s=BREAKER_OPEN_S)
        return number

    def _permitted(self, avoided: Collection[int]) -> int | None:
        """A target whose breaker lets calls through, and none that is to be avoided."""
        now_s = self._now_s()
        shut = {number for number, breaker in enumerate(self._breakers) if not breaker.would_permit(now_s)}
        draws = (self._draw(), self._draw())
        return self._balancer.choose(now_s=now_s, draws=draws, excluded=shut.union(avoided))

    def _has_other(self, avoided: Collection[int]) -> bool:
        """Whether a target is there that is sound, and none that is to be avoided."""
        number, now_s = self._permitted(avoided), self._now_s()
        return number is not None and self._balancer.members[number].standing(now_s) is Standing.SOUND

    async def _ask(self, number: int, request: _Request[Q]) -> A:
        """Wait for a place at a target, and ask it."""
        try:
            async with self._lines[number].place(wait_s=request.deadline.left_s(self._now_s())):
                return await self._send(number, request)
        except RopewalkError:
            request.failed.add(number)
            raise

    async def _send(self, number: int, request: _Request[Q]) -> A:
        """Ask a target, and tell the machines what became of it."""
        target, breaker, began_s = self._targets[number], self._breakers[number], self._now_s()
        onward = request.deadline.for_next_hop(began_s)
        if onward.has_passed(began_s):
            raise NotAccepted(f"the deadline is too near to ask {target.name}: nothing was sent")
        permit = breaker.ask(began_s)
        if permit is None:
            raise NotAccepted(f"{target.name} has failed and is left alone for a while: nothing was sent")
        self._balancer.begin(number)
        error: RopewalkError | None = None
        has_ended = False
        try:
            async with asyncio.timeout(request.deadline.left_s(began_s)):
                answer = await target.send(request.asked, deadline=onward)
            has_ended = True
        except RopewalkError as failed:
            error = failed
            raise
        except TimeoutError:
            error = OutcomeUnknown(f"{target.name} did not answer by the deadline: it may have happened")
            raise error from None
        finally:
            self._balancer.end(number)
            self._late += error is not None and onward.has_passed(self._now_s())
            if has_ended or error is not None:
                breaker.tell(permit, sign_of(error), now_s=self._now_s())
                self._weigh(number, error, took_s=self._now_s() - began_s)
            else:
                breaker.give_up(permit)
        return answer

    def _weigh(self, number: int, error: RopewalkError | None, *, took_s: float) -> None:
        retry_after_s = error.retry_after_s if isinstance(error, NotAccepted) else 0.0
        sign = sign_of(error)
        self._balancer.tell(number, sign, now_s=self._now_s(), latency_s=took_s, retry_after_s=retry_after_s)


async def _first_answer(asked: Sequence["asyncio.Task[A | RopewalkError]"]) -> A | RopewalkError:
    """The first that is no error, else the first error of the list."""
    waiting = list(asked)
    while waiting:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        outcomes = [task.result() for task in asked if task.done()]
        good = [outcome for outcome in outcomes if not isinstance(outcome, RopewalkError)]
        if good:
            return good[0]
        waiting = [task for task in waiting if not task.done()]
    return asked[0].result()
