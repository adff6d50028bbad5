"""A leader's mail: deliveries that it was given and has not yet taken into its log, and what goes out to others.

A sender has one delivery on its way to a receiver at a time, so there are never more waiting here than there are
partitions. What a record takes in is bounded, and so is the outbox: past its bound callers wait elsewhere.

Checked by: tests/runtime/test_mail.py, ropewalk.proving.town
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence

from ropewalk.core.limits import MAIL_BYTES_MAX, MAIL_LETTERS_MAX
from ropewalk.core.mailbox import Delivery, Mailbox, Note
from ropewalk.errors import NotAccepted, Rejected, RopewalkError
from ropewalk.observability.metrics import PartitionMetrics
from ropewalk.runtime.calls import Bounds
from ropewalk.runtime.courier import Courier


class Arrival:
    """A delivery, and whoever waits to hear how far its sender's letters are taken in."""

    __slots__ = ("bytes", "delivery", "taken_in")

    def __init__(self, delivery: Delivery, taken_in: "asyncio.Future[int]") -> None:
        self.delivery = delivery
        self.bytes = sum([letter.size for letter in delivery.letters])
        self.taken_in = taken_in

    def answer(self, through: int) -> None:
        """Tell the sender, unless it has gone."""
        if not self.taken_in.done():
            self.taken_in.set_result(through)

    def fail(self, error: RopewalkError) -> None:
        """Tell the sender why not."""
        if not self.taken_in.done():
            self.taken_in.set_exception(error)


def letters_in(arrivals: Sequence[Arrival]) -> int:
    """How many letters these deliveries bring."""
    return sum([len(arrival.delivery.letters) for arrival in arrivals])


class Mail:
    """All of one partition. `arrived` wakes the loop that will take deliveries in."""

    def __init__(self, mailbox: Mailbox, courier: Courier | None, *, bounds: Bounds, arrived: asyncio.Event) -> None:
        self._mailbox = mailbox
        self._courier = courier
        self._bounds = bounds
        self._arrived = arrived
        self._waiting: deque[Arrival] = deque()
        self._in_flight: dict[Arrival, None] = {}

    async def offer(self, delivery: Delivery, *, log_name: str) -> int:
        """Return the number of the sender's last letter that is taken in, once this delivery's are.

        Raises Rejected if it is not for this log: its numbers mean nothing here.
        """
        if delivery.receiver != log_name:
            raise Rejected(f"a delivery to {delivery.receiver} came to {log_name}: deliver it there")
        arrival = Arrival(delivery, asyncio.get_running_loop().create_future())
        self._waiting.append(arrival)
        self._arrived.set()
        return await arrival.taken_in

    def take(self) -> list[Arrival]:
        """The next deliveries that fit one record; they are in flight until `finish` or `fail`."""
        taken: list[Arrival] = []
        letters = size = 0
        while self._waiting:
            letters += len(self._waiting[0].delivery.letters)
            size += self._waiting[0].bytes
            if taken and (letters > MAIL_LETTERS_MAX or size > MAIL_BYTES_MAX):
                break
            taken.append(self._waiting.popleft())
        self._in_flight.update(dict.fromkeys(taken))
        return taken

    def finish(self, arrivals: Sequence[Arrival]) -> None:
        """Tell the senders of these how far their letters are taken in."""
        for arrival in arrivals:
            arrival.answer(self._mailbox.taken_in(arrival.delivery.sender))
            self._in_flight.pop(arrival, None)

    def refuse(self, arrivals: Sequence[Arrival], error: RopewalkError) -> None:
        """The record that these were in was not written: tell their senders why."""
        for arrival in arrivals:
            arrival.fail(error)
            self._in_flight.pop(arrival, None)
        if self._courier is not None:
            self._courier.note_later()

    def measure(self, metrics: PartitionMetrics, arrivals: Sequence[Arrival]) -> None:
        """A record is applied: how many letters came with it, and how many wait to go out."""
        metrics.outbox_messages.set(self._mailbox.waiting)
        if arrivals:
            metrics.messages_taken_in.inc(letters_in(arrivals))

    def notes(self, arrivals: Sequence[Arrival]) -> list[Note]:
        """What the next record is to note: these deliveries, and what others have taken in of ours."""
        receipts = self._courier.receipts() if self._courier is not None else []
        return [*(arrival.delivery for arrival in arrivals), *receipts]

    @property
    def wants_record(self) -> bool:
        """True if what others have taken in should be noted though nobody asks anything."""
        return self._courier is not None and self._courier.receipts_are_due

    def take_ahead(self) -> Mapping[str, int]:
        """What others have taken in beyond what this leader knows to be sent: the log may know more."""
        if self._courier is None or not self._courier.ahead:
            return {}
        ahead, self._courier.ahead = self._courier.ahead, {}
        return ahead

    def check_sent(self, ahead: Mapping[str, int]) -> None:
        """Raise Damaged if that was never sent, now that the whole log was read."""
        if self._courier is not None:
            self._courier.check_sent(ahead)

    def carry(self, tasks: asyncio.TaskGroup) -> None:
        """Begin to deliver what was posted."""
        if self._courier is not None:
            self._courier.go(tasks)

    def check_room(self) -> None:
        """Raise NotAccepted while other partitions don't take in what this one has for them."""
        mailbox, bounds = self._mailbox, self._bounds
        if mailbox.waiting >= bounds.outbox_messages_max or mailbox.waiting_bytes >= bounds.outbox_bytes_max:
            raise NotAccepted(
                f"{mailbox.waiting} messages of {mailbox.waiting_bytes} bytes wait for other partitions, and "
                f"{bounds.outbox_messages_max} messages or {bounds.outbox_bytes_max} bytes may"
            )

    def fail(self, error: RopewalkError) -> None:
        """Deliver no more, and tell every sender that it must try again, here or elsewhere."""
        if self._courier is not None:
            self._courier.stop()
        for arrival in (*self._in_flight, *self._waiting):
            arrival.fail(error)
        self._in_flight.clear()
        self._waiting.clear()
