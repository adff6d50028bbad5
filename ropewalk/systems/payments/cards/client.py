"""A connection to whoever answers card messages: many in flight, each answer found by its trace number and time.

    async with connected_cards(host, port, specification) as client:
        answer = await client.ask({"t": "0800", "7": …, "11": …, "70": "301"})

Checked by: tests/payments/cards/test_server.py
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

from ropewalk.errors import NotAccepted, OutcomeUnknown
from ropewalk.runtime.tasks import beside
from ropewalk.systems.payments.cards.codec import Codec, Fields
from ropewalk.systems.payments.cards.framing import Frames, framed
from ropewalk.systems.payments.cards.limits import ANSWER_S, READ_BYTES
from ropewalk.systems.payments.cards.specification import Specification


@asynccontextmanager
async def connected_cards(host: str, port: int, specification: Specification) -> AsyncIterator["CardClient"]:
    """A connection until the block ends. Raises NotAccepted if nobody listens there."""
    try:
        reader, writer = await asyncio.open_connection(host, port)
    except OSError as error:
        raise NotAccepted(f"nobody answers card messages at {host}, port {port} ({error.strerror})") from error
    client = CardClient(reader, writer, specification)
    try:
        async with beside(client.listen()):
            yield client
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


class CardClient:
    """Made by `connected_cards`."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, specification: Specification
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._codec = Codec(specification)
        self._framing = specification.framing
        self._asked: dict[tuple[str, str], asyncio.Future[Fields]] = {}

    async def ask(self, fields: Mapping[str, str], *, deadline_s: float = 2 * ANSWER_S) -> Fields:
        """Send a message and return the fields of its answer. Its trace number and time are of no other in flight.

        Raises OutcomeUnknown if no answer comes in time, or the connection ends: reverse what was asked.
        """
        name = (fields["11"], fields["7"])
        answer: asyncio.Future[Fields] = asyncio.get_running_loop().create_future()
        self._asked[name] = answer
        self._writer.write(framed(self._codec.pack(fields), self._framing))
        try:
            async with asyncio.timeout(deadline_s):
                await self._writer.drain()
                return await answer
        except TimeoutError:
            raise OutcomeUnknown(f"no answer to trace number {name[0]} in {deadline_s} s: reverse it") from None
        except ConnectionError as error:
            raise OutcomeUnknown(f"the connection ended before trace number {name[0]} was answered") from error
        finally:
            self._asked.pop(name, None)

    async def listen(self) -> None:
        """Take in answers until the other side closes."""
        frames = Frames(self._framing)
        # A connection that is broken is one that the other side has closed.
        with suppress(ConnectionError):
            while received := await self._reader.read(READ_BYTES):
                for message in frames.feed(received):
                    self._heard(self._codec.unpack(message))
        for asked in self._asked.values():
            if not asked.done():
                asked.set_exception(OutcomeUnknown("the connection was closed before the answer: ask on a new one"))

    def _heard(self, answer: Fields) -> None:
        asked = self._asked.get((answer.get("11", ""), answer.get("7", "")))
        if asked is not None and not asked.done():
            asked.set_result(answer)
