"""Commands on their way to one partition: those that came in one turn of the event loop go there in few calls.

So hundreds of connections cost the partition as little as one, and a message costs no task of its own.

Checked by: tests/payments/cards/test_server.py
"""

import asyncio
from collections.abc import Callable

from ropewalk.core.machine import NO_ID, Request
from ropewalk.errors import NotAccepted, OutcomeUnknown, Rejected
from ropewalk.runtime.node import Node
from ropewalk.systems.payments.cards.commands import Answer, decode_reply
from ropewalk.systems.payments.cards.limits import CALL_MESSAGES_MAX

Failure = NotAccepted | OutcomeUnknown | Rejected
Answered = Callable[[Answer | Failure], None]
"""What is called with the machine's answer, or with why there is none."""


class Desk:
    """The way to one partition. `tasks` outlives it."""

    def __init__(self, node: Node, partition: int, *, tasks: asyncio.TaskGroup, deadline_s: float) -> None:
        self._node = node
        self._partition = partition
        self._tasks = tasks
        self._deadline_s = deadline_s
        self._loop = asyncio.get_running_loop()
        self._asked: list[tuple[Request, Answered]] = []

    def ask(self, command: bytes, answered: Answered) -> None:
        """Have a command applied; `answered` is called once."""
        if not self._asked:
            self._loop.call_soon(self._send)
        self._asked.append((Request(NO_ID, command), answered))

    def _send(self) -> None:
        asked, self._asked = self._asked, []
        for start in range(0, len(asked), CALL_MESSAGES_MAX):
            self._tasks.create_task(self._submit(asked[start : start + CALL_MESSAGES_MAX]))

    async def _submit(self, asked: list[tuple[Request, Answered]]) -> None:
        requests = [request for request, _ in asked]
        try:
            answers = await self._node.submit(requests, partition=self._partition, deadline_s=self._deadline_s)
        except (NotAccepted, OutcomeUnknown, Rejected) as error:
            for _, answered in asked:
                answered(error)
            return
        for (_, answered), reply in zip(asked, answers.replies, strict=True):
            decoded = decode_reply(reply or b"")
            answered(decoded if isinstance(decoded, Answer) else Rejected(f"{decoded} answers no message"))
