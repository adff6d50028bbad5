"""Who answers a message: the partition of the card's issuer, or its neighbour in its place.

    movement ──► partition of the issuer ──answer──────────────────────► answered
                        │ no, or not in time
                        └► the partition next to it, as a stand-in ────► answered, or nobody is told anything

Which partition has which issuer is asked of all of them, when a card comes whose issuer is not known yet. What may
have happened and may not is answered with silence: it is what the standard has for it, and its sender reverses it.

Promise:    a message is answered by the issuer, under its limits in its place, or not at all.
Not given:  the neighbour's answer, if its message comes again when the issuer is back and has not heard of it yet.
Checked by: tests/payments/cards/test_standing_in.py
"""

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from ropewalk.data.reads import Stale
from ropewalk.errors import NotAccepted, OutcomeUnknown, Rejected
from ropewalk.runtime.node import Node
from ropewalk.systems.payments.cards.commands import (
    Answer,
    ListProgrammes,
    Movement,
    ProgrammeView,
    StandIn,
    encode_command,
    encode_query,
)
from ropewalk.systems.payments.cards.desk import Desk, Failure
from ropewalk.systems.payments.cards.limits import ANSWER_S, STAND_IN_AFTER_S
from ropewalk.systems.payments.cards.reasons import Reason

Answered = Callable[[Answer | None], None]
"""What is called with the answer to a message; with None if nobody can say what became of it."""

_UNDECIDED: Final = (Reason.NOBODY_DECIDES, Reason.TRACE_USED)
"""What a neighbour answers that tells the issuer nothing of a message."""

_ASK_AGAIN_S: Final = 1.0
_OLD_S: Final = 30.0
"""Programmes are looked up again so long after the last time: their limits may have changed."""


class _Route(NamedTuple):
    """Where an issuer is."""

    partition: int
    programme: ProgrammeView


class Issuers:
    """The issuers of all partitions of one node."""

    def __init__(self, node: Node, *, tasks: asyncio.TaskGroup) -> None:
        self._node = node
        self._tasks = tasks
        self._loop = asyncio.get_running_loop()
        self._partitions = node.service.partitions
        deadline_s = STAND_IN_AFTER_S if self._partitions > 1 else ANSWER_S
        self._desks = [
            Desk(node, partition, tasks=tasks, deadline_s=deadline_s) for partition in range(self._partitions)
        ]
        self._routes: dict[str, _Route] = {}
        self._silent = False
        self._is_asking = False
        self._asked_at_s = -_ASK_AGAIN_S
        self._waiting: list[tuple[Movement, Answered]] = []

    def ask(self, movement: Movement, answered: Answered) -> None:
        """Have a message answered; `answered` is called once."""
        if self._partitions == 1:
            return self._desks[0].ask(encode_command(movement), lambda answer: answered(_final(answer)))
        route = self._routes.get(movement.masked[:6])
        age_s = self._loop.time() - self._asked_at_s
        if not self._is_asking and age_s >= (_ASK_AGAIN_S if route is None else _OLD_S):
            self._is_asking = True
            self._tasks.create_task(self._find_routes())
        if route is not None:
            return self._ask_issuer(route, movement, answered)
        if self._is_asking:
            return self._waiting.append((movement, answered))
        return answered(self._no_route())

    def _ask_issuer(self, route: _Route, movement: Movement, answered: Answered) -> None:
        def heard(answer: Answer | Failure) -> None:
            if isinstance(answer, NotAccepted | OutcomeUnknown):
                self._stand_in(route, movement, answered, because=answer)
            else:
                answered(_final(answer))

        self._desks[route.partition].ask(encode_command(movement), heard)

    def _stand_in(self, route: _Route, movement: Movement, answered: Answered, *, because: Failure) -> None:
        def heard(answer: Answer | Failure) -> None:
            # Where nothing was decided the issuer is told nothing, and it may have said yes before it fell silent.
            is_decided = isinstance(answer, Answer) and answer.reason not in _UNDECIDED
            is_known = is_decided or not isinstance(because, OutcomeUnknown)
            answered(_final(answer) if is_known else None)

        programme = route.programme
        command = StandIn(route.partition, movement, programme.stand_in_minor, programme.stand_in_day_minor)
        neighbour = self._desks[(route.partition + 1) % self._partitions]
        neighbour.ask(encode_command(command), heard)

    async def _find_routes(self) -> None:
        """Ask every partition for its issuers, and then answer those who waited for that."""
        silent = False
        for partition, leader in enumerate(self._node.leaders):
            try:
                read = await leader.read(encode_query(ListProgrammes()), level=Stale(_OLD_S), deadline_s=ANSWER_S)
            except NotAccepted:
                silent = True
                continue
            for programme in msgspec.msgpack.decode(read.answer, type=list[ProgrammeView]):
                self._routes[programme.bin] = _Route(partition, programme)
        self._silent = silent
        self._asked_at_s, self._is_asking = self._loop.time(), False
        waiting, self._waiting = self._waiting, []
        for movement, answered in waiting:
            self.ask(movement, answered)

    def _no_route(self) -> Answer:
        """The issuer is nowhere, or where nobody answers."""
        return Answer(Reason.ISSUER_UNAVAILABLE if self._silent else Reason.NO_ISSUER)


def _final(answer: Answer | Failure) -> Answer | None:
    match answer:
        case OutcomeUnknown():
            return None
        case NotAccepted() | Rejected():
            return Answer(Reason.ISSUER_UNAVAILABLE)
        case _:
            return answer
