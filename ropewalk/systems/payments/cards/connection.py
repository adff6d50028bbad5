"""One connection: messages in, answers out in the order in which they are ready.

    bytes ──► frames ──► waiting ──► in flight (bounded) ──► answered ──► bytes

Nothing more is read while too much is in flight, or while the other side does not fetch its answers. A message that
can't be read is answered with a format error; a length that can't be, after which nothing can be told apart, ends
the connection, and no other.

Promise:    every message that is read is answered, unless what became of it can't be known; nothing that is logged
            or traced holds more of a card than `masking` shows.
Checked by: tests/payments/cards/test_server.py, tests/payments/cards/test_secrets.py
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple, Protocol, cast

from opentelemetry.trace import INVALID_SPAN, Span, SpanKind

from ropewalk.errors import Rejected
from ropewalk.observability.traces import TRACER
from ropewalk.systems.payments.cards.codec import Codec, Fields, Malformed, Read
from ropewalk.systems.payments.cards.commands import Answer, Movement
from ropewalk.systems.payments.cards.framing import Frames, framed
from ropewalk.systems.payments.cards.issuers import Issuers
from ropewalk.systems.payments.cards.limits import IN_FLIGHT_MAX, UNREAD_BYTES_MAX
from ropewalk.systems.payments.cards.masking import shown
from ropewalk.systems.payments.cards.messages import (
    NETWORK,
    Management,
    answer_fields,
    is_answer,
    movement_of,
    reject_fields,
)
from ropewalk.systems.payments.cards.reasons import Reason
from ropewalk.systems.payments.cards.specification import SignOn
from ropewalk.systems.payments.cards.tokens import CardKey

LOG: Final = logging.getLogger("ropewalk")


class Host(NamedTuple):
    """What all connections of a server share."""

    codec: Codec
    key: CardKey
    issuers: Issuers
    is_tracing: bool


class Owner(Protocol):
    """Who keeps the connections."""

    def opened(self, connection: "Connection") -> bool:
        """Take note of a connection; False if there is no room for it."""
        ...

    def closed(self, connection: "Connection") -> None:
        """Forget a connection."""
        ...

    def answered(self, message_type: str, code: str) -> None:
        """Count an answer."""
        ...


class Connection(asyncio.Protocol):
    """Made by the server for each that comes in."""

    def __init__(self, host: Host, owner: Owner) -> None:
        self._host = host
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._framing = host.codec.specification.framing
        self._frames = Frames(self._framing)
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[bytes] = deque()
        self._ready: list[bytes] = []
        self._in_flight = 0
        self._is_heard = True
        self._is_reading = True
        self._is_stopping = False
        self._is_signed_on = host.codec.specification.sign_on is SignOn.OPTIONAL
        self.heard_at_s = self._loop.time()

    # What asyncio tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, if there is room."""
        self._transport = cast(asyncio.Transport, transport)
        if not self._owner.opened(self):
            self._transport.abort()
            return
        self._transport.set_write_buffer_limits(high=UNREAD_BYTES_MAX)

    def data_received(self, data: bytes) -> None:
        """Take what came, as far as there is room for it."""
        try:
            self._waiting += self._frames.feed(data)
        except Rejected as error:
            LOG.info("a card connection is closed: %s", error)
            self._reject(Malformed(str(error), field="t", read={}))
            self.stop()
        if self._waiting:
            self.heard_at_s = self._loop.time()
        self._take()

    def pause_writing(self) -> None:
        """The other side does not fetch its answers."""
        self._is_heard = False
        self._take()

    def resume_writing(self) -> None:
        """It has fetched them."""
        self._is_heard = True
        self._take()

    def connection_lost(self, _: Exception | None) -> None:
        """The other side has gone, or we have: answers that come now have nowhere to go."""
        self._transport = None
        self._owner.closed(self)

    # What the server tells.

    def stop(self, *, at_once: bool = False) -> None:
        """Read nothing more, answer what was read, then close; or close at once."""
        self._is_stopping = True
        if at_once and self._transport is not None:
            self._transport.abort()
        self._take()

    # From a message to its answer.

    @property
    def _has_room(self) -> bool:
        """True if another message may be taken in this turn of the event loop."""
        return self._is_heard and self._in_flight + len(self._ready) < IN_FLIGHT_MAX

    def _take(self) -> None:
        """Handle what waits while there is room, and read on only if nothing does."""
        while self._waiting and self._has_room:
            self._handle(self._waiting.popleft())
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self._is_stopping and not self._waiting and not self._in_flight and not self._ready:
            transport.close()
            return
        reads = self._has_room and not self._waiting and not self._is_stopping
        if reads != self._is_reading:
            self._is_reading = reads
            (transport.resume_reading if reads else transport.pause_reading)()

    def _handle(self, message: bytes) -> None:
        codec = self._host.codec
        try:
            read = codec.read(message)
            if is_answer(read.fields["t"]):
                return
            asked = self._asked(read.fields)
        except Malformed as malformed:
            LOG.info("a card message can't be read: %s %s", malformed, shown(malformed.read))
            self._reject(malformed)
            return
        span = self._span(read.fields)
        if isinstance(asked, Reason):
            self._answer(read, span, Answer(asked))
            return
        self._in_flight += 1
        self._host.issuers.ask(asked, partial(self._answered, read, span))

    def _asked(self, fields: Fields) -> Movement | Reason:
        """What is to be asked, or the answer to what need not be. Raises Malformed."""
        if fields["t"] in NETWORK:
            return self._manage(fields)
        flag = self._host.codec.specification.partial_approval
        asked = movement_of(fields, self._host.key, partial=flag)
        return asked if self._is_signed_on else Reason.NOT_SIGNED_ON

    def _answered(self, read: Read, span: Span, answer: Answer | None) -> None:
        self._in_flight -= 1
        if answer is None:
            span.end()
            self._take()
        else:
            self._answer(read, span, answer)

    def _answer(self, read: Read, span: Span, answer: Answer) -> None:
        fields = answer_fields(read.fields, answer)
        self._write(fields, partial(self._host.codec.answer, fields, read))
        if span.is_recording():
            span.set_attributes({"iso8583.response_code": fields["39"]})
        span.end()

    def _reject(self, malformed: Malformed) -> None:
        fields = reject_fields(malformed)
        if fields is not None:
            self._write(fields, partial(self._host.codec.pack, fields))

    def _manage(self, fields: Fields) -> Reason:
        """Sign on, sign off, or say that we are here."""
        match fields.get("70"):
            case Management.SIGN_ON:
                self._is_signed_on = True
            case Management.SIGN_OFF:
                self._is_signed_on = False
            case Management.ECHO:
                pass
            case _:
                return Reason.UNSUPPORTED
        return Reason.APPROVED

    def _span(self, fields: Fields) -> Span:
        if not self._host.is_tracing:
            return INVALID_SPAN
        attributes = {f"iso8583.{number}": text for number, text in shown(fields).items()}
        return TRACER.start_span(f"iso8583 {fields['t']}", kind=SpanKind.SERVER, attributes=attributes)

    def _write(self, fields: Fields, packed: Callable[[], bytes]) -> None:
        if self._transport is None:
            return
        try:
            message = framed(packed(), self._framing)
        except Rejected:
            # What it repeats may not fit the specification, nor words of ours; nor all of it one message.
            message = framed(self._host.codec.pack({"t": fields["t"], "39": fields["39"]}), self._framing)
        self._owner.answered(fields["t"], fields["39"])
        if not self._ready:
            self._loop.call_soon(self._flush)
        self._ready.append(message)

    def _flush(self) -> None:
        """Send the answers that became ready in one turn of the event loop: one call for all of them."""
        ready, self._ready = self._ready, []
        if self._transport is None:
            return
        self._transport.write(b"".join(ready))
        self._take()
