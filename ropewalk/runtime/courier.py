"""What carries a partition's messages to others: one delivery at a time to each receiver, until it is taken in.

    outbox ──letters behind the last taken in──► transport ──► receiver's leader
      ▲                                                             │
      └──── receipt, in a record of the sender ◄── taken in through ┘

What was taken in is remembered here at once and in the log a little later, with the next record: a leader that starts
in between delivers again what the receiver then passes over.

Promise:    every letter of the outbox is delivered again and again until its receiver has taken it in, and leaves the
            outbox soon after.
Checked by: tests/runtime/test_mail.py, ropewalk.proving.town
"""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from itertools import chain, repeat

from ropewalk.communication.transport import Transport
from ropewalk.core.limits import (
    DELIVERY_BYTES_MAX,
    DELIVERY_LETTERS_MAX,
    DELIVERY_RETRY_DELAYS_S,
    RECEIPT_DELAY_S,
)
from ropewalk.core.mailbox import Delivery, Mailbox, Receipt
from ropewalk.errors import Damaged, RopewalkError

LOG = logging.getLogger("ropewalk")


class Courier:
    """One leader's. `arrived` wakes the loop that writes receipts, and that looks into what is `ahead`.

    `ahead`: what receivers have taken in beyond what was sent, as far as this leader knows.
    """

    def __init__(self, mailbox: Mailbox, transport: Transport, *, log_name: str, arrived: asyncio.Event) -> None:
        self._mailbox = mailbox
        self._transport = transport
        self._log_name = log_name
        self._arrived = arrived
        self._taken_in: dict[str, int] = {}
        self._rounds: dict[str, asyncio.Task[None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self.receipts_are_due = False
        self.ahead: dict[str, int] = {}

    def go(self, tasks: asyncio.TaskGroup) -> None:
        """Begin to deliver what waits for receivers that nothing is on its way to."""
        for receiver in self._mailbox.receivers():
            if receiver not in self._rounds and self._mailbox.sent(receiver) > self._taken_in.get(receiver, 0):
                self._rounds[receiver] = tasks.create_task(self._round(receiver))

    def receipts(self) -> list[Receipt]:
        """What is to be noted in the next record."""
        self.receipts_are_due = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return [
            Receipt(receiver, through)
            for receiver, through in self._taken_in.items()
            if self._mailbox.settled(receiver) < through <= self._mailbox.sent(receiver)
        ]

    def check_sent(self, ahead: Mapping[str, int]) -> None:
        """Raise Damaged if that was never sent, by a state that includes the whole log."""
        for receiver, through in ahead.items():
            sent = self._mailbox.sent(receiver)
            if through > sent:
                raise Damaged(
                    f"{receiver} has taken in {through} messages of {self._log_name}, which has sent {sent}: records "
                    "that were acknowledged are missing here; restore this log from a replica or a newer backup"
                )

    def note_later(self) -> None:
        """What the last record was to note is not noted, because there is no such record."""
        if any(self._is_to_be_noted(receiver) for receiver in self._taken_in):
            self._wait_to_note()

    def stop(self) -> None:
        """Deliver no more."""
        for task in self._rounds.values():
            task.cancel()
        if self._timer is not None:
            self._timer.cancel()

    async def _round(self, receiver: str) -> None:
        """Deliver until nothing is left for this receiver."""
        delays = _delays()
        try:
            while self._mailbox.sent(receiver) > self._taken_in.get(receiver, 0):
                if await self._has_gone_on(receiver):
                    delays = _delays()
                else:
                    await asyncio.sleep(next(delays))
        finally:
            self._rounds.pop(receiver, None)

    async def _has_gone_on(self, receiver: str) -> bool:
        """Deliver once; True if the receiver has taken in more than before."""
        try:
            through = await self._transport.deliver(self._delivery(receiver))
        except RopewalkError as error:
            LOG.debug("%s: nothing was delivered to %s: %s", self._log_name, receiver, error)
            return False
        if through <= self._taken_in.get(receiver, 0):
            # Only a receiver that lost its state says so, and it would say it again at once.
            LOG.warning("%s: %s has taken in no more than %d", self._log_name, receiver, through)
            return False
        self._taken_in[receiver] = through
        if through > self._mailbox.sent(receiver):
            # Another leads and has sent more than this one knows of, or the log has lost what was acknowledged.
            self.ahead[receiver] = through
            self._arrived.set()
        self._wait_to_note()
        return True

    def _delivery(self, receiver: str) -> Delivery:
        first, letters = self._mailbox.letters(
            receiver,
            after=self._taken_in.get(receiver, 0),
            count_max=DELIVERY_LETTERS_MAX,
            bytes_max=DELIVERY_BYTES_MAX,
        )
        return Delivery(self._log_name, receiver, first, letters)

    def _is_to_be_noted(self, receiver: str) -> bool:
        return self._taken_in[receiver] > self._mailbox.settled(receiver)

    def _wait_to_note(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(RECEIPT_DELAY_S, self._be_due)

    def _be_due(self) -> None:
        self._timer = None
        self.receipts_are_due = True
        self._arrived.set()


def _delays() -> Iterator[float]:
    return chain(DELIVERY_RETRY_DELAYS_S, repeat(DELIVERY_RETRY_DELAYS_S[-1]))
