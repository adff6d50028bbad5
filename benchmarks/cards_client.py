"""Sends authorisations to a card port for some seconds, over many connections, and prints what it saw as JSON.

    python -m benchmarks.cards_client HOST PORT SECONDS CONNECTIONS IN_FLIGHT CARDS FIRST_TRACE

Messages are packed beforehand, but for what makes each another one, so that what is measured is the service.
"""

import asyncio
import json
import sys
import time
from datetime import UTC, datetime
from typing import cast

import numpy as np
import uvloop

from ropewalk.systems.payments.cards.codec import Codec
from ropewalk.systems.payments.cards.specification import load_specification
from ropewalk.systems.payments.cards.tokens import card_number

BIN = "400000"
_HEAD = 2
_TRACES = 1_000_000
_APPROVED = b"00"


class _Load:
    """What all connections share: the next message, when each was sent, and what came back."""

    def __init__(self, *, cards: int, first: int) -> None:
        codec = Codec(load_specification("1987-ascii"))
        now = datetime.now(UTC)
        # Each run names its messages by a second of its own: a trace number is used once in it.
        at = now.replace(hour=first % 24, minute=first % 60)
        fields = {
            "t": "0100", "3": "000000", "4": "000000000100", "7": f"{at:%m%d%H%M%S}", "11": "000000", "18": "5999",
            "32": "21000021", "37": "000000000000", "41": "TERM0001", "42": "MERCHANT       ", "49": "840",
        }  # fmt: skip
        packed = [codec.pack({**fields, "2": card_number(f"{BIN}{card:09}")}) for card in range(cards)]
        self._frames = [len(each).to_bytes(_HEAD, "big") + each for each in packed]
        self._trace = _HEAD + packed[0].index(b"000000" + b"5999")
        self._reference = _HEAD + packed[0].index(b"000000000000" + b"TERM")
        echoed = {number: text for number, text in fields.items() if number != "18"}
        answer = codec.pack({**echoed, "t": "0110", "2": "0" * 16, "38": "123456", "39": "00"})
        self.answer_trace = answer.index(b"000000" + b"08" + b"21000021")
        self.answer_code = answer.index(b"123456" + b"00") + 6
        self.sent_at = np.zeros(_TRACES)
        self.took: list[float] = []
        self.refused = 0
        self.next = 0

    def message(self) -> bytes:
        """The next message, and now is when it is sent."""
        number = self.next
        self.next += 1
        frame = self._frames[number % len(self._frames)]
        self.sent_at[number] = time.perf_counter()
        trace, reference = b"%06d" % number, b"%012d" % number
        middle = frame[self._trace + 6 : self._reference]
        return frame[: self._trace] + trace + middle + reference + frame[self._reference + 12 :]

    def heard(self, answer: bytes, now_s: float) -> None:
        """An answer has come."""
        number = int(answer[self.answer_trace : self.answer_trace + 6])
        self.took.append(now_s - self.sent_at[number])
        self.refused += answer[self.answer_code : self.answer_code + 2] != _APPROVED


class _Connection(asyncio.Protocol):
    """One of them, which keeps so many messages in flight until `until_s`."""

    def __init__(self, load: _Load, *, in_flight: int, until_s: float, ended: "asyncio.Future[None]") -> None:
        self._load = load
        self._open = in_flight
        self._until_s = until_s
        self._ended = ended
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)
        self._transport.write(b"".join([self._load.message() for _ in range(self._open)]))

    def data_received(self, data: bytes) -> None:
        now_s = time.perf_counter()
        data = self._rest + data
        start = answered = 0
        while len(data) - start > _HEAD:
            end = start + _HEAD + int.from_bytes(data[start : start + _HEAD], "big")
            if end > len(data):
                break
            self._load.heard(data[start + _HEAD : end], now_s)
            start = end
            answered += 1
        self._rest = data[start:]
        if now_s < self._until_s and answered:
            self._transport.write(b"".join([self._load.message() for _ in range(answered)]))
        elif answered:
            self._open -= answered
            if not self._open:
                self._transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        if not self._ended.done():
            self._ended.set_result(None)


async def _run(host: str, port: int, load: _Load, *, seconds: float, connections: int, in_flight: int) -> float:
    loop = asyncio.get_running_loop()
    began_s = time.perf_counter()
    ends = [loop.create_future() for _ in range(connections)]
    for number, ended in enumerate(ends):
        share = in_flight // connections + (number < in_flight % connections)
        await loop.create_connection(
            lambda share=share, ended=ended: _Connection(
                load, in_flight=share, until_s=began_s + seconds, ended=ended
            ),
            host,
            port,
        )
    await asyncio.gather(*ends)
    return time.perf_counter() - began_s


def main() -> None:
    """Run once and print a line of JSON."""
    host, *numbers = sys.argv[1:]
    port, seconds, connections, in_flight, cards, first = (int(each) for each in numbers)
    load = _Load(cards=cards, first=first)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        running = _run(host, port, load, seconds=seconds, connections=connections, in_flight=in_flight)
        took_s = runner.run(running)
    took_ms = np.array(load.took) * 1e3
    told = {
        "answered": len(load.took), "refused": load.refused, "lost": load.next - len(load.took), "seconds": took_s,
        "p50_ms": float(np.percentile(took_ms, 50)), "p99_ms": float(np.percentile(took_ms, 99)),
        "max_ms": float(took_ms.max()),
    }  # fmt: skip
    print(json.dumps(told))


if __name__ == "__main__":
    main()
